"""Every documented code of the thirteen commands over HTTP at both doors, with message, status and envelope."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.commands.registry import COMMANDS, Envelope, Refusal
from tests.conftest import Client, Maker
from tests.journeys.records import UNKNOWN, a_field, a_journey, a_list, actions_of, an_email


@dataclass
class World:
    """Who acts in a case."""

    api: Client
    admin: Client
    make: Maker

    async def journey(self, **parameters: Any) -> int:
        return await a_journey(self.api, **parameters)


Parameters = dict[str, Any]
Case = Callable[[World], Awaitable[Parameters]]


def given(**parameters: Any) -> Case:
    """A case that needs no record."""

    async def case(_: World) -> Parameters:
        return parameters

    return case


def with_journey(**parameters: Any) -> Case:
    """A case on a Manual journey of the caller's."""

    async def case(world: World) -> Parameters:
        return {"JourneyID": await world.journey(), **parameters}

    return case


def trigger_cases(command: str, case: Callable[..., Case]) -> dict[tuple[str, int], Case]:
    """The codes of triggers and settings that create and update share."""
    return {
        (command, 3): case(Trigger="NoSuchTrigger"),
        (command, 4): case(Trigger="ListSubscription"),
        (command, 5): case(Trigger="ListUnsubscription", Trigger_ListID="abc"),
        (command, 6): case(Trigger="ListSubscription", Trigger_ListID=UNKNOWN),
        (command, 7): case(Trigger="EmailOpen"),
        (command, 8): case(Trigger="EmailConversion", Trigger_EmailID="-1"),
        (command, 9): case(Trigger="EmailLinkClick", Trigger_EmailID=UNKNOWN),
        (command, 11): case(Trigger="Tag", Trigger_Value=UNKNOWN),
        (command, 12): case(Trigger="CustomFieldValueChanged", Trigger_Value="abc"),
        (command, 13): case(Trigger="CustomFieldValueChanged", Trigger_Value=UNKNOWN),
        (command, 14): case(Trigger="RevenueHit", Trigger_Value="much"),
        (command, 15): case(Trigger="RevenueHit"),
        (command, 16): case(Trigger="JourneyCompleted"),
        (command, 17): case(Trigger="JourneyCompleted", Trigger_Value=UNKNOWN),
        (command, 18): case(Rate_Limit_Per_Hour="-1"),
        (command, 19): case(Rate_Limit_Per_Day="1.5"),
    }


def create(**parameters: Any) -> Case:
    return given(Name="Welcome", **parameters)


async def enabled_journey(world: World) -> Parameters:
    journey_id = await world.journey()
    await world.api.ok("journey.enable", JourneyID=journey_id)
    return {"JourneyID": journey_id}


async def own_completion(world: World) -> Parameters:
    journey_id = await world.journey()
    return {"JourneyID": journey_id, "Trigger": "JourneyCompleted", "Trigger_Value": journey_id}


async def vanishing(world: World) -> Parameters:
    journey_id = await world.journey()
    actions = await actions_of(world.api, journey_id, {"Action": "Debug", "Notes": "vanish"})
    return {"JourneyID": journey_id, "Actions": [{"ActionID": actions[0]["ActionID"], "Published": True}]}


async def failing_clone(world: World) -> Parameters:
    return {"JourneyID": await world.journey(), "NewJourneyName": "fail me"}


async def failing_copy(world: World) -> Parameters:
    return {**await copyable(world), "NewJourneyName": "fail me"}


async def copyable(world: World) -> Parameters:
    assert world.api.account
    return {
        "JourneyID": await world.journey(),
        "SourceUserID": world.api.account.user_id,
        "TargetUserID": (await world.make.account()).user_id,
    }


def copy(**parameters: Any) -> Case:
    async def case(world: World) -> Parameters:
        return {**await copyable(world), **parameters}

    return case


def people(**parameters: Any) -> Case:
    async def case(world: World) -> Parameters:
        journey_id = await world.journey()
        actions = await actions_of(world.api, journey_id, {"Action": "Debug"})
        return {"JourneyID": journey_id, "ActionID": actions[0]["ActionID"], **parameters}

    return case


