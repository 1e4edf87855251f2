"""How late people go on whose wait is over, with a worker's loop running as in production."""

import argparse
import asyncio
import statistics
from datetime import UTC, datetime, timedelta

import engine_ground as ground
from journeys_api.db import make_engine, make_sessions
from journeys_api.engine.worker import Engine

WAIT = ("Wait", {"WaitUnit": "days", "WaitAmount": 1})
_PARK = """
INSERT INTO enrollments (enrollment_id, owner_id, journey_id, list_id, subscriber_id, email_address, action_id,
                         entered_at, due_at, seq, cause, created_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, 1, n, 'p' || n || '@example.com', 100, due - interval '1 day', due, 1, '{"kind": "Manual"}', due
FROM generate_series(1, $1::bigint) n, LATERAL (SELECT $2::timestamptz + n * interval '1 second' / $3::float AS due) d
"""
_TIMERS = """
INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM enrollments
"""
_ROUND = """
INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at)
SELECT shard, journey_id, owner_id, min(due_at) FROM timers GROUP BY 1, 2, 3
"""
# the commit, not the transaction's beginning, is when a step has been taken
_LATE = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(s.xmin) - ($1::timestamptz + s.enrollment_id * interval '1 second'
    / $2::float))::float AS late FROM steps s ORDER BY 1
"""


async def measure(url: str, per_second: int, seconds: int) -> list[float]:
    """Seconds between everybody's due instant and the commit of their step, ascending."""
    people = per_second * seconds
    connection = await ground.connect(url)
    await ground.make_journey(connection, 1, [WAIT, WAIT])
    await connection.execute(ground.PEOPLE, 1, people, timeout=600)
    begin = datetime.now(UTC) + timedelta(seconds=10 + people / 20_000)
    await connection.execute(_PARK, people, begin, float(per_second), timeout=600)
    await connection.execute(_TIMERS, timeout=600)
    await connection.execute(_ROUND)
    await connection.execute("VACUUM ANALYZE", timeout=600)
    pool = make_engine(url, pool_size=2, statement_timeout=timedelta(minutes=1))
    stop = asyncio.Event()
    running = asyncio.create_task(Engine(make_sessions(pool)).run(stop, asyncio.Event()))
    end = begin + timedelta(seconds=seconds + 3)
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
    stop.set()
    await running
    await pool.dispose()
    late = [row["late"] for row in await connection.fetch(_LATE, begin, float(per_second))]
    await connection.close()
    if len(late) != people:
        raise SystemExit(f"{people - len(late)} of {people} people had not gone on after three seconds")
    return late


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-second", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    given = parser.parse_args()
    with ground.database(track_commit_timestamp="on", autovacuum="on") as url:
        late = asyncio.run(measure(url, given.per_second, given.seconds))
    found = {
        "median": statistics.median(late),
        "p90": late[int(len(late) * 0.9)],
        "p99": late[int(len(late) * 0.99)],
        "most": late[-1],
    }
    title = f"lateness of {len(late):,} waits, {given.per_second:,} due a second, one worker"
    rows = [(name, f"{seconds * 1000:,.0f}") for name, seconds in found.items()]
    ground.publish("engine_lateness", title, ("", "ms"), rows, found)


if __name__ == "__main__":
    main()
