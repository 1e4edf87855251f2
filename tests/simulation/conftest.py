"""Worlds to simulate in: one that all examples of a property share, and one of a test's own to break."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from journeys_api.settings import Settings
from tests.simulation.world import World, a_world


@pytest.fixture(scope="module")
async def shared(
    make_database: Any, template: str, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A world on a database of the module's own."""
    own = settings.model_copy(update={"database_url": await make_database(template)})
    async with a_world(own, tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
async def world(make_database: Any, template: str, settings: Settings, tmp_path: Path) -> AsyncIterator[World]:
    """A world on a database of the test's own, which it may break."""
    own = settings.model_copy(update={"database_url": await make_database(template)})
    async with a_world(own, tmp_path) as made:
        yield made