CASES: dict[tuple[str, int], Case] = {
    ("journey.create", 1): given(),
    **trigger_cases("journey.create", create),
    ("journey.create", 10): create(Trigger="UnTag", Trigger_Value="abc"),
    ("journey.clone", 1): with_journey(),
    ("journey.clone", 2): given(NewJourneyName="Copy"),
    ("journey.clone", 3): given(NewJourneyName="Copy", JourneyID=UNKNOWN),
    ("journey.clone", 4): failing_clone,
    ("journey.copytouser", 1): copy(JourneyID=""),
    ("journey.copytouser", 2): copy(SourceUserID=""),
    ("journey.copytouser", 3): copy(TargetUserID=""),
    ("journey.copytouser", 4): copy(JourneyID="abc"),
    ("journey.copytouser", 5): copy(SourceUserID="1.5"),
    ("journey.copytouser", 6): copy(TargetUserID="-1"),
    ("journey.copytouser", 7): copy(SourceUserID=UNKNOWN),
    ("journey.copytouser", 8): copy(TargetUserID=UNKNOWN),
    ("journey.copytouser", 9): copy(JourneyID=UNKNOWN),
    ("journey.copytouser", 10): failing_copy,
    ("journey.get", 1): given(),
    ("journey.get", 2): given(JourneyID="abc"),
    ("journey.get", 3): given(JourneyID=UNKNOWN),
    ("journey.get", 4): with_journey(StartDate="2025-1-5"),
    ("journey.get", 5): with_journey(EndDate="2025-02-30"),
    ("journey.get", 6): with_journey(StartDate="2025-02-01", EndDate="2025-01-01"),
    ("journey.list", 4): given(StatsStartDate="20250105"),
    ("journey.list", 5): given(StatsEndDate="0000-00-00"),
    ("journey.list", 6): given(StatsStartDate="9999-01-01"),
    ("journey.update", 1): given(Name="New"),
    ("journey.update", 2): given(JourneyID="abc"),
    **trigger_cases("journey.update", with_journey),
    ("journey.update", 10): given(JourneyID=UNKNOWN),
    ("journey.update", 22): own_completion,
    ("journey.delete", 1): given(),
    ("journey.delete", 2): given(JourneyID="abc"),
    ("journey.delete", 3): given(JourneyID=UNKNOWN),
    ("journeys.delete", 1): given(),
    ("journey.enable", 1): given(),
    ("journey.enable", 2): given(JourneyID="7.0"),
    ("journey.enable", 3): given(JourneyID=UNKNOWN),
    ("journey.enable", 4): enabled_journey,
    ("journey.disable", 1): given(),
    ("journey.disable", 2): given(JourneyID="+7"),
    ("journey.disable", 3): given(JourneyID=UNKNOWN),
    ("journey.disable", 4): with_journey(),
    ("journey.actions.update", 1): given(Actions=[]),
    ("journey.actions.update", 2): with_journey(),
    ("journey.actions.update", 3): given(JourneyID="abc", Actions=[]),
    ("journey.actions.update", 4): with_journey(Actions="no array"),
    ("journey.actions.update", 5): given(JourneyID=UNKNOWN, Actions=[]),
    ("journey.actions.update", 6): with_journey(Actions=[{"Action": "Dance"}]),
    ("journey.actions.published", 1): given(Actions=[]),
    ("journey.actions.published", 2): with_journey(),
    ("journey.actions.published", 3): given(JourneyID="abc", Actions=[]),
    ("journey.actions.published", 4): with_journey(Actions=7),
    ("journey.actions.published", 5): given(JourneyID=UNKNOWN, Actions=[]),
    ("journey.actions.published", 6): with_journey(Actions=[{"ActionID": UNKNOWN, "Published": "true"}]),
    ("journey.actions.published", 7): vanishing,
    ("journey.action.subscribers", 1): given(ActionID=1),
    ("journey.action.subscribers", 2): given(JourneyID=1),
    ("journey.action.subscribers", 3): given(JourneyID="abc", ActionID=1),
    ("journey.action.subscribers", 4): given(JourneyID=1, ActionID="abc"),
    ("journey.action.subscribers", 5): people(FilterJSON="["),
    ("journey.action.subscribers", 6): people(FilterJSON='["fallen asleep"]'),
    ("journey.action.subscribers", 7): people(FilterJSON='["opened"]', Operator="XOR"),
}


@pytest.fixture
async def faults(app: Application) -> AsyncIterator[None]:
    """A database that fails for journeys of a certain name and loses those with an action of certain notes."""
    statements = (
        "CREATE FUNCTION fail_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'injected'; END $$",
        "CREATE TRIGGER injected BEFORE INSERT ON journeys FOR EACH ROW WHEN (NEW.name = 'fail me') "
        "EXECUTE FUNCTION fail_insert()",
        "CREATE FUNCTION lose_journey() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE journeys SET deleted_at = now() WHERE journey_id = NEW.journey_id; RETURN NULL; END $$",
        "CREATE TRIGGER injected AFTER UPDATE ON journey_actions FOR EACH ROW WHEN (NEW.notes = 'vanish') "
        "EXECUTE FUNCTION lose_journey()",
    )
    async with app.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    yield
    async with app.engine.begin() as connection:
        await connection.execute(text("DROP FUNCTION fail_insert CASCADE"))
        await connection.execute(text("DROP FUNCTION lose_journey CASCADE"))


