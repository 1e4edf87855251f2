"""Keeping events of one visitor, telling journeys, and counting what conversions brought, all in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.activities import service as activities
from journeys_api.activities.service import Fact
from journeys_api.models import ActivityKind, Subscriber, WebsiteEventKind
from journeys_api.subscribers import visitors
from journeys_api.trigger_events import Happened, record
from journeys_api.website_events import queries
from journeys_api.website_events.kinds import (
    amount_cents,
    currency_of,
    is_currency,
    is_marked,
    kind_of,
    text_of,
    without_marks,
)

REVENUE_HIT = "RevenueHit"
TRIGGERS = "WebsiteEvent_"
TO_LEDGER = {"conversion_id": "conversion-id", "name": "conversion-name", "amount": "conversion-value"}
QUANTITY = "conversion-quantity"


@dataclass(frozen=True)
class Visit:
    """Whose events they are."""

    owner_id: int
    visitor: Subscriber | None
    """None: nobody known."""
    list_id: int | None
    uuid: str = ""
    message_id: int | None = None
    """The message (a delivery) that led the visitor to the website, if a signed token says so."""
    window: timedelta = timedelta(0)
    """How long after its last open or click a message is what brought a conversion."""
    is_trusted: bool = False
    """Whether the account's own server reports it: then the names in events of strangers are remembered, too."""


@dataclass(frozen=True)
class Noted:
    """One event, as it was reported."""

    event: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    key: UUID | None = None
    """Its own id: a second event with the same one is the same."""

    @property
    def kind(self) -> WebsiteEventKind:
        """What journeys tell it apart by."""
        return kind_of(self.event)

    @property
    def name(self) -> str:
        """What a custom event is called; the kind of the others."""
        return self.event if self.kind is WebsiteEventKind.CUSTOM else self.kind.value

    @property
    def is_silent(self) -> bool:
        """Whether journeys are told nothing."""
        return is_marked(self.properties, "issilent")

    @property
    def kept_properties(self) -> dict[str, Any]:
        """Its own properties, and of a custom event its name, where criteria look for it."""
        properties = without_marks(self.properties)
        if self.kind is WebsiteEventKind.CUSTOM:
            properties.setdefault("eventName", self.name)
        return properties


async def keep(session: AsyncSession, visit: Visit, events: Sequence[Noted], *, now: datetime) -> int:
    """Keep events, and tell journeys of those that are new, unless they are silent or nobody's; how many are new.

    An event of nobody at all, without a visitor id, is not kept. A conversion of somebody known is counted with the
    message that brought it; the money of all is in one currency, and what was paid in another is kept and not summed.
    """
    if visit.visitor is None and not visit.uuid:
        return 0
    of_key = {noted.key: noted for noted in reversed(events) if noted.key is not None}
    events = [noted for noted in events if noted.key is None or of_key[noted.key] is noted]
    are_new = await queries.insert_events(session, [_row(visit, noted, now) for noted in events])
    new = [noted for noted, is_new in zip(events, are_new, strict=True) if is_new]
    if visit.list_id is not None and (visit.is_trusted or visit.visitor is not None):
        names = {(noted.name, name) for noted in new for name in noted.kept_properties}
        await queries.note_names(session, owner_id=visit.owner_id, list_id=visit.list_id, names=names)
    if visit.visitor is not None:
        conversions = [noted for noted in new if noted.kind is WebsiteEventKind.CONVERSION]
        cents = await _count(session, visit, visit.visitor, conversions, now)
        told = [noted for noted in new if not noted.is_silent]
        happened = [each for noted in told for each in _happened(visit.visitor, noted, cents.get(id(noted)))]
        await record(session, happened, owner_id=visit.owner_id, now=now)
    return len(new)


def _row(visit: Visit, noted: Noted, now: datetime) -> dict[str, Any]:
    is_conversion = noted.kind is WebsiteEventKind.CONVERSION
    return {
        "owner_id": visit.owner_id,
        "list_id": visit.list_id,
        "subscriber_id": None if visit.visitor is None else visit.visitor.subscriber_id,
        "kind": noted.kind,
        "name": noted.name,
        "uuid": visit.uuid,
        "conversion_id": text_of(noted.properties, "conversion-id") if is_conversion else None,
        "event_key": noted.key,
        "properties": noted.kept_properties,
        "occurred_at": now,
    }


