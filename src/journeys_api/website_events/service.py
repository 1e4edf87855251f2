"""Rules of website events: who the visitor is, what is kept, and what journeys are told."""

import re
import uuid as uuids
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.activities import service as activities
from journeys_api.fields import service as fields
from journeys_api.fields import values as field_values
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.lists import service as lists
from journeys_api.models import CustomField, Subscriber, SubscriberList, WebsiteEventKind
from journeys_api.strict_json import fold
from journeys_api.subscribers import service as subscribers
from journeys_api.subscribers import subscriptions, visitors
from journeys_api.subscribers.errors import AddressTaken, PreviouslyUnsubscribed, SubscriberLimitExceeded
from journeys_api.subscribers.service import NewSubscriber, SubscriberChanges
from journeys_api.website_events import queries
from journeys_api.website_events.keeping import Noted, Visit, keep
from journeys_api.website_events.kinds import is_marked, kind_of

SOURCE = "Website Event"
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Tracked:
    """An event as a page or a server reports it."""

    event: str
    list_id: int | None
    email_address: str | None
    external_id: str | None
    uuid: str | None
    properties: Mapping[str, Any] = field(default_factory=dict)
    identify_properties: Mapping[str, Any] = field(default_factory=dict)
    message_id: int | None = None
    """The account's message (a delivery) that led the visitor to the website, if a signed token says so."""

    @property
    def kind(self) -> WebsiteEventKind:
        """What journeys tell it apart by."""
        return kind_of(self.event)

    @property
    def is_silent(self) -> bool:
        """Whether journeys are told nothing."""
        return is_marked(self.properties, "issilent")


@dataclass(frozen=True)
class Answer:
    """What became of it."""

    uuid: str
    """The visitor's id: the one that was sent, or a new one where it is needed to keep the event by."""
    is_identify_sent: bool


async def track(session: AsyncSession, *, owner_id: int, tracked: Tracked, window: timedelta, now: datetime) -> Answer:
    """Keep an event of a visitor, and tell journeys when the visitor is a subscriber.

    A new address on a list makes a subscriber there, and an identify event of its own. Nobody is made for a hash, an
    id or a visitor id, nor where the account's limit leaves no room. Who is on several lists and none is named is who
    opened or clicked a message last. An event of nobody known is kept under its visitor id and starts nothing; an
    address gets a new one where none was sent. A conversion counts with the message that brought it.

    Args:
        window: how long after its last open or click a message is what brought a visitor.

    Raises:
        ListNotFound: no such list in this account.

    Source: AC 2.9, JC 9.6.
    """
    target = None
    if tracked.list_id is not None:
        target = await lists.get_list(session, owner_id=owner_id, list_id=tracked.list_id)
    if tracked.uuid is None and tracked.email_address is None and tracked.external_id is None:
        tracked = replace(tracked, uuid=str(uuids.uuid4()))
    if is_marked(tracked.properties, "istest"):
        return Answer(tracked.uuid or "", is_identify_sent=False)
    people = await _find(session, owner_id, tracked)
    visitor = await _one_of(session, owner_id, people, window, now)
    is_unknown = visitor is None and target is not None and tracked.email_address is not None
    is_new = False
    if is_unknown and target is not None:
        visitor, is_new = await _create(session, target, tracked, now)
    if visitor is None and tracked.uuid is None and (people or tracked.email_address is not None):
        tracked = replace(tracked, uuid=str(uuids.uuid4()))
    is_identify = tracked.kind is WebsiteEventKind.IDENTIFY
    # of events that come at once with a new address only one makes the subscriber, and all bring values of a new one
    if visitor is not None and (is_identify or is_unknown) and not is_new:
        await _apply(session, visitor, tracked, now)
    visit = Visit(
        owner_id=owner_id,
        visitor=visitor,
        list_id=tracked.list_id if visitor is None else visitor.list_id,
        uuid=tracked.uuid or "",
        message_id=tracked.message_id,
        window=window,
        is_trusted=True,
    )
    events = [Noted(tracked.event, tracked.properties)]
    if is_new and not is_identify:
        events.insert(0, _implied(tracked))
    await keep(session, visit, events, now=now)
    return Answer(tracked.uuid or "", is_identify_sent=visitor is not None and (is_new or is_identify))


def _implied(tracked: Tracked) -> Noted:
    """The identify event that the server adds for an address it meets first in another event."""
    marks = {"isSilent": True} if tracked.is_silent else {}
    return Noted(WebsiteEventKind.IDENTIFY.value, {"emailAddress": tracked.email_address, **marks})


async def _find(session: AsyncSession, owner_id: int, tracked: Tracked) -> Sequence[Subscriber]:
    """Who the visitor is, on each list that comes into question. The address decides alone where there is one, then the
    id, then the visitor id, then the message that led to the website.
    """
    if tracked.email_address is not None and tracked.list_id is None:
        return await visitors.of_address(session, owner_id=owner_id, address=tracked.email_address)
    if tracked.email_address is not None:
        found = await subscribers.find_subscriber(
            session, owner_id=owner_id, list_id=tracked.list_id or 0, address=tracked.email_address
        )
        return [] if found is None else [found]
    if tracked.external_id is not None:
        people = await _find_by_id(session, owner_id, tracked.list_id, tracked.external_id)
        if people:
            return people
    found = await find_by_marks(
        session, owner_id=owner_id, list_id=tracked.list_id, uuid=tracked.uuid, message_id=tracked.message_id
    )
    return [] if found is None else [found]


