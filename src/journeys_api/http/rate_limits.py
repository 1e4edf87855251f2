"""Who may call how often: slowapi's limiter, asked by the doors without a request, because the bucket is no URL."""

import math
import threading
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage
from limits.strategies import STRATEGIES
from slowapi import Limiter

from journeys_api.commands.registry import Limit
from journeys_api.errors import TooManyRequests
from journeys_api.http.ring_storage import RingStorage, steady_time

if TYPE_CHECKING:
    from journeys_api.http.shared_storage import SharedStorage

log = structlog.get_logger()

ADDRESS_LIMIT = Limit(300, 60)
"""What one client address may do without a valid credential: public calls, refused credentials, failed logins."""

BROWSER_LIMIT = Limit(600, 60)
"""How often one client address may report events of websites."""

SITE_LIMIT = Limit(5000, 60)
"""How often the visitors of one website may, all together: as often as its own server (`event.track`)."""

LOGIN_LIMIT = Limit(10, 60)
"""Failed logins of one account name from one client address."""

STORE_TIMEOUT_SECONDS = 0.2
"""The event loop waits for the store: one that takes longer than this is as good as away."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
"""After a failure the store is left alone for the first pause, then twice as long each time, up to the longest."""

STRATEGY = "moving-window"


class Quota(NamedTuple):
    """How one bucket stands after a hit."""

    allowed: bool
    limit: int
    """Hits in a window; 0: nothing is limited here."""
    remaining: int
    reset_seconds: int
    """Until the oldest hit leaves the window; of a refused call: the wait that is enough. At least 1."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer says of it; nothing where nothing is limited."""
        if not self.limit:
            return []
        reset = str(self.reset_seconds).encode()
        headers = [
            (b"ratelimit-limit", str(self.limit).encode()),
            (b"ratelimit-remaining", str(self.remaining).encode()),
            (b"ratelimit-reset", reset),
        ]
        if not self.allowed:
            headers.append((b"retry-after", reset))
        return headers


UNLIMITED = Quota(allowed=True, limit=0, remaining=0, reset_seconds=1)


