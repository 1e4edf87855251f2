"""`journeys-api serve`: from settings to a server that answers, and back down without dropping a request."""

import asyncio
import http.client
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog
import uvicorn

from journeys_api.app import Application, create_app
from journeys_api.http.connections import ServerConfig
from journeys_api.logging import configure_logging, keep_loggers
from journeys_api.migrate import migrate
from journeys_api.settings import Settings
from journeys_api.starting.first_start import prepare
from journeys_api.starting.memory import collect_rarely
from journeys_api.starting.opening import CannotStart, opened, required_url

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGHUP is a terminal that was closed: the embedded PostgreSQL shall not be left behind."""

READY_PATIENCE = 120.0
POLL = 0.05
WATCH = 0.1
RESPAWN_DELAY = 1.0
STARTUP_FAILURE = 3
"""How uvicorn exits when the application does not start."""


def serve(settings: Settings, *, workers: int, with_worker: bool = True) -> None:
    """Serve until a signal says stop; returns once the requests in flight were answered.

    Args:
        workers: processes that answer; more than one need a storage for the rate limit that they share.
        with_worker: whether each of them also moves people through journeys and sends what they are owed.

    Raises:
        CannotStart: a setting is missing, or the address is taken.
        EmbeddedPostgresError: the embedded PostgreSQL cannot be used.
        MigrationError: the schema cannot be brought up to date.
    """
    if workers > 1 and settings.rate_limit_storage_uri is None:
        raise CannotStart(
            f"--workers {workers} needs JOURNEYS_RATE_LIMIT_STORAGE_URI (redis://host:port/0): without a storage that "
            f"they share, each process counts for itself, and callers get {workers} times what the limits allow"
        )
    with _stop_signals_end_the_start(), _bound(settings) as listener, opened(settings, owning=True) as whole:
        asyncio.run(migrate(required_url(whole)))
        demo_key = asyncio.run(prepare(whole, with_demo=settings.database_url is None))
        address = listener.getsockname()
        # links in mails name the port that was really taken
        whole = whole.model_copy(update={"port": address[1]})
        threading.Thread(target=_announce, args=(settings, whole, address, demo_key), daemon=True).start()
        if workers == 1:
            run_worker(whole, listener, 1, with_worker)
        else:
            _run_workers(whole, listener, workers, with_worker)
    log.info("server_stopped")


def run_worker(settings: Settings, listener: socket.socket, processes: int, with_worker: bool) -> None:
    """Answer the requests that come to `listener` until a signal says stop.

    Args:
        settings: with database URL and secrets filled in.
        processes: how many processes do this together.
    """
    keep_loggers()
    application = create_app(settings, processes=processes, with_worker=with_worker)
    config = ServerConfig(
        application,
        settings,
        loop="uvloop",
        lifespan="on",
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace.total_seconds()),
    )
    collect_rarely()
    _Server(config, application, settings.drain_delay.total_seconds()).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, stopping in three steps: `/readyz` fails; new connections are refused; requests in flight finish.

    uvicorn alone refuses connections the moment it is asked to stop, while proxies still send it some.
    """

    def __init__(self, config: uvicorn.Config, application: Application, drain_delay: float) -> None:
        super().__init__(config)
        self._application = application
        self._drain_delay = drain_delay
        self._stopping = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn stop signals into a drain. uvicorn would raise them again at the end; we have more to do after it."""
        loop = asyncio.get_running_loop()

        def asked_to_stop(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._stop, number)

        with _on_stop_signals(asked_to_stop):
            yield

    def _stop(self, number: int) -> None:
        if not self._stopping:
            self._stopping = True
            self._application.drain()
            log.info("server_drain_began", signal=signal.Signals(number).name, seconds=self._drain_delay)
            asyncio.get_running_loop().call_later(self._drain_delay, self._refuse_connections)
        elif number == signal.SIGINT:
            # Ctrl-C again: somebody is waiting at the keyboard. First the delay is skipped, then the requests.
            self.force_exit = self.should_exit
            self.should_exit = True

    def _refuse_connections(self) -> None:
        self.should_exit = True


def _run_workers(settings: Settings, listener: socket.socket, count: int, with_worker: bool) -> None:
    """Keep `count` processes answering until a signal says stop, then let them finish."""
    spawn = multiprocessing.get_context("spawn")

    def start() -> SpawnProcess:
        process = spawn.Process(target=_worker_process, args=(settings, listener, count, with_worker), daemon=True)
        process.start()
        return process

    stopping = threading.Event()
    with _on_stop_signals(lambda number, frame: stopping.set()):
        processes = [start() for _ in range(count)]
        while not stopping.is_set():
            multiprocessing.connection.wait([process.sentinel for process in processes], timeout=WATCH)
            for place, process in enumerate(processes):
                if process.exitcode is None or stopping.is_set():
                    continue
                if process.exitcode == STARTUP_FAILURE:
                    raise CannotStart("a worker process could not start; the log says why")
                log.error("worker_process_died", process=process.pid, exit_code=process.exitcode)
                stopping.wait(RESPAWN_DELAY)
                processes[place] = start()
        for process in processes:
            process.terminate()
        # The workers' own copies are open until their drain is over; this one would outlive them, and the system would
        # go on taking connections that nobody answers.
        listener.close()
        deadline = time.monotonic() + (settings.drain_delay + settings.shutdown_grace).total_seconds() + 5
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.exitcode is None:
                log.error("worker_process_killed", process=process.pid)
                process.kill()
                process.join()


def _worker_process(settings: Settings, listener: socket.socket, count: int, with_worker: bool) -> None:
    configure_logging(settings.log_level)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    run_worker(settings, listener, count, with_worker)


def _end_with_the_parent() -> None:
    """Stop when the parent was killed: orphans would keep the port, and the next start could not have it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _on_stop_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def _stop_signals_end_the_start() -> Iterator[None]:
    """Before and after serving a stop signal ends the program by the way that closes what was opened.

    The second one is ignored: it must not interrupt the closing.
    """
    serving_or_leaving = False

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal serving_or_leaving
        if not serving_or_leaving:
            serving_or_leaving = True
            raise SystemExit(128 + number)

    with _on_stop_signals(leave):
        yield


