"""Every documented code of the commands of imports at both doors, with message, status and envelope."""

from collections.abc import Callable
from typing import Any

import pytest

from journeys_api.commands.registry import COMMANDS
from tests.conftest import Client, Maker
from tests.imports.conftest import Imports
from tests.journeys.records import UNKNOWN, a_list

Change = Callable[[dict[str, Any]], dict[str, Any]]


def without(*names: str) -> Change:
    return lambda given: {name: value for name, value in given.items() if name not in names}


def with_(**more: Any) -> Change:
    return lambda given: {**given, **more}


def csv(**more: Any) -> Change:
    """With other parts of the file's description; None takes one away."""

    def change(given: dict[str, Any]) -> dict[str, Any]:
        described = {**given["ImportFrom"]["CSV"], **more}
        return {**given, "ImportFrom": {"CSV": {name: value for name, value in described.items() if value is not None}}}

    return change


POST: list[tuple[int, Change]] = [
    (1, without("ListID")),
    (2, csv(FieldTerminator=None)),
    (4, without("AddToGlobalSuppressionList")),
    (5, without("AddToSuppressionList")),
    (6, without("UpdateDuplicates")),
    (7, without("TriggerActions")),
    (8, csv(MappedFields=None)),
    (9, with_(AddToGlobalSuppressionList="perhaps")),
    (10, with_(AddToSuppressionList="perhaps")),
    (11, with_(UpdateDuplicates="perhaps")),
    (12, with_(TriggerActions=[1])),
    (13, csv(MappedFields="EmailAddress")),
    (14, without("ImportFrom")),
    (14, with_(ImportFrom={"Mailchimp": {"APIKey": "k"}})),
    (14, csv(Data=None)),
    (15, csv(MappedFields={"FIELD1": "TagAdd"})),
    (16, csv(EscapedBy=None)),
    (17, csv(MappedFields={"FIELD1": "EmailAddress", "FIELD2": str(UNKNOWN)})),
    (17, csv(MappedFields={"FIELD1": "EmailAddress", "FIELD2": "emailaddress"})),
    (17, csv(MappedFields={"FIELD1": "EmailAddress", " field1": "TagAdd"})),
    (17, csv(MappedFields={"no such heading": "EmailAddress"})),
    (18, csv(Data=None, URL="ftp://example.com/people.csv")),
    (18, csv(Data=None, URL="http://127.0.0.1/people.csv")),
    (18, csv(Data=None, URL="https://db.internal/people.csv")),
    (19, with_(ListID=UNKNOWN)),
    (20, with_(ListID="abc")),
    (21, without("Tags")),
    (21, with_(Tags=["not/a tag"])),
]


@pytest.mark.parametrize(("code", "change"), POST, ids=[f"{code}-{place}" for place, (code, _) in enumerate(POST)])
async def test_a_refused_import(imports: Imports, door: str, code: int, change: Change) -> None:
    given = change(imports.parameters("ada@example.com"))

    answer = await imports.api.at(door).call("subscribers.import.post", **given)

    await _assert_refusal(answer, "subscribers.import.post", code, door)
    assert await imports.people() == []
    assert await imports.rows("SELECT 1 FROM jobs WHERE parameters->>'list_id' = :id", id=str(imports.list_id)) == []


async def _assert_refusal(answer: Any, command: str, code: int, door: str) -> None:
    refusal = COMMANDS[command].refusal(code)
    body = answer.json()
    assert [error["Code"] for error in body["Errors"]] == [code], body
    assert body["Errors"][0]["Message"].startswith(refusal.message)
    assert answer.status_code == (refusal.status if door == "rest" else 200)
    if door == "legacy":
        assert (body["Success"], body["ErrorCode"]) == (False, [code])


async def test_everything_that_is_missing_is_told_at_once(imports: Imports, door: str) -> None:
    assert await imports.api.at(door).codes("subscribers.import.post") == [1, 4, 5, 6, 7, 14, 21]
    sourced = {"ImportFrom": {"CSV": {"Data": "ada@example.com"}}}
    assert await imports.api.at(door).codes("subscribers.import.post", **sourced) == [1, 2, 4, 5, 6, 7, 8, 16, 21]


@pytest.mark.parametrize(
    ("code", "given"),
    [
        (1, {"ImportID": 1}),
        (2, {"ListID": 1}),
        (3, {"ListID": "abc", "ImportID": 1}),
        (4, {"ListID": 1, "ImportID": "abc"}),
        (5, {"ListID": UNKNOWN, "ImportID": 1}),
        (7, {"ListID": "own", "ImportID": UNKNOWN}),
    ],
)
async def test_an_import_that_is_not_told_of(imports: Imports, door: str, code: int, given: dict[str, Any]) -> None:
    asked = {name: imports.list_id if value == "own" else value for name, value in given.items()}

    answer = await imports.api.at(door).call("subscribers.import.get", **asked)

    await _assert_refusal(answer, "subscribers.import.get", code, door)


async def test_an_import_is_told_of_for_its_own_list_alone(imports: Imports) -> None:
    job = await imports.post("ada@example.com")
    other = await a_list(imports.api)

    assert await imports.api.codes("subscribers.import.get", ListID=other, ImportID=job["ImportID"]) == [7]


async def test_nobody_imports_to_a_strangers_list(imports: Imports, make: Maker, door: str) -> None:
    stranger: Client = await make.client()

    codes = await stranger.at(door).codes("subscribers.import.post", **imports.parameters("ada@example.com"))

    assert codes == [19]
    assert await imports.people() == []


@pytest.mark.parametrize("name", ["FieldTerminator", "FieldEncloser", "EscapedBy"])
@pytest.mark.parametrize("value", ["||", "\n", ["x"]])
async def test_a_mark_that_is_no_single_character_is_not_readable(imports: Imports, name: str, value: Any) -> None:
    given = csv(**{name: value})(imports.parameters("ada@example.com"))

    answer = await imports.api.call("subscribers.import.post", **given)

    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 100000)
    assert name in answer.json()["ErrorText"]
