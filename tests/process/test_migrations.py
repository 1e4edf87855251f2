"""Migrations: up, down, in agreement with the models, by many at once, and killed in the middle."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from journeys_api.db import make_engine
from journeys_api.migrate import alembic_config, known_revisions, migrate, newest_revisions, schema_is_current
from tests.process.running import SOURCE, Start

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]

MIGRATE = """
import asyncio, sys
from journeys_api.migrate import migrate

asyncio.run(migrate(sys.argv[1]))
"""

HOLD_THE_LOCK = """
import asyncio, sys
from journeys_api.migrate import migrating

async def hold():
    async with migrating(sys.argv[1]):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""

SCHEMA = """
SELECT coalesce(md5(string_agg(line, ';' ORDER BY line)), 'empty') FROM (
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS line
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
) AS lines
"""
"""One value for everything that the migrations make."""

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
MIGRATING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'journeys-api migrate' AND query ~ 'advisory|COMMIT'
"""
BLOCKED = "SELECT pid FROM pg_locks WHERE relation = 'alembic_version'::regclass AND NOT granted"


@pytest.fixture
async def database(make_database: Any) -> str:
    """The URL of an empty database."""
    url: str = await make_database()
    return url


async def fetch(url: str, statement: str) -> Any:
    """The first value that the statement answers."""
    engine = make_engine(url, pool_size=1, statement_timeout=timedelta(seconds=10))
    try:
        async with engine.begin() as connection:
            return (await connection.execute(text(statement))).scalar()
    finally:
        await engine.dispose()


async def is_current(url: str) -> bool:
    """What `/readyz` asks."""
    engine = make_engine(url, pool_size=1, statement_timeout=timedelta(seconds=10))
    try:
        async with engine.connect() as connection:
            return await schema_is_current(connection)
    finally:
        await engine.dispose()


async def until(url: str, statement: str) -> None:
    """Wait until the statement answers true."""
    async with asyncio.timeout(60):
        while not await fetch(url, statement):  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.02)


def alembic(url: str, *arguments: str) -> str:
    """Run Alembic's own command line, as a developer does; what it complained of, or nothing."""
    run = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "JOURNEYS_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if run.returncode == 0 else run.stdout + run.stderr


async def test_up_down_and_up_again_is_what_the_models_say(database: str) -> None:
    empty = await fetch(database, SCHEMA)

    complaints = alembic(database, "upgrade", "head") + alembic(database, "downgrade", "base")
    emptied = await fetch(database, f"SELECT count(*) FROM ({TABLES}) AS tables WHERE relname <> 'alembic_version'")
    complaints += alembic(database, "upgrade", "head") + alembic(database, "check")

    assert complaints == ""
    assert empty == "empty"
    assert emptied == 0


async def test_the_newest_revision_can_be_undone_alone(database: str) -> None:
    await migrate(database)
    schema = await fetch(database, SCHEMA)

    complaints = alembic(database, "downgrade", "-1")
    current_below = await is_current(database)
    complaints += alembic(database, "upgrade", "+1")

    assert complaints == ""
    assert not current_below
    assert await fetch(database, SCHEMA) == schema


async def test_migrating_twice_changes_nothing(database: str) -> None:
    await migrate(database)
    once = await fetch(database, SCHEMA)

    await migrate(database)

    assert await fetch(database, SCHEMA) == once
    assert await is_current(database)


