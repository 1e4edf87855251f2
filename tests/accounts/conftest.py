"""Callers that the shared fixtures do not make: at other addresses, of applications with other settings."""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from journeys_api.accounts import service as accounts
from journeys_api.app import Application, create_app
from journeys_api.clock import Clock, SystemClock
from journeys_api.settings import Settings

_numbers = itertools.count(1)

Call = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def caller(app: Application, *, address: str = "127.0.0.1") -> AsyncIterator[Call]:
    """Calls `/api.php` with exactly the parameters given, from an address; answers the body with the status beside."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:

        async def call(command: str, **parameters: Any) -> dict[str, Any]:
            response = await http.post(
                "/api.php",
                content=json.dumps({"Command": command, **parameters}),
                headers={"Content-Type": "application/json"},
            )
            body: dict[str, Any] = response.json()
            return {"status": response.status_code, **body}

        yield call


@pytest.fixture
async def anyone(app: Application) -> AsyncIterator[Call]:
    """A caller without a credential, at 127.0.0.1."""
    async with caller(app) as call:
        yield call


@pytest.fixture
async def another_application(settings: Settings) -> AsyncIterator[Callable[..., Application]]:
    """Applications on the same database with other settings, or another clock."""
    made: list[Application] = []

    def make(*, clock: Clock | None = None, **changes: Any) -> Application:
        made.append(create_app(settings.model_copy(update=changes), clock=clock))
        return made[-1]

    yield make
    for application in made:
        await application.close()


@pytest.fixture
async def administrator(app: Application) -> tuple[str, str]:
    """Username and password of an administrator."""
    username = f"root{os.getpid()}x{next(_numbers)}"
    async with app.sessions.begin() as session:
        await accounts.create_administrator(
            session,
            username=username,
            email_address="root@example.com",
            password="hunter2 hunter2",
            now=SystemClock().now(),
        )
    return username, "hunter2 hunter2"


@pytest.fixture
def new_user() -> Callable[..., dict[str, Any]]:
    """Parameters of `user.create` that are fine, with a name nobody has; keywords replace some, None leaves one out."""

    def parameters(**changes: Any) -> dict[str, Any]:
        username = f"new{os.getpid()}x{next(_numbers)}"
        fine = {
            "RelUserGroupID": 1,
            "EmailAddress": f"{username}@example.com",
            "Username": username,
            "Password": "a password",
            "TimeZone": "Europe/Berlin",
            "Language": "en",
            "FirstName": "Ada",
        }
        return {name: value for name, value in {**fine, **changes}.items() if value is not None}

    return parameters


async def until_one_waits(app: Application) -> None:
    """Come back when a statement on the test's database waits for a lock that somebody else holds."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(60):
        while True:
            # a transaction sees the same activity for as long as it lives
            async with app.sessions() as session:
                if await session.scalar(text(waiting)):
                    return
