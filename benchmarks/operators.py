"""What the administrator's commands about the queue cost with many people parked, against `SELECT 1`.

Each round calls every command once at the legacy door, in-process, and runs `SELECT 1` on the same pool before each; a
ratio is the median of the rounds' own; without engines, and beside engines that move people as fast as they can
(`--workers 0,1`).
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from journeys_api.app import Application, create_app
from journeys_api.clock import SetClock
from journeys_api.db import make_engine, make_sessions
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.engine.worker import Engine
from journeys_api.logging import configure_logging
from journeys_api.migrate import migrate
from journeys_api.models import SHARDS
from journeys_api.settings import Settings
from parked import ENTER, PEOPLE, ROUND, SETUP, TIMERS, connect

KEY = "admin-key-of-the-benchmark"
COMMANDS: dict[str, tuple[str, dict[str, Any]]] = {
    "stuck": ("admin.journeys.stuck", {}),
    "unstuck": ("admin.journeys.unstuck", {"JourneyID": 1}),
    "pending": ("admin.journeys.pending", {}),
    "overview": ("admin.journeys.overview", {}),
    "overview of a journey": ("admin.journeys.overview", {"JourneyID": 1}),
    "queue": ("admin.journeys.queue", {}),
    "queue of a journey, snoozed": ("admin.journeys.queue", {"JourneyID": 1, "Status": "snoozed"}),
    "queue, overdue": ("admin.journeys.queue", {"Status": "overdue"}),
    "queue by SnoozedUntil": ("admin.journeys.queue", {"OrderField": "SnoozedUntil"}),
    "queue of an action": ("admin.journeys.queue", {"ActionID": 2}),
    "position by entry": ("admin.journey.queue.position", {"EntryID": 1000}),
    "position by address": ("admin.journey.queue.position", {"Email": "p1000@example.com", "ListID": 1}),
    "audit": ("admin.journey.action.audit", {"ActionID": 2}),
}


async def park(url: str, people: int, due: int) -> None:
    """People at a Wait of a year, in order of their instants, and some whose turn it is."""
    now = datetime.now(UTC)
    connection = await connect(url)
    await connection.execute(SETUP)
    for first in range(1, people + 1, 500_000):
        last = min(people, first + 499_999)
        await connection.execute(PEOPLE, first, last, timeout=3600)
        later = now + timedelta(days=1 + 365 * first / people)
        await connection.execute(ENTER, first, last, 2, now, later, timeout=3600)
        await connection.execute(TIMERS, first, last, timeout=3600)
    await connection.execute(PEOPLE, people + 1, people + due)
    await connection.execute(ENTER, people + 1, people + due, 1, now, now)
    await connection.execute(TIMERS, people + 1, people + due)
    await connection.execute(ROUND, now)
    await connection.execute(
        "INSERT INTO journey_totals (owner_id, journey_id, active_count, total_count) VALUES (1, 1, $1, $1)",
        people + due,
    )
    await connection.execute(
        "INSERT INTO action_totals (owner_id, journey_id, action_id, active_count, total_count) "
        "VALUES (1, 1, 1, $2, $2), (1, 1, 2, $1, $1)",
        people,
        due,
    )
    await connection.execute("VACUUM ANALYZE", timeout=3600)
    await connection.close()


@contextlib.asynccontextmanager
async def workers(url: str, number: int) -> AsyncIterator[list[Engine]]:
    """Engines at full speed: whoever has tagged its people finds new ones due."""
    pools = [make_engine(url, pool_size=2, statement_timeout=timedelta(minutes=5)) for _ in range(number)]
    engines = [Engine(make_sessions(pool), clock=SetClock(datetime.now(UTC))) for pool in pools]
    stop = asyncio.Event()
    feeder = await connect(url)

    async def feed() -> None:
        next_id = 1_000_000_000
        while not stop.is_set():
            now = datetime.now(UTC)
            for engine in engines:
                engine._clock.instant = now  # type: ignore[attr-defined]
            if (
                await feeder.fetchval("SELECT count(*) FROM (SELECT FROM timers WHERE due_at <= now() LIMIT 20000) t")
                < 20_000
            ):
                await feeder.execute(PEOPLE, next_id, next_id + 9_999)
                await feeder.execute(ENTER, next_id, next_id + 9_999, 1, now, now)
                await feeder.execute(TIMERS, next_id, next_id + 9_999)
                await feeder.execute(ROUND, now)
                next_id += 10_000
            await asyncio.sleep(0.2)

    async def work(engine: Engine) -> None:
        while not stop.is_set():
            for shard in range(SHARDS):
                await engine.turn(shard)
            await engine.chores()

    tasks = [asyncio.create_task(work(engine)) for engine in engines] if engines else []
    if engines:
        tasks.append(asyncio.create_task(feed()))
    try:
        yield engines
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await feeder.close()
        for pool in pools:
            await pool.dispose()


async def measure(app: Application, url: str, rounds: int, engines: int) -> list[dict[str, Any]]:
    """Milliseconds and ratios by command."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    transport = httpx.ASGITransport(app=app)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://bench") as http,
        workers(url, engines) as running,
    ):
        for number in range(rounds + 1):
            for name, (command, given) in COMMANDS.items():
                async with app.sessions() as session:
                    started = time.perf_counter()
                    await session.execute(text("SELECT 1"))
                    one = time.perf_counter() - started
                body = json.dumps({"Command": command, "AdminAPIKey": KEY, **given})
                started = time.perf_counter()
                answer = await http.post("/api.php", content=body, headers={"Content-Type": "application/json"})
                seconds = time.perf_counter() - started
                if answer.status_code != 200 or (not answer.json()["Success"] and name != "unstuck"):
                    raise SystemExit(f"{command}: {answer.text}")
                if number:  # the first round warms up
                    taken[name].append((seconds, one))
            await asyncio.sleep(0)
        moved = sum(engine.taken_timers for engine in running)
    print(f"{moved:,} people were moved meanwhile")
    return [
        {
            "command": name,
            "best_ms": 1000 * min(seconds for seconds, _ in pairs),
            "best_select_1_ms": 1000 * min(one for _, one in pairs),
            "ms": 1000 * statistics.median(seconds for seconds, _ in pairs),
            "select_1_ms": 1000 * statistics.median(one for _, one in pairs),
            "ratio": statistics.median(seconds / one for seconds, one in pairs),
        }
        for name, pairs in taken.items()
    ]


