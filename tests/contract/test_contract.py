"""The table against the written contract, both ways: nothing of it is missing, nothing else pretends to be of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from journeys_api.commands.registry import COMMANDS, CONTRACT, HUNDRED_A_MINUTE, Command, Scope
from journeys_api.http import describing

CREDENTIALS = {"Command", "SessionID", "APIKey", "AdminAPIKey"}
"""Parameters that every command takes, so that no command declares them."""

ADDED_ROUTES = {("POST", "/api/v1/journey.enable"), ("POST", "/api/v1/journey.disable")}
"""What is ours beside the contract's addresses: a change should not stand behind a GET alone."""

NOTED_CODE = re.compile(r"(?P<code>\d+): (?P<message>.+) \(HTTP (?P<status>\d+)\)")

Page = dict[str, Any]


@pytest.fixture(scope="module")
def pages(shared_spec: Path) -> list[Page]:
    """The thirteen pages of the contract."""
    found: list[Page] = json.loads((shared_spec / "journey-api.json").read_text())
    assert len(found) == 13
    return found


def _declared(page: Page) -> Command:
    return COMMANDS[page["command"]]


def _codes(page: Page) -> dict[tuple[int, str], int | None]:
    """(code, message) → status, where the page says one."""
    codes: dict[tuple[int, str], int | None] = {
        (int(code), message): None for code, message in page["error_codes"].items() if code != "0"
    }
    for note in page["notes"]:
        if said := NOTED_CODE.fullmatch(note):
            codes[int(said["code"]), said["message"]] = int(said["status"])
    return codes


def test_every_page_is_a_command_with_its_title(pages: list[Page]) -> None:
    declared = {
        page["command"]: (_declared(page).name, _declared(page).title, _declared(page).source) for page in pages
    }

    assert declared == {page["command"]: (page["command"], page["title"], CONTRACT) for page in pages}


def test_every_command_without_a_page_says_where_it_comes_from(pages: list[Page]) -> None:
    documented = {page["command"] for page in pages}

    unsourced = [made.name for made in COMMANDS.values() if made.name not in documented and made.source == CONTRACT]

    assert unsourced == []


def test_every_address_is_the_pages(pages: list[Page]) -> None:
    for page in pages:
        documented = set() if page["path"] == "/api.php" else {(page["method"], page["path"])}

        assert set(_declared(page).routes) - ADDED_ROUTES == documented, page["command"]


def test_every_caller_permission_and_limit_is_the_pages(pages: list[Page]) -> None:
    for page in pages:
        notes, declared = page["notes"], _declared(page)
        permission = next((note.split(": ")[1] for note in notes if note.startswith("Required permissions")), None)

        assert declared.permission == permission, page["command"]
        assert (declared.scope is Scope.ADMIN) == ("Authentication required: Admin API Key" in notes), page["command"]
        assert (declared.limit == HUNDRED_A_MINUTE) == ("Rate limit: 100 requests per 60 seconds" in notes)
        assert declared.limit in (HUNDRED_A_MINUTE, None)


def test_every_parameter_is_declared_and_required_as_the_page_says(pages: list[Page]) -> None:
    for page in pages:
        documented = {each["name"]: each["required"] for each in page["parameters"] if each["name"] not in CREDENTIALS}
        declared = {param.wire: param.missing is not None for param in _declared(page).params}

        assert {name: declared.get(name) for name in documented} == documented, page["command"]


def test_every_parameter_beside_the_pages_says_where_it_comes_from(pages: list[Page]) -> None:
    for page in pages:
        documented = {each["name"] for each in page["parameters"]}
        added = [param.wire for param in _declared(page).params if param.wire not in documented and not param.source]

        assert added == [], page["command"]


def test_every_code_is_declared_with_the_pages_message(pages: list[Page]) -> None:
    for page in pages:
        declared = {(refusal.code, refusal.message): refusal.status for refusal in _declared(page).refusals}
        missing = [code for code in _codes(page) if code not in declared]
        of_other_status = {
            code: status for code, status in _codes(page).items() if status not in (None, declared[code])
        }

        assert (missing, of_other_status) == ([], {}), page["command"]


def test_every_code_beside_the_pages_says_where_it_comes_from(pages: list[Page]) -> None:
    for page in pages:
        documented = _codes(page)
        added = [
            refusal
            for refusal in _declared(page).refusals
            if (refusal.code, refusal.message) not in documented and refusal.source in (None, CONTRACT)
        ]

        assert added == [], page["command"]


def _lacks(example: Any, answer: Any, place: str = "") -> list[str]:
    """Where an answer lacks a key of the page's example, or has a value of another type."""
    if isinstance(example, dict) and isinstance(answer, dict):
        return [
            where
            for key, value in example.items()
            for where in (_lacks(value, answer[key], f"{place}.{key}") if key in answer else [f"{place}.{key}"])
        ]
    if isinstance(example, list) and isinstance(answer, list):
        return _lacks(example[0], answer[0], f"{place}[0]") if example and answer else [place] * bool(example)
    return [] if type(example) is type(answer) else [place]


def test_every_success_has_the_keys_and_types_of_the_pages_example(pages: list[Page]) -> None:
    lacking = {page["command"]: _lacks(page["success_example"], _declared(page).answer) for page in pages}

    assert lacking == {page["command"]: [] for page in pages}


def test_every_refusal_has_the_shape_of_the_pages_example(pages: list[Page]) -> None:
    for page in pages:
        example, declared = page["error_example"], _declared(page)
        shapes = [describing.refused(declared, refusal) for refusal in declared.refusals]

        assert example in shapes, page["command"]
