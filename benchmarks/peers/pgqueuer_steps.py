"""pgqueuer: jobs in PostgreSQL, taken in batches.

As its "Performance tuning" has it: asyncpg, a pool for what the jobs do and a connection for the queue, a large
`batch_size` for short jobs, the queue's tables set up for many changes; and uvloop, as in its own benchmark. Durability
is the default: tables that survive a crash.
"""

import asyncio
import signal

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from step import STEP, Asked, begin, main

BATCH = 500
CONNECTIONS = 16


async def enqueue(asked: Asked) -> None:
    """A job for each of the people."""
    queries = Queries(AsyncpgDriver(await asyncpg.connect(asked.database)))
    if not await queries.has_table("pgqueuer"):
        await queries.install()
        await queries.optimize_autovacuum()
    payloads = [str(each).encode() for each in asked.people]
    await queries.enqueue(["step"] * len(payloads), payloads, [0] * len(payloads))


async def work(asked: Asked) -> None:
    """A worker, until a signal comes."""
    pool = await asyncpg.create_pool(asked.database, min_size=CONNECTIONS, max_size=CONNECTIONS)
    worker = PgQueuer(AsyncpgDriver(await asyncpg.connect(asked.database)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.shutdown.set)

    @worker.entrypoint("step")
    async def step(job: Job) -> None:
        await pool.execute(STEP, int(job.payload or b"0"))

    begin()
    await worker.run(batch_size=BATCH)


if __name__ == "__main__":
    uvloop.install()
    main(enqueue, work)
