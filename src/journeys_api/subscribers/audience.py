"""Rules of many subscribers at once: pages of a list, and what is done to a selection of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from sqlalchemy import ColumnElement, Select, delete, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.criteria import Criteria, CriteriaInvalid, CriteriaNotEvaluable
from journeys_api.fields import service as fields
from journeys_api.journeys.leaving import before_deletion
from journeys_api.lists import service as lists
from journeys_api.models import BounceType, CustomField, Segment, Subscriber, SubscriptionStatus
from journeys_api.segments import service as segments
from journeys_api.subscribers import ordering, queries, selection
from journeys_api.subscribers.errors import TagsNotFound
from journeys_api.subscribers.ordering import Order, Search
from journeys_api.subscribers.selection import Selection
from journeys_api.suppressions import service as suppressions
from journeys_api.tags import service as tags

log = structlog.get_logger()


class NamedSegment(StrEnum):
    """The segments that every list has."""

    ACTIVE = "Active"
    SUPPRESSED = "Suppressed"
    UNSUBSCRIBED = "Unsubscribed"
    SOFT_BOUNCED = "Soft bounced"
    HARD_BOUNCED = "Hard bounced"
    OPT_IN_PENDING = "Opt-in pending"


def in_segment(segment: NamedSegment, *, owner_id: int, list_id: int) -> ColumnElement[bool]:
    """Who is in the segment, as a condition over `Subscriber`. Active: Subscribed and not hard-bounced (AC 7.1)."""
    match segment:
        case NamedSegment.ACTIVE:
            return (Subscriber.status == SubscriptionStatus.SUBSCRIBED) & (Subscriber.bounce_type != BounceType.HARD)
        case NamedSegment.SUPPRESSED:
            return suppressions.is_suppressed_condition(owner_id, list_id, Subscriber.email_address)
        case NamedSegment.UNSUBSCRIBED:
            return Subscriber.status == SubscriptionStatus.UNSUBSCRIBED
        case NamedSegment.SOFT_BOUNCED:
            return Subscriber.bounce_type == BounceType.SOFT
        case NamedSegment.HARD_BOUNCED:
            return Subscriber.bounce_type == BounceType.HARD
        case NamedSegment.OPT_IN_PENDING:
            return Subscriber.status == SubscriptionStatus.OPT_IN_PENDING


@dataclass(frozen=True)
class Page:
    """Some of the subscribers asked for, and how many those are in all."""

    subscribers: Sequence[Subscriber]
    total: int


@dataclass(frozen=True)
class Window:
    """Which part of the subscribers, in which order."""

    order: Order
    start: int
    count: int


async def page_of_segment(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    segment: NamedSegment | int,
    search: Search | None,
    window: Window,
    now: datetime,
) -> Page:
    """A page of a segment of a list.

    Args:
        segment: a named one, or the id of one of the list's own.

    Raises:
        ListNotFound: no such list in this account.
        FieldNotFound: the search is in a custom field that the list does not have.
        SegmentNotFound: no such segment on the list.

    Source: AC 2.5 `subscribers.get`.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    if isinstance(segment, NamedSegment):
        conditions = [in_segment(segment, owner_id=owner_id, list_id=list_id)]
    else:
        stored = await segments.get_segment(session, owner_id=owner_id, list_id=list_id, segment_id=segment)
        conditions = [await _in_stored_segment(session, stored, now=now)]
    if search is not None:
        known = await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id)
        conditions.append(ordering.contains(search, known))
    return await _page(session, conditions, owner_id=owner_id, list_id=list_id, window=window)


async def _in_stored_segment(session: AsyncSession, segment: Segment, *, now: datetime) -> ColumnElement[bool]:
    """Who belongs to a segment; nobody where its rules cannot be evaluated (rulings 7)."""
    try:
        return await selection.matched_by(
            session, segments.criteria_of(segment), owner_id=segment.owner_id, list_id=segment.list_id, now=now
        )
    except (CriteriaInvalid, CriteriaNotEvaluable):
        log.info("segment_not_evaluable", segment_id=segment.segment_id)
        return false()


