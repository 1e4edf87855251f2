"""How Alembic reaches the database: through the caller's connection, or through one of its own on the command line."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from journeys_api.migrate import migrating
from journeys_api.models import Base


def is_ours(name: str | None, kind: str, _: object) -> bool:
    """Whether a table is one of the models': partitions are made and dropped by the product, not by revisions."""
    return kind != "table" or not (name or "").startswith(("steps_", "message_activities_"))


def run(connection: Connection) -> None:
    """Run the asked-for revisions, each in a transaction of its own."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=is_ours,
        transaction_per_migration=True,
        # PostgreSQL cannot compare JSON defaults, and Alembic cannot leave them out without failing at identities
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_from_the_command_line() -> None:
    """Run on the database that JOURNEYS_DATABASE_URL names, under the same lock as everybody else."""
    url = os.environ.get("JOURNEYS_DATABASE_URL")
    if not url:
        raise SystemExit("set JOURNEYS_DATABASE_URL to the database that alembic shall work on")
    async with migrating(url) as connection:
        await connection.run_sync(run)
        await connection.commit()


if context.is_offline_mode():
    raise SystemExit("revisions are run, never printed: some of them look at the data")

given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_from_the_command_line())