class RateLimits:
    """Every count of calls, refused credentials and failed logins. Called from one thread: the event loop's.

    Args:
        storage_uri: `redis://…` or `valkey://…` where several processes count together; None: this process's memory.
        enabled: False counts and limits nothing.
        processes: how many processes serve. Each counts its share of a limit while there is no store to share.
        clock: seconds that never go back.

    Raises:
        ValueError: the URI names no storage that can count for several processes.
    """

    def __init__(
        self,
        *,
        storage_uri: str | None,
        enabled: bool = True,
        processes: int = 1,
        clock: Callable[[], float] = steady_time,
    ) -> None:
        self._clock = clock
        self._processes = max(1, processes)
        self.limiter = _StoreLimiter(storage_uri=storage_uri if enabled else None, enabled=enabled, clock=clock)

    def hit_command(self, *, account: str, command: str, limit: Limit) -> Quota:
        """Count a call of the account, whichever door and credential it came by.

        Args:
            command: the declared name, not the spelling of the call.
        """
        return self._bucket(limit, "command", account, command)

    def hit_address(self, address: str) -> Quota:
        """Count a call of a public command without a valid credential."""
        return self._bucket(ADDRESS_LIMIT, "address", _network(address))

    def hit_browser(self, address: str) -> Quota:
        """Count a report of website events from a client address."""
        return self._bucket(BROWSER_LIMIT, "browser", _network(address))

    def hit_site(self, site: str) -> Quota:
        """Count a report of website events for a website."""
        return self._bucket(SITE_LIMIT, "site", site)

    def refused_credential(self, address: str) -> Quota:
        """Count a refused credential (99998), over all commands; not allowed: answer 429 in its place."""
        return self._bucket(ADDRESS_LIMIT, "refused", _network(address))

    def count(self, *, account: str, address: str) -> Callable[[], None]:
        """Count a login as failed before it is judged: of those sent together, no more are judged than may fail.

        Args:
            account: one text for each account, by whichever of its names it is tried.

        Returns:
            What takes the count back, for a login that has not failed.

        Raises:
            TooManyRequests: this account from this address, or this address, has failed too often; nothing is counted.
        """
        network = _network(address)
        buckets: list[tuple[Limit, str, tuple[str, ...]]] = [
            (LOGIN_LIMIT, "login", (account, network)),
            (ADDRESS_LIMIT, "logins", (network,)),
        ]
        quotas = [self._bucket(limit, kind, *fields) for limit, kind, fields in buckets]
        counted = [bucket for bucket, quota in zip(buckets, quotas, strict=True) if quota.allowed]

        def take_back() -> None:
            for limit, kind, fields in counted:
                self._take_back(limit, kind, *fields)

        if len(counted) < len(buckets):
            take_back()
            raise TooManyRequests(max(quota.reset_seconds for quota in quotas if not quota.allowed))
        return take_back

    def close(self) -> None:
        """Hang up on the store."""
        self.limiter.close()

    def _bucket(self, limit: Limit, kind: str, *fields: str) -> Quota:
        limiter = self.limiter
        if not limiter.enabled:
            return UNLIMITED
        key = _key(fields)
        if limiter.is_shared and limiter.answers():
            try:
                return self._hit(_item(kind, limit.count, limit.seconds), key)
            except StorageError as error:
                limiter.lose(error)
        return self._hit(self._share(kind, limit), key)

    def _share(self, kind: str, limit: Limit) -> RateLimitItem:
        """What this process counts by itself."""
        return _item(kind, -(-limit.count // self._processes), limit.seconds)

    def _take_back(self, limit: Limit, kind: str, *fields: str) -> None:
        """One hit less in the bucket."""
        limiter = self.limiter
        if not limiter.enabled:
            return
        key = _key(fields)
        if limiter.is_shared and limiter.answers():
            try:
                limiter.storage.take_back(_item(kind, limit.count, limit.seconds).key_for(key))
            except StorageError as error:
                limiter.lose(error)
            return
        limiter.storage.take_back(self._share(kind, limit).key_for(key))

    def _hit(self, item: RateLimitItem, key: str) -> Quota:
        strategy = self.limiter.limiter
        if isinstance(strategy.storage, RingStorage):
            # in one step, as every call comes by here; a store is asked by the strategy, twice
            expiry = item.get_expiry()
            allowed, began, used = strategy.storage.hit(item.key_for(key), item.amount, expiry)
            reset_time, remaining = began + expiry, item.amount - used
        else:
            allowed = strategy.hit(item, key)
            reset_time, remaining = strategy.get_window_stats(item, key)
        wait = reset_time - self._clock()
        if not allowed and remaining > 0:
            wait = 1  # a hit has left the window between the two questions
        return Quota(
            allowed=allowed,
            limit=item.amount,
            remaining=max(0, remaining) if allowed else 0,
            reset_seconds=min(max(1, math.ceil(wait)), item.get_expiry()),
        )


class _StoreLimiter(Limiter):
    """slowapi's limiter: it holds strategy, storage and fallback, and `limiter` is whichever of the two counts now.

    slowapi finds out that its storage is dead, and alive again, only while it looks at a request; this does the same
    where there is none. Its fallback is the memory that walks every key, so ours takes the place.
    """

    def __init__(self, *, storage_uri: str | None, enabled: bool, clock: Callable[[], float]) -> None:
        self.is_shared = storage_uri is not None
        options: dict[str, Any] = {"clock": clock}
        if storage_uri is not None:
            self._place = _place(storage_uri)
            options |= {
                "wrap_exceptions": True,
                "socket_connect_timeout": STORE_TIMEOUT_SECONDS,
                "socket_timeout": STORE_TIMEOUT_SECONDS,
                "protocol": 2,
            }
        super().__init__(
            key_func=_no_request,
            strategy=STRATEGY,
            storage_uri="ring://" if storage_uri is None else f"shared+{storage_uri}",
            storage_options=options,
            in_memory_fallback_enabled=self.is_shared,
            enabled=enabled,
        )
        self.enabled = enabled  # the environment's RATELIMIT_ENABLED must not overrule our own setting
        if self.is_shared:
            self._fallback_storage.timer.cancel()
            fallback = RingStorage(clock=clock)
            self._fallback_storage = cast(MemoryStorage, fallback)
            self._fallback_limiter = STRATEGIES[STRATEGY](fallback)
        self._clock = clock
        self._pause = FIRST_PAUSE_SECONDS
        self._lost_at = self._back_at = -math.inf
        self._ask_at = -math.inf
        self._probe: _Probe | None = None

    @property
    def storage(self) -> "RingStorage | SharedStorage":
        """Where is counted now."""
        return cast("RingStorage | SharedStorage", self.limiter.storage)

    def answers(self) -> bool:
        """Whether to count in the store; while it is away, have it asked from time to time."""
        if not self._storage_dead:
            return True
        if self._probe is None:
            if self._clock() >= self._ask_at:
                self._probe = _Probe(self._shared_storage)
                self._probe.start()
            return False
        if self._probe.is_alive():
            return False
        found, self._probe = self._probe.answered, None
        now = self._clock()
        if found:
            self._storage_dead = False
            self._back_at = now
            log.info("rate_limit_store_back", store=self._place, away_seconds=round(now - self._lost_at, 1))
        else:
            self._wait_longer(now)
        return found

    def lose(self, error: StorageError) -> None:
        """Count in memory from now on, until the store answers again."""
        now = self._clock()
        self._storage_dead = True
        self._lost_at = now
        if now - self._back_at > LONGEST_PAUSE_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
            self._ask_at = now + self._pause
        else:
            self._wait_longer(now)  # it comes and goes: each loss costs a call the timeout
        # the message of an error can hold more of the URI than its place
        log.warning("rate_limit_store_lost", store=self._place, error=type(error.storage_error).__name__)

    def close(self) -> None:
        """Hang up on the store, and on the thread that asks it."""
        if self._probe is not None:
            self._probe.join(5 * STORE_TIMEOUT_SECONDS)
        cast("RingStorage | SharedStorage", self._storage).close()

    @property
    def _shared_storage(self) -> "SharedStorage":
        return cast("SharedStorage", self._storage)

    def _wait_longer(self, now: float) -> None:
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        self._ask_at = now + self._pause


class _Probe(threading.Thread):
    """Asks a lost store once, beside the event loop: no timeout holds for looking up the name of its host."""

    def __init__(self, storage: "SharedStorage") -> None:
        super().__init__(name="rate-limit-store-probe", daemon=True)
        self._storage = storage
        self.answered = False

    def run(self) -> None:
        self.answered = self._storage.check()


def _no_request() -> str:
    raise NotImplementedError("buckets are named by whoever hits them")


def _place(storage_uri: str) -> str:
    """The URI without its credentials, for the log; ValueError if it is none of a store that processes can share."""
    # Imported here because it brings a client of five megabytes, which an installation of one process does without.
    from journeys_api.http.shared_storage import SharedStorage

    try:
        parts = urlsplit(storage_uri)
        known = f"shared+{parts.scheme}" in SharedStorage.STORAGE_SCHEME
        # a fragment is a "#" that was not quoted, and the host then a piece of the password
        readable = known and parts.port != 0 and not parts.fragment
    except ValueError:
        readable = False
    if not readable:
        # nothing is quoted, and no cause chained: either can hold the password
        raise ValueError("the rate limit storage URI is not of the form redis://user:password@host:port/0")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@lru_cache(maxsize=256)
def _item(kind: str, count: int, seconds: int) -> RateLimitItem:
    return RateLimitItemPerSecond(count, seconds, namespace=kind)


def _key(fields: tuple[str, ...]) -> str:
    """One short plain text for any fields: `limits` joins with "/", and names can hold that, NUL, or a megabyte."""
    return blake2b(ascii(fields).encode(), digest_size=16).hexdigest()


def _network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that an IPv6 client can pick addresses from at will.

    Whatever is no address counts together: what cannot be told apart must not be a way around the limit.
    """
    return _network_of(address[:64])  # longer than any address, and what is remembered stays small


@lru_cache(maxsize=4096)
def _network_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv4Address):
        if parsed.ipv4_mapped is None:
            return f"{int(parsed) >> 64:x}/64"
        parsed = parsed.ipv4_mapped
    return str(parsed)
