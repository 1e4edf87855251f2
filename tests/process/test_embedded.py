"""The embedded PostgreSQL: shared, taken over, killed and recovered."""

import asyncio
import fcntl
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from journeys_api.db import make_engine
from journeys_api.embedded import DataDirectoryInUse, EmbeddedPostgres
from tests.process.running import Start, eventually, is_running, postmaster_pid

pytestmark = pytest.mark.process

HOLD = """
import sys
from pathlib import Path
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.logging import configure_logging

configure_logging("info")
postgres = EmbeddedPostgres(Path(sys.argv[1]))
with getattr(postgres, sys.argv[2])() as url:
    print(url, flush=True)
    sys.stdin.read()
"""
"""Holds the server, as its owner or beside it, until its standard input ends."""


def run_sql(url: str, *statements: str) -> Any:
    """Run the statements in one transaction; the first value that the last one answers."""

    async def run() -> Any:
        engine = make_engine(url, pool_size=1, statement_timeout=timedelta(seconds=10))
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    result = await connection.execute(text(statement))
                return result.scalar() if result.returns_rows else None
        finally:
            await engine.dispose()

    return asyncio.run(run())


def answers(url: str) -> bool:
    """Whether the server takes a connection and a statement."""
    try:
        return bool(run_sql(url, "SELECT 1") == 1)
    except Exception:
        return False


@pytest.fixture
def hold(start: Start, data_dir: Path) -> Callable[[str], tuple[subprocess.Popen[str], str]]:
    """Starts a process that holds the server, and answers with it and the URL."""

    def run(how: str) -> tuple[subprocess.Popen[str], str]:
        process = start("-c", HOLD, str(data_dir), how)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    return run


def let_go(process: subprocess.Popen[str]) -> None:
    """End a process that holds the server in the orderly way."""
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0


def kill(pid: int) -> None:
    """End a process without a chance to clean up."""
    os.kill(pid, signal.SIGKILL)


def the_postmaster(data_dir: Path) -> int:
    """The running server's process id."""
    pid = postmaster_pid(data_dir)
    assert pid is not None
    return pid


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock on this file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_the_products_role_owns_its_database_and_is_no_superuser(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir).own() as url:
        facts = run_sql(
            url,
            "SELECT concat_ws(' ', current_user, current_database(), current_setting('is_superuser'),"
            " current_setting('server_encoding'), current_setting('fsync'), current_setting('listen_addresses'))",
        )

    assert facts.split(" ") == ["journeys", "journeys", "off", "UTF8", "on", ""]


def test_data_outlives_a_stop(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir).own() as url:
        run_sql(url, "CREATE TABLE kept (value int)", "INSERT INTO kept VALUES (7)")
        pid = the_postmaster(data_dir)
    stopped = not is_running(pid)

    with EmbeddedPostgres(data_dir).own() as url:
        value = run_sql(url, "SELECT value FROM kept")

    assert (stopped, value) == (True, 7)


