"""What drawing people at random costs as a list grows, against sorting the list by random(). Run with `make bench`."""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from journeys_api.db import make_engine, make_sessions
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.engine.drawing import draw
from journeys_api.migrate import migrate
from parked import PEOPLE, SETUP, connect

LIST = 1
SORTED = "SELECT subscriber_id FROM subscribers WHERE list_id = 1 AND status = 'Subscribed' ORDER BY random() LIMIT :n"


async def growth(url: str, sizes: list[int], wanted: int, rounds: int, sorted_up_to: int) -> list[dict[str, float]]:
    """Milliseconds for `wanted` people of a list of each size; both ways in each round where it is not too long."""
    connection = await connect(url)
    await connection.execute(SETUP)
    pool = make_engine(url, pool_size=1, statement_timeout=timedelta(minutes=30))
    sessions = make_sessions(pool)
    rows: list[dict[str, float]] = []
    last = 0
    for size in sizes:
        await connection.execute(PEOPLE, last + 1, size, timeout=3600)
        last = size
        await connection.execute("VACUUM ANALYZE subscribers", timeout=3600)
        drawn, by_sort, one = [], [], []
        for _ in range(rounds):
            async with sessions() as session:
                started = time.perf_counter()
                await session.execute(text("SELECT 1"))
                one.append(time.perf_counter() - started)
                started = time.perf_counter()
                found: list[int] = []
                async for batch in draw(session, list_id=LIST, wanted=wanted):
                    found += batch
                    if len(found) >= wanted:
                        break
                drawn.append(time.perf_counter() - started)
                if len(set(found[:wanted])) != wanted:
                    raise SystemExit(f"{len(set(found))} people were drawn, {wanted} were wanted")
                if size <= sorted_up_to:
                    started = time.perf_counter()
                    await session.execute(text(SORTED), {"n": wanted})
                    by_sort.append(time.perf_counter() - started)
        rows.append(
            {
                "size": size,
                "drawn_ms": 1000 * statistics.median(drawn),
                "select_1_ms": 1000 * statistics.median(one),
                "by_sort_ms": 1000 * statistics.median(by_sort) if by_sort else 0.0,
                "ratio": statistics.median(s / d for s, d in zip(by_sort, drawn, strict=True)) if by_sort else 0.0,
            }
        )
    await connection.close()
    await pool.dispose()
    return rows


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--wanted", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--sorted-up-to", type=int, default=1_000_000)
    given = parser.parse_args()
    parameters = {"shared_buffers": "1GB", "max_wal_size": "8GB", "fsync": "off"}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "data", parameters=parameters).own() as url,
    ):
        asyncio.run(migrate(url))
        sizes = [int(size) for size in given.sizes.split(",")]
        rows = asyncio.run(growth(url, sizes, given.wanted, given.rounds, given.sorted_up_to))
    table = Table(
        "people on the list", f"{given.wanted} drawn, ms", "against the first", "order by random(), ms", "ratio"
    )
    for row in rows:
        sort = (f"{row['by_sort_ms']:.1f}", f"{row['ratio']:.0f}x") if row["by_sort_ms"] else ("", "")
        against = f"{row['drawn_ms'] / rows[0]['drawn_ms']:.2f}x"
        table.add_row(f"{row['size']:,}", f"{row['drawn_ms']:.2f}", against, *sort)
    Console().print(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "random_picks.json").write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
