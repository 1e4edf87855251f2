"""Months of what is only appended to, steps and what came back of messages: each in a table of its own, made before it
begins, so that old ones can be dropped whole."""

from datetime import UTC, date, datetime

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

log = structlog.get_logger()

TABLES = ("steps", "message_activities")
AHEAD = 2
"""How many months there are tables for beyond this one."""
LOCK = 0x4A5C0000


def months_from(day: date, number: int) -> list[date]:
    """The first days of the month of `day` and of those that follow it."""
    place = day.year * 12 + day.month - 1
    return [date((place + ahead) // 12, (place + ahead) % 12 + 1, 1) for ahead in range(number)]


async def make_months(session: AsyncSession, *, now: datetime) -> int:
    """Make the tables of this month and the next ones that are missing; how many. 0 also when another worker is at it.

    A month of which rows lie in the default table already stays there. The rows of a month are never moved.
    """
    if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK}):
        return 0
    # rows that are being written must not wait long behind us, nor behind whom we wait for
    await session.execute(text("SET LOCAL lock_timeout = '1s'"))
    made = 0
    *months, _ = all_months = months_from(now.astimezone(UTC).date(), AHEAD + 2)
    for whole in TABLES:
        for month, following in zip(months, all_months[1:], strict=True):
            name = f"{whole}_{month:%Y_%m}"
            if await session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
                made += await _make(session, whole, name, month, following)
    return made


async def _make(session: AsyncSession, whole: str, name: str, first: date, following: date) -> int:
    bounds = {"first": f"{first} 00:00:00+00", "following": f"{following} 00:00:00+00"}
    try:
        async with session.begin_nested():
            # attached and not created as a partition: that would lock the whole history. The default table is locked
            # while it is read for rows of the month; it is small where months are made before they begin
            await session.execute(text(f"CREATE TABLE {name} (LIKE {whole} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
            await session.execute(
                text(
                    f"ALTER TABLE {whole} ATTACH PARTITION {name} "
                    f"FOR VALUES FROM ('{bounds['first']}') TO ('{bounds['following']}')"
                )
            )
    except DBAPIError as error:
        # rows of that month lie in the default table, or somebody held it: it goes on taking them
        log.info("month_not_made", table=name, sqlstate=getattr(error.orig, "sqlstate", None))
        return 0
    log.info("month_made", table=name)
    return 1
