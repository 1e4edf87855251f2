"""When the inside fails, every command says so in the product's words and in no others."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text

from journeys_api.accounts import service as accounts
from journeys_api.app import create_app
from journeys_api.clock import SystemClock
from journeys_api.commands.registry import COMMANDS, Command, Scope
from journeys_api.models import Base
from journeys_api.settings import Settings
from tests.conftest import Client, Maker, codes_of

STILL_THERE = {"users", "user_groups", "api_keys", "administrators", "login_sessions"}
"""Tables that say who calls; all others are taken away."""

OF_THE_INSIDE = re.compile(
    rb"select|insert into|relation|traceback|exception|asyncpg|sqlalchemy|postgres|\.py|/work|/src", re.I
)


@pytest.fixture(autouse=True)
def log() -> Iterator[list[Any]]:
    """What was logged; the tests' own printing of tracebacks would take most of the time."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture(scope="module")
async def broken(settings: Settings, make_database: Any, template: str) -> AsyncIterator[tuple[Client, Client]]:
    """A user and an administrator of an application whose tables have been taken away."""
    own = settings.model_copy(update={"database_url": await make_database(template), "database_pool_size": 2})
    application = create_app(own)
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        async with application.sessions.begin() as session:
            await accounts.ensure_default_group(session, now=SystemClock().now())
        client = await Maker(application, http).client()
        async with application.sessions.begin() as session:
            for name in set(Base.metadata.tables) - STILL_THERE:
                await session.execute(text(f"ALTER TABLE {name} RENAME TO gone_{name}"))
        yield client, Client(http)
    await application.close()


@pytest.mark.parametrize("made", COMMANDS.values(), ids=lambda made: made.name)
async def test_an_answer_tells_nothing_of_the_inside(
    broken: tuple[Client, Client], made: Command, door: str, log: list[Any]
) -> None:
    client = broken[made.scope is Scope.ADMIN].at(door)

    answer = await client.call(made.name, **made.example)

    assert not OF_THE_INSIDE.search(answer.content), answer.content
    if answer.status_code == 500:
        codes = codes_of(answer.json())
        assert codes == [100005] or (made.failure and codes == [made.failure.code])
        assert "call_failed" in [line["event"] for line in log]


async def test_most_commands_do_fail_there(broken: tuple[Client, Client]) -> None:
    """Else the test above would look at answers of nothing."""
    answers = [
        await broken[made.scope is Scope.ADMIN].at("legacy").call(made.name, **made.example)
        for made in COMMANDS.values()
    ]

    assert sum(answer.status_code == 500 for answer in answers) > len(COMMANDS) / 3


async def test_a_database_that_is_away_is_503_with_a_time_to_come_back(settings: Settings, door: str) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    application = create_app(away)
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        with_an_admin_key = await Client(http).at(door).call("usergroups.get")
        with_a_users = await http.get("/api.php?Command=journey.list&APIKey=any")
        ready = await http.get("/readyz")
    await application.close()

    for answer in (with_an_admin_key, with_a_users):
        assert (answer.status_code, answer.json()["ErrorCode"]) == (503, 100005)
        assert answer.headers["retry-after"] == "5"
        assert not OF_THE_INSIDE.search(answer.content)
    assert (ready.status_code, ready.json()["reason"]) == (503, "database")
