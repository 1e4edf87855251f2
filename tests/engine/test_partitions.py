"""Months of the history and of the ledger are there before they begin."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.engine.partitions import TABLES, make_months, months_from

ROWS = {
    "steps": "(owner_id, enrollment_id, seq, action_id, at, outcome) VALUES (0, 0, 1, 0, :at, 'done')",
    "message_activities": "(owner_id, delivery_id, list_id, subscriber_id, kind, occurred_at, is_counted, domain) "
    "VALUES (0, 0, 0, 0, 'opened', :at, false, '')",
}


async def _made(app: Application, now: datetime) -> int:
    async with app.sessions.begin() as session:
        return await make_months(session, now=now)


async def _place(app: Application, whole: str, at: datetime) -> str:
    """The table that a row of this instant is kept in."""
    async with app.sessions.begin() as session:
        kept = await session.scalar(
            text(f"INSERT INTO {whole} {ROWS[whole]} RETURNING CAST(CAST(tableoid AS regclass) AS text)"), {"at": at}
        )
        return str(kept)


def test_months_go_over_the_end_of_the_year() -> None:
    assert months_from(date(2090, 11, 30), 3) == [date(2090, 11, 1), date(2090, 12, 1), date(2091, 1, 1)]


async def test_this_month_and_the_next_two_get_tables_once(app: Application) -> None:
    now = datetime(2090, 11, 30, 23, 59, tzinfo=UTC)

    assert await _made(app, now) == 3 * len(TABLES)
    assert await _made(app, now) == 0

    for whole in TABLES:
        assert await _place(app, whole, now) == f"{whole}_2090_11"
        assert await _place(app, whole, datetime(2091, 1, 1, tzinfo=UTC)) == f"{whole}_2091_01"
        assert await _place(app, whole, datetime(2091, 2, 1, tzinfo=UTC)) == f"{whole}_default"


@pytest.mark.parametrize(("whole", "year"), [("steps", 2092), ("message_activities", 2094)])
async def test_a_month_that_has_begun_in_the_default_table_stays_there(app: Application, whole: str, year: int) -> None:
    now = datetime(year, 3, 5, tzinfo=UTC)
    assert await _place(app, whole, now) == f"{whole}_default"

    assert await _made(app, now) == 3 * len(TABLES) - 1

    assert await _place(app, whole, now) == f"{whole}_default"
    assert await _place(app, whole, datetime(year, 4, 30, 23, 59, 59, tzinfo=UTC)) == f"{whole}_{year}_04"


async def test_a_month_of_the_ledger_has_the_indexes_and_the_checks_of_all(app: Application) -> None:
    await _made(app, datetime(2096, 1, 1, tzinfo=UTC))

    async with app.sessions() as session:
        found = await session.execute(
            text(
                "SELECT i.indrelid::regclass::text, string_agg(pg_get_indexdef(i.indexrelid, place, true), ',' "
                "ORDER BY place) FROM pg_index i, generate_series(1, i.indnatts) AS place "
                "WHERE i.indrelid IN ('message_activities_2096_01'::regclass, 'message_activities_default'::regclass) "
                "GROUP BY i.indexrelid, 1"
            )
        )
        indexes = found.all()
        checks = (
            await session.scalars(
                text("SELECT conname FROM pg_constraint WHERE conrelid = 'message_activities_2096_01'::regclass")
            )
        ).all()

    assert sorted(of for table, of in indexes if table.endswith("2096_01")) == sorted(
        of for table, of in indexes if table.endswith("default")
    )
    assert len(indexes) == 4
    assert "ck_message_activities_kind_known" in checks
