"""`journeys-api import`: the file, the bar, the lines that were left out."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.conftest import ADMIN_KEY, SECRET_KEY
from tests.imports.conftest import Imports
from tests.process.running import environment_of


async def _run(imports: Imports, directory: Path, file: str, *arguments: str) -> tuple[int, str]:
    """What the command ends with and prints, while a worker is there."""
    path = directory / "people.csv"
    path.write_text(file)
    assert imports.api.account
    environment = environment_of(directory) | {
        "JOURNEYS_DATABASE_URL": imports.worker._url,
        "JOURNEYS_SECRET_KEY": SECRET_KEY,
        "JOURNEYS_ADMIN_API_KEY": ADMIN_KEY,
        "COLUMNS": "200",
    }
    named = ("--user", imports.api.account.username, "--list", str(imports.list_id))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "journeys_api.cli", "import", str(path), *named, *arguments,
        env=environment, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed = asyncio.create_task(process.communicate())
    while not printed.done():
        await imports.work()
        await asyncio.wait([printed], timeout=0.05)
    output, _ = await printed
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_file_is_imported_by_its_headings(imports: Imports, tmp_path: Path) -> None:
    city = await imports.api.ok(
        "customfield.create", SubscriberListID=imports.list_id, FieldName="City", FieldType="Single line"
    )
    people = "".join(f"Person,person{number}@example.com,Town {number}\n" for number in range(100))

    code, printed = await _run(imports, tmp_path, f"Name,E-Mail,city\n{people}Broken,nobody,Rome\n", "--tag", "vip")

    assert code == 0, printed
    assert "line 102: not an email address" in printed
    assert "completed: 100 came, 0 were there already, 1 lines were left out." in printed
    values = {address: found for address, _, found in await imports.people()}
    assert values == {f"person{n}@example.com": {str(city["CustomFieldID"]): f"Town {n}"} for n in range(100)}
    assert await imports.rows("SELECT count(*) FROM subscriber_tags JOIN tags USING (tag_id) WHERE list_id = :list",
                              list=imports.list_id) == [(100,)]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--map", "Mail=EmailAddress"), "no column mail"),
        (("--map", "FIELD1=City"), "one column must be mapped to EmailAddress"),
        (("--list", "998877665544"), "list"),
        (("--user", "nobody at all"), "there is no user nobody at all"),
        (("--delimiter", "::"), "the delimiter is one character"),
        (("--tag", "not/a tag"), "a tag has letters"),
    ],
)
async def test_what_cannot_be_imported_is_said_in_a_line(
    imports: Imports, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    code, printed = await _run(imports, tmp_path, "ada@example.com\n", *arguments)

    assert code == 1
    assert reason.lower() in printed.lower()
    assert "Traceback" not in printed
    assert await imports.people() == []
