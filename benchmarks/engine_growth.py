"""What a batch costs while ever more people are parked, and after many finished steps."""

import argparse
import asyncio
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from typing import Any

import engine_ground as ground
from engine_ground import NOW

WAIT = ("Wait", {"WaitUnit": "days", "WaitAmount": 1})
JOURNEY = 1
PARKED = 10_000_000_000
"""Ids of parked people begin here, so that those who move lie together as newcomers do."""
CHUNK = 500_000


async def _make(url: str) -> None:
    connection = await ground.connect(url)
    await ground.make_journey(connection, JOURNEY, [WAIT, WAIT])
    await connection.close()


async def _park(url: str, first: int, last: int) -> None:
    """People first … last wait for a year."""
    connection = await ground.connect(url)
    for begin in range(first, last + 1, CHUNK):
        end = min(begin + CHUNK - 1, last)
        due_at = NOW + timedelta(days=365)
        await ground.put_in(connection, PARKED + begin, PARKED + end, journey_id=JOURNEY, action_id=101, due_at=due_at)
    await connection.execute("VACUUM ANALYZE", timeout=3600)
    await connection.close()


async def _due(url: str, first: int, last: int) -> None:
    connection = await ground.connect(url)
    await ground.put_in(connection, first, last, journey_id=JOURNEY, action_id=100)
    await connection.close()


async def _due_again(url: str, last: int) -> None:
    """Everybody stands at the first action once more."""
    connection = await ground.connect(url)
    await connection.execute("DELETE FROM timers WHERE due_at < $1", NOW + timedelta(days=100), timeout=600)
    await connection.execute(
        "UPDATE enrollments SET action_id = 100, due_at = $1, entered_at = $2 "
        "WHERE owner_id = 1 AND enrollment_id <= $3",
        NOW, NOW - timedelta(days=1), last, timeout=600,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) "
        "SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM enrollments "
        "WHERE owner_id = 1 AND enrollment_id <= $1",
        last, timeout=600,
    )  # fmt: skip
    await connection.execute("UPDATE runnable_journeys SET next_due_at = $1", NOW)
    await connection.close()


def parked(url: str, pool: ProcessPoolExecutor, sizes: list[int], sample: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds for `sample` due people while so many others are parked."""
    there = last = 0
    rows = []
    for size in sizes:
        asyncio.run(_park(url, there + 1, size))
        there = size
        side = ground.Side("engine", sample)
        for number in range(rounds + 1):
            asyncio.run(_due(url, last + 1, last + sample))
            last += sample
            timing = ground.timed(pool, ground.by_engine, url)
            if number:
                side.rounds.append(timing)
        rows.append({"parked": size, "per_second": side.per_second(), "microseconds": side.microseconds()})
    return rows


def finished(url: str, pool: ProcessPoolExecutor, laps: int, sample: int) -> list[ground.Timing]:
    """Each lap of the same people over the same action, while the history grows."""
    asyncio.run(_due(url, 1, sample))
    times = []
    for _ in range(laps):
        asyncio.run(_due_again(url, sample))
        times.append(ground.timed(pool, ground.by_engine, url))
    return times[1:]


def main() -> None:
    """Print both tables and write the JSON beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000", help="people parked, ascending; 5000000 takes ten minutes")
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--laps", type=int, default=9)
    given = parser.parse_args()
    with ground.workers() as pool:
        with ground.database() as url:
            asyncio.run(_make(url))
            grown = parked(url, pool, [int(size) for size in given.sizes.split(",")], given.sample, given.rounds)
        with ground.database("laps") as url:
            asyncio.run(_make(url))
            laps = finished(url, pool, given.laps, given.sample)
    third = max(1, len(laps) // 3)
    for name, part in (("first", laps[:third]), ("last", laps[-third:])):
        side = ground.Side("engine", given.sample, part)
        what = f"{name} third of {given.laps * given.sample:,} steps"
        grown.append({"parked": what, "per_second": side.per_second(), "microseconds": side.microseconds()})
    rows = []
    for place, row in enumerate(grown):
        first = grown[0] if place < len(grown) - 2 else grown[-2]
        while_ = f"{row['parked']:,} parked" if isinstance(row["parked"], int) else str(row["parked"])
        slower, dearer = first["per_second"] / row["per_second"], row["microseconds"] / first["microseconds"]
        cells = (f"{row['per_second']:,.0f}", f"{slower:.2f}x", f"{row['microseconds']:,.0f}", f"{dearer:.2f}x")
        rows.append((while_, *cells))
    title = f"{given.sample:,} people due at a time"
    columns = ("while", "transitions a second", "slower than the first", "µs of processor", "dearer")
    ground.publish("engine_growth", title, columns, rows, grown)


if __name__ == "__main__":
    main()
