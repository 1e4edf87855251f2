"""A welcome journey in accelerated time: people enter, wait for days, are mailed and complete within a minute.

It moves the clock of a whole database, so that it runs on one of its own and never on an operator's; mail goes to a
Maildir, whatever the settings say.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import SetClock
from journeys_api.delivery import outbox
from journeys_api.emails import service as emails
from journeys_api.emails.content import ValidateScope
from journeys_api.journeys import service as journeys
from journeys_api.journeys import switching
from journeys_api.journeys.triggers import ListParameters, Trigger
from journeys_api.lanes import SessionLane
from journeys_api.lists import service as lists
from journeys_api.models import OptInMode, Subscriber, User
from journeys_api.settings import Settings
from journeys_api.starting.first_start import DEMO_USERNAME, prepare
from journeys_api.subscribers import effects
from journeys_api.tags import service as tags
from journeys_api.work import Worker

WAVES = 10
"""People come in so many waves, an hour apart."""
READERS = 3
"""Every third person is tagged as a reader, and gets one mail more."""
REFRESH = 0.2
MOST_TURNS = 10_000


@dataclass(frozen=True)
class Progress:
    """How far the journey is."""

    at: datetime
    """The accelerated instant."""
    entered: int = 0
    waiting: int = 0
    mailed: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a demonstration ended."""

    progress: Progress
    expected_mails: int
    journey_id: int
    list_id: int
    began_at: datetime
    seconds: float
    maildir: Path

    @property
    def is_whole(self) -> bool:
        """Whether everybody completed and got all their mails."""
        return self.progress.completed == self.progress.entered and self.progress.mailed == self.expected_mails


Show = Callable[[Progress], None]


def demo_settings(settings: Settings) -> Settings:
    """The settings of a demonstration: a database, secrets and a Maildir of its own, below the data directory."""
    return settings.model_copy(
        update={
            "data_dir": settings.data_dir / "demo",
            "database_url": None,
            "secret_key": None,
            "admin_api_key": None,
            "smtp_url": None,
            "mail_dir": None,
        }
    )


def expected_mails(people: int) -> int:
    """How many mails so many people get."""
    return 2 * people + _readers(people)


async def run_demo(settings: Settings, *, people: int, show: Show) -> Outcome:
    """Make a new list and journey in the account `demo`, and let that many people through it.

    Args:
        settings: of `demo_settings`, as `opened` gave them out; the schema is up to date.
        show: called with how far it is, some times a second.
    """
    assert settings.smtp_url is None, "a demonstration mails nobody"
    await prepare(settings, with_demo=True)
    clock = SetClock(datetime.now(UTC))
    worker = Worker(settings, clock=clock)
    try:
        return await _Run(worker, clock, settings, people, show).whole()
    finally:
        await worker.close()


