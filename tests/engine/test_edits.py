"""Journeys that change while people are inside: nobody is lost, nobody is moved twice."""

from typing import Any

import pytest

from journeys_api.journeys import insiders
from journeys_api.models import SHARDS
from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running

WAIT = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1, "Published": True}
HOLD = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 9, "Published": True}
DEBUG = {"Action": "Debug", "Published": True}
YES = [[{"type": "fields", "field_id": "EmailAddress", "operator": "is set"}]]


async def actions_of(api: Client, journey_id: int) -> list[dict[str, Any]]:
    """The tree as `journey.get` answers it, ready to be sent back."""
    return list((await api.ok("journey.get", JourneyID=journey_id))["Actions"])


async def put(api: Client, journey_id: int, actions: list[dict[str, Any]]) -> list[int]:
    """Put a tree in place; the ids of its first level."""
    answer = await api.ok("journey.actions.update", JourneyID=journey_id, Actions=actions)
    return [int(each["ActionID"]) for each in answer["Actions"]]


async def places(work: Work, journey_id: int) -> list[tuple[str, int | None]]:
    """(state, action) of everybody, in order of entry."""
    rows = await work.rows(
        "SELECT state, CASE WHEN state = 'active' THEN action_id END AS at FROM enrollments "
        "WHERE journey_id = :j ORDER BY enrollment_id",
        j=journey_id,
    )
    return [(row.state, row.at) for row in rows]


async def numbers(api: Client, journey_id: int) -> dict[int, tuple[int, int]]:
    """(active, total) of each action of the first level."""
    return {
        int(each["ActionID"]): (int(each["Stats"]["ActiveSubscribers"]), int(each["Stats"]["TotalSubscribers"]))
        for each in await actions_of(api, journey_id)
    }


async def test_people_on_a_removed_action_go_to_the_next_surviving_one(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, WAIT, WAIT, HOLD, DEBUG)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()
    _, _, third, fourth = await actions_of(api, journey_id)

    await put(api, journey_id, [third, fourth])
    assert await places(work, journey_id) == [("active", int(third["ActionID"]))]
    assert await numbers(api, journey_id) == {int(third["ActionID"]): (1, 1), int(fourth["ActionID"]): (0, 0)}
    await work.run(days=8, hours=23)
    assert await work.ends(journey_id) == [("active", None)], "the wait counts from the new arrival"
    await work.run(hours=2)

    assert await work.steps(journey_id) == [("Wait", "done", None), ("Debug", "done", None)]
    assert await work.ends(journey_id) == [("completed", None)]


async def test_who_is_reseated_goes_on_at_once(api: Client, audience: Audience, work: Work, address: str) -> None:
    journey_id = await running(api, WAIT, DEBUG)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()

    await put(api, journey_id, (await actions_of(api, journey_id))[1:])
    await work.run()

    assert await work.steps(journey_id) == [("Debug", "done", None)]
    assert await work.ends(journey_id) == [("completed", None)]


async def test_without_a_next_action_they_end_and_do_not_complete(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, DEBUG, WAIT)
    chained = await running(api, Trigger="JourneyCompleted", Trigger_Value=journey_id)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()

    await put(api, journey_id, (await actions_of(api, journey_id))[:1])
    await work.run(days=2)

    assert await work.ends(journey_id) == [("exited", "action removed")]
    assert await work.ends(chained) == []
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]
    assert (stats["ActiveSubscribers"], stats["TotalSubscribers"]) == (0, 1)


