"""How long it can be read why somebody did not enter."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.clock import SetClock
from journeys_api.engine.admissions import Refused, insert_refusals
from journeys_api.engine.refusals import KEPT, MOST_AT_ONCE
from journeys_api.settings import Settings
from journeys_api.work import Worker


@pytest.fixture
async def worker(settings: Settings, make_database: Any, template: str) -> AsyncIterator[Worker]:
    """A worker on a database that it has for itself."""
    own = Worker(settings.model_copy(update={"database_url": await make_database(template)}), clock=SetClock(NOW))
    yield own
    await own.close()


NOW = datetime(2026, 5, 4, tzinfo=UTC)


async def test_old_refusals_go_and_young_ones_stay(worker: Worker) -> None:
    too_old = MOST_AT_ONCE + 1
    async with worker.sessions.begin() as session:
        for count, at in ((too_old, NOW - KEPT - timedelta(seconds=1)), (2, NOW - KEPT), (1, NOW)):
            await insert_refusals(session, [Refused(1, 2, 3, 4, "Tag", "active already")] * count, now=at)

    await worker.engine.run_until_quiet()

    async with worker.sessions() as session:
        left = (await session.scalars(text("SELECT refused_at FROM enrollment_refusals ORDER BY 1"))).all()
    assert left == [NOW - KEPT, NOW - KEPT, NOW]
