"""The one way to PostgreSQL: an async engine on asyncpg, and sessions on it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

Sessions = async_sessionmaker[AsyncSession]


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


JSON_DIALECT: dict[str, Any] = {"json_serializer": _dumps, "json_deserializer": orjson.loads}
"""How every statement writes and reads JSON."""


POOL_TIMEOUT_SECONDS = 2.0
"""How long a call waits for a connection."""


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
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=False,
        hide_parameters=True,  # an error that is logged must not carry a caller's values
        **JSON_DIALECT,
        connect_args={"server_settings": settings, "timeout": 5},
    )


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions that keep what they loaded after the commit: nothing is read again behind the caller's back."""
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)


def make_reading_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions whose statements are each a transaction of their own: no BEGIN, no ROLLBACK around them."""
    return make_sessions(engine.execution_options(isolation_level="AUTOCOMMIT"))