async def test_from_a_removed_branch_they_go_on_behind_it(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    decision = {"Action": "Decision", "Published": True, "Criteria": YES, "Actions": {"True": [WAIT], "False": []}}
    journey_id = await running(api, decision, HOLD)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()
    assert await work.history(journey_id) == [(address, [("Decision", "true")])]

    _, behind = await actions_of(api, journey_id)
    await put(api, journey_id, [behind])
    await work.run()

    assert await places(work, journey_id) == [("active", int(behind["ActionID"]))]


async def test_who_was_reseated_has_reached_the_new_action(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, DEBUG, WAIT, HOLD)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()
    first, _, third = await actions_of(api, journey_id)

    await put(api, journey_id, [first, third])
    await work.run()

    reached = await api.ok("journey.action.subscribers", JourneyID=journey_id, ActionID=third["ActionID"])
    assert [row["EmailAddress"] for row in reached["Subscribers"]] == [address]


async def test_a_replaced_tree_moves_everybody_once_however_often_it_is_edited(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, WAIT, WAIT, WAIT, DEBUG)
    for number in range(3):
        await audience.enter(journey_id, await audience.subscribe(f"{number}.{address}"))
    await work.run()
    tree = await actions_of(api, journey_id)
    for cut in (1, 2):
        await put(api, journey_id, tree[cut:])
    await work.run()

    assert await places(work, journey_id) == [("active", int(tree[2]["ActionID"]))] * 3
    await work.run(days=1, seconds=5)
    assert await work.steps(journey_id) == [("Wait", "done", None), ("Debug", "done", None)] * 3
    assert await work.ends(journey_id) == [("completed", None)] * 3


async def test_an_action_put_before_them_is_not_theirs_and_one_put_behind_is(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    journey_id = await running(api, WAIT)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()
    (wait,) = await actions_of(api, journey_id)

    await put(api, journey_id, [{"Action": "AddTag", "TargetTagID": tag_id, "Published": True}, wait, DEBUG])
    await work.run(days=1, seconds=5)

    assert await work.steps(journey_id) == [("Wait", "done", None), ("Debug", "done", None)]


async def test_people_on_an_unpublished_action_pass_over_it(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, WAIT, {**DEBUG, "Published": False})
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()
    wait, debug = await actions_of(api, journey_id)

    await api.ok(
        "journey.actions.published",
        JourneyID=journey_id,
        Actions=[
            {"ActionID": wait["ActionID"], "Published": False},
            {"ActionID": debug["ActionID"], "Published": True},
        ],
    )
    await work.run()

    assert await work.steps(journey_id) == [("Wait", "skipped", "unpublished"), ("Debug", "done", None)]
    assert await work.ends(journey_id) == [("completed", None)]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is of two people: five are many."""
    monkeypatch.setattr(insiders, "PEOPLE_A_CHUNK", 2)


async def five_inside(api: Client, audience: Audience, work: Work, address: str, *actions: dict[str, Any]) -> int:
    """A journey of these actions with five people in it."""
    journey_id = await running(api, *actions)
    for number in range(5):
        await audience.enter(journey_id, await audience.subscribe(f"{number}.{address}"))
    await work.run()
    return journey_id


@pytest.mark.usefixtures("small_chunks")
async def test_many_people_on_a_removed_action_go_on_in_chunks(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await five_inside(api, audience, work, address, WAIT, HOLD)
    first, second = [int(each["ActionID"]) for each in await actions_of(api, journey_id)]

    await put(api, journey_id, (await actions_of(api, journey_id))[1:])
    assert await places(work, journey_id) == [("active", second)] * 2 + [("active", first)] * 3
    for _ in range(4):
        await work.worker.engine.chores()

    assert await places(work, journey_id) == [("active", second)] * 5
    assert await numbers(api, journey_id) == {second: (5, 5)}
    assert await work.rows("SELECT 1 FROM journey_jobs WHERE journey_id = :j", j=journey_id) == []
    await work.run(days=8, hours=23)
    assert await work.ends(journey_id) == [("active", None)] * 5, "the wait counts from the new arrival"
    await work.run(hours=2)
    assert await work.steps(journey_id) == [("Wait", "done", None)] * 5


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("is_last", [False, True])
async def test_who_is_due_before_their_chunk_goes_the_same_way(
    api: Client, audience: Audience, work: Work, address: str, is_last: bool
) -> None:
    journey_id = await five_inside(api, audience, work, address, WAIT, HOLD, DEBUG)
    tree = await actions_of(api, journey_id)
    await put(api, journey_id, tree[1:])
    left = tree[2:] if not is_last else []
    await put(api, journey_id, left)

    work.pass_time(days=2)
    for _ in range(2):
        for shard in range(SHARDS):
            await work.worker.engine.step(shard)

    if is_last:
        assert await work.ends(journey_id) == [("exited", "action removed")] * 5
    else:
        assert await work.steps(journey_id) == [("Debug", "done", None)] * 5
        assert await work.ends(journey_id) == [("completed", None)] * 5
    await work.run()
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]
    assert (stats["ActiveSubscribers"], stats["TotalSubscribers"]) == (0, 5)
    counts = await work.rows(
        "SELECT sum(active_count) AS active FROM (SELECT active_count FROM journey_totals WHERE journey_id = :j "
        "UNION ALL SELECT active_count FROM counter_deltas WHERE journey_id = :j) AS n",
        j=journey_id,
    )
    assert [row.active for row in counts] == [0]


@pytest.mark.usefixtures("small_chunks")
async def test_many_people_notice_a_shorter_wait(api: Client, audience: Audience, work: Work, address: str) -> None:
    journey_id = await five_inside(api, audience, work, address, HOLD)
    tree = await actions_of(api, journey_id)
    tree[0]["ActionParameters"]["WaitUnit"] = "seconds"

    await put(api, journey_id, tree)
    await work.run(seconds=10)

    assert await work.ends(journey_id) == [("completed", None)] * 5


async def test_an_edit_of_a_disabled_journey_reseats_and_moves_nobody_on(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, WAIT, DEBUG)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()
    await api.ok("journey.disable", JourneyID=journey_id)
    _, debug = await actions_of(api, journey_id)

    await put(api, journey_id, [debug])
    await work.run(days=1)
    assert await places(work, journey_id) == [("active", int(debug["ActionID"]))]
    await api.ok("journey.enable", JourneyID=journey_id)
    await work.run()

    assert await work.steps(journey_id) == [("Debug", "done", None)]


@pytest.mark.parametrize("command", ["journey.delete", "journeys.delete"])
async def test_deleting_a_journey_ends_its_people_and_withdraws_what_was_not_sent(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, command: str
) -> None:
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id}, WAIT, DEBUG)
    chained = await running(api, Trigger="JourneyCompleted", Trigger_Value=journey_id)
    subscriber_id = await audience.subscribe(address)
    await audience.enter(journey_id, subscriber_id)
    await work.move()
    assert await work.deliveries(journey_id) == [("mail", "pending", None)]

    await api.ok(command, **({"JourneyID": journey_id} if command == "journey.delete" else {"Journeys": journey_id}))
    about = {"ListID": audience.list_id, "SubscriberID": subscriber_id}
    assert (await api.ok("subscriber.journey.list", **about))["Journeys"] == []
    await work.run(days=2)

    assert await work.ends(journey_id) == [("exited", "journey deleted")]
    assert await work.deliveries(journey_id) == [("mail", "withdrawn", "journey deleted")]
    assert work.mails_to(address) == []
    assert await work.ends(chained) == []
    assert await work.rows("SELECT 1 FROM timers WHERE journey_id = :j", j=journey_id) == []
    assert await work.rows("SELECT 1 FROM journey_jobs WHERE journey_id = :j", j=journey_id) == []
    assert await api.codes("journey.get", JourneyID=journey_id) != []
    assert await api.codes("subscriber.journey.exit", JourneyID=journey_id, **about) == [7]


async def test_a_deleted_list_or_subscriber_stops_nobody_else(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id = await running(api, WAIT, {"Action": "SendEmail", "EmailID": email_id})
    gone = await audience.subscribe(f"gone.{address}")
    for subscriber_id in (gone, await audience.subscribe(address)):
        await audience.enter(journey_id, subscriber_id)
    await work.run()

    await work.change("DELETE FROM subscribers WHERE subscriber_id = :person", person=gone)
    await work.run(days=1, seconds=5)

    assert await work.history(journey_id) == [
        (f"gone.{address}", []),
        (address, [("Wait", "done"), ("SendEmail", "done")]),
    ]
    assert len(work.mails_to(address)) == 1