@contextmanager
def _bound(settings: Settings) -> Iterator[socket.socket]:
    """The socket to listen on, bound before anything is started; it refuses connections until a worker listens."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotStart(f"cannot listen on {settings.host} port {settings.port}: {reason}") from error
        yield listener


def _announce(settings: Settings, whole: Settings, address: tuple[str, int], demo_key: str | None) -> None:
    """Once the server answers that it is ready, print how to reach it."""
    host, port = address[0], address[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    deadline = time.monotonic() + READY_PATIENCE
    while not _is_ready(host, port):
        if time.monotonic() > deadline:
            log.error("server_not_ready", seconds=READY_PATIENCE)
            return
        time.sleep(POLL)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    lines = ["", f"Journeys API is ready at {url}", f"  Documentation   {url}/docs"]
    if settings.public_url is not None:
        lines.append(f"  Public address  {settings.public_url}")
    if settings.database_url is None and settings.admin_api_key is None and whole.admin_api_key is not None:
        lines.append(f"  Admin API key   {whole.admin_api_key.get_secret_value()}")
    if demo_key is not None:
        lines += [
            f"  Demo API key    {demo_key}",
            "",
            "Create a journey, then list the journeys:",
            "",
            f"  curl -sS -X POST {url}/api/v1/journey -H 'APIKey: {demo_key}' "
            """-H 'Content-Type: application/json' -d '{"Name":"Welcome Series","Trigger":"Manual"}'""",
            "",
            f"  curl -sS '{url}/api.php?Command=journey.list' -H 'APIKey: {demo_key}'",
        ]
    print(*lines, "", sep="\n", flush=True)


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
