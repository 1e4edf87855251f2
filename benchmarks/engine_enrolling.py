"""Enrollments a second from events: the engine's batches against one event a transaction, on the same schema."""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence

import asyncpg

import engine_ground as ground
from engine_ground import LATER, NOW

WAIT = ("Wait", {"WaitUnit": "days", "WaitAmount": 1})
TAGGED = {"Value": 1}
"""The trigger's parameters, as a journey keeps them."""
_EVENTS = """
INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, subject_id, occurred_at)
SELECT n % 16, 1, 'Tag', 1, n, 1, $3 FROM generate_series($1::bigint, $2::bigint) n
"""
_ONE_EVENT = """
DELETE FROM trigger_events WHERE ctid = (
    SELECT ctid FROM trigger_events WHERE shard = $1 ORDER BY owner_id, event_id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING owner_id, kind, list_id, subscriber_id, subject_id, depth
"""
_JOURNEYS = """
SELECT journey_id, first_action_id, trigger_parameters FROM journeys
WHERE owner_id = $1 AND trigger = $2 AND status = 'Enabled' AND deleted_at IS NULL FOR SHARE
"""
_PERSON = "SELECT list_id, email_address FROM subscribers WHERE owner_id = $1 AND subscriber_id = $2"
_ENTER = """
INSERT INTO enrollments (owner_id, journey_id, list_id, subscriber_id, email_address, action_id, entered_at, due_at,
                         depth, cause, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, '{"kind": "Tag"}', $7)
ON CONFLICT (owner_id, journey_id, list_id, subscriber_id) WHERE state = 'active' DO NOTHING RETURNING enrollment_id
"""
_TIMER = "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) VALUES ($1, $2, $3, $4, $5)"
_RUNNABLE = """
INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (shard, journey_id) DO UPDATE
SET next_due_at = least(runnable_journeys.next_due_at, excluded.next_due_at)
"""
_COUNT = """
INSERT INTO entry_counts (journey_id, minute, entries) VALUES ($1, date_trunc('minute', $2::timestamptz), 1)
ON CONFLICT (journey_id, minute) DO UPDATE SET entries = entry_counts.entries + 1
"""


async def _take_one(connection: asyncpg.Connection, shard: int) -> bool:
    """One event, in one transaction; False: there is none."""
    async with connection.transaction():
        event = await connection.fetchrow(_ONE_EVENT, shard)
        if event is None:
            return False
        owner = event["owner_id"]
        for journey in await connection.fetch(_JOURNEYS, owner, event["kind"]):
            if json.loads(journey["trigger_parameters"]).get("Value") != event["subject_id"]:
                continue
            person = await connection.fetchrow(_PERSON, owner, event["subscriber_id"])
            entered = await connection.fetchval(
                _ENTER, owner, journey["journey_id"], person["list_id"], event["subscriber_id"],
                person["email_address"], journey["first_action_id"], LATER, event["depth"],
            )  # fmt: skip
            if entered is not None:
                await connection.execute(_TIMER, shard, journey["journey_id"], LATER, owner, entered)
                await connection.execute(_RUNNABLE, shard, journey["journey_id"], owner, LATER)
                await connection.execute(_COUNT, journey["journey_id"], LATER)
    return True


async def _one_by_one(url: str, shards: Sequence[int]) -> tuple[float, float]:
    connections = await ground.kept("connections", url, ground.some_connections)

    async def work(connection: asyncpg.Connection, own: Sequence[int]) -> None:
        for shard in own:
            while await _take_one(connection, shard):
                pass

    begin = time.monotonic()
    parts = [shards[number :: ground.CONNECTIONS] for number in range(ground.CONNECTIONS)]
    await asyncio.gather(*(work(*each) for each in zip(connections, parts, strict=True)))
    return begin, time.monotonic()


def one_by_one(url: str, shards: Sequence[int]) -> tuple[float, float]:
    """The others' way."""
    return ground.run_kept(_one_by_one(url, shards))


async def _enroll(url: str, shards: Sequence[int]) -> tuple[float, float]:
    engine = await ground.kept("engine", url, ground.an_engine)
    begin = time.monotonic()
    for shard in shards:
        while await engine.enroll(shard):
            pass
    return begin, time.monotonic()


def by_batches(url: str, shards: Sequence[int]) -> tuple[float, float]:
    """Ours: batches of events, nobody stepping."""
    return ground.run_kept(_enroll(url, shards))


async def tell(url: str, first: int, last: int) -> None:
    """People first … last come to be, and each has been tagged."""
    connection = await ground.connect(url)
    await connection.execute("VACUUM timers, trigger_events, runnable_journeys, counter_deltas")
    await connection.execute(ground.PEOPLE, first, last, timeout=600)
    await connection.execute(_EVENTS, first, last, NOW, timeout=600)
    await connection.close()


async def check(url: str, first: int, last: int) -> None:
    """People first … last have been let in: events that let nobody in are looked at sooner."""
    connection = await ground.connect(url)
    inside = await connection.fetchval(
        "SELECT count(*) FROM enrollments WHERE owner_id = 1 AND subscriber_id BETWEEN $1 AND $2", first, last
    )
    await connection.close()
    if inside != last - first + 1:
        raise SystemExit(f"{inside} of {last - first + 1} people were let in")


async def _make(url: str) -> None:
    connection = await ground.connect(url)
    await ground.make_journey(connection, 1, [WAIT], trigger="Tag", subject=TAGGED)
    await connection.close()


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=20_000, help="events of a round of the engine")
    parser.add_argument("--few", type=int, default=1_000, help="events of a round of the other code")
    given = parser.parse_args()
    ours, theirs = ground.Side("engine", given.many), ground.Side("one by one", given.few)
    last = 0
    with ground.database() as url, ground.workers() as pool:
        asyncio.run(_make(url))
        for number in range(given.rounds + 1):
            for side, job in ((ours, by_batches), (theirs, one_by_one)):
                first, last = last + 1, last + side.done
                asyncio.run(tell(url, first, last))
                timing = ground.timed(pool, job, url)
                asyncio.run(check(url, first, last))
                if number:  # the first round warms up
                    side.rounds.append(timing)
    found = ground.compared(ours, theirs)
    title = "enrollments a second from events"
    ground.publish("engine_enrolling", title, ground.COLUMNS, [ground.cells(found)], found)


if __name__ == "__main__":
    main()
