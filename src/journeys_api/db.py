"""The one way to PostgreSQL: an async engine on asyncpg, and sessions on it."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import orjson
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

Sessions = async_sessionmaker[AsyncSession]


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


JSON_DIALECT: dict[str, Any] = {"json_serializer": _dumps, "json_deserializer": orjson.loads}
"""How every statement writes and reads JSON."""


POOL_TIMEOUT_SECONDS = 2.0
"""How long a call waits for a connection."""

CONNECT_TIMEOUT_SECONDS = 5.0
"""How long a connection may take to be made, where the URL does not say (`connect_timeout`)."""

_OF_THE_DRIVER = frozenset(
    {
        *("host", "port", "user", "password", "dbname", "passfile", "target_session_attrs", "krbsrvname"),
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    }
)
_OF_THE_SERVER = frozenset({"application_name", "options"})
_OURS = frozenset({"connect_timeout"})


class WrongDatabaseUrl(ValueError):
    """A URL of a database that cannot be used; the text says why, and nothing secret."""


def checked_url(url: str) -> URL:
    """The URL, if it is one that `connect` can use.

    Parameters are those of libpq (`?sslmode=require`), as far as the driver has them.

    Raises:
        WrongDatabaseUrl: no URL of PostgreSQL, or a parameter that nobody here understands.
    """
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        raise WrongDatabaseUrl("it must be a URL such as postgresql://user:password@host:5432/name") from None
    if read.drivername not in ("postgresql", "postgres"):
        raise WrongDatabaseUrl("it must be a URL such as postgresql://user:password@host:5432/name")
    strange = sorted(set(read.query) - _OF_THE_DRIVER - _OF_THE_SERVER - _OURS)
    if strange:
        raise WrongDatabaseUrl(f"its parameter {', '.join(strange)} is not supported: leave it out")
    try:
        _patience(read)
    except ValueError:
        raise WrongDatabaseUrl("its parameter connect_timeout is a number of seconds") from None
    return read.set(drivername="postgresql")


def _patience(url: URL) -> float:
    return float(str(url.query.get("connect_timeout", "")) or 0) or CONNECT_TIMEOUT_SECONDS


async def connect(url: str, *, server_settings: Mapping[str, str]) -> asyncpg.Connection:
    """A connection of the driver's own, as every engine has them."""
    read = checked_url(url)
    dsn = read.difference_update_query(_OURS).render_as_string(hide_password=False)
    return await asyncpg.connect(dsn, server_settings=dict(server_settings), timeout=_patience(read))


def make_engine(
    url: str,
    *,
    pool_size: int,
    statement_timeout: timedelta,
    server_settings: Mapping[str, str] | None = None,
) -> AsyncEngine:
    """An engine whose sessions speak UTC, give up a statement after `statement_timeout` and a lock after half of it.

    Args:
        url: `postgresql://…`; the driver is ours to choose.
        pool_size: connections kept open; a call waits `POOL_TIMEOUT_SECONDS` for one, and then has
            `sqlalchemy.exc.TimeoutError`.
    """
    milliseconds = int(statement_timeout.total_seconds() * 1000)
    settings = {
        "application_name": "journeys-api",
        "timezone": "UTC",
        "statement_timeout": str(milliseconds),
        "lock_timeout": str(milliseconds // 2),
        "idle_in_transaction_session_timeout": "30000",
        "jit": "off",
        **(server_settings or {}),
    }
    return create_async_engine(
        "postgresql+asyncpg://",
        # the driver reads the URL itself: SQLAlchemy hands it libpq's parameters as arguments that it does not have
        async_creator=partial(connect, url, server_settings=settings),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=False,
        hide_parameters=True,  # an error that is logged must not carry a caller's values
        **JSON_DIALECT,
    )


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions that keep what they loaded after the commit: nothing is read again behind the caller's back."""
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)


def make_reading_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions whose statements are each a transaction of their own: no BEGIN, no ROLLBACK around them."""
    return make_sessions(engine.execution_options(isolation_level="AUTOCOMMIT"))
