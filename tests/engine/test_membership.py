"""The commands about a subscriber's place in journeys: trigger, remove, exit, list, at both doors."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.delivery import outbox
from journeys_api.delivery.outbox import Finished
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.models import DeliveryKind
from tests.conftest import Client, Maker
from tests.engine.conftest import Audience, Work, running

MISSING = 2**62
WAIT = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}
NAMES = ("JourneyID", "ListID", "SubscriberID")


@pytest.fixture
async def place(api: Client, audience: Audience, work: Work, address: str) -> dict[str, Any]:
    """A journey in which everybody waits, and somebody who is not inside."""
    journey_id = await running(api, WAIT)
    return {
        "JourneyID": journey_id,
        "ListID": audience.list_id,
        "SubscriberID": await audience.subscribe(address),
    }


def without(place: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in place.items() if name not in names}


@pytest.mark.parametrize("command", ["trigger", "remove", "exit"])
async def test_every_fault_has_its_code(
    api: Client, place: dict[str, Any], make: Maker, door: str, command: str, work: Work
) -> None:
    client, name = api.at(door), f"subscriber.journey.{command}"
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [1, 2, 3]),
        *((without(place, each), [number]) for number, each in enumerate(NAMES, 1)),
        *(({**place, each: bad}, [3 + number]) for number, each in enumerate(NAMES, 1) for bad in ("x", -1, 2**63)),
        ({"JourneyID": "x", "ListID": "\x00"}, [3, 4, 5]),
        ({**place, "ListID": [1]}, [5]),
        ({**place, "JourneyID": ""}, [1]),
        ({**place, "JourneyID": {}}, [4]),
        ({**place, "JourneyID": MISSING}, [7]),
        ({**place, "ListID": MISSING}, [8]),
        ({**place, "SubscriberID": MISSING}, [9]),
        ({"JourneyID": MISSING, "ListID": MISSING, "SubscriberID": MISSING}, [7]),
        ({**place, "ListID": MISSING, "SubscriberID": MISSING}, [8]),
    ]
    for given, codes in cases:
        assert await client.codes(name, **given) == codes, given

    stranger = (await make.client()).at(door)
    assert await stranger.codes(name, **place) == [7]
    assert await work.ends(place["JourneyID"]) == []


@pytest.mark.parametrize("command", ["trigger", "remove"])
async def test_arrays_that_name_no_journey_are_invalid(
    api: Client, place: dict[str, Any], door: str, command: str
) -> None:
    for bad in ([], ["x"], [[1]], [None], "[", [-1]):
        given = {**place, "JourneyID": bad}
        assert await api.at(door).codes(f"subscriber.journey.{command}", **given) == [4], bad


async def test_the_exit_takes_one_journey_only(api: Client, place: dict[str, Any], door: str) -> None:
    given = {**place, "JourneyID": [place["JourneyID"]]}

    assert await api.at(door).codes("subscriber.journey.exit", **given) == [4]


async def test_the_list_has_codes_of_its_own(api: Client, place: dict[str, Any], make: Maker, door: str) -> None:
    client, name = api.at(door), "subscriber.journey.list"
    who = without(place, "JourneyID")
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [2, 3]),
        ({"ListID": "x", "SubscriberID": "x"}, [5, 6]),
        ({**who, "ListID": MISSING}, [8]),
        ({**who, "SubscriberID": MISSING}, [9]),
    ]
    for given, codes in cases:
        assert await client.codes(name, **given) == codes, given
    assert await (await make.client()).at(door).codes(name, **who) == [8]


async def test_a_subscriber_of_another_list_is_not_found(api: Client, place: dict[str, Any], door: str) -> None:
    other = int((await api.ok("list.create", SubscriberListName="Other"))["ListID"])
    given = {**place, "ListID": other}

    for command in ("trigger", "remove", "exit", "list"):
        assert await api.at(door).codes(f"subscriber.journey.{command}", **given) == [9], command


async def test_trigger_list_exit_and_trigger_again(api: Client, place: dict[str, Any], door: str, work: Work) -> None:
    client, journey_id, who = api.at(door), place["JourneyID"], without(place, "JourneyID")

    entered = await client.ok("subscriber.journey.trigger", **place)
    assert without(entered, "ErrorCode", "ErrorText") == {"Success": True, "JourneyIDs": [journey_id], **who}
    listed = await client.ok("subscriber.journey.list", **who)
    (row,) = listed["Journeys"]
    assert (row["JourneyID"], row["JourneyName"], row["Status"]) == (journey_id, "Welcome", "Enabled")
    assert len(row["JoinedAt"]) == len("2025-01-15 10:30:00")

    left = await client.ok("subscriber.journey.exit", **place)
    assert {name: left[name] for name in NAMES} == place
    assert (await client.ok("subscriber.journey.list", **who))["Journeys"] == []
    assert await work.ends(journey_id) == [("exited", "subscriber.journey.exit")]
    await client.ok("subscriber.journey.exit", **place)
    await client.ok("subscriber.journey.trigger", **place)
    assert [state for state, _ in await work.ends(journey_id)] == ["exited", "active"]


async def test_remove_erases_the_pass_and_withdraws_what_was_not_sent(
    api: Client, audience: Audience, place: dict[str, Any], door: str, work: Work, email_id: int
) -> None:
    client = api.at(door)
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id}, WAIT)
    given = {**place, "JourneyID": journey_id}
    await client.ok("subscriber.journey.trigger", **given)
    await work.move()
    assert await work.deliveries(journey_id) == [("mail", "pending", None)]

    answer = await client.ok("subscriber.journey.remove", **given)
    await work.run(hours=1)

    assert answer["JourneyIDs"] == [journey_id]
    assert await work.ends(journey_id) == []
    assert await work.deliveries(journey_id) == [("mail", "withdrawn", "removed from the journey")]
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]
    assert (stats["ActiveSubscribers"], stats["TotalSubscribers"]) == (0, 0)
    assert (await client.ok("subscriber.journey.remove", **given))["JourneyIDs"] == [journey_id], "not inside: fine"


async def test_an_action_forgets_who_stood_there_and_is_removed_but_not_who_passed_it(
    api: Client, audience: Audience, work: Work
) -> None:
    journey_id = await running(api, {"Action": "Debug"}, WAIT)
    people = [await audience.subscribe(f"p{number}@example.com") for number in range(3)]
    for person in people:
        await audience.enter(journey_id, person)
    await work.move()
    # the first comes by once more: a pass of theirs has ended at the wait before
    gone = {"JourneyID": journey_id, "ListID": audience.list_id}
    await api.ok("subscriber.journey.exit", **gone, SubscriberID=people[0])
    await audience.enter(journey_id, people[0])
    await work.move()
    actions = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]

    for person in people[:2]:
        await api.ok("subscriber.journey.remove", **gone, SubscriberID=person)

    passed, standing = [
        await api.ok("journey.action.subscribers", JourneyID=journey_id, ActionID=each["ActionID"]) for each in actions
    ]
    assert [row["SubscriberID"] for row in passed["Subscribers"]] == list(map(str, people))
    assert [row["SubscriberID"] for row in standing["Subscribers"]] == [str(people[0]), str(people[2])]
    assert standing["TotalSubscribers"] == 2
    actions = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]
    assert int(actions[1]["Stats"]["TotalSubscribers"]) == 2


async def waits_for_a_lock(work: Work, query: str) -> None:
    """Until somebody who runs such a statement waits for somebody else's transaction."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE :query"
    )
    async with asyncio.timeout(20):
        while not await work.rows(waiting, query=f"%{query}%"):  # noqa: ASYNC110 (the database is asked)
            await asyncio.sleep(0.01)


