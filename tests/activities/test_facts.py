"""What follows from a fact about a message: the ledger, the numbers, people's filters, and journeys."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from journeys_api.activities.service import Fact, Touch, last_touch, record_facts
from journeys_api.models import ActivityKind
from journeys_api.tracking.hits import Hit, insert_hits
from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running


@dataclass
class Sent:
    """A mail that a journey sent."""

    api: Client
    journey_id: int
    owner_id: int
    delivery_id: int
    subscriber_id: int
    at: datetime

    def fact(self, kind: ActivityKind, *, seconds: float = 0, **more: Any) -> Fact:
        return Fact(self.owner_id, self.delivery_id, kind, self.at + timedelta(seconds=seconds), **more)

    def click(self, target: str, *, seconds: float = 0, **more: Any) -> Hit:
        instant = self.at + timedelta(seconds=seconds)
        return Hit(self.owner_id, self.delivery_id, ActivityKind.CLICKED, instant, target, **more)

    async def numbers(self) -> dict[str, Any]:
        answer = await self.api.ok("journey.get", JourneyID=self.journey_id)
        return dict(answer["JourneyStats"]["AggregatedEmailActions"])


@pytest.fixture
async def sent(api: Client, audience: Audience, work: Work, email_id: int, address: str) -> Sent:
    """One mail, sent."""
    journey_id = await running(
        api,
        {"Action": "SendEmail", "EmailID": email_id, "From": {"Name": "News", "Email": "news@example.com"}},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    subscriber_id = await audience.subscribe(address)
    await work.run()
    row = (await work.rows("SELECT * FROM deliveries WHERE journey_id = :journey", journey=journey_id))[0]
    assert row.state == "sent"
    return Sent(api, journey_id, row.owner_id, row.delivery_id, subscriber_id, work.clock.instant)


async def record(work: Work, *facts: Fact) -> list[bool]:
    async with work.worker.sessions.begin() as session:
        return await record_facts(session, facts, now=work.clock.instant)


async def hit(work: Work, *hits: Hit) -> None:
    async with work.worker.sessions.begin() as session:
        await insert_hits(session, hits)


async def ledger(work: Work, sent: Sent) -> list[tuple[str, bool, str | None]]:
    rows = await work.rows(
        "SELECT kind, is_counted, automated FROM message_activities WHERE delivery_id = :id ORDER BY occurred_at, kind",
        id=sent.delivery_id,
    )
    return [tuple(row) for row in rows]


async def test_a_click_implies_an_open_and_both_count_once_a_message(sent: Sent, work: Work) -> None:
    first = await record(work, sent.fact(ActivityKind.CLICKED))
    second = await record(work, sent.fact(ActivityKind.OPENED), sent.fact(ActivityKind.CLICKED, seconds=9))

    assert (first, second) == ([True], [False, False])
    numbers = await sent.numbers()
    assert (numbers["SendCount"], numbers["OpenCount"], numbers["ClickCount"]) == (1, 1, 1)
    found = await ledger(work, sent)
    assert Counter(found) == {
        ("clicked", True, None): 1,
        ("opened", True, None): 1,
        ("opened", False, None): 1,
        ("clicked", False, None): 1,
    }


async def test_many_at_once_count_one_open(sent: Sent, work: Work) -> None:
    answers = await asyncio.gather(*(record(work, sent.fact(ActivityKind.OPENED)) for _ in range(8)))

    assert sum(counted for [counted] in answers) == 1
    assert (await sent.numbers())["OpenCount"] == 1


async def test_what_machines_do_is_kept_and_counted_nowhere(sent: Sent, work: Work) -> None:
    await record(work, sent.fact(ActivityKind.CLICKED, automated="HEAD"))

    assert await ledger(work, sent) == [("clicked", False, "HEAD")]
    numbers = await sent.numbers()
    assert (numbers["OpenCount"], numbers["ClickCount"]) == (0, 0)


async def test_conversions_count_every_time_with_their_money(sent: Sent, work: Work) -> None:
    paid = [sent.fact(ActivityKind.CONVERTED, seconds=each, revenue_cents=1250) for each in range(3)]
    await record(work, *paid)

    numbers = await sent.numbers()
    assert (numbers["ConversionCount"], numbers["TotalRevenue"]) == (3, 37.5)


async def test_every_kind_has_its_counter_and_its_filter(sent: Sent, work: Work) -> None:
    await record(work, *(sent.fact(kind) for kind in ActivityKind))

    numbers = await sent.numbers()
    assert {name: count for name, count in numbers.items() if name != "TotalRevenue"} == dict.fromkeys(
        set(numbers) - {"TotalRevenue"}, 1
    )
    actions = (await sent.api.ok("journey.get", JourneyID=sent.journey_id))["Actions"]
    for kind in ActivityKind:
        answer = await sent.api.ok(
            "journey.action.subscribers",
            JourneyID=sent.journey_id,
            ActionID=actions[0]["ActionID"],
            FilterJSON=[kind.value],
        )
        assert [row["SubscriberID"] for row in answer["Subscribers"]] == [str(sent.subscriber_id)], kind


async def test_a_fact_of_another_account_is_dropped(sent: Sent, work: Work) -> None:
    stranger = Fact(sent.owner_id + 1, sent.delivery_id, ActivityKind.OPENED, sent.at)

    assert await record(work, stranger) == [False]
    assert await ledger(work, sent) == []


async def test_an_open_before_the_sending_is_written_down_is_not_lost(sent: Sent, work: Work) -> None:
    await work.change("DELETE FROM action_subscribers WHERE owner_id = :owner", owner=sent.owner_id)

    await record(work, sent.fact(ActivityKind.OPENED))

    rows = await work.rows("SELECT activity FROM action_subscribers WHERE owner_id = :owner", owner=sent.owner_id)
    assert [row.activity for row in rows] == [1]


@pytest.mark.parametrize(("trigger", "kind"), [("EmailOpen", "OPENED"), ("EmailLinkClick", "CLICKED")])
async def test_journeys_that_wait_for_it_start(
    trigger: str, kind: str, sent: Sent, work: Work, audience: Audience, email_id: int
) -> None:
    waiting = await running(
        sent.api, {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"}, Trigger=trigger, Trigger_EmailID=email_id
    )

    await record(work, sent.fact(ActivityKind[kind]), sent.fact(ActivityKind[kind]))
    await work.move()

    assert await work.ends(waiting) == [("active", None)]


async def test_two_links_within_a_second_are_a_machines(sent: Sent, work: Work) -> None:
    await hit(work, sent.click("https://a.example"), sent.click("https://b.example", seconds=0.9))
    await work.run(seconds=5)

    numbers = await sent.numbers()
    assert (numbers["OpenCount"], numbers["ClickCount"]) == (0, 0)
    assert {automated for _, _, automated in await ledger(work, sent)} == {"several links at once"}


async def test_one_link_twice_within_a_second_is_a_persons(sent: Sent, work: Work) -> None:
    await hit(work, sent.click("https://a.example"), sent.click("https://a.example", seconds=0.5))
    await work.run(seconds=5)

    assert (await sent.numbers())["ClickCount"] == 1


async def test_two_links_a_second_apart_are_a_persons(sent: Sent, work: Work) -> None:
    await hit(work, sent.click("https://a.example"), sent.click("https://b.example", seconds=1))
    await work.run(seconds=5)

    assert Counter(await ledger(work, sent)) == {
        ("opened", True, None): 1,
        ("clicked", True, None): 1,
        ("clicked", False, None): 1,
    }


async def test_a_click_is_not_judged_before_the_next_one_could_have_come(sent: Sent, work: Work) -> None:
    # ahead of the wall clock, so that only what the test says lets time pass
    work.pass_time(seconds=3600)
    late = (work.clock.instant - sent.at).total_seconds()
    await hit(work, sent.click("https://a.example", seconds=late))
    await work.run(seconds=1)
    assert await ledger(work, sent) == []

    await hit(work, sent.click("https://b.example", seconds=late + 0.5))
    await work.run(seconds=5)

    assert [counted for _, counted, _ in await ledger(work, sent)] == [False, False]


async def test_a_link_that_comes_in_late_is_compared_with_those_recorded(sent: Sent, work: Work) -> None:
    await hit(work, sent.click("https://a.example"))
    await work.run(seconds=5)
    await hit(work, sent.click("https://b.example", seconds=0.5))
    await work.run(seconds=5)

    assert ("clicked", False, "several links at once") in await ledger(work, sent)


async def test_the_last_touch_is_the_latest_whatever_order_they_come_in(sent: Sent, work: Work) -> None:
    await record(work, sent.fact(ActivityKind.OPENED, seconds=60))
    await record(work, sent.fact(ActivityKind.CLICKED, seconds=10))

    async with work.worker.sessions() as session:
        asked: dict[str, Any] = {"owner_id": sent.owner_id, "subscriber_ids": [sent.subscriber_id]}
        at = sent.at + timedelta(seconds=70)
        inside = await last_touch(session, **asked, at=at, within=timedelta(seconds=11))
        outside = await last_touch(session, **asked, at=at, within=timedelta(seconds=9))

    assert (inside, outside) == (Touch(sent.delivery_id, sent.subscriber_id), None)


async def test_facts_about_a_deleted_subscriber_count_all_the_same(sent: Sent, work: Work, audience: Audience) -> None:
    await sent.api.ok(
        "subscribers.delete", SubscriberListID=audience.list_id, Subscribers=[sent.subscriber_id], Suppressed=False
    )

    assert await record(work, sent.fact(ActivityKind.OPENED)) == [True]

    assert (await sent.numbers())["OpenCount"] == 1
    rows = await work.rows("SELECT domain FROM message_activities WHERE delivery_id = :id", id=sent.delivery_id)
    assert [row.domain for row in rows] == ["example.com"]
