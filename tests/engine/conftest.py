"""A worker whose clock is set by hand, on the application's database."""

import email
import email.policy
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.clock import SetClock
from journeys_api.models import SHARDS
from journeys_api.settings import Settings
from journeys_api.trigger_events import Happened, record, shard_of
from journeys_api.work import Worker
from tests.conftest import Client


@dataclass
class Work:
    """What a test does with the worker."""

    worker: Worker
    clock: SetClock
    maildir: Path

    async def run(self, **later: float) -> None:
        """Let time pass (`minutes=5`) and do everything that is due then."""
        self.pass_time(**later)
        await self.worker.run_until_quiet()

    async def move(self, **later: float) -> None:
        """As `run`, but nothing is sent."""
        self.pass_time(**later)
        await self.worker.engine.run_until_quiet()

    def pass_time(self, **later: float) -> None:
        """Set the clock to the present or where it was, whichever is later, and then on."""
        self.clock.instant = max(self.clock.instant, datetime.now(UTC)) + timedelta(**later)

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a statement."""
        async with self.worker.sessions() as session:
            return list((await session.execute(text(statement), parameters)).all())

    async def history(self, journey_id: int) -> list[tuple[str, list[tuple[str, str | None]]]]:
        """(address, [(action, outcome)]) of everybody who ever entered a journey."""
        rows = await self.rows(
            "SELECT e.email_address, e.enrollment_id, a.action, s.outcome FROM enrollments e "
            "LEFT JOIN steps s USING (owner_id, enrollment_id) "
            "LEFT JOIN journey_actions a ON a.action_id = s.action_id "
            "WHERE e.journey_id = :journey ORDER BY e.enrollment_id, s.seq",
            journey=journey_id,
        )
        found: dict[int, tuple[str, list[tuple[str, str | None]]]] = {}
        for row in rows:
            _, steps = found.setdefault(row.enrollment_id, (row.email_address, []))
            if row.action is not None:
                steps.append((row.action, row.outcome))
        return list(found.values())

    async def ends(self, journey_id: int) -> list[tuple[str, str | None]]:
        """(state, reason) of everybody who ever entered a journey, in order of entry."""
        rows = await self.rows(
            "SELECT state, reason FROM enrollments WHERE journey_id = :journey ORDER BY enrollment_id",
            journey=journey_id,
        )
        return [(row.state, row.reason) for row in rows]

    async def steps(self, journey_id: int) -> list[tuple[str, str, str | None]]:
        """(action, outcome, note) of every step ever taken in a journey, in order of entry."""
        rows = await self.rows(
            "SELECT a.action, s.outcome, s.note FROM enrollments e JOIN steps s USING (owner_id, enrollment_id) "
            "JOIN journey_actions a ON a.action_id = s.action_id "
            "WHERE e.journey_id = :journey ORDER BY e.enrollment_id, s.seq",
            journey=journey_id,
        )
        return [tuple(row) for row in rows]

    async def refusals(self, journey_id: int) -> list[str]:
        """Why people did not enter a journey, in order."""
        rows = await self.rows(
            "SELECT reason FROM enrollment_refusals WHERE journey_id = :journey ORDER BY refusal_id",
            journey=journey_id,
        )
        return [row.reason for row in rows]

    async def deliveries(self, journey_id: int) -> list[tuple[str, str, str | None]]:
        """(kind, state, reason) of everything that a journey owed, in order."""
        rows = await self.rows(
            "SELECT kind, state, reason FROM deliveries WHERE journey_id = :journey ORDER BY delivery_id",
            journey=journey_id,
        )
        return [tuple(row) for row in rows]

    async def happen(self, api: Client, *events: Happened, depth: int = 0) -> None:
        """Write down events of the client's account, as the noun does that sees them happen."""
        assert api.account
        async with self.worker.sessions.begin() as session:
            await record(session, events, owner_id=api.account.user_id, now=self.clock.instant, depth=depth)

    async def change(self, statement: str, **parameters: Any) -> None:
        """Do to the database what another process would have done."""
        async with self.worker.sessions.begin() as session:
            await session.execute(text(statement), parameters)

    def mails_to(self, address: str) -> list[EmailMessage]:
        """What lies in the Maildir for an address, oldest first."""
        found = []
        for file in (self.maildir / "new").glob("*"):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            if message["To"] is not None and address in str(message["To"]):
                found.append(message)
        return sorted(found, key=lambda message: str(message["Date"]))


@pytest.fixture
async def work(app: Application, settings: Settings, tmp_path: Path) -> AsyncIterator[Work]:
    """A worker on the application's database, its clock at the present, its mail in a folder of the test's own."""
    clock = SetClock(datetime.now(UTC))
    own = settings.model_copy(
        update={"mail_dir": tmp_path / "mail", "data_dir": tmp_path, "webhook_allow_private": True}
    )
    worker = Worker(own, clock=clock)
    yield Work(worker, clock, tmp_path / "mail")
    await worker.close()


