"""`journeys-api stats verify` finds nothing after anything that may happen, and finds whatever was spoiled."""

from dataclasses import astuple

import pytest

from journeys_api.models import ActivityKind
from journeys_api.stats.verifying import differences
from tests.engine.conftest import Audience, Work
from tests.stats.conftest import Mailed


async def found(work: Work, mailed: Mailed) -> list[tuple[str, str]]:
    """What differs in the account: (of what, which number)."""
    assert mailed.api.account
    async with work.worker.sessions.begin() as session:
        every = await differences(session, owner_id=mailed.api.account.user_id)
    return [astuple(each)[1:3] for each in every if each.owner_id == mailed.api.account.user_id]


async def test_numbers_follow_from_facts_whatever_happens(mailed: Mailed, work: Work, audience: Audience) -> None:
    await mailed.happen("ada", *ActivityKind, revenue_cents=999)
    await mailed.happen("ada", ActivityKind.OPENED, ActivityKind.CONVERTED, days=1, revenue_cents=1)
    await mailed.happen("bob", ActivityKind.CLICKED, days=2)
    assert await found(work, mailed) == []

    place = {"JourneyID": mailed.journey_id, "ListID": audience.list_id}
    await mailed.api.ok("subscriber.journey.remove", **place, SubscriberID=mailed.people["ada"])
    await mailed.api.ok("subscriber.journey.exit", **place, SubscriberID=mailed.people["bob"])
    await audience.enter(mailed.journey_id, mailed.people["ada"])
    await audience.enter(mailed.journey_id, mailed.people["bob"])
    await mailed.api.ok(
        "subscribers.delete", SubscriberListID=audience.list_id, Subscribers=[mailed.people["cyd"]], Suppressed=False
    )
    await mailed.happen("cyd", ActivityKind.OPENED)
    await work.run(minutes=1)
    assert await found(work, mailed) == []

    # the Wait that people stand at goes, then the journey
    await mailed.api.ok(
        "journey.actions.update",
        JourneyID=mailed.journey_id,
        Actions=[{"ActionID": mailed.action_id, "Action": "SendEmail", "Published": True}, {"Action": "Debug"}],
    )
    assert await found(work, mailed) == []
    await work.run(minutes=1)
    assert await found(work, mailed) == []
    await mailed.api.ok("journey.delete", JourneyID=mailed.journey_id)
    await work.run(minutes=1)
    assert await found(work, mailed) == []


async def test_a_deleted_journey_has_nobody_inside(mailed: Mailed, work: Work) -> None:
    await mailed.api.ok("journey.delete", JourneyID=mailed.journey_id)
    await work.run(minutes=1)

    assert await found(work, mailed) == []
    rows = await work.rows("SELECT active_count FROM journey_totals WHERE journey_id = :j", j=mailed.journey_id)
    assert [row.active_count for row in rows] == [0]


_MAIL = "UPDATE {} SET open_count = open_count + 1 WHERE journey_id = :journey"


@pytest.mark.parametrize(
    ("spoiling", "of", "counter"),
    [
        (_MAIL.format("journey_totals"), "journey", "open_count"),
        (_MAIL.format("action_totals"), "action", "open_count"),
        (_MAIL.format("journey_days"), "journey's day", "open_count"),
        (_MAIL.format("action_day_totals"), "action's day", "open_count"),
        (_MAIL.format("action_days"), "domain's day", "open_count"),
        ("DELETE FROM action_days WHERE journey_id = :journey", "domain's day", "send_count"),
        ("UPDATE journey_totals SET people_count = 2 WHERE journey_id = :journey", "journey", "people_count"),
        ("UPDATE journey_totals SET active_count = 2 WHERE journey_id = :journey", "journey", "active_count"),
        ("UPDATE action_totals SET completed_runs = 0 WHERE journey_id = :journey", "action", "completed_runs"),
        ("UPDATE action_totals SET total_count = 0 WHERE journey_id = :journey", "action", "reached_count"),
        ("UPDATE journey_totals SET last_active_at = NULL WHERE journey_id = :journey", "journey", "last_active_at"),
        ("UPDATE deliveries SET activity = 2 WHERE journey_id = :journey", "mail", "activity"),
        ("UPDATE action_subscribers SET activity = 4 WHERE action_id = :action", "person", "activity"),
        ("DELETE FROM action_subscribers WHERE action_id = :action", "person", "activity"),
        ("DELETE FROM enrollments WHERE journey_id = :journey", "journey", "total_count"),
        ("DELETE FROM message_activities WHERE journey_id = :journey", "domain's day", "open_count"),
        ("UPDATE message_activities SET occurred_at = occurred_at - interval '2 days' WHERE journey_id = :journey",
         "journey's day", "open_count"),
    ],
)  # fmt: skip
async def test_what_is_spoiled_is_found(spoiling: str, of: str, counter: str, mailed: Mailed, work: Work) -> None:
    await mailed.happen("ada", ActivityKind.OPENED)
    await work.move()
    assert await found(work, mailed) == []

    at = {"journey": mailed.journey_id, "action": mailed.action_id}
    await work.change(spoiling, **{name: value for name, value in at.items() if f":{name}" in spoiling})

    told = await found(work, mailed)
    assert any(name == counter and each.startswith(f"{of} ") for each, name in told), told