async def test_remove_withdraws_what_a_step_is_just_writing(
    api: Client, audience: Audience, place: dict[str, Any], work: Work, email_id: int
) -> None:
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id}, WAIT)
    given = {**place, "JourneyID": journey_id}
    await api.ok("subscriber.journey.trigger", **given)

    async with work.worker.sessions.begin() as session:
        # the last that a step writes: what it owes is written, and not committed
        await session.execute(text("LOCK TABLE counter_deltas IN SHARE MODE"))
        stepping = asyncio.create_task(work.move())
        await waits_for_a_lock(work, "INSERT INTO counter_deltas")
        removing = asyncio.create_task(api.ok("subscriber.journey.remove", **given))
        await waits_for_a_lock(work, "enrollments")
    await removing
    await stepping
    await work.run(hours=1)

    assert await work.ends(journey_id) == []
    assert await work.deliveries(journey_id) == [("mail", "withdrawn", "removed from the journey")]


@pytest.mark.parametrize("ending", [Ending.DEFERRED, Ending.POSTPONED])
async def test_what_was_under_way_when_its_recipient_was_removed_is_not_tried_again(
    api: Client, place: dict[str, Any], work: Work, email_id: int, ending: Ending
) -> None:
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id}, WAIT)
    given = {**place, "JourneyID": journey_id}
    await api.ok("subscriber.journey.trigger", **given)
    await work.move()
    lease = timedelta(minutes=10)
    async with work.worker.sessions.begin() as session:
        claims = await outbox.claim(session, DeliveryKind.MAIL, limit=100, lease=lease, now=work.clock.instant)

    await api.ok("subscriber.journey.remove", **given)
    work.pass_time(minutes=1)
    not_taken = [Finished(claims.token, row, Outcome(ending)) for row in claims.rows]
    async with work.worker.sessions.begin() as session:
        await outbox.finish(session, not_taken, now=work.clock.instant)
    await work.run(hours=1)

    assert await work.deliveries(journey_id) == [("mail", "withdrawn", "removed from the journey")]


