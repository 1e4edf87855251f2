"""Transitions a second, and what a batch costs as more people are parked. Run with `make bench`."""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from journeys_api.clock import SetClock
from journeys_api.db import make_engine, make_sessions
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.engine.worker import Engine
from journeys_api.migrate import migrate
from journeys_api.models import SHARDS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, LIST, JOURNEY, TAG = 1, 1, 1, 1
CONNECTIONS = 8

SETUP = """
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 'bench', '{*}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'bench@example.com', '', now(), now());
INSERT INTO lists (list_id, owner_id, name, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'bench', now(), now());
INSERT INTO tags (tag_id, owner_id, list_id, name, created_at) OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 'bench', now());
INSERT INTO journeys (journey_id, owner_id, name, status, first_action_id, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'Enabled', 1, now(), now());
INSERT INTO journey_actions (action_id, owner_id, journey_id, order_no, action, parameters, is_published,
                             next_action_id, created_at)
OVERRIDING SYSTEM VALUE VALUES
(1, 1, 1, 1, 'AddTag', '{"TargetTagID": 1}', true, 2, now()),
(2, 1, 1, 2, 'Wait', '{"WaitUnit": "days", "WaitAmount": 1}', true, null, now());
"""

PEOPLE = """
INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, 'p' || n || '@example.com', 'Subscribed', now(), now() FROM generate_series($1::bigint, $2::bigint) n
"""
ENTER = """
INSERT INTO enrollments (enrollment_id, owner_id, journey_id, list_id, subscriber_id, email_address, action_id,
                         entered_at, due_at, created_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, 1, n, 'p' || n || '@example.com', $3, $4, $5, $4 FROM generate_series($1::bigint, $2::bigint) n
"""
TIMERS = """
INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM enrollments
WHERE enrollment_id BETWEEN $1 AND $2
"""
ROUND = """
INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at)
SELECT n, 1, 1, $1 FROM generate_series(0, 15) n
ON CONFLICT (shard, journey_id) DO UPDATE SET next_due_at = excluded.next_due_at
"""

ONE_TIMER = """
DELETE FROM timers WHERE ctid = (
    SELECT ctid FROM timers WHERE shard = $1 AND journey_id = 1 AND due_at <= $2 ORDER BY due_at
    LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING owner_id, enrollment_id
"""


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


async def prepare(connection: asyncpg.Connection, first: int, last: int) -> None:
    """People first … last stand at AddTag and are due."""
    await connection.execute(PEOPLE, first, last)
    await connection.execute(ENTER, first, last, 1, NOW, NOW)
    await connection.execute(TIMERS, first, last)
    await connection.execute(ROUND, NOW)


