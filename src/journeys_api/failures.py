"""Which failures say something about the work itself, and which only about the moment."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

log = structlog.get_logger()

PASSING = ("40001", "40P01", "08", "57P", "53", "55P03", "25006")
"""Beginnings of SQLSTATEs of the moment: deadlock, lost connection, no room, read-only. The batch is tried again."""

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
    if isinstance(error, DBAPIError):
        state = sqlstate_of(error)
        return not state or state.startswith(PASSING) or error.connection_invalidated
    return isinstance(error, OSError | PoolTimeout)


def reason_of(error: BaseException) -> str:
    """What the history says of an unexpected failure: its kind, never its values."""
    return f"{type(error).__name__} {sqlstate_of(error)}".strip()


def sqlstate_of(error: BaseException) -> str:
    """The code that the database gave for the failure; empty when it gave none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")
