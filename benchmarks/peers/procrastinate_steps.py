"""procrastinate doing the equivalent step: one UPDATE and one INSERT a job. Prints seconds, first job to last."""

import asyncio
import sys
import time

import asyncpg
import procrastinate

STEP = """
WITH moved AS (
    UPDATE enrollments SET action_id = action_id + 1, due_at = due_at + interval '1 day', seq = seq + 1
    WHERE owner_id = 1 AND enrollment_id = $1 RETURNING owner_id, enrollment_id, seq, action_id
)
INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome)
SELECT owner_id, enrollment_id, seq, action_id - 1, now(), 'done' FROM moved
"""
CONCURRENCY = 16


async def main(url: str, first: int, last: int) -> float:
    """Defer a job for each of the people, then run a worker until none is left."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    pool = await asyncpg.create_pool(url, min_size=CONCURRENCY, max_size=CONCURRENCY)
    spans: list[float] = []

    @app.task(name="step")
    async def step(enrollment_id: int) -> None:
        spans.append(time.monotonic())
        await pool.execute(STEP, enrollment_id)
        spans.append(time.monotonic())

    async with app.open_async():
        if await pool.fetchval("SELECT to_regclass('procrastinate_jobs')") is None:
            await app.schema_manager.apply_schema_async()
        await step.batch_defer_async(*({"enrollment_id": each} for each in range(first, last + 1)))
        await app.run_worker_async(
            concurrency=CONCURRENCY, wait=False, install_signal_handlers=False, delete_jobs="successful"
        )
    await pool.close()
    return max(spans) - min(spans)


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
