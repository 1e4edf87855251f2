"""Whole selections let into a journey and taken out, batch by batch."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from journeys_api.commands.registry import COMMANDS
from journeys_api.engine import bulk
from tests.conftest import Client, Maker
from tests.engine.conftest import Audience, Work, running
from tests.journeys.records import UNKNOWN, a_journey, a_list

COMMAND = "subscribers.journey.bulk"
WAIT = {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"}


async def _inside(work: Work, journey_id: int) -> list[str]:
    rows = await work.rows(
        "SELECT email_address FROM enrollments WHERE journey_id = :id AND state = 'active' ORDER BY 1", id=journey_id
    )
    return [row.email_address for row in rows]


async def _people(audience: Audience, *names: str) -> list[int]:
    return [await audience.subscribe(f"{name}@example.com") for name in names]


async def test_a_whole_list_is_let_in_and_taken_out(api: Client, audience: Audience, work: Work, door: str) -> None:
    await _people(audience, "ada", "bob")
    journey_id = await running(api, WAIT)
    given = {"ListID": audience.list_id, "JourneyID": journey_id}

    entered = await api.at(door).ok(COMMAND, Mode=" Enroll ", **given)
    await work.run()
    inside = await _inside(work, journey_id)
    left = await api.at(door).ok(COMMAND, Mode="unenroll", **given)
    await work.run()

    assert entered == {
        "Success": True,
        "ErrorCode": 0,
        "ErrorText": "",
        "Mode": "enroll",
        **given,
        "MatchingSubscribers": 2,
        "Queued": True,
    }
    assert inside == ["ada@example.com", "bob@example.com"]
    assert (left["Mode"], left["MatchingSubscribers"]) == ("unenroll", 2)
    assert await _inside(work, journey_id) == []
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]
    assert (stats["ActiveSubscribers"], stats["TotalSubscribers"]) == (0, 0)


async def test_a_selection_is_by_rules_segment_and_search(api: Client, audience: Audience, work: Work) -> None:
    await _people(audience, "ada", "adam", "bob")
    rules = [[{"type": "fields", "field_id": "EmailAddress", "operator": "contains", "value": "ada"}]]
    segment = await api.ok(
        "segment.create", SubscriberListID=audience.list_id, SegmentName="A", SegmentOperator="and",
        RulesJson=json.dumps(rules),
    )  # fmt: skip
    selections: list[tuple[dict[str, Any], int]] = [
        ({"RulesJSON": json.dumps(rules)}, 2),
        ({"SegmentID": segment["SegmentID"]}, 2),
        ({"SegmentID": segment["SegmentID"], "SearchQuery": "ADAM"}, 1),
        ({"SearchQuery": "b@ex"}, 1),
        ({"SearchQuery": "%"}, 0),
        ({}, 3),
    ]

    for selection, count in selections:
        journey_id = await running(api, WAIT)
        answer = await api.ok(COMMAND, ListID=audience.list_id, JourneyID=journey_id, Mode="enroll", **selection)
        await work.run()
        assert (answer["MatchingSubscribers"], answer["Queued"]) == (count, count > 0), selection
        assert len(await _inside(work, journey_id)) == count, selection


async def test_whoever_is_inside_already_is_not_let_in_twice(api: Client, audience: Audience, work: Work) -> None:
    first, *_ = await _people(audience, "ada", "bob")
    journey_id = await running(api, WAIT)
    await audience.enter(journey_id, first)
    given = {"ListID": audience.list_id, "JourneyID": journey_id, "Mode": "enroll"}

    await api.ok(COMMAND, **given)
    await api.ok(COMMAND, **given)
    await work.run()

    assert await _inside(work, journey_id) == ["ada@example.com", "bob@example.com"]
    assert len(await work.ends(journey_id)) == 2


async def test_many_people_take_several_turns_and_newcomers_wait_for_the_next_call(
    api: Client, audience: Audience, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PEOPLE_A_TURN", 2)
    await _people(audience, "a", "b", "c", "d", "e")
    journey_id = await running(api, WAIT)
    await api.ok(COMMAND, ListID=audience.list_id, JourneyID=journey_id, Mode="enroll")

    work.pass_time()
    await work.worker.jobs.turn()
    half = len(await _inside(work, journey_id))
    await _people(audience, "late")
    await work.run()

    assert half == 2
    assert await _inside(work, journey_id) == [f"{name}@example.com" for name in "abcde"]


async def test_a_journey_that_is_disabled_meanwhile_lets_nobody_in(api: Client, audience: Audience, work: Work) -> None:
    await _people(audience, "ada")
    journey_id = await running(api, WAIT)
    await api.ok(COMMAND, ListID=audience.list_id, JourneyID=journey_id, Mode="enroll")

    await api.ok("journey.disable", JourneyID=journey_id)
    await work.run()

    assert await _inside(work, journey_id) == []
    rows = await work.rows("SELECT state, reason FROM jobs WHERE parameters->>'journey_id' = :id", id=str(journey_id))
    assert [tuple(row) for row in rows] == [("failed", "Journey is disabled")]


async def test_a_journey_can_be_disabled_while_its_people_to_be_are_counted(
    api: Client, audience: Audience, work: Work
) -> None:
    await _people(audience, "ada")
    journey_id = await running(api, WAIT)

    assert api.account

    async with work.worker.sessions.begin() as session:
        counted = await bulk.submit(
            session,
            owner_id=api.account.user_id,
            list_id=audience.list_id,
            journey_id=journey_id,
            mode=bulk.Mode.ENROLL,
            selected=bulk.Selected(None, "and", None, None),
            now=datetime.now(UTC),
        )
        disabled = await api.ok("journey.disable", JourneyID=journey_id)

    assert disabled["Journey"]["Status"] == "Disabled"
    assert counted.matching == 1


REFUSED: list[tuple[int, dict[str, Any]]] = [
    (1, {"ListID": None}),
    (2, {"JourneyID": None}),
    (3, {"Mode": None}),
    (4, {"ListID": "abc"}),
    (5, {"JourneyID": [1]}),
    (6, {"Mode": "snooze"}),
    (7, {"Operator": "xor"}),
    (8, {"RulesJSON": "["}),
    (8, {"RulesJSON": "[]"}),
    (8, {"RulesJSON": [[{"type": "tags"}]]}),
    (9, {"RulesJSON": '[[{"type":"tags","operator":"has no tag"}]]', "SearchQuery": "ada"}),
    (10, {"SegmentID": "abc"}),
    (11, {"SearchQuery": "x" * 256}),
    (12, {"ListID": UNKNOWN}),
    (13, {"JourneyID": UNKNOWN}),
    (14, {"Mode": "enroll"}),
    (15, {"SegmentID": UNKNOWN}),
    (16, {"RulesJSON": '[[{"type":"no such rule","operator":"is","value":"1"}]]'}),
]


@pytest.mark.parametrize(("code", "more"), REFUSED, ids=[f"{code}-{n}" for n, (code, _) in enumerate(REFUSED)])
async def test_a_refused_call(api: Client, audience: Audience, door: str, code: int, more: dict[str, Any]) -> None:
    journey_id = await a_journey(api)
    await audience.subscribe()
    given = {"ListID": audience.list_id, "JourneyID": journey_id, "Mode": "unenroll", **more}

    answer = await api.at(door).call(COMMAND, **given)

    refusal = COMMANDS[COMMAND].refusal(code)
    body = answer.json()
    assert [error["Code"] for error in body["Errors"]] == [code], body
    assert body["Errors"][0]["Message"].startswith(refusal.message)
    assert answer.status_code == (refusal.status if door == "rest" else 200)
    assert body["Success"] is False
    assert body["ErrorCode"] == (code if door == "rest" else [code])


async def test_every_failed_check_is_told(api: Client, door: str) -> None:
    assert await api.at(door).codes(COMMAND, Mode="snooze", Operator="xor") == [1, 2, 6, 7]


async def test_nobodys_list_is_touched_by_a_stranger(api: Client, audience: Audience, make: Maker, door: str) -> None:
    stranger = (await make.client()).at(door)
    own_list, own_journey = await a_list(stranger), await a_journey(stranger)
    journey_id = await a_journey(api)

    assert await stranger.codes(COMMAND, ListID=audience.list_id, JourneyID=own_journey, Mode="unenroll") == [12]
    assert await stranger.codes(COMMAND, ListID=own_list, JourneyID=journey_id, Mode="unenroll") == [13]