async def test_several_journeys_at_once_and_the_reasons_for_those_left_out(
    api: Client, place: dict[str, Any], door: str, work: Work
) -> None:
    client = api.at(door)
    second, disabled = await running(api, WAIT), await running(api, WAIT)
    await api.ok("journey.disable", JourneyID=disabled)
    several = {**place, "JourneyID": [place["JourneyID"], second, disabled, MISSING, second]}

    entered = await client.ok("subscriber.journey.trigger", **several)
    assert entered["JourneyIDs"] == [place["JourneyID"], second]
    assert entered["SkippedJourneys"] == [
        {"JourneyID": disabled, "Reason": "Journey is disabled"},
        {"JourneyID": MISSING, "Reason": "Journey not found"},
    ]
    assert [len(await work.ends(each)) for each in (place["JourneyID"], second, disabled)] == [1, 1, 0]

    removed = await client.ok("subscriber.journey.remove", **several)
    assert removed["JourneyIDs"] == [place["JourneyID"], second, disabled]
    assert removed["SkippedJourneys"] == [{"JourneyID": MISSING, "Reason": "Journey not found"}]
    assert await work.ends(second) == []


async def test_with_nothing_left_the_reasons_come_with_the_refusal(
    api: Client, place: dict[str, Any], door: str, work: Work
) -> None:
    await api.ok("journey.disable", JourneyID=place["JourneyID"])
    response = await api.at(door).call(
        "subscriber.journey.trigger", **{**place, "JourneyID": [place["JourneyID"], MISSING]}
    )

    body = response.json()
    assert response.status_code == (404 if door == "rest" else 200)
    assert body["Success"] is False
    assert body["Errors"] == [{"Code": 7, "Message": "Journey not found"}]
    assert body["SkippedJourneys"] == [
        {"JourneyID": place["JourneyID"], "Reason": "Journey is disabled"},
        {"JourneyID": MISSING, "Reason": "Journey not found"},
    ]
    assert await work.ends(place["JourneyID"]) == []


async def test_who_is_inside_or_unwanted_counts_as_processed(
    api: Client, place: dict[str, Any], door: str, work: Work
) -> None:
    nobody = [[{"type": "fields", "field_id": "EmailAddress", "operator": "is", "value": "nobody@example.com"}]]
    strict = await running(api, WAIT, Run_Criteria=nobody)
    given = {**place, "JourneyID": [place["JourneyID"], strict]}

    for _ in range(2):
        answer = await api.at(door).ok("subscriber.journey.trigger", **given)
        assert answer["JourneyIDs"] == [place["JourneyID"], strict]
        assert "SkippedJourneys" not in answer

    assert await work.ends(place["JourneyID"]) == [("active", None)]
    assert await work.refusals(place["JourneyID"]) == ["active already"]
    assert await work.ends(strict) == []
    assert await work.refusals(strict) == ["the run criteria are not met"] * 2


async def test_exit_and_remove_work_in_disabled_journeys_too(
    api: Client, audience: Audience, place: dict[str, Any], work: Work
) -> None:
    second = await audience.subscribe("second.of.two@example.com")
    for subscriber_id in (place["SubscriberID"], second):
        await audience.enter(place["JourneyID"], subscriber_id)
    await api.ok("journey.disable", JourneyID=place["JourneyID"])

    await api.ok("subscriber.journey.exit", **place)
    await api.ok("subscriber.journey.remove", **{**place, "SubscriberID": second})

    assert await work.ends(place["JourneyID"]) == [("exited", "subscriber.journey.exit")]
