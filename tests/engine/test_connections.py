"""A worker all of whose connections are in use."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from journeys_api.settings import Settings
from journeys_api.work import Worker


@pytest.fixture
async def worker(settings: Settings, make_database: Any, template: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """One with a single connection, on a database of its own."""
    own = {"database_url": await make_database(template), "database_pool_size": 1, "data_dir": tmp_path}
    made = Worker(settings.model_copy(update=own))
    yield made
    await made.close()


async def test_no_work_is_at_fault_when_it_gets_no_connection(worker: Worker) -> None:
    async with worker.sessions() as session:
        await session.execute(text("SELECT 1"))
        with capture_logs() as logs, pytest.raises(PoolTimeout):
            await worker.engine.turn(0)

    assert [line["event"] for line in logs] == []


async def test_a_worker_that_gets_no_connection_waits_for_one(worker: Worker) -> None:
    stop = asyncio.Event()
    with capture_logs() as logs:
        async with worker.sessions() as session:
            await session.execute(text("SELECT 1"))
            running = asyncio.create_task(worker.run(stop))
            while not running.done() and "rescue_interrupted" not in [line["event"] for line in logs]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        stop.set()
        await running

    assert "worker_stopped" in [line["event"] for line in logs]