def _happened(visitor: Subscriber, noted: Noted, cents: int | None) -> list[Happened]:
    """What journeys are told of an event.

    Args:
        cents: what it brought; None: it is no hit. A sale of nothing is one of 0.
    """
    payload = {"Event": {"name": noted.name, "Property": noted.kept_properties}}
    kind = f"{TRIGGERS}{noted.kind.value}"
    found = [Happened(kind, visitor.list_id, visitor.subscriber_id, 0, payload)]
    if cents is not None:
        hit = {**payload, "revenue_cents": cents}
        found.append(Happened(REVENUE_HIT, visitor.list_id, visitor.subscriber_id, 0, hit))
    return found


async def _count(
    session: AsyncSession, visit: Visit, visitor: Subscriber, conversions: Sequence[Noted], now: datetime
) -> dict[int, int]:
    """Record what conversions brought with the message that brought them; cents in the account's currency, by `id`.

    What the person was reported to have bought on another list before counts no more.
    """
    if not conversions:
        return {}
    await queries.lock_person(session, owner_id=visit.owner_id, address=visitor.email_address)
    same = await visitors.of_address(session, owner_id=visit.owner_id, address=visitor.email_address)
    subscriber_ids = [each.subscriber_id for each in same]
    conversions = await _first_reported(session, visitor, subscriber_ids, conversions)
    if not conversions:
        return {}
    named = [currency_of(noted.properties) for noted in conversions]
    first = next(filter(is_currency, named), "")
    own = await accounts.currency_of(session, owner_id=visit.owner_id, named=first)
    cents = {
        id(noted): amount
        for noted, currency in zip(conversions, named, strict=True)
        if currency in ("", own) and (amount := amount_cents(noted.properties)) is not None
    }
    message_id = await _message(session, visit, visitor, subscriber_ids, now)
    if message_id is not None:
        facts = [
            Fact(
                owner_id=visit.owner_id,
                delivery_id=message_id,
                kind=ActivityKind.CONVERTED,
                occurred_at=now,
                revenue_cents=cents.get(id(noted), 0),
                is_silent=noted.is_silent,
                detail=_detail(noted, currency or own),
            )
            for noted, currency in zip(conversions, named, strict=True)
        ]
        await activities.record_facts(session, facts, now=now)
    return cents


def _detail(noted: Noted, currency: str) -> dict[str, str]:
    told = {key: text_of(noted.properties, name) for key, name in {**TO_LEDGER, "quantity": QUANTITY}.items()}
    return {key: value[:255] for key, value in {**told, "currency": currency}.items() if value}


async def _first_reported(
    session: AsyncSession, visitor: Subscriber, subscriber_ids: Collection[int], conversions: Sequence[Noted]
) -> Sequence[Noted]:
    """Those of a visitor's new conversions that none of the person's other subscribers has."""
    others = set(subscriber_ids) - {visitor.subscriber_id}
    if not others:
        return conversions
    of_id = {text_of(noted.properties, "conversion-id"): noted for noted in conversions}
    known = await queries.conversions_of(
        session, owner_id=visitor.owner_id, subscriber_ids=others, conversion_ids=of_id
    )
    return [noted for conversion_id, noted in of_id.items() if conversion_id not in known]


async def _message(
    session: AsyncSession, visit: Visit, visitor: Subscriber, subscriber_ids: Collection[int], now: datetime
) -> int | None:
    """The message that brought the visitor: the one that led to the website, if it was written to the same person;
    else the one that was opened or clicked last, on whichever list, if that was not too long ago.

    Args:
        subscriber_ids: the person, on each list.
    """
    if visit.message_id is not None:
        message = await activities.message_of_journey(session, owner_id=visit.owner_id, delivery_id=visit.message_id)
        if message is not None and _is_same(visitor, message):
            return visit.message_id
    touch = await activities.last_touch(
        session, owner_id=visit.owner_id, subscriber_ids=subscriber_ids, at=now, within=visit.window
    )
    return None if touch is None else touch.delivery_id


def _is_same(visitor: Subscriber, message: activities.SentMessage) -> bool:
    """Whether a message was written to the visitor, on whichever list."""
    if message.subscriber_id == visitor.subscriber_id:
        return True
    return message.email_address is not None and message.email_address.lower() == visitor.email_address.lower()
