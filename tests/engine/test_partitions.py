"""Months of the history are there before they begin."""

from datetime import UTC, date, datetime

from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.engine.partitions import make_months, months_from


async def _made(app: Application, now: datetime) -> int:
    async with app.sessions.begin() as session:
        return await make_months(session, now=now)


async def _place(app: Application, at: datetime) -> str:
    """The table that a step of this instant is kept in."""
    async with app.sessions.begin() as session:
        kept = await session.scalar(
            text(
                "INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome) "
                "VALUES (0, 0, 1, 0, :at, 'done') RETURNING CAST(CAST(tableoid AS regclass) AS text)"
            ),
            {"at": at},
        )
        return str(kept)


def test_months_go_over_the_end_of_the_year() -> None:
    assert months_from(date(2090, 11, 30), 3) == [date(2090, 11, 1), date(2090, 12, 1), date(2091, 1, 1)]


async def test_this_month_and_the_next_two_get_tables_once(app: Application) -> None:
    now = datetime(2090, 11, 30, 23, 59, tzinfo=UTC)

    assert await _made(app, now) == 3
    assert await _made(app, now) == 0

    assert await _place(app, now) == "steps_2090_11"
    assert await _place(app, datetime(2091, 1, 1, tzinfo=UTC)) == "steps_2091_01"
    assert await _place(app, datetime(2091, 2, 1, tzinfo=UTC)) == "steps_default"


async def test_a_month_that_has_begun_in_the_default_table_stays_there(app: Application) -> None:
    now = datetime(2092, 3, 5, tzinfo=UTC)
    assert await _place(app, now) == "steps_default"

    assert await _made(app, now) == 2

    assert await _place(app, now) == "steps_default"
    assert await _place(app, datetime(2092, 4, 30, 23, 59, 59, tzinfo=UTC)) == "steps_2092_04"
