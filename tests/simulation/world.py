"""An installation for simulations: a database of its own, both clocks set by hand, a mail server that counts."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from journeys_api.app import Application, create_app
from journeys_api.clock import FrozenClock, SetClock
from journeys_api.db import Sessions
from journeys_api.delivery.egress import Egress
from journeys_api.delivery.envelopes import Envelope
from journeys_api.delivery.mails import Mails
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.remote_content import RemoteContents
from journeys_api.delivery.sending import Pace, Sender
from journeys_api.links.urls import Links
from journeys_api.models import DeliveryKind
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import Client, Maker

SHARDS = 16
START = datetime(2026, 7, 1, 12, tzinfo=UTC)
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([0-9]+)\.", re.IGNORECASE | re.MULTILINE)


def delivery_of(message: bytes) -> int:
    """The delivery that a message says it is, by its Message-ID."""
    found = _MESSAGE_ID.search(message)
    assert found is not None, message[:500]
    return int(found[1])


@dataclass
class CountingMailer:
    """Takes every message and remembers each time, other than a Maildir, which keeps one of each."""

    taken: list[int] = field(default_factory=list)
    """Delivery ids."""

    async def send(self, envelope: Envelope) -> Outcome:
        """Take it."""
        self.taken.append(delivery_of(envelope.message))
        return Outcome(Ending.ACCEPTED)

    async def close(self) -> None:
        """Nothing is kept open."""


@dataclass
class World:
    """One account with a list, and the worker that moves its people."""

    app: Application
    api: Client
    worker: Worker
    mailer: CountingMailer
    clock: SetClock
    app_clock: FrozenClock
    list_id: int
    email_id: int
    field_id: int
    tag_ids: list[int]

    @property
    def sessions(self) -> Sessions:
        """Sessions of the worker's own pool."""
        return self.worker.sessions

    @property
    def owner_id(self) -> int:
        """The account."""
        assert self.api.account
        return self.api.account.user_id

    @property
    def now(self) -> datetime:
        """What both clocks say."""
        return self.clock.instant

    def pass_time(self, **later: float) -> None:
        """Move both clocks."""
        self.clock.instant = self.app_clock.instant = self.clock.instant + timedelta(**later)

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a statement."""
        async with self.sessions() as session:
            return list((await session.execute(text(statement), parameters)).all())

    async def change(self, statement: str, **parameters: Any) -> None:
        """Do something to the database that no command does."""
        async with self.sessions.begin() as session:
            await session.execute(text(statement), parameters)

    async def put_people(self, number: int, *, status: str = "Subscribed", first: int, apart: int = 1) -> list[int]:
        """People with ids of their own choice: `first`, and each `apart` from the one before."""
        ids = [first + apart * index for index in range(number)]
        await self.change(
            "INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at) "
            "OVERRIDING SYSTEM VALUE SELECT p, :owner, :list, 'p' || p || '@example.com', :status, :now, :now "
            "FROM unnest(CAST(:ids AS bigint[])) AS p",
            owner=self.owner_id,
            list=self.list_id,
            status=status,
            now=self.now,
            ids=ids,
        )
        return ids

    async def tell(self, kind: str, ids: Sequence[int], *, subject: int = 0) -> None:
        """Write down that something happened to people, as the command does that sees it."""
        await self.change(
            "INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, subject_id, occurred_at) "
            "SELECT p % 16, :owner, :kind, :list, p, :subject, :now FROM unnest(CAST(:ids AS bigint[])) AS p",
            owner=self.owner_id,
            kind=kind,
            list=self.list_id,
            subject=subject,
            now=self.now,
            ids=list(ids),
        )

    async def journey(self, *actions: dict[str, Any], **journey: Any) -> int:
        """An enabled journey of published actions."""
        made = await self.api.ok("journey.create", **{"Name": "Simulated", "Trigger": "Manual", **journey})
        journey_id = int(made["JourneyID"])
        await self.api.ok(
            "journey.actions.update",
            JourneyID=journey_id,
            Actions=[{"Published": True, **action} for action in actions],
        )
        await self.api.ok("journey.enable", JourneyID=journey_id)
        return journey_id

    async def let_in(self, journey_id: int, ids: Sequence[int]) -> None:
        """Let people enter a journey by its own rules."""
        await self.tell("Start", ids, subject=journey_id)


def sender_of(
    sessions: Sessions, settings: Settings, mailer: CountingMailer, clock: SetClock, *, kind: type[Sender] = Sender
) -> Sender:
    """What a worker sends mail by, with a mailer of ours."""
    assert settings.secret_key is not None
    key = settings.secret_key.get_secret_value().encode()
    remote = RemoteContents(Egress(allow_private=False))
    mails = Mails(mailer, Links(key, public_url=settings.links_url), remote, message_id_key=key)
    pace = Pace(64, 64, lease=timedelta(minutes=12))
    return kind(
        sessions, [DeliveryKind.CONFIRMATION, DeliveryKind.FORWARD, DeliveryKind.MAIL], mails, pace, clock=clock
    )


@asynccontextmanager
async def a_world(settings: Settings, directory: Path) -> AsyncIterator[World]:
    """An account with a list, three tags, a field and an email, on the database of the settings."""
    own = settings.model_copy(update={"mail_dir": directory / "mail", "data_dir": directory})
    app_clock, clock, mailer = FrozenClock(START), SetClock(START), CountingMailer()
    app = create_app(own, clock=app_clock)
    worker = Worker(own, clock=clock)
    worker.senders = [sender_of(worker.sessions, own, mailer, clock)]
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        api = (await Maker(app, http).client()).at("legacy")
        list_id = int((await api.ok("list.create", SubscriberListName="News"))["ListID"])
        field_id = await api.ok(
            "customfield.create", SubscriberListID=list_id, FieldName="Colour", FieldType="Single line"
        )
        tags = [await api.ok("subscriber.tags.create", ListID=list_id, TagName=f"tag {each}") for each in range(3)]
        yield World(
            app=app,
            api=api,
            worker=worker,
            mailer=mailer,
            clock=clock,
            app_clock=app_clock,
            list_id=list_id,
            email_id=await _email(api),
            field_id=int(field_id["CustomFieldID"]),
            tag_ids=[int(each["TagID"]) for each in tags],
        )
    await worker.close()
    await app.close()


async def _email(api: Client) -> int:
    made = int((await api.ok("email.create"))["EmailID"])
    await api.ok(
        "email.update",
        EmailID=made,
        ValidateScope="AutoResponder",
        EmailName="Welcome",
        FromEmail="news@example.com",
        Subject="Hello",
        PlainContent="Hi {{ Subscriber:EmailAddress }} {{ Link:Unsubscribe }}",
    )
    return made