def expected(command: str, door: str, refusal: Refusal) -> dict[str, Any]:
    """The documented body of one code (rulings 1)."""
    objects = [{"Code": refusal.code, "Message": refusal.message}]
    envelope = COMMANDS[command].envelope
    if envelope is Envelope.CODES:
        return {"Success": False, "ErrorCode": [refusal.code]}
    if envelope is Envelope.CODE_OBJECTS:
        return {"Success": False, "ErrorCode": objects}
    beside = {"Success": False, "ErrorCode": [refusal.code], "ErrorText": [refusal.message]}
    body: dict[str, Any] = {"Errors": objects}
    if envelope is Envelope.SUCCESS_ERRORS:
        body["Success"] = False
    return {**beside, **body} if door == "legacy" else body


@pytest.mark.parametrize(("command", "code"), CASES)
async def test_a_code_is_answered_with_its_message_status_and_envelope(
    command: str, code: int, door: str, api: Client, admin: Client, make: Maker, faults: None
) -> None:
    declared = COMMANDS[command]
    if door == "rest" and not declared.routes:
        pytest.skip("has no REST route")
    parameters = await CASES[(command, code)](World(api, admin, make))
    caller = admin if command == "journey.copytouser" else api

    response = await caller.at(door).call(command, **parameters)

    refusal = declared.refusal(code)
    assert response.json() == expected(command, door, refusal)
    assert response.status_code == (refusal.status if door == "rest" else 200)


@pytest.mark.parametrize(("code", "message"), [(5, "Journey not found"), (6, "Action not found")])
async def test_the_look_ups_of_action_subscribers_answer_404(code: int, message: str, door: str, api: Client) -> None:
    parameters = await people()(World(api, api, None))  # type: ignore[arg-type]
    parameters["JourneyID" if code == 5 else "ActionID"] = UNKNOWN

    response = await api.at(door).call("journey.action.subscribers", **parameters)

    assert response.json() == {"Success": False, "ErrorCode": [{"Code": code, "Message": message}]}
    assert response.status_code == (404 if door == "rest" else 200)


def test_every_documented_code_has_a_case(shared_spec: Path) -> None:
    documented = {
        (command["command"], int(code))
        for command in json.loads((shared_spec / "journey-api.json").read_text())
        for code in command["error_codes"]
        if code != "0"
    }

    assert len(documented) == 91
    assert documented <= CASES.keys()


@pytest.mark.parametrize(
    ("command", "parameters", "codes"),
    [
        ("journey.create", {"Trigger": "ListSubscription", "Rate_Limit_Per_Hour": "x"}, [1, 4, 18]),
        ("journey.create", {"Trigger": "no"}, [1, 3]),
        ("journey.clone", {}, [1, 2]),
        ("journey.copytouser", {}, [1, 2, 3]),
        ("journey.copytouser", {"SourceUserID": "x"}, [1, 3, 5]),
        ("journey.get", {"StartDate": "x", "EndDate": "y"}, [1, 4, 5]),
        ("journey.list", {"StatsStartDate": "x", "StatsEndDate": "y"}, [4, 5]),
        ("journey.update", {"Trigger": "RevenueHit", "Rate_Limit_Per_Day": "x"}, [1, 15, 19]),
        ("journey.actions.update", {}, [1, 2]),
        ("journey.actions.published", {"JourneyID": "x"}, [2, 3]),
        ("journey.action.subscribers", {"FilterJSON": "[", "Operator": "no"}, [1, 2, 5, 7]),
    ],
)
async def test_missing_and_invalid_codes_come_together_ascending(
    command: str, parameters: Parameters, codes: list[int], door: str, api: Client, admin: Client
) -> None:
    caller = admin if command == "journey.copytouser" else api

    assert await caller.at(door).codes(command, **parameters) == codes


async def test_the_lowest_code_gives_the_status(api: Client) -> None:
    response = await api.call("journey.create", Trigger="no", Name="Welcome", Rate_Limit_Per_Hour="x")

    assert (response.status_code, [error["Code"] for error in response.json()["Errors"]]) == (400, [3, 18])


