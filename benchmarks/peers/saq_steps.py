"""saq: jobs in Redis, pushed to whoever waits for them.

As its README and its pages on jobs and workers have it: redis-py with hiredis, more at a time than the default of ten,
and nothing kept of what is done (`ttl`).
"""

from typing import Any

import asyncpg
from saq import Queue, Worker

from step import STEP, Asked, begin, main

CONCURRENCY = 16


async def enqueue(asked: Asked) -> None:
    """A job for each of the people."""
    queue = Queue.from_url(asked.store)
    for each in asked.people:
        await queue.enqueue("step", enrollment_id=each, ttl=-1)
    await queue.disconnect()


async def work(asked: Asked) -> None:
    """A worker, until a signal comes."""
    pool = await asyncpg.create_pool(asked.database, min_size=CONCURRENCY, max_size=CONCURRENCY)

    async def step(context: dict[str, Any], *, enrollment_id: int) -> None:
        await pool.execute(STEP, enrollment_id)

    worker = Worker(Queue.from_url(asked.store), [("step", step)], concurrency=CONCURRENCY)
    begin()
    await worker.start()


if __name__ == "__main__":
    main(enqueue, work)
