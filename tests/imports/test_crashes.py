"""An import whose workers are killed on the way: complete in the end, everybody once, every trigger once."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from journeys_api.accounts import service as accounts
from journeys_api.app import create_app
from journeys_api.clock import SetClock, SystemClock
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import ADMIN_KEY, SECRET_KEY, Maker
from tests.imports.conftest import Imports
from tests.process.running import PATIENCE, environment_of

PEOPLE = int(os.environ.get("JOURNEYS_TEST_IMPORTED_PEOPLE", "30000"))


@contextmanager
def _a_worker(own: Imports, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = environment_of(directory) | {
        "JOURNEYS_DATABASE_URL": own.worker._url,
        "JOURNEYS_SECRET_KEY": SECRET_KEY,
        "JOURNEYS_ADMIN_API_KEY": ADMIN_KEY,
    }
    with (directory / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "journeys_api.cli", "worker"], env=environment, cwd=directory, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def own(settings: Settings, make_database: Any, template: str) -> Any:
    """An application on a database that no other worker works on."""
    application = create_app(settings.model_copy(update={"database_url": await make_database(template)}))
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        async with application.sessions.begin() as session:
            await accounts.ensure_default_group(session, now=SystemClock().now())
        api = await Maker(application, http).client()
        list_id = (await api.ok("list.create", SubscriberListName="Import"))["ListID"]
        worker = Worker(application.settings)
        yield Imports(api, list_id, worker, SetClock(SystemClock().now()))
        await worker.close()
    await application.close()


async def _until(condition: Callable[[], Awaitable[bool]], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE * 3
    while not await condition():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.02)


async def _killed_in_the_turn_of(own: Imports, place: int, directory: Path) -> None:
    """Run a worker, and kill it when everything of one turn is written and nothing of it committed.

    It cannot delete the turn's piece, which somebody else holds.
    """
    log = directory / "worker.log"

    async def is_waiting() -> bool:
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM job_pieces%'"
        )
        return bool(await own.rows(waiting))

    async with own.worker.sessions.begin() as session:
        await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await session.execute(text("SELECT 1 FROM job_pieces WHERE place = :place FOR UPDATE"), {"place": place})
        with _a_worker(own, directory) as process:
            await _until(is_waiting, lambda: f"no worker came to piece {place}: {log.read_text()[-3000:]}")
            process.kill()
            process.wait()


async def test_an_import_killed_three_times_is_complete_with_everybody_once(own: Imports, tmp_path: Path) -> None:
    journey = await own.api.ok("journey.create", Name="Told", Trigger="ListSubscription", Trigger_ListID=own.list_id)
    await own.api.ok("journey.enable", JourneyID=journey["JourneyID"])
    data = "".join(f"person{number}@example.com,{'x' * 60}\n" for number in range(PEOPLE))
    posted = await own.api.ok("subscribers.import.post", **own.parameters(data, TriggerActions=True, Tags=["2025"]))
    ((pieces,),) = await own.rows("SELECT count(*) FROM job_pieces")
    assert pieces > 3

    for place in (0, pieces // 2, pieces - 1):
        await _killed_in_the_turn_of(own, place, tmp_path)
        job = await own.get(posted["ImportID"])
        ((people, left),) = await own.rows(
            "SELECT (SELECT count(*) FROM subscribers), (SELECT count(*) FROM job_pieces)"
        )
        assert (people, left) == (job["TotalImported"], pieces - place), "a turn is half done"
        assert people < PEOPLE

    await own.worker.run_until_quiet()

    job = await own.get(posted["ImportID"])
    assert (job["ImportStatus"], job["TotalImported"], job["TotalDuplicates"]) == ("Completed", PEOPLE, 0)
    ((people, addresses),) = await own.rows("SELECT count(*), count(DISTINCT lower(email_address)) FROM subscribers")
    assert (people, addresses) == (PEOPLE, PEOPLE)
    ((entered, entrants),) = await own.rows("SELECT count(*), count(DISTINCT subscriber_id) FROM enrollments")
    assert (entered, entrants) == (PEOPLE, PEOPLE)
    for table, count in (("enrollment_refusals", 0), ("subscriber_tags", PEOPLE), ("job_pieces", 0)):
        assert await own.rows(f"SELECT count(*) FROM {table}") == [(count,)], table


async def test_two_workers_at_one_import_do_each_piece_once(own: Imports, tmp_path: Path) -> None:
    data = "".join(f"person{number}@example.com,{'x' * 200}\n" for number in range(PEOPLE // 3))
    posted = await own.api.ok("subscribers.import.post", **own.parameters(data))
    settings = Settings(_env_file=None, database_url=own.worker._url, secret_key=SecretStr(SECRET_KEY))  # type: ignore[call-arg]
    others = [Worker(settings)]

    await asyncio.gather(*(each.jobs.run_until_quiet() for each in (own.worker, *others)))
    await own.worker.jobs.run_until_quiet()

    job = await own.get(posted["ImportID"])
    assert (job["ImportStatus"], job["TotalImported"], job["TotalFailed"]) == ("Completed", PEOPLE // 3, 0)
    for each in others:
        await each.close()