@dataclass
class _Run:
    worker: Worker
    clock: SetClock
    settings: Settings
    people: int
    show: Show
    owner_id: int = 0
    list_id: int = 0
    tag_id: int = 0
    journey_id: int = 0

    async def whole(self) -> Outcome:
        began, began_at = time.monotonic(), self.clock.instant
        async with self.worker.sessions.begin() as session:
            await self._make_journey(session)
        showing = asyncio.create_task(self._keep_showing())
        try:
            for wave in _waves(self.people):
                async with self.worker.sessions.begin() as session:
                    await self._subscribe(session, wave)
                await self.worker.run_until_quiet()
                self.clock.instant += timedelta(hours=1)
            await self._run_to_the_end()
        finally:
            showing.cancel()
            await asyncio.wait([showing])
        progress = await self._progress()
        self.show(progress)
        return Outcome(
            progress=progress,
            expected_mails=expected_mails(self.people),
            journey_id=self.journey_id,
            list_id=self.list_id,
            began_at=began_at,
            seconds=time.monotonic() - began,
            maildir=(self.settings.mail_dir or self.settings.data_dir / "mail") / "new",
        )

    async def _run_to_the_end(self) -> None:
        """Move the clock to whatever is due next, until nothing is."""
        for _ in range(MOST_TURNS):
            await self.worker.run_until_quiet()
            due = [each for each in (await self.worker.engine.next_due(), await self._next_attempt()) if each]
            if not due:
                return
            self.clock.instant = max(self.clock.instant, min(due))

    async def _next_attempt(self) -> datetime | None:
        async with self.worker.sessions() as session:
            return await outbox.next_attempt(session)

    async def _make_journey(self, session: AsyncSession) -> None:
        self.owner_id = (
            await session.execute(select(User.user_id).where(func.lower(User.username) == DEMO_USERNAME))
        ).scalar_one()
        owner = {"owner_id": self.owner_id}
        now = self.clock.instant
        made = await lists.create_list(
            session,
            **owner,
            name=f"Demonstration of {now:%Y-%m-%d %H:%M:%S}",
            opt_in_mode=OptInMode.SINGLE,
            columns={"sender_name": "Journeys", "sender_email_address": "journeys@example.com"},
            confirmation_email=None,
            now=now,
        )
        self.list_id = made.list_id
        self.tag_id = await tags.create_tag(
            session, **owner, list_id=self.list_id, name="reader", description="Likes to read", now=now
        )
        journey = await journeys.create_journey(
            SessionLane(session),
            **owner,
            trigger=Trigger.LIST_SUBSCRIPTION,
            trigger_parameters=ListParameters(list_ids=(self.list_id,)),
            settings=journeys.Settings(name="Welcome"),
            now=now,
        )
        self.journey_id = journey.journey_id
        elements = await self._actions(session)
        await journeys.replace_actions(
            session,
            owner_id=owner["owner_id"],
            journey_id=self.journey_id,
            elements=elements,
            vault=self.worker.vault,
            now=now,
        )
        await switching.enable_journey(session, **owner, journey_id=self.journey_id, now=now)

    async def _actions(self, session: AsyncSession) -> list[object]:
        welcome = await self._email(session, "Welcome", "good to have you here.")
        tips = await self._email(session, "Three things to try", "one, two, three.")
        story = await self._email(session, "A long story", "once upon a time.")
        is_reader = [[{"type": "tags", "operator": "has this tag", "value": [self.tag_id]}]]
        return [
            {"Action": "SendEmail", "EmailID": welcome, "Published": True},
            {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days", "Published": True},
            {"Action": "SendEmail", "EmailID": tips, "Published": True},
            {"Action": "Wait", "WaitAmount": 3, "WaitUnit": "days", "Published": True},
            {
                "Action": "Decision",
                "Criteria": is_reader,
                "Published": True,
                "Actions": {"True": [{"Action": "SendEmail", "EmailID": story, "Published": True}], "False": []},
            },
        ]

    async def _email(self, session: AsyncSession, subject: str, body: str) -> int:
        made = await emails.create_email(session, owner_id=self.owner_id, now=self.clock.instant)
        plain = f"Dear {{{{ Subscriber:EmailAddress }}}}, {body}\n\nTo leave: {{{{ Link:Unsubscribe }}}}\n"
        await emails.update_email(
            session,
            owner_id=self.owner_id,
            email_id=made.email_id,
            scope=ValidateScope.AUTO_RESPONDER,
            changes=emails.EmailChanges({"name": subject, "subject": subject, "plain_content": plain}, {}),
            now=self.clock.instant,
        )
        return made.email_id

    async def _subscribe(self, session: AsyncSession, wave: range) -> None:
        """Subscribe a wave, as an import would; a third of them are readers."""
        owner_id, now = self.owner_id, self.clock.instant
        addresses = [_address(number) for number in wave]
        await effects.subscribe_many(
            session, owner_id=owner_id, list_id=self.list_id, addresses=addresses, now=now, depth=0
        )
        readers: Sequence[int] = (
            await session.scalars(
                select(Subscriber.subscriber_id).where(
                    Subscriber.owner_id == owner_id,
                    Subscriber.list_id == self.list_id,
                    func.lower(Subscriber.email_address).in_([_address(each) for each in wave if not each % READERS]),
                )
            )
        ).all()
        await effects.tag_many(session, owner_id=owner_id, tag_id=self.tag_id, subscriber_ids=readers, now=now, depth=0)

    async def _keep_showing(self) -> None:
        while True:
            self.show(await self._progress())
            await asyncio.sleep(REFRESH)

    async def _progress(self) -> Progress:
        async with self.worker.sessions() as session:
            row = (
                await session.execute(
                    text(
                        "SELECT count(*) AS entered, count(*) FILTER (WHERE state = 'active') AS waiting, "
                        "count(*) FILTER (WHERE state = 'completed') AS completed, "
                        "count(*) FILTER (WHERE state NOT IN ('active', 'completed')) AS failed, "
                        "(SELECT count(*) FROM deliveries WHERE journey_id = :journey AND state = 'sent') AS mailed "
                        "FROM enrollments WHERE owner_id = :owner AND journey_id = :journey"
                    ),
                    {"owner": self.owner_id, "journey": self.journey_id},
                )
            ).one()
        return Progress(self.clock.instant, row.entered, row.waiting, row.mailed, row.completed, row.failed)


def _readers(people: int) -> int:
    return len(range(0, people, READERS))


def _address(number: int) -> str:
    # example.com is nobody's, should a mail ever leave
    return f"person{number}@example.com"


def _waves(people: int) -> list[range]:
    size = -(-people // WAVES)
    return [range(first, min(first + size, people)) for first in range(0, people, size)]