async def test_records_are_looked_up_one_code_at_a_time(api: Client) -> None:
    codes = await api.codes(
        "journey.create",
        Name="Welcome",
        Trigger="CustomFieldValueChanged",
        Trigger_ListID=UNKNOWN,
        Trigger_Value=UNKNOWN,
    )

    assert codes == [6]


async def test_what_a_refused_update_says_is_not_kept(api: Client) -> None:
    journey_id = await a_journey(api)
    before = await api.ok("journey.get", JourneyID=journey_id)

    await api.codes("journey.update", JourneyID=journey_id, Name="New", Trigger="Tag", Trigger_Value=UNKNOWN)

    assert await api.ok("journey.get", JourneyID=journey_id) == before


async def test_unknown_journeys_are_answered_alone_when_a_code_needs_the_stored_trigger(api: Client) -> None:
    assert await api.codes("journey.update", JourneyID=UNKNOWN, Trigger_ListID="abc") == [10]
    assert await api.codes("journey.actions.update", JourneyID=UNKNOWN, Actions=[{"Action": "Dance"}]) == [5]
    assert await api.codes("journey.actions.published", JourneyID=UNKNOWN, Actions=[7]) == [5]


async def test_a_trigger_that_comes_along_is_judged_before_the_journey_is_looked_up(api: Client, door: str) -> None:
    api = api.at(door)
    given: Parameters = {"JourneyID": UNKNOWN, "Trigger": "ListSubscription"}

    assert await api.codes("journey.update", **given, Trigger_ListID="abc", Rate_Limit_Per_Day="x") == [5, 19]
    assert await api.codes("journey.update", **given) == [4]
    assert await api.codes("journey.update", **given, Trigger_ListID=0) == [10]


NUL_IN_TRIGGERS: list[tuple[Parameters, list[int], list[int]]] = [
    ({"Trigger": "Tag\x00"}, [3], [3]),
    ({"Trigger": "ListSubscription", "Trigger_ListID": "\x00"}, [5], [5]),
    ({"Trigger": "ListUnsubscription", "Trigger_ListID": ["1", "2\x00"]}, [5], [5]),
    ({"Trigger": "EmailOpen", "Trigger_EmailID": "1\x00"}, [8], [8]),
    ({"Trigger": "UnTag", "Trigger_Value": "1\x00"}, [10], [11]),
    ({"Trigger": "CustomFieldValueChanged", "Trigger_Value": "\x001"}, [12], [12]),
    ({"Trigger": "RevenueHit", "Trigger_Value": "20\x00"}, [14], [14]),
    ({"Trigger": "JourneyCompleted", "Trigger_Value": {"a": "\x00"}}, [16], [16]),
    ({"Trigger": "ScheduledPull", "Trigger_ListID": "1\x00"}, [20], [20]),
]


@pytest.mark.parametrize(("given", "at_create", "at_update"), NUL_IN_TRIGGERS)
async def test_nul_takes_the_codes_of_a_triggers_parameters(
    given: Parameters, at_create: list[int], at_update: list[int], door: str, api: Client
) -> None:
    journey_id = await a_journey(api)

    assert await api.at(door).codes("journey.create", Name="A", **given) == at_create
    assert await api.at(door).codes("journey.update", JourneyID=journey_id, **given) == at_update


@pytest.mark.parametrize(("trigger", "code"), [("Tag", 11), ("UnTag", 11), ("JourneyCompleted", 17)])
@pytest.mark.parametrize("value", [0, "0"])
async def test_0_is_a_record_that_is_not_there(trigger: str, code: int, value: object, door: str, api: Client) -> None:
    journey_id = await a_journey(api)
    given = {"Trigger": trigger, "Trigger_Value": value}

    assert await api.at(door).codes("journey.create", Name="A", **given) == [code]
    assert await api.at(door).codes("journey.update", JourneyID=journey_id, **given) == [code]


async def test_references_of_another_account_are_not_found(api: Client, make: Maker) -> None:
    other = await make.client()
    list_id, email_id, field_id = await a_list(other), await an_email(other), await a_field(other)

    assert await api.codes("journey.create", Name="A", Trigger="ListSubscription", Trigger_ListID=list_id) == [6]
    assert await api.codes("journey.create", Name="A", Trigger="EmailOpen", Trigger_EmailID=email_id) == [9]
    assert await api.codes("journey.create", Name="A", Trigger="CustomFieldValueChanged", Trigger_Value=field_id) == [
        13
    ]
