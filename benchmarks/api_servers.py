"""The servers under test as processes on a core of their own, and the CPU time that they and PostgreSQL spend."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = {CORES[0]}
OTHER_CORES = set(CORES[1:]) or SERVER_CORES
"""Where PostgreSQL and the client run; with one core everything shares it, and only the CPU times mean anything."""


@dataclass(frozen=True)
class Server:
    """A process that answers on a port of this machine."""

    name: str
    pid: int
    port: int

    def processes(self) -> list[int]:
        """The process that was started, and those that it has started."""
        return [self.pid, *children_of(self.pid)]

    def cpu_seconds(self) -> float:
        """CPU time of all of them."""
        return sum(map(cpu_seconds, self.processes()))


@contextmanager
def serving(
    name: str, command: list[str], environment: Mapping[str, str], *, ready: str, cores: set[int] = SERVER_CORES
) -> Iterator[Server]:
    """Start a server, wait until `ready` answers, and end it afterwards.

    Args:
        command: what follows the interpreter; `{port}` is filled in, here and in the environment.
        cores: which it is kept on.
    """
    port = _free_port()
    filled = [piece.format(port=port) for piece in command]
    known = {**os.environ, **{key: value.replace("{port}", str(port)) for key, value in environment.items()}}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, *filled], env=known, cwd=HERE, stdout=log, stderr=log)
        try:
            pin(process.pid, cores)
            _wait(process, port, ready)
            yield Server(name, process.pid, port)
        except BaseException:
            log.seek(max(0, log.tell() - 2000))
            print(name, log.read().decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"a server ended with {process.returncode} before it answered")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError("a server did not answer in two minutes")


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process and its threads, and what they start from now on, on these cores."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def children_of(pid: int) -> list[int]:
    """The processes that a process's first thread has started and that live."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all threads, in nanoseconds' steps."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory of a process in MiB: now, and at its highest."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm")
    )
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024


class Postgres:
    """The processes of a server whose data directory is here."""

    def __init__(self, data_dir: Path) -> None:
        found = next(data_dir.rglob("postmaster.pid"))
        self.postmaster = int(found.read_text().splitlines()[0])

    def processes(self) -> list[int]:
        """The postmaster and its children."""
        return [self.postmaster, *children_of(self.postmaster)]

    def pin(self, cores: set[int]) -> None:
        """Keep all of them on these cores."""
        for pid in self.processes():
            with suppress(FileNotFoundError):  # an autovacuum worker that has ended meanwhile
                pin(pid, cores)

    def cpu_seconds(self) -> float:
        """CPU time of all of them; those that ended meanwhile are not counted any more."""
        total = 0.0
        for pid in self.processes():
            with suppress(FileNotFoundError):
                total += cpu_seconds(pid)
        return total
