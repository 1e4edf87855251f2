"""Recording facts about messages: the ledger, the numbers, the filters of people, and what journeys are told.

All of it in the caller's transaction, set by set: a fact is there with everything that follows from it, or not at all.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.activities import queries
from journeys_api.activities.queries import Change, Entry
from journeys_api.models import ActivityKind
from journeys_api.trigger_events import Happened, record

TRIGGERS = {
    ActivityKind.OPENED: "EmailOpen",
    ActivityKind.CLICKED: "EmailLinkClick",
    ActivityKind.CONVERTED: "EmailConversion",
}
"""What journeys wait for."""
REPEATED = frozenset({ActivityKind.CONVERTED, ActivityKind.FORWARDED})
"""Kinds that count every time; the others once a message."""
TOUCHES = frozenset({ActivityKind.OPENED, ActivityKind.CLICKED})


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to one message."""

    owner_id: int
    delivery_id: int
    kind: ActivityKind
    occurred_at: datetime
    automated: str | None = None
    """Why a machine did it: kept, and counted nowhere."""
    revenue_cents: int = 0
    """For conversions."""
    is_silent: bool = False
    """Whether journeys that wait for it are told nothing."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """As `MessageActivity.detail`."""


async def record_facts(session: AsyncSession, facts: Sequence[Fact], *, now: datetime) -> list[bool]:
    """Write down what happened to messages, with the numbers and the events that follow.

    Opens and clicks count once a message, and a click implies an open (rulings 8). The messages are locked, in order of
    id, until the transaction ends, so that nothing counts twice however many record at once.

    Args:
        now: when it is written down; a fact counts on the day that it happened on.

    Returns:
        For each fact whether it counted. Facts about messages that are not there, or another account's, are dropped.
    """
    messages = await queries.lock_messages(session, [(fact.owner_id, fact.delivery_id) for fact in facts])
    batch = _Batch()
    counted: list[bool] = []
    for fact in facts:
        message = messages.get((fact.owner_id, fact.delivery_id))
        if message is None:
            counted.append(False)
            continue
        if fact.kind is ActivityKind.CLICKED and fact.automated is None:
            opened = replace(fact, kind=ActivityKind.OPENED, detail={**fact.detail, "implied": True})
            if not batch.did(message, ActivityKind.OPENED):
                batch.add(message, opened)
        counted.append(batch.add(message, fact))
    await queries.write_activity(session, batch.changes)
    await queries.insert_ledger(session, batch.entries)
    await queries.insert_deltas(session, batch.entries)
    await queries.mark_people(session, batch.people, now=now)
    await queries.touch(session, batch.touched)
    for owner_id, happened in batch.happened.items():
        await record(session, happened, owner_id=owner_id, now=now)
    return counted


async def has_happened(session: AsyncSession, fact: Fact) -> bool:
    """Whether something of that kind counts for the message already; False as well when there is no such message.

    The message is locked until the transaction ends.
    """
    place = (fact.owner_id, fact.delivery_id)
    return bool((await happened(session, [place])).get(place, 0) & fact.kind.bit)


async def happened(session: AsyncSession, messages: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """What counts already of messages, by (owner, delivery), as sums of `Activity` bits; without those that are not
    there. They are locked until the transaction ends.
    """
    found = await queries.lock_messages(session, messages)
    return {place: message.activity for place, message in found.items()}


async def hard_bounced(
    session: AsyncSession, messages: Collection[tuple[int, int]], *, since: datetime
) -> set[tuple[int, int]]:
    """Those of locked messages that bounced hard before, which what counts does not tell from a soft bounce.

    Args:
        since: none of the messages is older.
    """
    return await queries.hard_bounced(session, messages, since=since)


class _Batch:
    """What a set of facts comes to."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.changes: dict[int, int] = {}
        """Delivery → all its bits, of those that got a new one."""
        self.people: dict[tuple[int, int, int, int], Change] = {}
        """(owner, action, list, subscriber) → bits that are new."""
        self.touched: dict[tuple[int, int], tuple[int, datetime]] = {}
        self.happened: dict[int, list[Happened]] = defaultdict(list)
        self._activity: dict[int, int] = {}

    def did(self, message: Row[Any], kind: ActivityKind) -> bool:
        """Whether that has counted for the message already."""
        return bool(self._activity.get(message.delivery_id, message.activity) & kind.bit)

    def add(self, message: Row[Any], fact: Fact) -> bool:
        """Take a fact in; whether it counts."""
        counts = fact.automated is None and (fact.kind in REPEATED or not self.did(message, fact.kind))
        self.entries.append(
            Entry(
                message=message,
                kind=fact.kind,
                occurred_at=fact.occurred_at,
                is_counted=counts,
                automated=fact.automated,
                revenue_cents=fact.revenue_cents,
                detail=fact.detail,
            )
        )
        if fact.automated is None and fact.kind in TOUCHES and message.journey_id is not None:
            place = (message.owner_id, message.subscriber_id)
            last = self.touched.get(place)
            if last is None or last[1] <= fact.occurred_at:
                self.touched[place] = (message.delivery_id, fact.occurred_at)
        if counts:
            self._count(message, fact)
        return counts

    def _count(self, message: Row[Any], fact: Fact) -> None:
        bits = self._activity.get(message.delivery_id, message.activity) | int(fact.kind.bit)
        self._activity[message.delivery_id] = self.changes[message.delivery_id] = bits
        if message.action_id is not None:
            place = (message.owner_id, message.action_id, message.list_id, message.subscriber_id)
            known = self.people.setdefault(place, Change(message.email_address))
            known.bits |= int(fact.kind.bit)
        trigger = TRIGGERS.get(fact.kind)
        if trigger is not None and message.email_id is not None and not fact.is_silent:
            happened = Happened(trigger, message.list_id, message.subscriber_id, message.email_id)
            self.happened[message.owner_id].append(happened)


@dataclass(frozen=True, slots=True)
class Touch:
    """A journey's message that somebody opened or clicked."""

    delivery_id: int
    subscriber_id: int


async def last_touch(
    session: AsyncSession, *, owner_id: int, subscriber_ids: Collection[int], at: datetime, within: timedelta
) -> Touch | None:
    """What one of these subscribers opened or clicked last, if that was within so long before `at`.

    A conversion is attributed to it. Machines' visits are no touches; a visit that is not judged yet is a person's
    unless its visitor says otherwise: who buys at once has only just clicked.
    """
    found = await queries.last_touch(session, owner_id=owner_id, subscriber_ids=subscriber_ids, since=at - within)
    return None if found is None else Touch(found.delivery_id, found.subscriber_id)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """Whom a journey's mail is to."""

    list_id: int
    subscriber_id: int
    email_address: str | None
    """None: the subscriber is gone."""


async def message_of_journey(session: AsyncSession, *, owner_id: int, delivery_id: int) -> SentMessage | None:
    """Whom a journey's mail is to; None: this account has no such mail."""
    found = await queries.message_of_journey(session, owner_id=owner_id, delivery_id=delivery_id)
    return None if found is None else SentMessage(found.list_id, found.subscriber_id, found.email_address)
