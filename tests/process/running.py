"""What the tests of whole processes ask about them."""

import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SOURCE = Path(__file__).resolve().parents[2] / "src"

PATIENCE = 60.0
"""Seconds after which a condition that has not come true is a failure."""

Start = Callable[..., subprocess.Popen[str]]


@dataclass(frozen=True)
class Answer:
    """What an HTTP server said."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Served:
    """A `journeys-api serve` that said it was ready."""

    process: subprocess.Popen[str]
    printed: str
    data_dir: Path
    log_file: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._found(r"ready at (\S+)")

    @property
    def demo_key(self) -> str:
        """The demo account's API key."""
        return self._found(r"Demo API key\s+(\S+)")

    @property
    def admin_key(self) -> str:
        """The administrator's key."""
        return self._found(r"Admin API key\s+(\S+)")

    @property
    def curls(self) -> list[str]:
        """The command lines that it printed."""
        return [line.strip() for line in self.printed.splitlines() if line.strip().startswith("curl ")]

    @property
    def log(self) -> str:
        """What it wrote to stderr so far; a line that only informs may take a moment (`journeys_api.logging`)."""
        return self.log_file.read_text()

    def has_told(self, event: str) -> None:
        """Wait for a line of this event in its log."""
        eventually(lambda: f'"event":"{event}"' in self.log, f"{event} is not in the log")

    def get(self, path: str, **headers: str) -> Answer:
        """Ask it for something."""
        return request("GET", self.url + path, headers)

    def is_ready(self) -> bool:
        """Whether it says so; False as well when nobody answers."""
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False

    def end(self, number: int) -> int:
        """Send the signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, self.printed)
        assert found is not None, self.printed + self.log
        return found[1]


Serve = Callable[..., Served]


def request(method: str, url: str, headers: dict[str, str], body: str | None = None) -> Answer:
    """One HTTP request on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        # a picture is no text
        return Answer(response.status, dict(response.getheaders()), response.read().decode(errors="replace"))
    finally:
        connection.close()


def curl(line: str) -> Answer:
    """Do what the printed command line does; a clean machine has no curl."""
    words = iter(shlex.split(line)[1:])
    method, url, headers, body = "GET", "", {}, None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words)
            case "-sS":
                pass
            case _:
                url = word
    return request(method, url, headers, body)


def environment_of(data_dir: Path) -> dict[str, str]:
    """The environment of a process under test: nothing of the developer's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "JOURNEYS_DATA_DIR": str(data_dir)}


@contextmanager
def servers(environment: dict[str, str], directory: Path) -> Iterator[Serve]:
    """Starts servers that log into `directory`; what is left of them is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **more: str) -> Served:
        log_file = directory / f"serve-{len(started)}.log"
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "journeys_api.cli", "serve", "--port", "0", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=directory,
                env={**environment, **more},
            )
        started.append(process)
        assert process.stdout is not None
        printed = ""
        curls = 0 if "JOURNEYS_DATABASE_URL" in more else 2
        while line := process.stdout.readline():
            printed += line
            if line == "\n" and "ready at" in printed and printed.count(" curl ") == curls:
                break
        return Served(process, printed, Path(environment["JOURNEYS_DATA_DIR"]), log_file)

    yield run
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds; fail with `what` when it does not."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def postmaster_pid(data_dir: Path) -> int | None:
    """The process id that the cluster's lock file names."""
    with suppress(FileNotFoundError, ValueError, IndexError):
        return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    return None


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


@contextmanager
def frozen(data_dir: Path) -> Iterator[None]:
    """The PostgreSQL of a data directory answers nothing."""
    pid = postmaster_pid(data_dir)
    assert pid is not None
    pids = family(pid)
    for each in pids:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in pids:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