def test_a_port_of_another_server_in_the_environment_does_not_matter(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")

    with EmbeddedPostgres(data_dir).own() as url:
        assert answers(url)


def test_a_second_owner_is_told_who_the_first_is(hold: Any, data_dir: Path) -> None:
    owner, url = hold("own")

    with pytest.raises(DataDirectoryInUse, match=f"in use by another journeys-api server.*process {owner.pid}"):
        EmbeddedPostgres(data_dir).own().__enter__()

    assert answers(url)


def test_a_killed_owners_server_is_taken_over(hold: Any, data_dir: Path) -> None:
    owner, url = hold("own")
    run_sql(url, "CREATE TABLE kept (value int)", "INSERT INTO kept VALUES (7)")
    pid = the_postmaster(data_dir)
    kill(owner.pid)
    owner.wait()

    with EmbeddedPostgres(data_dir).own() as url:
        value = run_sql(url, "SELECT value FROM kept")
        pid_after = the_postmaster(data_dir)

    assert (value, pid_after) == (7, pid)
    assert not is_running(pid)


def test_a_killed_server_is_started_again_for_its_owner(hold: Any, data_dir: Path) -> None:
    _, url = hold("own")
    run_sql(url, "CREATE TABLE kept (value int)", "INSERT INTO kept VALUES (7)")
    pid = the_postmaster(data_dir)

    kill(pid)

    eventually(lambda: postmaster_pid(data_dir) not in (None, pid) and answers(url), "not started again")
    assert run_sql(url, "SELECT value FROM kept") == 7


def test_a_server_that_has_not_quite_ended_is_waited_for(data_dir: Path) -> None:
    """A process thrown away before its end was read is told by a `ResourceWarning`, which is an error here."""
    with EmbeddedPostgres(data_dir).own() as url:
        pid = the_postmaster(data_dir)

        (data_dir / "postgres" / "postmaster.pid").unlink()
        eventually(lambda: is_locked(data_dir / "start.lock"), "nobody noticed")
        kill(pid)

        eventually(lambda: postmaster_pid(data_dir) not in (None, pid) and answers(url), "not started again")


def test_who_watches_outlives_a_want_of_file_descriptors(hold: Any, data_dir: Path) -> None:
    owner, url = hold("own")
    run_sql(url, "SELECT 1")
    soft, hard = resource.prlimit(owner.pid, resource.RLIMIT_NOFILE)

    resource.prlimit(owner.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{owner.pid}/fd")), hard))
    while "postgres_restart_failed" not in (line := owner.stderr.readline()):
        assert line, "it has ended"
    resource.prlimit(owner.pid, resource.RLIMIT_NOFILE, (soft, hard))
    pid = the_postmaster(data_dir)
    kill(pid)

    eventually(lambda: postmaster_pid(data_dir) not in (None, pid) and answers(url), "not started again")


def test_a_server_taken_over_is_watched_as_well(hold: Any, data_dir: Path) -> None:
    first, _ = hold("own")
    kill(first.pid)
    first.wait()
    _, url = hold("own")
    pid = the_postmaster(data_dir)

    kill(pid)

    eventually(lambda: postmaster_pid(data_dir) not in (None, pid) and answers(url), "not started again")


def test_after_owner_and_server_were_killed_the_next_start_recovers(hold: Any, data_dir: Path) -> None:
    owner, url = hold("own")
    run_sql(url, "CREATE TABLE kept (value int)", "INSERT INTO kept VALUES (7)")
    kill(owner.pid)
    kill(the_postmaster(data_dir))
    owner.wait()

    with EmbeddedPostgres(data_dir).own() as url:
        assert run_sql(url, "SELECT value FROM kept") == 7


def test_a_lock_file_whose_number_went_to_another_process_is_no_server(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir).own():
        content = (data_dir / "postgres" / "postmaster.pid").read_text()
    ours = "\n".join([str(os.getpid()), *content.splitlines()[1:]]) + "\n"
    (data_dir / "postgres" / "postmaster.pid").write_text(ours)
    (data_dir / "socket" / ".s.PGSQL.5432.lock").write_text(ours)

    with EmbeddedPostgres(data_dir).own() as url:
        assert answers(url)


def test_beside_an_owner_the_server_is_shared_and_left_running(hold: Any, data_dir: Path) -> None:
    _, url = hold("own")
    pid = the_postmaster(data_dir)

    with EmbeddedPostgres(data_dir).attach() as attached:
        same = attached == url and the_postmaster(data_dir) == pid

    assert same
    assert answers(url)


def test_without_an_owner_the_server_runs_as_long_as_it_is_used(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir).attach() as url:
        pid = the_postmaster(data_dir)
        answered = answers(url)

    assert answered
    assert not is_running(pid)


def test_whoever_leaves_last_stops_the_server(hold: Any, data_dir: Path) -> None:
    owner, _ = hold("own")
    beside, url = hold("attach")
    pid = the_postmaster(data_dir)

    let_go(owner)
    still_there = answers(url)
    let_go(beside)

    assert still_there
    assert not is_running(pid)


def test_processes_that_start_at_once_on_an_empty_directory_share_one_server(start: Start, data_dir: Path) -> None:
    processes = [start("-c", HOLD, str(data_dir), "attach") for _ in range(4)]

    urls = {process.stdout.readline().strip() for process in processes if process.stdout}

    assert len(urls) == 1
    assert answers(urls.pop())
    for process in processes:
        let_go(process)


def test_half_of_a_cluster_is_thrown_away(data_dir: Path) -> None:
    leftover = data_dir / "postgres.new-killed"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(data_dir).own() as url:
        assert answers(url)

    assert not leftover.exists()


def test_a_path_too_long_for_a_socket_gets_one_elsewhere(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)

    with EmbeddedPostgres(deep).own() as url:
        socket_directory = Path(str(make_url(url).query["host"]))
        answered = answers(url)
        mode = stat.S_IMODE(socket_directory.stat().st_mode)

    assert answered
    assert not socket_directory.is_relative_to(deep)
    assert mode == 0o700
    assert not socket_directory.exists()


def test_a_path_with_characters_special_in_urls_works(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir / "50% off & more?").own() as url:
        assert answers(url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run the server as somebody else")
def test_as_root_folders_on_the_way_become_passable_and_no_more(data_dir: Path) -> None:
    private = data_dir.parent / "private"
    private.mkdir(mode=0o700)

    with EmbeddedPostgres(private / "data").own() as url:
        assert answers(url)
        owner = (private / "data" / "postgres").stat().st_uid

    assert owner != 0
    assert stat.S_IMODE(private.stat().st_mode) == 0o701
    assert stat.S_IMODE((private / "data" / "socket").stat().st_mode) == 0o700
