"""An account with the records that rules name, shared by the tests of a process that only read it or roll back."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.app import Application
from tests.conftest import Maker
from tests.criteria.population import World, make_world


@pytest.fixture(scope="session")
async def world(app: Application) -> World:
    """The account; whoever puts people into it takes them out again."""
    account = await Maker(app, None).account()  # type: ignore[arg-type]
    async with app.sessions.begin() as session:
        return await make_world(session, account.user_id)


@pytest.fixture
async def session(app: Application) -> AsyncIterator[AsyncSession]:
    """A transaction that is rolled back."""
    async with app.sessions() as session:
        yield session
        await session.rollback()
