"""pgqueuer doing the equivalent step: one UPDATE and one INSERT a job. Prints seconds, first job to last."""

import asyncio
import sys
import time

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

STEP = """
WITH moved AS (
    UPDATE enrollments SET action_id = action_id + 1, due_at = due_at + interval '1 day', seq = seq + 1
    WHERE owner_id = 1 AND enrollment_id = $1 RETURNING owner_id, enrollment_id, seq, action_id
)
INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome)
SELECT owner_id, enrollment_id, seq, action_id - 1, now(), 'done' FROM moved
"""
BATCH = 100
CONNECTIONS = 16


async def main(url: str, first: int, last: int) -> float:
    """Enqueue a job for each of the people, then run a worker until none is left."""
    pool = await asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS)
    driver = AsyncpgPoolDriver(pool)
    queries = Queries(driver)
    if await pool.fetchval("SELECT to_regclass('pgqueuer')") is None:
        await queries.install()
    people = list(range(first, last + 1))
    await queries.enqueue(["step"] * len(people), [str(each).encode() for each in people], [0] * len(people))
    worker = PgQueuer(driver)
    spans: list[float] = []

    @worker.entrypoint("step")
    async def step(job: Job) -> None:
        spans.append(time.monotonic())
        await pool.execute(STEP, int(job.payload or b"0"))
        spans.append(time.monotonic())

    await worker.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
    await pool.close()
    return max(spans) - min(spans)


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
