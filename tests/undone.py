"""Transactions that the database undoes, as it does with one of two that wait for each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from journeys_api.db import Sessions

# what a sequence has counted stays when the transaction is undone
MAKE = (
    "CREATE SEQUENCE undone",
    """
CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('undone') <= {times} THEN
        RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'undone';
    END IF;
    RETURN NEW;
END $$
""",
    "CREATE TRIGGER undo BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.owner_id = {owner_id}) "
    "EXECUTE FUNCTION undo()",
)
DROP = ("DROP FUNCTION undo() CASCADE", "DROP SEQUENCE undone")


@asynccontextmanager
async def undone(
    sessions: Sessions, *, table: str, owner_id: int, times: int = 2, state: str = "40P01"
) -> AsyncIterator[None]:
    """Have the first transactions undone that insert a row of an account, with this SQLSTATE: a deadlock's."""
    await _run(sessions, [each.format(table=table, owner_id=owner_id, times=times, state=state) for each in MAKE])
    try:
        yield
    finally:
        await _run(sessions, DROP)


async def _run(sessions: Sessions, statements: list[str] | tuple[str, ...]) -> None:
    async with sessions.begin() as session:
        for statement in statements:
            await session.execute(text(statement))
