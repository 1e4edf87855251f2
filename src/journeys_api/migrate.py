"""Brings the database's schema to the newest revision, however many processes try at once.

Alembic is loaded where there is something to migrate: a process that serves would hold it, and every script, for good.
"""

import ast
import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from journeys_api.db import make_engine

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
"""Beside `src`: the product runs from its source tree, in a container too."""

LOCK = 0x4A6F75726E657973
"""The advisory lock's number: "Journeys" in ASCII."""

LOCK_PATIENCE = timedelta(minutes=30)
"""How long to wait while another process migrates."""

POLL = 0.1

_REVISION = re.compile(r"^(down_revision|revision)\b[^=\n]*=\s*(.+)$", re.MULTILINE)


class MigrationError(Exception):
    """The schema cannot be brought up to date; the text says why."""


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, made here so that it does not depend on the working directory.

    Args:
        connection: what `env.py` shall work on, the migration lock held; without it, it opens its own.
    """
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@asynccontextmanager
async def migrating(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection for changing the schema, which holds the migration lock for as long as it lives.

    The lock belongs to the session that runs the DDL: when this process is killed, the lock falls only once the server
    has rolled that session's work back. It is asked for again and again, never waited for inside the server: a session
    that waits there holds a snapshot, and `CREATE INDEX CONCURRENTLY` would wait for it in turn.

    Raises:
        MigrationError: another process has been migrating for longer than `LOCK_PATIENCE`.
    """
    engine = make_engine(
        url,
        pool_size=1,
        statement_timeout=timedelta(seconds=10),
        server_settings={
            "application_name": "journeys-api migrate",
            # A big table takes its time, but nobody queues behind a lock that we only wait for.
            "statement_timeout": "0",
            "lock_timeout": "5000",
            "idle_in_transaction_session_timeout": "0",
        },
    )
    try:
        async with engine.connect() as connection:
            await _take_lock(connection)
            yield connection
    finally:
        await engine.dispose()


async def _take_lock(connection: AsyncConnection) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE.total_seconds()
    waited = False
    while True:
        taken = await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK})
        await connection.commit()
        if taken:
            return
        if time.monotonic() > deadline:
            raise MigrationError("another process has been migrating this database for too long")
        if not waited:
            log.info("migration_lock_awaited")
            waited = True
        await asyncio.sleep(POLL)


async def migrate(url: str) -> None:
    """Bring the schema at `url` to the newest revision; do nothing if it is there, or past it.

    Each revision is one transaction: killed at any instant, this leaves the old revision or the new one.

    Raises:
        MigrationError: another process holds the migration lock for too long.
        sqlalchemy.exc.DBAPIError: the database refused; the schema stands at the last revision that was finished.
    """
    async with migrating(url) as connection:
        before = await connection.run_sync(_revisions)
        await connection.commit()
        newer = before - known_revisions()
        if newer:
            # Each release suits the schema of the next one, so a process of the old release may come up beside it.
            log.warning("schema_is_newer", revisions=sorted(newer))
            return
        if before == newest_revisions():
            return
        from alembic import command

        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
        await connection.commit()
        log.info("schema_migrated", before=sorted(before), after=sorted(newest_revisions()))


async def schema_is_current(connection: AsyncConnection) -> bool:
    """Whether the schema is at this release's newest revision, or at one that only a newer release knows."""
    revisions = await connection.run_sync(_revisions)
    return revisions == newest_revisions() or bool(revisions - known_revisions())


def _revisions(connection: Connection) -> frozenset[str]:
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return frozenset()
    return frozenset(connection.scalars(text("SELECT version_num FROM alembic_version")))


@cache
def _parents() -> dict[str, frozenset[str]]:
    """Revision → the revisions that it follows, as the scripts say at their beginning."""
    found: dict[str, frozenset[str]] = {}
    for script in (MIGRATIONS / "versions").glob("*.py"):
        said = {name: ast.literal_eval(value) for name, value in _REVISION.findall(script.read_text(encoding="utf-8"))}
        before = said["down_revision"]
        found[said["revision"]] = frozenset([before] if isinstance(before, str) else before or ())
    if not found:
        raise MigrationError(f"there are no migrations in {MIGRATIONS}: run the product from its source tree")
    return found


def known_revisions() -> frozenset[str]:
    """Every revision of this release."""
    return frozenset(_parents())


def newest_revisions() -> frozenset[str]:
    """Those that no other follows: one."""
    return known_revisions().difference(*_parents().values())