async def search_list(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    rules: Criteria | None,
    window: Window | None,
    now: datetime,
) -> Page:
    """A page of those subscribers of a list that rules match; without rules, of all.

    Args:
        window: None: only how many they are.

    Raises:
        ListNotFound: no such list in this account.
        CriteriaNotEvaluable: a rule cannot be evaluated.

    Source: AC 2.5 `subscribers.search`.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    conditions = []
    if rules is not None:
        conditions.append(await selection.matched_by(session, rules, owner_id=owner_id, list_id=list_id, now=now))
    return await _page(session, conditions, owner_id=owner_id, list_id=list_id, window=window)


async def _page(
    session: AsyncSession,
    conditions: Collection[ColumnElement[bool]],
    *,
    owner_id: int,
    list_id: int,
    window: Window | None,
) -> Page:
    """One statement for the page and one for the total. A page in order of address is read off the unique index; any
    other order sorts what was found (a field of all lists is looked up for each of them, a number read), and the total
    always counts it: a list of ten million takes some seconds."""
    found = queries.owned_subscribers(owner_id).where(Subscriber.list_id == list_id, *conditions)
    total = await session.scalar(found.with_only_columns(func.count(), maintain_column_froms=True))
    if window is None:
        return Page([], total or 0)
    known: Sequence[CustomField] = []
    if window.order.field_id is not None:
        known = await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id)
    page = found.order_by(*ordering.order_of(window.order, known)).offset(window.start).limit(window.count)
    return Page((await session.scalars(page)).all(), total or 0)


async def delete_subscribers(
    session: AsyncSession, *, owner_id: int, list_id: int, chosen: Selection, now: datetime
) -> None:
    """Delete subscribers of a list with their tags; journeys that they are in end for them.

    Who was deleted never unsubscribed: no list setting takes effect.

    Raises:
        ListNotFound: no such list in this account.
        CriteriaNotEvaluable: a rule cannot be evaluated.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    who = await selection.condition(session, chosen, owner_id=owner_id, list_id=list_id, now=now)
    who = await before_deletion(session, who, owner_id=owner_id, list_ids=[list_id], now=now)
    # nothing of these rows is in the session; the default would fetch the key of every deleted subscriber
    await session.execute(delete(Subscriber).where(who).execution_options(synchronize_session=False))


async def release_subscribers(
    session: AsyncSession, *, owner_id: int, list_id: int, chosen: Selection, now: datetime
) -> None:
    """Take the addresses of subscribers from the suppressions of their list and of the account; they stay on the list.

    What is suppressed for everybody on the server stays so.

    Raises:
        ListNotFound: no such list in this account.
        CriteriaNotEvaluable: a rule cannot be evaluated.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    who = await selection.condition(session, chosen, owner_id=owner_id, list_id=list_id, now=now)
    await suppressions.release(
        session, scopes=[(owner_id, list_id), (owner_id, 0)], addresses=select(Subscriber.email_address).where(who)
    )


async def tag_selected(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    tag_ids: Sequence[int],
    chosen: Selection,
    triggers_journeys: bool,
    now: datetime,
) -> None:
    """Give tags of a list to subscribers of it; tags that are not the list's are passed over.

    Args:
        triggers_journeys: whether journeys are told of those who did not carry a tag before.

    Raises:
        ListNotFound: no such list in this account.
        TagsNotFound: none of the tags is on the list.
        SubscriberNotFound: none of the ids is on the list.
        CriteriaNotEvaluable: a rule cannot be evaluated.
    """
    known, people = await _tags_and_people(
        session, owner_id=owner_id, list_id=list_id, tag_ids=tag_ids, chosen=chosen, now=now
    )
    depth = 0 if triggers_journeys else None
    await tags.tag_subscribers(session, owner_id=owner_id, tag_ids=known, subscriber_ids=people, now=now, depth=depth)


async def untag_selected(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    tag_ids: Sequence[int],
    chosen: Selection,
    triggers_journeys: bool,
    now: datetime,
) -> None:
    """Take tags of a list off subscribers of it; raises as `tag_selected`."""
    known, people = await _tags_and_people(
        session, owner_id=owner_id, list_id=list_id, tag_ids=tag_ids, chosen=chosen, now=now
    )
    depth = 0 if triggers_journeys else None
    await tags.untag_subscribers(session, owner_id=owner_id, tag_ids=known, subscriber_ids=people, now=now, depth=depth)


async def _tags_and_people(
    session: AsyncSession, *, owner_id: int, list_id: int, tag_ids: Sequence[int], chosen: Selection, now: datetime
) -> tuple[list[int], Select[int]]:
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    known = await queries.lock_tags(session, owner_id=owner_id, list_id=list_id, tag_ids=tag_ids)
    if not known:
        raise TagsNotFound
    who = await selection.condition(session, chosen, owner_id=owner_id, list_id=list_id, now=now)
    await selection.refuse_unknown_ids(session, chosen, who)
    # it becomes part of a statement that has subscribers among its tables, and means none of those rows
    return known, select(Subscriber.subscriber_id).where(who).correlate(None)