async def run(url: str, given: argparse.Namespace) -> dict[int, list[dict[str, Any]]]:
    """Prepare, and measure beside each number of workers."""
    await migrate(url)
    await park(url, given.parked, given.due)
    app = create_app(
        Settings(
            _env_file=None,  # type: ignore[call-arg]
            database_url=url,
            admin_api_key=SecretStr(KEY),
            secret_key=SecretStr("secret-of-the-benchmark"),
            rate_limits="off",
            log_level="error",
        )
    )
    try:
        return {number: await measure(app, url, given.rounds, number) for number in given.workers}
    finally:
        await app.close()


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parked", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--workers", type=lambda given: [int(number) for number in given.split(",")], default=[0, 1])
    given = parser.parse_args()
    configure_logging("error")
    parameters = {"shared_buffers": "2GB", "max_wal_size": "8GB", "fsync": "off"}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "data", parameters=parameters).own() as url,
    ):
        found = asyncio.run(run(url, given))
    for number, rows in found.items():
        title = f"with {given.parked:,} people parked, {number} workers at full speed"
        table = Table(title, "ms", "SELECT 1, ms", "ratio", "best ms", "best SELECT 1, ms")
        for row in rows:
            best = (f"{row['best_ms']:.2f}", f"{row['best_select_1_ms']:.2f}")
            table.add_row(
                row["command"], f"{row['ms']:.2f}", f"{row['select_1_ms']:.2f}", f"{row['ratio']:.1f}x", *best
            )
        Console().print(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "operators.json").write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
