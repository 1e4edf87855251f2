"""People who are moved as one, and go their own ways where they have to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journeys_api.engine.flows import Flow, FlowAction
from journeys_api.engine.people import Cohort, Crowd, Origin, Path, Person
from journeys_api.engine.registry import RUNS, WITHOUT_SQL, Standing
from journeys_api.journeys.action_types import ACTION_TYPES
from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running

ORIGIN = Origin(owner_id=1, journey_id=2, list_id=3, depth=0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def cohort(*enrollment_ids: int) -> Cohort:
    """People who have come to an action at one instant."""
    people = [Person(f"(0,{each})", each, each, 0, None, "", ORIGIN) for each in enrollment_ids]
    return Cohort(ORIGIN, people, action_id=4, attempts=0, entered_at=NOW, path=Path())


async def _all_due(work: Work, journey_id: int) -> None:
    """As an edit does that makes everybody be looked at again."""
    for statement in (
        "UPDATE enrollments SET due_at = :now WHERE journey_id = :journey",
        "UPDATE timers SET due_at = :now WHERE journey_id = :journey",
        "UPDATE runnable_journeys SET next_due_at = :now WHERE journey_id = :journey",
    ):
        await work.change(statement, now=work.clock.instant, journey=journey_id)


async def test_everybody_waits_from_an_arrival_of_their_own(api: Client, audience: Audience, work: Work) -> None:
    journey_id = await running(api, {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 2})
    for number in range(32):
        await audience.enter(journey_id, await audience.subscribe(f"ada{number}@example.com"))
    await work.move()
    now = work.clock.instant
    # half of them are through, whichever shard they are in
    arrived = "CAST(:now AS timestamptz) - (enrollment_id % 4) * interval '1 hour'"
    await work.change(
        f"UPDATE enrollments SET entered_at = {arrived} WHERE journey_id = :j",
        now=now,
        j=journey_id,
    )
    await _all_due(work, journey_id)

    await work.move()

    rows = await work.rows(
        "SELECT enrollment_id % 4 AS hours, state, due_at FROM enrollments WHERE journey_id = :j", j=journey_id
    )
    assert len(rows) == 32
    for row in rows:
        through = row.hours >= 2
        wanted = ("completed", None) if through else ("active", now + timedelta(hours=2 - row.hours))
        assert (row.state, row.due_at) == wanted


async def test_those_who_failed_more_often_have_fewer_tries_left(api: Client, audience: Audience, work: Work) -> None:
    journey_id = await running(api, {"Action": "AddTag", "TargetTagID": await audience.tag()})
    for number in range(32):
        await audience.enter(journey_id, await audience.subscribe(f"bob{number}@example.com"))
    await work.change("UPDATE enrollments SET attempts = enrollment_id % 2 * 5 WHERE journey_id = :j", j=journey_id)
    await work.change("DELETE FROM tags WHERE list_id = :list", list=audience.list_id)

    await work.move()

    rows = await work.rows(
        "SELECT enrollment_id % 2 AS was_last, state, attempts, reason FROM enrollments WHERE journey_id = :j",
        j=journey_id,
    )
    assert {tuple(row) for row in rows} == {(0, "active", 1, "the tag is gone"), (1, "failed", 0, "the tag is gone")}


async def test_two_messages_of_one_batch_are_two_visits_of_the_right_lists(
    api: Client, audience: Audience, work: Work, email_id: int
) -> None:
    other = Audience(api, int((await api.ok("list.create", SubscriberListName="Others"))["ListID"]))
    mail = {"Action": "SendEmail", "EmailID": email_id}
    journey_id = await running(api, mail, {"Action": "ExitAllOtherJourneys"}, mail)
    people = [
        (each, await each.subscribe(f"cy{number}@example.com")) for number in range(8) for each in (audience, other)
    ]
    for each, subscriber_id in people:
        await each.enter(journey_id, subscriber_id)

    await work.move()

    rows = await work.rows(
        "SELECT list_id, subscriber_id, visit FROM deliveries WHERE journey_id = :j ORDER BY visit, subscriber_id",
        j=journey_id,
    )
    wanted = sorted((visit, subscriber_id, each.list_id) for visit in (1, 3) for each, subscriber_id in people)
    assert [(row.visit, row.subscriber_id, row.list_id) for row in rows] == wanted


@pytest.mark.parametrize("sizes", [(2,), (3,), (1, 1), (3, 1, 2)])
def test_a_crowd_is_halved_until_everybody_stands_alone(sizes: tuple[int, ...]) -> None:
    numbers = iter(range(1, 100))
    crowd = Crowd([cohort(*(next(numbers) for _ in range(size))) for size in sizes])
    alone: list[int] = []

    def halve(some: Crowd) -> None:
        if len(some) == 1:
            alone.append(some[0].enrollment_id)
        else:
            for half in some.halves():
                halve(half)

    halve(crowd)

    assert alone == [person.enrollment_id for person in crowd]


@pytest.mark.parametrize("name", sorted(WITHOUT_SQL))
async def test_what_has_no_savepoint_asks_nothing_of_the_database(name: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "Webhook": {"WebhookURL": "https://example.com/hook"},
        "ExitJourney": {"TargetJourneyID": [7]},
    }
    parameters = ACTION_TYPES[name].model_validate(given.get(name, {}))
    action = FlowAction(4, 2, name, parameters, True, None, None, None)
    flow = Flow(2, 1, "", "Manual", {}, "UTC", 1, 4, {4: action})
    nobody: Any = None

    moves = await RUNS[name](Standing(nobody, flow, action, NOW), Crowd([cohort(1, 2)]), parameters)

    assert moves.usual is not None
