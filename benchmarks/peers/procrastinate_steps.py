"""procrastinate: jobs in PostgreSQL, each taken by itself.

As its "Production" pages have it: asynchronous tasks, more than one at a time, connections for as many, and jobs that
are deleted once they are done.
"""

import asyncpg
from procrastinate import App, PsycopgConnector

from step import STEP, Asked, begin, main

CONCURRENCY = 8


def app_of(asked: Asked) -> App:
    """The application, with its own pool of connections."""
    return App(connector=PsycopgConnector(conninfo=asked.database, min_size=CONCURRENCY, max_size=CONCURRENCY))


async def enqueue(asked: Asked) -> None:
    """A job for each of the people."""
    app = app_of(asked)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        step = app.configure_task("step")
        await step.batch_defer_async(*({"enrollment_id": each} for each in asked.people))


async def work(asked: Asked) -> None:
    """A worker, until a signal comes."""
    app = app_of(asked)
    pool = await asyncpg.create_pool(asked.database, min_size=CONCURRENCY, max_size=CONCURRENCY)

    @app.task(name="step")
    async def step(enrollment_id: int) -> None:
        await pool.execute(STEP, enrollment_id)

    async with app.open_async():
        begin()
        await app.run_worker_async(concurrency=CONCURRENCY, delete_jobs="successful")


if __name__ == "__main__":
    main(enqueue, work)
