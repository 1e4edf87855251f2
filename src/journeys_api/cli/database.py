"""What commands work with: the settings, and the database that they lead to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.db import Sessions, make_engine, make_sessions
from journeys_api.heartbeat import Heartbeat
from journeys_api.logging import configure_logging
from journeys_api.migrate import migrate, schema_is_current
from journeys_api.settings import Settings
from journeys_api.starting.opening import CannotStart, opened, required_url

Result = TypeVar("Result")


class Refused(Exception):
    """The command cannot do what was asked; the text says why."""


def given_settings() -> Settings:
    """The settings of the environment, with logging as they say; CannotStart for one that cannot be used."""
    try:
        settings = Settings()
    except ValidationError as error:
        # Not pydantic's own text: it quotes what was given, and that may be a key.
        reasons = (
            f"JOURNEYS_{'_'.join(map(str, one['loc'])).upper()}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise CannotStart("; ".join(reasons)) from None
    configure_logging(settings.log_level)
    return settings


def in_one_transaction(work: Callable[[AsyncSession, Settings], Awaitable[Result]]) -> Result:
    """Run `work` on the database in a transaction that is committed when it returns."""

    async def run(sessions: Sessions, settings: Settings) -> Result:
        async with sessions.begin() as session:
            return await work(session, settings)

    return with_sessions(run)


def with_sessions(work: Callable[[Sessions, Settings], Awaitable[Result]]) -> Result:
    """Run `work` on the database; TimeoutError when that does not answer any more.

    An embedded database is migrated first; one of the operator's own is left as it is, and refused if it is behind.
    """

    async def run(settings: Settings, *, embedded: bool) -> Result:
        url = required_url(settings)
        if embedded:
            await migrate(url)
        engine = make_engine(url, pool_size=1, statement_timeout=settings.statement_timeout)
        heartbeat, stop = Heartbeat(url), asyncio.Event()
        beating = asyncio.create_task(heartbeat.run(stop), name="heartbeat")
        try:
            # some statements take their time; a database that has fallen silent would be waited for without end
            with heartbeat.guard():
                async with engine.connect() as connection:
                    if not await schema_is_current(connection):
                        raise Refused("the database's schema is behind this release: run journeys-api migrate first")
                return await work(make_sessions(engine), settings)
        finally:
            stop.set()
            await beating
            await engine.dispose()

    given = given_settings()
    with opened(given, owning=False) as settings:
        return asyncio.run(run(settings, embedded=given.database_url is None))
