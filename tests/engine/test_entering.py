"""Who enters which journey, by what happens to them; who does not, and why."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.trigger_events import MAX_DEPTH, Happened, shard_of
from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running

MISSING = 2**40
COMPLETED = ("completed", None)


def named(address: str) -> list[Any]:
    """Criteria that one address meets."""
    return [[{"type": "fields", "field_id": "EmailAddress", "operator": "is", "value": address}]]


async def entries(work: Work, *journey_ids: int) -> list[int]:
    """How many ever entered each journey."""
    return [len(await work.ends(journey_id)) for journey_id in journey_ids]


async def test_subscriptions_and_their_ends_start_the_journeys_of_their_list_and_of_any_list(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    other = int((await api.ok("list.create", SubscriberListName="Other"))["ListID"])
    coming, going = "ListSubscription", "ListUnsubscription"
    own = await running(api, Trigger=coming, Trigger_ListID=audience.list_id)
    any_list = await running(api, Trigger=coming, Trigger_ListID=0)
    several = await running(api, Trigger=coming, Trigger_ListID=[other, audience.list_id])
    elsewhere = await running(api, Trigger=coming, Trigger_ListID=other)
    left = await running(api, Trigger=going, Trigger_ListID=audience.list_id)
    left_any = await running(api, Trigger=going, Trigger_ListID=0)
    left_other = await running(api, Trigger=going, Trigger_ListID=other)
    every = (own, any_list, several, elsewhere, left, left_any, left_other)

    await audience.subscribe(address)
    await work.run()
    assert await entries(work, *every) == [1, 1, 1, 0, 0, 0, 0]

    await api.ok("subscriber.unsubscribe", ListID=audience.list_id, EmailAddress=address, IPAddress="127.0.0.1")
    await work.run()
    assert await entries(work, *every) == [1, 1, 1, 0, 1, 1, 0]


async def test_a_journey_of_another_account_is_not_started(
    api: Client, make: Any, audience: Audience, work: Work, address: str
) -> None:
    stranger = await make.client()
    theirs = await running(stranger, Trigger="ListSubscription", Trigger_ListID=0)

    await audience.subscribe(address)
    await work.run()

    assert await entries(work, theirs) == [0]


async def test_tags_start_the_journeys_of_their_own_tag(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id, other = await audience.tag("one"), await audience.tag("two")
    subscriber_id = await audience.subscribe(address)
    journeys = [
        await running(api, Trigger=trigger, Trigger_Value=value)
        for trigger, value in (("Tag", tag_id), ("Tag", other), ("UnTag", tag_id), ("UnTag", other))
    ]
    about = {"SubscriberListID": audience.list_id, "TagID": tag_id, "SubscriberID": subscriber_id}

    await api.ok("subscriber.tag", **about)
    await work.run()
    assert await entries(work, *journeys) == [1, 0, 0, 0]
    await api.ok("subscriber.tag", **about)
    await work.run()
    assert await entries(work, *journeys) == [1, 0, 0, 0], "nothing changed"
    await api.ok("subscriber.untag", **about)
    await work.run()
    assert await entries(work, *journeys) == [1, 0, 1, 0]


async def test_a_changed_value_starts_the_journeys_of_its_field_whose_criteria_it_meets(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id, other = await audience.field("Town"), await audience.field("Street")
    subscriber_id = await audience.subscribe(address)
    trigger = "CustomFieldValueChanged"
    is_ulm = [{"property": "", "operator": "equals", "value": "Ulm"}]
    journeys = [
        await running(api, Trigger=trigger, **parameters)
        for parameters in (
            {},
            {"Trigger_Value": field_id},
            {"Trigger_Value": other},
            {"Trigger_Value": field_id, "Trigger_Criteria": is_ulm},
            {"Trigger_ListID": audience.list_id},
        )
    ]

    for value in ("Bonn", "Ulm"):
        changed = Happened(trigger, audience.list_id, subscriber_id, field_id, {"value": value})
        await work.happen(api, changed)
        await work.run()

    assert await entries(work, *journeys) == [2, 2, 0, 1, 2]


async def test_update_of_a_value_is_such_a_change_unless_it_says_otherwise(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field()
    subscriber_id = await audience.subscribe(address)
    journey_id = await running(api, Trigger="CustomFieldValueChanged", Trigger_Value=field_id)

    await audience.update(subscriber_id, Fields={f"CustomField{field_id}": "Ulm"}, TriggerEvents=False)
    await work.run()
    assert await entries(work, journey_id) == [0]
    await audience.update(subscriber_id, Fields={f"CustomField{field_id}": "Bonn"})
    await work.run()
    assert await entries(work, journey_id) == [1]
    await audience.update(subscriber_id, Fields={f"CustomField{field_id}": "Bonn"})
    await work.run()
    assert await entries(work, journey_id) == [1]


@pytest.mark.parametrize("trigger", ["EmailOpen", "EmailLinkClick", "EmailConversion"])
async def test_what_is_done_with_an_email_starts_the_journeys_of_it_and_of_any(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, trigger: str
) -> None:
    other = int((await api.ok("email.create"))["EmailID"])
    subscriber_id = await audience.subscribe(address)
    journeys = [await running(api, Trigger=trigger, Trigger_EmailID=each) for each in (email_id, 0, other)]

    await work.happen(api, Happened(trigger, audience.list_id, subscriber_id, email_id))
    await work.run()

    assert await entries(work, *journeys) == [1, 1, 0]


async def test_revenue_starts_what_it_reaches(api: Client, audience: Audience, work: Work, address: str) -> None:
    subscriber_id = await audience.subscribe(address)
    journeys = [await running(api, Trigger="RevenueHit", Trigger_Value=amount) for amount in ("9.99", "10.00", "10.01")]

    await work.happen(api, Happened("RevenueHit", audience.list_id, subscriber_id, payload={"revenue_cents": 1000}))
    await work.run()

    assert await entries(work, *journeys) == [1, 1, 0]


@pytest.mark.parametrize("kind", ["pageView", "identify", "customEvent", "conversion"])
async def test_website_events_start_journeys_whose_criteria_all_match(
    api: Client, audience: Audience, work: Work, address: str, kind: str
) -> None:
    trigger = f"WebsiteEvent_{kind}"
    subscriber_id = await audience.subscribe(address)
    red = {"Property": "colour", "Operator": "equals", "Value": "red"}
    large = {"Property": "size", "Operator": "greater than", "Value": "40"}
    journeys = [
        await running(api, Trigger=trigger),
        await running(api, Trigger=trigger, Trigger_Criteria=[red]),
        await running(api, Trigger=trigger, Trigger_Criteria=[red, large]),
        await running(api, Trigger=trigger, Trigger_ListID=audience.list_id),
    ]

    event = {"Event": {"name": kind, "Property": {"colour": "red", "size": "39"}}}
    await work.happen(api, Happened(trigger, audience.list_id, subscriber_id, 0, event))
    await work.run()

    assert await entries(work, *journeys) == [1, 1, 0, 1]


async def test_run_criteria_decide_and_the_reason_for_a_no_is_kept(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    trigger = {"Trigger": "ListSubscription", "Trigger_ListID": audience.list_id}
    unknown = [[{"type": "fields", "field_id": str(MISSING), "operator": "is", "value": "x"}]]
    met = await running(api, **trigger, Run_Criteria=named(address))
    not_met = await running(api, **trigger, Run_Criteria=named("nobody@example.com"))
    unreadable = await running(api, **trigger, Run_Criteria=unknown)

    await audience.subscribe(address)
    await work.run()

    assert await entries(work, met, not_met, unreadable) == [1, 0, 0]
    assert await work.refusals(met) == []
    assert await work.refusals(not_met) == ["the run criteria are not met"]
    (reason,) = await work.refusals(unreadable)
    assert reason.startswith("the run criteria cannot be evaluated")


async def test_caps_of_hour_and_day_slide(api: Client, audience: Audience, work: Work, address: str) -> None:
    trigger = {"Trigger": "ListSubscription", "Trigger_ListID": audience.list_id}
    hourly = await running(api, **trigger, Rate_Limit_Per_Hour=2)
    daily = await running(api, **trigger, Rate_Limit_Per_Day=3)

    for number in range(4):
        await audience.subscribe(f"{number}.{address}")
    await work.run()
    assert await entries(work, hourly, daily) == [2, 3]
    assert await work.refusals(hourly) == ["the journey's entry cap is reached"] * 2
    assert await work.refusals(daily) == ["the journey's entry cap is reached"]

    await work.run(minutes=59)
    await audience.subscribe(f"4.{address}")
    await work.run()
    assert await entries(work, hourly, daily) == [2, 3]
    await work.run(minutes=3)
    await audience.subscribe(f"5.{address}")
    await work.run()
    assert await entries(work, hourly, daily) == [3, 3]
    await work.run(hours=24)
    await audience.subscribe(f"6.{address}")
    await work.run()
    assert await entries(work, hourly, daily) == [4, 4]


async def test_entries_by_command_pass_a_cap_and_count_for_it(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    by_hand = [await audience.subscribe(f"{number}.{address}") for number in range(2)]
    journey_id = await running(api, Trigger="ListSubscription", Trigger_ListID=audience.list_id, Rate_Limit_Per_Hour=1)
    await work.run()
    assert await entries(work, journey_id) == [1], "of the two who came before, one"

    for subscriber_id in by_hand:
        await audience.enter(journey_id, subscriber_id)
    await work.run()
    assert await entries(work, journey_id) == [3]
    await audience.subscribe(address)
    await work.run()
    assert await entries(work, journey_id) == [3]


async def test_nobody_is_active_twice_and_everybody_may_come_again(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    subscriber_id = await audience.subscribe(address)
    journey_id = await running(
        api,
        {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 1},
        Trigger="Tag",
        Trigger_Value=tag_id,
    )
    tagged = Happened("Tag", audience.list_id, subscriber_id, tag_id)

    await work.happen(api, tagged, tagged)
    await work.run()
    assert await work.ends(journey_id) == [("active", None)]
    assert await work.refusals(journey_id) == ["active already"]
    await work.run(hours=2)
    await work.happen(api, tagged)
    await work.run()

    assert await work.ends(journey_id) == [COMPLETED, ("active", None)]


async def test_a_journey_without_published_actions_completes_at_once_and_tells_the_next(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    first = await running(
        api, {"Action": "Debug", "Published": False}, Trigger="ListSubscription", Trigger_ListID=audience.list_id
    )
    second = await running(api, {"Action": "Debug"}, Trigger="JourneyCompleted", Trigger_Value=first)
    third = await running(api, Trigger="JourneyCompleted", Trigger_Value=second)
    unrelated = await running(api, Trigger="JourneyCompleted", Trigger_Value=third)
    await api.ok("journey.update", JourneyID=unrelated, Trigger_Value=first)
    await api.ok("journey.disable", JourneyID=unrelated)

    await audience.subscribe(address)
    await work.run()

    assert await work.ends(first) == await work.ends(second) == await work.ends(third) == [COMPLETED]
    assert await entries(work, unrelated) == [0]
    depths = await work.rows(
        "SELECT depth FROM enrollments WHERE journey_id = ANY(:journeys) ORDER BY enrollment_id",
        journeys=[first, second, third],
    )
    assert [row.depth for row in depths] == [0, 1, 2]


async def test_a_chain_that_bites_its_tail_ends_at_the_depth_limit_and_says_so(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    ping = await running(api)
    pong = await running(api, {"Action": "StartJourney", "TargetJourneyID": ping})
    await api.ok(
        "journey.actions.update",
        JourneyID=ping,
        Actions=[{"Action": "StartJourney", "TargetJourneyID": pong, "Published": True}],
    )

    await audience.enter(ping, await audience.subscribe(address))
    await work.run()

    assert sum(await entries(work, ping, pong)) == MAX_DEPTH + 1
    (reason,) = await work.refusals(ping) + await work.refusals(pong)
    assert reason == f"more than {MAX_DEPTH} journeys in a chain"


async def test_effects_of_a_journey_start_others(api: Client, audience: Audience, work: Work, address: str) -> None:
    tag_id, field_id = await audience.tag(), await audience.field()
    other = int((await api.ok("list.create", SubscriberListName="Other"))["ListID"])
    started = [
        await running(api, Trigger="Tag", Trigger_Value=tag_id),
        await running(api, Trigger="UnTag", Trigger_Value=tag_id),
        await running(api, Trigger="CustomFieldValueChanged", Trigger_Value=field_id),
        await running(api, Trigger="ListSubscription", Trigger_ListID=other),
        await running(api, Trigger="ListUnsubscription", Trigger_ListID=other),
    ]
    journey_id = await running(
        api,
        {"Action": "AddTag", "TargetTagID": tag_id},
        {"Action": "RemoveTag", "TargetTagID": tag_id},
        {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": field_id, "NewCustomFieldValue": "x"},
        {"Action": "Subscribe", "TargetListID": other},
        {"Action": "Unsubscribe", "TargetListID": other},
    )

    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()

    assert [step[1] for step in await work.steps(journey_id)] == ["done"] * 5
    assert await entries(work, *started) == [1] * 5
    depths = await work.rows("SELECT depth FROM enrollments WHERE journey_id = ANY(:j)", j=started)
    assert [row.depth for row in depths] == [1] * 5


async def test_a_disabled_journey_freezes_and_goes_on_where_it_stood(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(
        api,
        {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 1},
        {"Action": "Debug"},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    await audience.subscribe(address)
    await work.run()
    await api.ok("journey.disable", JourneyID=journey_id)

    await audience.subscribe(f"late.{address}")
    await work.run(hours=5)
    assert await work.ends(journey_id) == [("active", None)]
    assert await work.steps(journey_id) == []
    assert await work.rows("SELECT shard FROM runnable_journeys WHERE journey_id = :j", j=journey_id) == []

    await api.ok("journey.enable", JourneyID=journey_id)
    await work.run()
    assert await work.history(journey_id) == [(address, [("Wait", "done"), ("Debug", "done")])]


async def test_who_enters_a_disabled_journey_by_the_bypass_waits_at_its_first_action(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, {"Action": "Debug"})
    await api.ok("journey.disable", JourneyID=journey_id)
    subscriber_id = await audience.subscribe(address)

    await audience.enter(journey_id, subscriber_id, BypassJourneyStatusCheck=True)
    await work.run()
    assert await work.ends(journey_id) == [("active", None)]
    assert await work.steps(journey_id) == []

    await api.ok("journey.enable", JourneyID=journey_id)
    await work.run()
    assert await work.ends(journey_id) == [COMPLETED]


async def test_somebody_who_is_gone_when_the_event_is_read_does_not_enter(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    journey_id = await running(api, Trigger="Tag", Trigger_Value=tag_id)

    await work.happen(api, Happened("Tag", audience.list_id, MISSING, tag_id))
    await work.run()

    assert await entries(work, journey_id) == [0]
    assert await work.refusals(journey_id) == ["the subscriber is gone"]


async def test_events_of_one_person_are_read_in_their_order(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    subscriber_id = await audience.subscribe(address)
    waiting = await running(
        api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}, Trigger="Tag", Trigger_Value=tag_id
    )

    await work.happen(
        api,
        Happened("Tag", audience.list_id, subscriber_id, tag_id),
        Happened("Exit", audience.list_id, subscriber_id, waiting),
        Happened("Tag", audience.list_id, subscriber_id, tag_id),
    )
    await work.run()

    assert await work.ends(waiting) == [("exited", "left by a journey"), ("active", None)]


async def test_nobody_waits_until_somebody_who_does_a_thing_thousands_of_times_has_been_looked_at(
    api: Client, audience: Audience, work: Work
) -> None:
    busy, *others = await audience.crowd(work, 4, shard=3)
    tag = await audience.tag("a")
    journey_id = await running(
        api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}, Trigger="Tag", Trigger_Value=tag
    )
    many = Happened("Tag", audience.list_id, busy, tag)
    await work.happen(api, *[many] * 3000, *[Happened("Tag", audience.list_id, each, tag) for each in others])

    first = await work.worker.engine.enroll(3)
    of_each = await work.rows(
        "SELECT subscriber_id, count(*) FROM enrollments WHERE journey_id = :journey GROUP BY 1 ORDER BY 1",
        journey=journey_id,
    )
    second = await work.worker.engine.enroll(3)

    assert (first, second) == (4, 1)
    assert [tuple(row) for row in of_each] == [(each, 1) for each in sorted([busy, *others])]
    await work.change("DELETE FROM trigger_events WHERE subscriber_id = :busy", busy=busy)


async def test_everybody_of_a_batch_leaves_what_their_own_event_names(
    api: Client, audience: Audience, work: Work
) -> None:
    other = Audience(api, int((await api.ok("list.create", SubscriberListName="Other"))["ListID"]))
    people = await audience.crowd(work, 5, shard=2)
    (elsewhere,) = await other.crowd(work, 1, shard=2)
    first, second, third = [
        await running(api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}) for _ in range(3)
    ]
    for journey_id in (first, second, third):
        await work.happen(api, *[Happened("Start", audience.list_id, each, journey_id) for each in people])
        await work.happen(api, Happened("Start", other.list_id, elsewhere, journey_id))
    await work.move()

    def leaving(person: int, journey_id: int = 0, **payload: Any) -> Happened:
        return Happened("Exit", audience.list_id, person, journey_id, payload)

    await work.happen(
        api,
        leaving(people[0]),
        leaving(people[1], but=[second, third], reason="enough"),
        leaving(people[2], third),
        leaving(people[3], MISSING),
        leaving(elsewhere),
    )
    assert await work.worker.engine.enroll(2) == 5
    await work.move()

    left, stays = ("exited", "left by a journey"), ("active", None)
    assert await work.ends(first) == [left, ("exited", "enough"), stays, stays, stays, stays]
    assert await work.ends(second) == [left, stays, stays, stays, stays, stays]
    assert await work.ends(third) == [left, stays, left, stays, stays, stays]
    for journey_id, active in ((first, 4), (second, 5), (third, 4)):
        journey = await api.ok("journey.get", JourneyID=journey_id)
        assert journey["JourneyStats"]["ActiveSubscribers"] == active
        assert int(journey["Actions"][0]["Stats"]["ActiveSubscribers"]) == active


# asked of the locks: what a transaction sees of the others' activity is what it saw first
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"


async def test_somebody_who_is_being_moved_leaves_all_the_same(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    subscriber_id = await audience.subscribe(address)
    journey_id = await running(api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1})
    await audience.enter(journey_id, subscriber_id)
    await work.move()
    await work.happen(api, Happened("Exit", audience.list_id, subscriber_id))

    async with work.worker.sessions.begin() as other:
        await other.execute(text("UPDATE enrollments SET attempts = 1 WHERE journey_id = :j"), {"j": journey_id})
        leaving = asyncio.create_task(work.worker.engine.enroll(shard_of(subscriber_id)))
        while not leaving.done() and not await other.scalar(text(WAITING)):  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)
        assert not leaving.done()

    assert await leaving == 1
    assert await work.ends(journey_id) == [("exited", "left by a journey")]


async def test_starting_a_disabled_journey_is_refused_with_the_reason(
    api: Client, audience: Audience, work: Work
) -> None:
    target = int((await api.ok("journey.create", Name="Asleep"))["JourneyID"])
    journey_id = await running(api, {"Action": "StartJourney", "TargetJourneyID": target})

    await audience.enter(journey_id, await audience.subscribe("eve@example.com"))
    await work.run()

    assert await work.ends(target) == []
    assert await work.refusals(target) == ["the journey is not enabled"]
