"""What a call costs at each door, beside the floor and beside the textbook way. Run with `make bench`."""

import argparse
import asyncio
import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from api_client import ask
from api_limiter import limiter_costs
from api_measure import COLUMNS, Bench, Measured, Way, cells, ratio
from api_seed import PEPPER, WORKS, Work, seeded
from api_servers import OTHER_CORES, Postgres, memory_mib, pin, serving
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate

WAYS = ("rest", "legacy", "floor", "stock")
CONNECTIONS = 16


async def compare_answers(bench: Bench, work: Work) -> None:
    """Raise unless every way tells what the floor tells, whatever more it tells, and numbers and times apart."""
    bodies = {}
    for way in WAYS:
        body = await ask(bench.ways[way].server.port, bench.load(work, way).requests[0])
        bodies[way] = orjson.loads(body)
    for way in ("rest", "legacy", "stock"):
        if (trouble := _missing(bodies["floor"], bodies[way])) is not None:
            raise RuntimeError(f"{work.name}, {way}: {trouble}; got {bodies[way]!r:.600}")


def _missing(wanted: Any, got: Any, place: str = "answer") -> str | None:
    """Where `got` lacks something of `wanted`; None: nowhere. Ids of new rows and instants may differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for name, value in wanted.items():
            if name not in got:
                return f"{place} has no {name}"
            if name in ("JourneyID", "CreatedAt", "UpdatedAt"):
                continue
            if (trouble := _missing(value, got[name], f"{place}.{name}")) is not None:
                return trouble
        return None
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
            if (trouble := _missing(one, other, f"{place}[{index}]")) is not None:
                return trouble
        return None
    return None if wanted == got else f"{place} is {got!r:.80}, not {wanted!r:.80}"


async def measure(bench: Bench, works: list[Work], rounds: int, seconds: float) -> dict[str, dict[str, Measured]]:
    """All ways, once they are known to answer the same."""
    for work in works:
        await compare_answers(bench, work)
    return await bench.measure(works, rounds, seconds)


def show(console: Console, measured: dict[str, dict[str, Measured]], memory: dict[str, tuple[float, float]]) -> None:
    """The tables."""
    table = Table(
        "call", "way", "KB", *COLUMNS, "× stock", "× floor", "× stock, CPU", "× floor, CPU",
        title=f"{CONNECTIONS} connections, server on one core",
    )  # fmt: skip
    for name, ways in measured.items():
        for way, each in ways.items():
            table.add_row(
                name if way == WAYS[0] else "",
                way,
                f"{each.kilobytes:.1f}",
                *cells(each),
                f"{ratio(each.rate, ways['stock'].rate):.1f}",
                f"{ratio(each.rate, ways['floor'].rate):.2f}",
                f"{ratio(ways['stock'].server_us, each.server_us):.1f}",
                f"{ratio(ways['floor'].server_us, each.server_us):.2f}",
            )
        if failed := {way: each.failed for way, each in ways.items() if each.failed}:
            console.print(f"[red]{name}: not answered as wanted: {failed}")
    console.print(table)
    table = Table("process", "MiB now", "MiB at most")
    for name, (now, most) in memory.items():
        table.add_row(name, f"{now:.0f}", f"{most:.0f}")
    console.print(table)


def main() -> None:
    """Print the tables and write the JSON beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each way in each round")
    parser.add_argument("--only", default="", help="part of the names of what shall be asked for")
    parser.add_argument("--skip-limiter", action="store_true")
    given = parser.parse_args()
    works = [work for work in WORKS if given.only in work.name]
    console = Console(width=160)
    parameters = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = stack.enter_context(EmbeddedPostgres(Path(folder), parameters=parameters).own())
        asyncio.run(migrate(url))
        seeded(url)
        postgres = Postgres(Path(folder))
        postgres.pin(OTHER_CORES)
        pin(os.getpid(), OTHER_CORES)
        product = {
            "JOURNEYS_DATABASE_URL": url,
            "JOURNEYS_SECRET_KEY": PEPPER,
            "JOURNEYS_ADMIN_API_KEY": "the benchmark's administrator",
            "JOURNEYS_PORT": "{port}",
            "JOURNEYS_DATA_DIR": folder,
        }
        bare = {"BENCH_DATABASE_URL": url}
        command = ["-m", "journeys_api.cli", "serve", "--no-worker"]
        servers = {
            "product": stack.enter_context(serving("product", command, product, ready="/readyz")),
            "floor": stack.enter_context(serving("floor", ["api_floor.py", "{port}"], bare, ready="/ready")),
            "stock": stack.enter_context(serving("stock", ["api_stock.py", "{port}"], bare, ready="/ready")),
        }
        servers |= {"rest": servers["product"], "legacy": servers["product"]}
        ways = {way: Way(servers[way], way) for way in WAYS}
        bench = Bench(ways, postgres, connections=CONNECTIONS)
        measured = uvloop.run(measure(bench, works, given.rounds, given.seconds))
        memory = {name: memory_mib(servers[name].pid) for name in ("product", "floor", "stock")}
    show(console, measured, memory)
    limiter = {} if given.skip_limiter else limiter_costs(console)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    everything = {
        "calls": {name: {way: vars(each) for way, each in ways.items()} for name, ways in measured.items()},
        "memory_mib": memory,
        "limiter_us": limiter,
    }
    (results / "api_calls.json").write_text(json.dumps(everything, indent=2))


if __name__ == "__main__":
    main()
