"""A worker whose connections are in use or lost, and one whose database surprises it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from journeys_api.settings import Settings
from journeys_api.tracking import hits
from journeys_api.work import Worker
from tests.tracking.lines import Line

LISTENING = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'journeys-api notices' "
    f"AND datname = current_database() AND query LIKE 'LISTEN%{hits.CHANNEL}%'"
)
GATEWAY = (
    # no object: nothing can be sealed in it
    "INSERT INTO sms_gateways (name, kind, credentials, created_at) VALUES ('Odd', 'Log', '[]', now())"
)
EVENT = (
    "INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, occurred_at) "
    "VALUES (3, 1, 'Tag', 1, 3, now())"
)
FAULTS = {"sender_failed", "judging_failed", "rescue_failed", "jobs_failed", "sealing_failed"}


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


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    """The worker runs, and ends well."""
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield running
    finally:
        stop.set()
        await running


async def eventually(condition: Callable[[], Awaitable[object]], running: asyncio.Task[None]) -> None:
    """Wait until something is so, while the worker runs."""
    async with asyncio.timeout(60):
        while not await condition():
            assert not running.done()
            await asyncio.sleep(0.05)


async def test_a_worker_whose_connection_ends_as_it_begins_to_listen_listens_again(
    settings: Settings, make_database: Any, template: str, tmp_path: Path
) -> None:
    database_url = await make_database(template)
    async with Line(database_url).open() as line:
        worker = Worker(settings.model_copy(update={"database_url": line.url, "data_dir": tmp_path}))
        line.ended_after = b"LISTEN"

        async def is_listening() -> bool:
            # to the second of its channels
            async with worker.sessions() as session:
                return bool(await session.scalar(text(LISTENING)))

        with capture_logs() as logs:
            async with at_work(worker) as running:
                await eventually(is_listening, running)

    assert [line["event"] for line in logs if "notices" in line["event"]] == ["notices_lost"]


async def test_what_cannot_be_done_at_all_is_told_as_a_fault_and_stops_nothing_else(
    settings: Settings, make_database: Any, template: str, tmp_path: Path
) -> None:
    own = {"database_url": await make_database(template), "data_dir": tmp_path}
    worker = Worker(settings.model_copy(update=own))
    async with worker.sessions.begin() as session:
        await session.execute(text(GATEWAY))
        for table in ("deliveries", "tracking_hits", "jobs"):
            await session.execute(text(f"ALTER TABLE {table} RENAME TO other_{table}"))

    async def is_event_gone() -> bool:
        async with worker.sessions() as session:
            return not await session.scalar(text("SELECT count(*) FROM trigger_events"))

    async def is_all_told() -> bool:
        return {line["event"] for line in logs} >= FAULTS

    with capture_logs() as logs:
        async with at_work(worker) as running:
            await eventually(is_all_told, running)
            async with worker.sessions.begin() as session:
                await session.execute(text(EVENT))
            await eventually(is_event_gone, running)

    told = [line for line in logs if line["event"] in FAULTS]
    assert {line["log_level"] for line in told} == {"error"}
    assert all(line["exc_info"] for line in told)
    assert not [line["event"] for line in logs if line["event"].endswith("_interrupted")]
