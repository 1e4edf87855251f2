"""Which failures say something about the work itself, and which only about the moment."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

log = structlog.get_logger()

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What a connection of the driver's own raises, that no SQLAlchemy stands around."""

TOO_SLOW = "57014"
"""The statement timeout. Whoever calls may come again; of a batch, the batch itself may be at fault."""
LOCKED = "55P03"
"""A lock that was not got in time."""
_OUT_OF_REACH = ("08", "25006", "53", LOCKED, "57P")
"""Beginnings of SQLSTATEs: lost connection, read-only, no room, locked, shutting down."""
RETRIED = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the database undid the transaction for another's sake."""
TRIES = 4

Result = TypeVar("Result")


async def tried_again(transaction: Callable[[], Awaitable[Result]], *, event: str, **about: object) -> Result:
    """What a whole transaction comes to; one that was undone for another's sake is tried again, a few times.

    Args:
        event: what is logged then, with `about`.
    """
    for attempt in range(1, TRIES):
        try:
            return await transaction()
        except DBAPIError as error:
            if sqlstate_of(error) not in RETRIED:
                raise
            log.info(event, sqlstate=sqlstate_of(error), **about)
        await asyncio.sleep(random.uniform(0.01, 0.1) * attempt)  # noqa: S311 (jitter, no secret)
    return await transaction()


def is_passing(error: BaseException) -> bool:
    """Whether the same batch may well succeed a moment later."""
    return _is_out_of_reach(error) or sqlstate_of(error) in RETRIED


def may_be_of_one_row(error: BaseException) -> bool:
    """Whether a lock was in the way, or it took too long: fewer rows may fare better, and later these, too."""
    return sqlstate_of(error) in (LOCKED, TOO_SLOW)


def is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached or is too busy: whoever calls shall come again. No statement is wrong."""
    return _is_out_of_reach(error) or sqlstate_of(error) == TOO_SLOW


def _is_out_of_reach(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        state = sqlstate_of(error)
        is_of_the_driver = not state and isinstance(error, InterfaceError | OperationalError)
        return error.connection_invalidated or is_of_the_driver or state.startswith(_OUT_OF_REACH)
    return isinstance(error, OSError | PoolTimeout)


def tell(event: str, error: Exception, **about: object) -> None:
    """Log what failed: a line when it passes (`…_interrupted`), else an error with its traceback (`…_failed`)."""
    if is_passing(error):
        log.warning(f"{event}_interrupted", error=reason_of(error), **about)
    else:
        log.error(f"{event}_failed", exc_info=error, **about)


def reason_of(error: BaseException) -> str:
    """What the history says of an unexpected failure: its kind, never its values."""
    return f"{type(error).__name__} {sqlstate_of(error)}".strip()


def sqlstate_of(error: BaseException) -> str:
    """The code that the database gave for the failure; empty when it gave none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")
