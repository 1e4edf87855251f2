"""Declaring a command, and what reading its input comes to."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import as_given, identifier, text
from journeys_api.commands.registry import COMMANDS, Command, Param, Reading, Refusal, Rejection, command, missing
from journeys_api.errors import DomainError, NotReadable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Broken(DomainError):
    """It is broken"""


class VeryBroken(Broken):
    """It is very broken"""


class Unrelated(DomainError):
    """Something else"""


@pytest.fixture(autouse=True)
def _table_as_it_was() -> Iterator[None]:
    before = dict(COMMANDS)
    yield
    COMMANDS.clear()
    COMMANDS.update(before)


async def handler(call: Call, **given: Any) -> Body:
    """Do nothing."""
    return given


def _declare(name: str = "test.it", **declared: Any) -> Command:
    command(name, **declared)(handler)
    return COMMANDS[name.lower()]


def _codes(made: Command, given: Mapping[str, Any]) -> list[int]:
    with pytest.raises(Rejection) as rejected:
        made.read(given, now=NOW)
    return [refusal.code for refusal in rejected.value.refusals]


def test_a_name_is_declared_once_whatever_its_case() -> None:
    _declare("Test.It")

    with pytest.raises(ValueError, match="twice"):
        _declare("test.it")


def test_a_route_belongs_to_one_command() -> None:
    _declare(routes=[("GET", "/api/v1/it")])

    with pytest.raises(ValueError, match="route"):
        _declare("test.other", routes=[("GET", "/api/v1/it")])


@pytest.mark.parametrize(
    "params",
    [
        [Param("A", "a", text), Param("a", "b", text)],
        [Param("A", "a", text), Param("B", "b", text, also=("a",))],
    ],
)
def test_a_parameter_is_declared_once(params: list[Param]) -> None:
    with pytest.raises(ValueError, match="twice"):
        _declare(params=params)


def test_a_parameters_codes_must_be_declared() -> None:
    with pytest.raises(ValueError, match="code 1"):
        _declare(params=[Param("A", "a", text, missing=1)])


def test_an_error_leaves_as_its_own_code_or_its_bases() -> None:
    first, second = Refusal(1, "One"), Refusal(2, "Two")
    made = _declare(refusals=[first, second], errors={Broken: 1})
    more = _declare("test.more", refusals=[first, second], errors={Broken: 1, VeryBroken: 2})

    assert made.refusal_of(VeryBroken()) == first
    assert more.refusal_of(VeryBroken()) == second
    assert made.refusal_of(Unrelated()) is None


def test_an_errors_detail_is_told_behind_the_message() -> None:
    made = _declare(refusals=[Refusal(1, "One")], errors={Broken: 1})

    refusal = made.refusal_of(Broken("Actions[2].WaitAmount"))

    assert refusal is not None
    assert refusal.message == "One: Actions[2].WaitAmount"


def test_a_refusal_of_an_error_is_documented_too() -> None:
    made = _declare(errors={Broken: Refusal(9, "Nine", 404)}, failure=Refusal(10, "Ten", 500))

    assert [refusal.code for refusal in made.refusals] == [9, 10]


def test_every_code_comes_at_once_ascending() -> None:
    made = _declare(
        params=[
            Param("A", "a", identifier, missing=3, invalid=4),
            Param("B", "b", identifier, missing=1, invalid=2),
        ],
        refusals=[Refusal(3, "3"), Refusal(4, "4"), Refusal(1, "1"), Refusal(2, "2")],
    )

    assert _codes(made, {}) == [1, 3]
    assert _codes(made, {"a": "x"}) == [1, 4]
    assert _codes(made, {"a": "x", "b": "x"}) == [2, 4]


def test_a_check_adds_to_the_codes_of_the_readers() -> None:
    def check(reading: Reading) -> None:
        if not reading.has("b"):
            reading.refuse(1)

    made = _declare(
        params=[Param("A", "a", identifier, missing=2), Param("B", "b", text)],
        refusals=[Refusal(1, "B with A"), missing(2, "A")],
        check=check,
    )

    assert _codes(made, {}) == [1, 2]
    assert made.read({"a": 1, "b": "x"}, now=NOW) == {"a": 1, "b": "x"}


def test_an_unreadable_value_without_a_code_names_its_parameter() -> None:
    made = _declare(params=[Param("Some_Name", "a", identifier)])

    with pytest.raises(NotReadable, match="Some_Name"):
        made.read({"some_name": "hunter2"}, now=NOW)


@pytest.mark.parametrize("empty", [None, ""])
def test_null_and_empty_text_are_the_default(empty: Any) -> None:
    made = _declare(params=[Param("A", "a", identifier, default=5), Param("B", "b", text, keeps_empty=True)])

    assert made.read({"a": empty, "b": empty}, now=NOW) == {"a": 5, "b": empty}


def test_another_spelling_counts_when_the_first_is_absent() -> None:
    made = _declare(params=[Param("ListID", "list_id", identifier, also=("SubscriberListID",))])

    assert made.read({"subscriberlistid": 1}, now=NOW) == {"list_id": 1}
    assert made.read({"listid": "", "subscriberlistid": 1}, now=NOW) == {"list_id": 1}
    assert made.read({"listid": 2, "subscriberlistid": 1}, now=NOW) == {"list_id": 2}


def test_a_family_takes_what_follows_its_name() -> None:
    made = _declare(
        params=[
            Param("CustomFieldN", "values", as_given, family="CustomField", default={}),
            Param("CustomFields", "all", text),
        ]
    )

    read = made.read({"customfield12": "x", "customfield7": "", "customfield9": None, "customfields": "y"}, now=NOW)

    assert read == {"values": {"12": "x", "7": ""}, "all": "y"}
    assert made.read({}, now=NOW) == {"values": {}, "all": None}


def test_what_the_handler_is_asked_to_judge_is_handed_to_it_whole() -> None:
    made = _declare(params=[Param("A", "a", identifier, missing=1)], refusals=[missing(1, "A")], judges_stored=True)

    reading = made.read({}, now=NOW)["reading"]

    assert [refusal.code for refusal in reading.refusals] == [1]
    with pytest.raises(Rejection):
        reading.raise_refusals()