@dataclass
class Audience:
    """A list with people on it."""

    api: Client
    list_id: int

    async def subscribe(self, address: str = "ada@example.com", **more: Any) -> int:
        """Subscribe an address, as a form on a page would; its subscriber id."""
        answer = await self.api.ok(
            "subscriber.subscribe", ListID=self.list_id, EmailAddress=address, IPAddress="127.0.0.1", **more
        )
        return int(answer["SubscriberID"])

    async def people(self, work: Work, count: int) -> list[int]:
        """So many new people on the list, whom no journey is told of."""
        async with work.worker.sessions.begin() as session:
            made = await session.scalars(
                text(
                    "INSERT INTO subscribers (owner_id, list_id, email_address, status, created_at, updated_at) "
                    "SELECT owner_id, list_id, gen_random_uuid() || '@example.com', 'Subscribed', now(), now() "
                    "FROM lists, generate_series(1, :count) WHERE list_id = :list RETURNING subscriber_id"
                ),
                {"list": self.list_id, "count": count},
            )
            return list(made)

    async def crowd(self, work: Work, count: int, *, shard: int) -> list[int]:
        """So many of them whose events and timers are all in one shard, where a batch may take them together."""
        made = await self.people(work, (count + 1) * SHARDS)
        return [each for each in made if shard_of(each) == shard][:count]

    async def enter(self, journey_id: int, subscriber_id: int, **more: Any) -> None:
        """Let somebody into a journey by command."""
        await self.api.ok(
            "subscriber.journey.trigger", JourneyID=journey_id, ListID=self.list_id, SubscriberID=subscriber_id, **more
        )

    async def tag(self, name: str = "vip") -> int:
        """A new tag of the list."""
        return int((await self.api.ok("subscriber.tags.create", ListID=self.list_id, TagName=name))["TagID"])

    async def field(self, name: str = "Town", **more: Any) -> int:
        """A new text field of the list."""
        made = await self.api.ok(
            "customfield.create", SubscriberListID=self.list_id, FieldName=name, FieldType="Single line", **more
        )
        return int(made["CustomFieldID"])

    async def update(self, subscriber_id: int, **changes: Any) -> None:
        """Change somebody on the list."""
        await self.api.ok("subscriber.update", SubscriberID=subscriber_id, SubscriberListID=self.list_id, **changes)

    async def view(self, subscriber_id: int) -> dict[str, Any]:
        """What `subscriber.get` tells of somebody on the list."""
        answer = await self.api.ok("subscriber.get", ListID=self.list_id, SubscriberID=subscriber_id)
        return dict(answer["SubscriberInformation"])


_addresses = itertools.count(1)


@pytest.fixture
def address() -> str:
    """An address that no other test writes to."""
    return f"ada{next(_addresses)}@example.com"


@pytest.fixture
async def audience(api: Client) -> Audience:
    """An empty list of a new account."""
    made = await api.ok("list.create", SubscriberListName="News", SenderEmailAddress="news@example.com")
    return Audience(api, int(made["ListID"]))


@pytest.fixture
async def email_id(api: Client) -> int:
    """An email that greets by address."""
    made = int((await api.ok("email.create"))["EmailID"])
    await api.ok(
        "email.update",
        EmailID=made,
        ValidateScope="AutoResponder",
        EmailName="Welcome",
        Subject="Hello {{ Subscriber:EmailAddress }}",
        HTMLContent="<html><body><p>Hi {{ Subscriber:EmailAddress }}</p>"
        '<a href="{{ Link:Unsubscribe }}">leave</a></body></html>',
        PlainContent="Hi {{ Subscriber:EmailAddress }} {{ Link:Unsubscribe }}",
    )
    return made


async def telephone(api: Client, admin: Client, audience: Audience, **gateway: Any) -> tuple[int, int]:
    """A gateway, one that logs unless another is asked for, and the field of the list that holds telephone numbers."""
    given = {"GatewayName": "Log", "GatewayType": "Log", "SenderIDs": ["Shop"], "IsGlobal": True, **gateway}
    made = await admin.ok("admin.smsgateway.create", **given)
    field_id = await audience.field("Phone")
    await api.ok("list.update", SubscriberListID=audience.list_id, Options={"PhoneFieldID": field_id})
    return int(made["GatewayID"]), field_id


async def running(api: Client, *actions: dict[str, Any], **journey: Any) -> int:
    """An enabled journey of these actions, all published unless they say otherwise."""
    made = await api.ok("journey.create", **{"Name": "Welcome", **journey})
    journey_id = int(made["JourneyID"])
    await api.ok(
        "journey.actions.update",
        JourneyID=journey_id,
        Actions=[{"Published": True, **action} for action in actions],
    )
    await api.ok("journey.enable", JourneyID=journey_id)
    return journey_id
