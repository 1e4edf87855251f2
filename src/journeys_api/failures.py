"""Which failures say something about the work itself, and which only about the moment."""

from sqlalchemy.exc import DBAPIError

PASSING = ("40001", "40P01", "08", "57P", "53", "55P03", "25006")
"""Beginnings of SQLSTATEs of the moment: deadlock, lost connection, no room, read-only. The batch is tried again."""


def is_passing(error: BaseException) -> bool:
    """Whether the same batch may well succeed a moment later."""
    if isinstance(error, DBAPIError):
        state = sqlstate_of(error)
        return not state or state.startswith(PASSING) or error.connection_invalidated
    return isinstance(error, OSError)


def reason_of(error: BaseException) -> str:
    """What the history says of an unexpected failure: its kind, never its values."""
    return f"{type(error).__name__} {sqlstate_of(error)}".strip()


def sqlstate_of(error: BaseException) -> str:
    """The code that the database gave for the failure; empty when it gave none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")
