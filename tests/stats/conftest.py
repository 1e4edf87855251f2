"""A journey that mails three people, and what becomes of the mails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from journeys_api.activities.service import Fact, record_facts
from journeys_api.models import ActivityKind
from tests.conftest import Client
from tests.engine.conftest import Audience, Work, address, audience, email_id, running, work

__all__ = ["Mailed", "address", "audience", "email_id", "mailed", "work"]


@dataclass
class Mailed:
    """A journey of a SendEmail and a Wait of a year; its mails were sent."""

    api: Client
    work: Work
    journey_id: int
    action_id: int
    wait_id: int
    people: dict[str, int]
    """Name → subscriber."""
    deliveries: dict[str, int]

    async def happen(self, name: str, *kinds: ActivityKind, days: int = 0, revenue_cents: int = 0) -> None:
        """Somebody did something with the mail, so many days after it was sent; a conversion brings the revenue."""
        assert self.api.account
        at = self.work.clock.instant + timedelta(days=days)
        cents = {ActivityKind.CONVERTED: revenue_cents}
        facts = [
            Fact(self.api.account.user_id, self.deliveries[name], kind, at, revenue_cents=cents.get(kind, 0))
            for kind in kinds
        ]
        async with self.work.worker.sessions.begin() as session:
            await record_facts(session, facts, now=at)

    @property
    def today(self) -> date:
        """The day that the mails were sent on, UTC."""
        return self.work.clock.instant.date()

    async def journey(self, **parameters: Any) -> dict[str, Any]:
        """What `journey.get` tells."""
        return await self.api.ok("journey.get", JourneyID=self.journey_id, **parameters)

    async def numbers(self, **parameters: Any) -> dict[str, Any]:
        """`JourneyStats`."""
        return dict((await self.journey(**parameters))["JourneyStats"])


Mail = Callable[..., Awaitable[Mailed]]


@pytest.fixture
async def mailed(api: Client, audience: Audience, work: Work, email_id: int) -> Mailed:
    """ada@one.example, bob@one.example and cyd@two.example were sent a mail; nothing is folded beyond that."""
    journey_id = await running(
        api,
        {"Action": "SendEmail", "EmailID": email_id, "From": {"Name": "News", "Email": "news@example.com"}},
        {"Action": "Wait", "WaitAmount": 365, "WaitUnit": "days"},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    addresses = {"ada": "ada@one.example", "bob": "bob@one.example", "cyd": "cyd@Two.example"}
    people = {name: await audience.subscribe(each) for name, each in addresses.items()}
    await work.run()
    rows = await work.rows("SELECT * FROM deliveries WHERE journey_id = :journey", journey=journey_id)
    assert [row.state for row in rows] == ["sent"] * 3
    by_person = {row.subscriber_id: row.delivery_id for row in rows}
    actions = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]
    return Mailed(
        api,
        work,
        journey_id,
        int(actions[0]["ActionID"]),
        int(actions[1]["ActionID"]),
        people,
        {name: by_person[person] for name, person in people.items()},
    )