async def batches(url: str) -> float:
    """Seconds that two engines need until nobody is due."""
    pools = [make_engine(url, pool_size=2, statement_timeout=timedelta(minutes=5)) for _ in range(2)]
    engines = [Engine(make_sessions(pool), clock=SetClock(NOW + timedelta(seconds=1))) for pool in pools]

    async def work(engine: Engine, first: int) -> None:
        for offset in range(SHARDS):
            while await engine.turn((first + offset) % SHARDS):
                pass

    started = time.perf_counter()
    await asyncio.gather(work(engines[0], 0), work(engines[1], SHARDS // 2))
    seconds = time.perf_counter() - started
    for pool in pools:
        await pool.dispose()
    return seconds


async def one_by_one(url: str) -> float:
    """Seconds that code with a transaction a person needs for the same work, on eight connections."""
    later = NOW + timedelta(days=1)
    now = NOW + timedelta(seconds=1)

    async def work(shards: range) -> None:
        connection = await connect(url)
        for shard in shards:
            while True:
                async with connection.transaction():
                    row = await connection.fetchrow(ONE_TIMER, shard, now)
                    if row is None:
                        break
                    owner, enrollment = row["owner_id"], row["enrollment_id"]
                    person = await connection.fetchrow(
                        "SELECT subscriber_id, list_id, email_address, seq FROM enrollments "
                        "WHERE owner_id = $1 AND enrollment_id = $2 AND state = 'active' FOR UPDATE",
                        owner,
                        enrollment,
                    )
                    await connection.execute(
                        "INSERT INTO subscriber_tags (owner_id, subscriber_id, tag_id, tagged_at) "
                        "VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING",
                        owner,
                        person["subscriber_id"],
                        now,
                    )
                    await connection.execute(
                        "INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome) "
                        "VALUES ($1, $2, $3, 1, $4, 'done')",
                        owner,
                        enrollment,
                        person["seq"] + 1,
                        now,
                    )
                    await connection.execute(
                        "INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, "
                        "reached_at) VALUES ($1, 2, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                        owner,
                        person["list_id"],
                        person["subscriber_id"],
                        person["email_address"],
                        now,
                    )
                    await connection.execute(
                        "UPDATE enrollments SET action_id = 2, entered_at = $3, due_at = $4, seq = seq + 1 "
                        "WHERE owner_id = $1 AND enrollment_id = $2",
                        owner,
                        enrollment,
                        now,
                        later,
                    )
                    await connection.execute(
                        "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) "
                        "VALUES ($1, 1, $2, $3, $4)",
                        shard,
                        later,
                        owner,
                        enrollment,
                    )
        await connection.close()

    each = SHARDS // CONNECTIONS
    started = time.perf_counter()
    await asyncio.gather(*(work(range(start, start + each)) for start in range(0, SHARDS, each)))
    return time.perf_counter() - started


async def compare(url: str, rounds: int, many: int, few: int) -> dict[str, object]:
    """Both variants in each round: ours over `many` people, the other over `few`, which is slow enough."""
    connection = await connect(url)
    await connection.execute(SETUP)
    ours, theirs = [], []
    last = 0
    for _ in range(rounds):
        await prepare(connection, last + 1, last + many)
        last += many
        ours.append(many / await batches(url))
        await prepare(connection, last + 1, last + few)
        last += few
        theirs.append(few / await one_by_one(url))
    await connection.close()
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return {
        "batches_per_second": statistics.median(ours),
        "one_by_one_per_second": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


async def growth(url: str, sizes: list[int], sample: int) -> list[dict[str, float]]:
    """Seconds for `sample` due people while ever more are parked for a year."""
    connection = await connect(url)
    await connection.execute(SETUP)
    parked = last = 0
    rows = []
    for size in sizes:
        first = last + 1
        last += size - parked
        await connection.execute(PEOPLE, first, last, timeout=1800)
        await connection.execute(ENTER, first, last, 2, NOW, NOW + timedelta(days=365), timeout=1800)
        await connection.execute(TIMERS, first, last, timeout=1800)
        parked = size
        await connection.execute("VACUUM ANALYZE", timeout=1800)
        times = []
        for _ in range(5):
            await prepare(connection, last + 1, last + sample)
            last += sample
            times.append(await batches(url))
        rows.append({"parked": size, "seconds": statistics.median(times)})
    await connection.close()
    return rows


def main() -> None:
    """Print both tables and write the JSON beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=50_000)
    parser.add_argument("--few", type=int, default=2_000)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    given = parser.parse_args()
    console = Console()
    parameters = {"shared_buffers": "2GB", "max_wal_size": "8GB"}
    with tempfile.TemporaryDirectory() as folder:
        with EmbeddedPostgres(Path(folder) / "data", parameters=parameters).own() as url:
            asyncio.run(migrate(url))
            compared = asyncio.run(compare(url, given.rounds, given.many, given.few))
        with EmbeddedPostgres(Path(folder) / "more", parameters=parameters).own() as url:
            asyncio.run(migrate(url))
            grown = asyncio.run(growth(url, [int(size) for size in given.sizes.split(",")], 20_000))
    table = Table("transitions a second", "median")
    table.add_row("batches, two engines", f"{compared['batches_per_second']:,.0f}")
    table.add_row("one person a transaction, eight connections", f"{compared['one_by_one_per_second']:,.0f}")
    table.add_row("ratio", f"{compared['ratio']:.1f}x")
    console.print(table)
    table = Table("people parked", "seconds for 20,000 due", "against the first")
    for row in grown:
        table.add_row(f"{row['parked']:,}", f"{row['seconds']:.2f}", f"{row['seconds'] / grown[0]['seconds']:.2f}x")
    console.print(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "engine_steps.json").write_text(json.dumps({"compared": compared, "growth": grown}, indent=2))


if __name__ == "__main__":
    main()
