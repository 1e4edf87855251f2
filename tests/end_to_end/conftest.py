"""An installation of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(f"tests.end_to_end.{module}" for module in ("answers", "installation", "people", "returns", "stage", "visits"))
)

from tests.end_to_end.installation import Installation, installed  # noqa: E402


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """Real processes, an account, a mail server."""
    async with installed(tmp_path) as made:
        yield made