async def _one_of(
    session: AsyncSession, owner_id: int, people: Sequence[Subscriber], window: timedelta, now: datetime
) -> Subscriber | None:
    """The only one of these, else who opened or clicked a message last, if that was not too long ago."""
    if len(people) < 2:
        return people[0] if people else None
    by_id = {each.subscriber_id: each for each in people}
    touch = await activities.last_touch(session, owner_id=owner_id, subscriber_ids=by_id, at=now, within=window)
    return None if touch is None else by_id[touch.subscriber_id]


async def find_by_marks(
    session: AsyncSession, *, owner_id: int, list_id: int | None, uuid: str | None, message_id: int | None
) -> Subscriber | None:
    """Who an earlier event tied the visitor id to; else whom the message was written to that led to the website.

    Args:
        list_id: the person on this list; None: on whichever.
    """
    place = None
    if uuid:
        place = await queries.last_identified(session, owner_id=owner_id, uuid=uuid)
    if place is None and message_id is not None:
        message = await activities.message_of_journey(session, owner_id=owner_id, delivery_id=message_id)
        place = None if message is None else (message.list_id, message.subscriber_id)
    if place is None:
        return None
    return await _on_list(session, owner_id, list_id, place)


async def _find_by_id(
    session: AsyncSession, owner_id: int, list_id: int | None, external_id: str
) -> Sequence[Subscriber]:
    if list_id is not None:
        found = await visitors.of_identifier(session, owner_id=owner_id, list_id=list_id, value=external_id)
        if found is not None:
            return [found]
    if not _SHA256.fullmatch(external_id):
        return []
    return await visitors.of_address_hash(
        session, owner_id=owner_id, list_id=list_id, address_hash=bytes.fromhex(external_id)
    )


async def _on_list(
    session: AsyncSession, owner_id: int, list_id: int | None, place: tuple[int, int]
) -> Subscriber | None:
    """The subscriber at (list, subscriber), or who has the same address on the list that is asked for."""
    known = await subscribers.find_subscriber(session, owner_id=owner_id, list_id=place[0], subscriber_id=place[1])
    if known is None or list_id in (None, place[0]):
        return known
    return await subscribers.find_subscriber(
        session, owner_id=owner_id, list_id=list_id or 0, address=known.email_address
    )


async def _create(
    session: AsyncSession, target: SubscriberList, tracked: Tracked, now: datetime
) -> tuple[Subscriber | None, bool]:
    """The subscriber that a new address becomes, with the list's opt-in, and whether it was made here.

    None: the account's limit leaves no room. Not made here: an event that came at the same time was faster.
    """
    _, group = await accounts.account_of(session, user_id=target.owner_id)
    address = tracked.email_address or ""
    given = NewSubscriber(
        email_address=address,
        status=subscriptions.status_of_newcomers(target, group),
        subscribed_at=now,
        subscription_ip=None,
        unsubscribed_at=None,
        unsubscription_ip=None,
        opted_in_at=None,
        bounce_type=None,
        source=SOURCE,
        source_ref=None,
        custom_values=await _values(session, target.owner_id, target.list_id, tracked.identify_properties),
        asks_for_confirmation=True,
        applies_behaviors=not tracked.is_silent,
    )
    try:
        made = await subscribers.create_subscriber(
            session, owner_id=target.owner_id, list_id=target.list_id, given=given, now=now
        )
        return made, True
    except (AddressTaken, PreviouslyUnsubscribed):
        found = await subscribers.find_subscriber(
            session, owner_id=target.owner_id, list_id=target.list_id, address=address
        )
        return found, False
    except SubscriberLimitExceeded:
        return None, False


async def _apply(session: AsyncSession, visitor: Subscriber, tracked: Tracked, now: datetime) -> None:
    """Give a known subscriber the values that an identify event brings."""
    given = await _values(session, visitor.owner_id, visitor.list_id, tracked.identify_properties)
    if given:
        await subscribers.update_subscriber(
            session,
            owner_id=visitor.owner_id,
            list_id=visitor.list_id,
            subscriber_id=visitor.subscriber_id,
            changes=SubscriberChanges(custom_values=given, triggers_journeys=not tracked.is_silent),
            now=now,
        )


async def _values(
    session: AsyncSession, owner_id: int, list_id: int, properties: Mapping[str, Any]
) -> dict[str, object]:
    """Field id → value of the properties that name a field, by alias or as `CustomField<ID>`; the rest is dropped.

    So is what a field cannot hold, and an empty value for a required one: an event of a page has nobody to refuse.
    """
    if not properties:
        return {}
    named = {fold(name): value for name, value in properties.items()}
    found: dict[str, object] = {}
    for each in await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id):
        for name in (each.merge_tag_alias, f"CustomField{each.field_id}"):
            if name and fold(name) in named:
                if _fits(each, named[fold(name)]):
                    found[str(each.field_id)] = named[fold(name)]
                break
    return found


def _fits(each: CustomField, value: object) -> bool:
    try:
        return bool(field_values.normalised(each, value)) or not each.is_required
    except InvalidFieldValue:
        return False


async def property_names(session: AsyncSession, *, owner_id: int, list_id: int) -> dict[str, list[str]]:
    """The names of properties that events of a list had, by event, both in alphabetical order.

    Raises:
        ListNotFound: no such list in this account.

    Source: AC 2.9, JC 9.7.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    found: dict[str, list[str]] = {}
    for event, name in sorted(await queries.names_of_list(session, owner_id=owner_id, list_id=list_id)):
        found.setdefault(event, []).append(name)
    return found
