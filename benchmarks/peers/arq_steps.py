"""arq: jobs in Redis, which a worker asks for.

As its documentation of `Worker` has it: many at a time (`max_jobs`, hundreds are said to be possible), asked for far
more often than by default (`poll_delay`, half a second, would bound it at two hundred a second), no results kept and
none logged; redis-py with hiredis.
"""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker, func

from step import STEP, Asked, begin, main

MAX_JOBS = 100
POLL_DELAY = 0.01
CONNECTIONS = 16


async def enqueue(asked: Asked) -> None:
    """A job for each of the people."""
    store = await create_pool(RedisSettings.from_dsn(asked.store))
    for each in asked.people:
        await store.enqueue_job("step", each)


async def work(asked: Asked) -> None:
    """A worker, until a signal comes."""
    pool = await asyncpg.create_pool(asked.database, min_size=CONNECTIONS, max_size=CONNECTIONS)

    async def step(context: dict[str, Any], enrollment_id: int) -> None:
        await pool.execute(STEP, enrollment_id)

    worker = Worker(
        [func(step, name="step")],
        redis_settings=RedisSettings.from_dsn(asked.store),
        max_jobs=MAX_JOBS,
        poll_delay=POLL_DELAY,
        keep_result=0,
        log_results=False,
    )
    begin()
    with suppress(asyncio.CancelledError):  # its way to stop
        await worker.async_run()
    await worker.close()


if __name__ == "__main__":
    main(enqueue, work)