async def test_who_waits_beyond_the_calendar_waits_until_the_year_9000(database: str) -> None:
    await migrate(database)
    complaints = alembic(database, "downgrade", "0550")
    await fetch(
        database,
        """
        WITH account AS (
            INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at)
            VALUES (7, 'Seven', '{}', now(), now()) RETURNING group_id
        ), owner AS (
            INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
            SELECT 7, group_id, 'seven', 'seven@example.com', '', now(), now() FROM account RETURNING user_id
        ), journey AS (
            INSERT INTO journeys (journey_id, owner_id, name, trigger, created_at, updated_at)
            SELECT 7, user_id, 'Seven', 'Manual', now(), now() FROM owner RETURNING journey_id
        ), inside AS (
            INSERT INTO enrollments (enrollment_id, owner_id, journey_id, list_id, subscriber_id, email_address,
                                     entered_at, created_at, due_at)
            OVERRIDING SYSTEM VALUE
            SELECT n, 7, 7, 7, n, 'ada@example.com', now(), now(), due
            FROM (VALUES (1, CAST('infinity' AS timestamptz)), (2, '2030-01-01 00:00+00')) AS w(n, due)
            RETURNING enrollment_id, due_at
        ), timed AS (
            INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
            SELECT enrollment_id, 7, due_at, 7, enrollment_id FROM inside
        ), running AS (
            INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at) VALUES (1, 7, 7, 'infinity')
        ), pulling AS (
            INSERT INTO scheduled_pulls (journey_id, owner_id, due_at) VALUES (7, 7, 'infinity')
        )
        SELECT count(*) FROM journey
        """,
    )

    await migrate(database)

    years = await fetch(
        database,
        """
        SELECT jsonb_agg(extract(year FROM due_at AT TIME ZONE 'UTC') ORDER BY place, due_at) FROM (
            SELECT 1 AS place, due_at FROM enrollments UNION ALL SELECT 2, due_at FROM timers
            UNION ALL SELECT 3, next_due_at FROM runnable_journeys UNION ALL SELECT 4, due_at FROM scheduled_pulls
        ) AS found
        """,
    )
    assert complaints == ""
    assert years == [2030, 9000, 2030, 9000, 9000, 9000]


async def test_an_empty_database_is_not_current(database: str) -> None:
    assert not await is_current(database)


async def test_a_schema_of_a_newer_release_is_accepted_and_left_alone(database: str) -> None:
    await migrate(database)
    await fetch(database, "UPDATE alembic_version SET version_num = 'f00d' RETURNING 1")

    await migrate(database)

    assert await is_current(database)
    assert await fetch(database, "SELECT version_num FROM alembic_version") == "f00d"


async def test_eight_processes_at_once_on_an_empty_database_all_come_up(database: str, start: Start) -> None:
    processes = [start("-c", MIGRATE, database) for _ in range(8)]

    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]

    assert [code for _, code in ended] == [0] * 8, ended
    assert await is_current(database)


async def test_who_is_killed_while_holding_the_lock_does_not_keep_it(database: str, start: Start) -> None:
    holder = start("-c", HOLD_THE_LOCK, database)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiting = start("-c", MIGRATE, database)
    await until(database, f"SELECT count(*) = 2 FROM ({MIGRATING}) AS sessions")
    waited = waiting.poll() is None

    holder.kill()
    _, complaint = waiting.communicate(timeout=60)

    assert waited
    assert waiting.returncode == 0, complaint
    assert await is_current(database)


async def test_a_migration_killed_in_the_middle_leaves_the_schema_as_it_was(database: str, start: Start) -> None:
    assert alembic(database, "upgrade", "head") == ""
    new = await fetch(database, SCHEMA)
    assert alembic(database, "downgrade", "base") == ""
    old = await fetch(database, SCHEMA)

    # A lock on the version table stops the migration after its DDL and before its commit: in the middle, for certain.
    blocker = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with blocker.connect() as connection:
        await connection.execute(text("LOCK TABLE alembic_version IN SHARE MODE"))
        process = start("-c", MIGRATE, database)
        await until(database, f"SELECT count(*) = 1 FROM ({BLOCKED}) AS locks")
        process.kill()
        process.wait()
        in_the_middle = await fetch(database, SCHEMA)
    await blocker.dispose()
    await migrate(database)

    assert old == in_the_middle
    assert await fetch(database, SCHEMA) == new


def test_the_scripts_are_understood_as_alembic_understands_them() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())

    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}
    assert newest_revisions() == set(scripts.get_heads())


def test_what_serves_does_not_load_alembic() -> None:
    loaded = "import sys, journeys_api.serve, journeys_api.work; print('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "False\n"
