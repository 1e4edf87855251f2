"""The people who reached an action, by what they did with its email (`journey.action.subscribers`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys import people_pages as pages
from journeys_api.journeys import queries
from journeys_api.journeys.errors import ActionNotFound
from journeys_api.models import ActionSubscriber, JourneyAction, Subscriber
from journeys_api.models.engine import Activity
from journeys_api.suppressions import service as suppressions

FILTERS = {
    "opened": Activity.OPENED,
    "clicked": Activity.CLICKED,
    "converted": Activity.CONVERTED,
    "browser_viewed": Activity.BROWSER_VIEWED,
    "forwarded": Activity.FORWARDED,
    "unsubscribed": Activity.UNSUBSCRIBED,
    "bounced": Activity.BOUNCED,
    "spam_complaint": Activity.SPAM_COMPLAINT,
}

_BY_ADDRESS: ColumnElement[Any] = ActionSubscriber.email_address.expression
ORDERS: dict[str, ColumnElement[Any]] = {
    "emailaddress": _BY_ADDRESS,
    "subscriberid": ActionSubscriber.subscriber_id.expression,
    "bouncetype": Subscriber.bounce_type.expression,
    "subscriptionstatus": Subscriber.status.expression,
    "subscriptiondate": Subscriber.subscribed_at.expression,
    "subscriptionip": Subscriber.subscription_ip.expression,
    "unsubscriptiondate": Subscriber.unsubscribed_at.expression,
    "unsubscriptionip": Subscriber.unsubscription_ip.expression,
    "optindate": Subscriber.opted_in_at.expression,
}
"""Folded wire name → what is sorted by. Only the first is read off an index; the others sort the action's people."""
_OF_ACTION = {"emailaddress", "subscriberid"}
"""Those that need nothing of the subscriber's own row."""


@dataclass(frozen=True)
class Page:
    """Which people, in which order, from where, how many."""

    filters: tuple[str, ...]
    """Members of `FILTERS`; none: everybody."""
    is_any: bool
    """Whether one of the filters is enough."""
    count: int
    offset: int
    order: str
    """A key of `ORDERS`; any other sorts by address."""
    is_descending: bool

    @property
    def is_deep(self) -> bool:
        """Whether so many come before it, in the order of addresses, that they are not gone through."""
        return self.offset > pages.APART and ORDERS.get(self.order, _BY_ADDRESS) is _BY_ADDRESS


@dataclass(frozen=True)
class People:
    """One page, and how many there are under the filter."""

    rows: Sequence[Any]
    """Of (ActionSubscriber, Subscriber or None when deleted, is_suppressed)."""
    total: int


async def action_people(
    session: AsyncSession, *, owner_id: int, journey_id: int, action_id: int, page: Page, now: datetime
) -> People:
    """The people who reached the action, once each.

    In the order of addresses a page costs the same at any offset; every other order sorts the action's people. It is
    the order of the addresses that they had when they reached it.

    Args:
        now: when what is counted is remembered.

    Raises:
        JourneyNotFound: no such journey in this account.
        ActionNotFound: no such action in this journey.

    Source: journeys, "Get Action Subscribers"; rulings 8.
    """
    await queries.journey(session, owner_id=owner_id, journey_id=journey_id)
    found = await session.scalar(
        queries.owned_actions(owner_id, journey_id).where(JourneyAction.action_id == action_id)
    )
    if found is None:
        raise ActionNotFound
    bits = sum(FILTERS[name].value for name in page.filters)
    of = pages.Filtered(owner_id, journey_id, action_id, bits, page.is_any and bool(bits))
    known = await _known(session, of, page, now=now)
    total = known.people_count
    if total is None:
        total = await pages.count_people(session, of, now=now)
    if page.offset >= total:
        return People([], total)
    if page.is_deep and known.has_fences:
        rows = await _from_fence(session, of, page, total=total, fence=known.fence)
    else:
        rows = await _rows(
            session,
            of,
            _ordered(page),
            offset=page.offset,
            count=page.count,
            sorts_subscribers=page.order in ORDERS.keys() - _OF_ACTION,
        )
    return People(rows, total)


async def _known(session: AsyncSession, of: pages.Filtered, page: Page, *, now: datetime) -> pages.Known:
    """What is counted already, with fences where a deep page is asked for (unless somebody else is setting them)."""
    asked: dict[str, Any] = {"offset": page.offset, "count": page.count, "is_descending": page.is_descending}
    known = await pages.known(session, of, **asked)
    is_beyond = known.people_count is not None and page.offset >= known.people_count
    if page.is_deep and not known.has_fences and not is_beyond and await pages.build_fences(session, of, now=now):
        return await pages.known(session, of, **asked)
    return known


async def _from_fence(
    session: AsyncSession, of: pages.Filtered, page: Page, *, total: int, fence: pages.Fence | None
) -> Sequence[Any]:
    """A page found from the last fence before it; one in descending order from its other end."""
    count = min(page.count, total - page.offset)
    position = total - page.offset - count if page.is_descending else page.offset
    skipped = position - (fence.before_count if fence else 0)
    ascending = (ActionSubscriber.email_address.asc(), ActionSubscriber.subscriber_id.asc())
    rows = await _rows(session, of, ascending, offset=skipped, count=count, fence=fence)
    return rows[::-1] if page.is_descending else rows


def _ordered(page: Page) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """A total order, in the index's own direction."""
    both = (ORDERS.get(page.order, _BY_ADDRESS), ActionSubscriber.subscriber_id.expression)
    return (both[0].desc(), both[1].desc()) if page.is_descending else (both[0].asc(), both[1].asc())


async def _rows(
    session: AsyncSession,
    of: pages.Filtered,
    ordered: Sequence[ColumnElement[Any]],
    *,
    offset: int,
    count: int,
    fence: pages.Fence | None = None,
    sorts_subscribers: bool = False,
) -> Sequence[Any]:
    condition = and_(ActionSubscriber.owner_id == of.owner_id, ActionSubscriber.action_id == of.action_id, _under(of))
    if fence is not None:
        place = tuple_(ActionSubscriber.email_address, ActionSubscriber.subscriber_id)
        condition = and_(condition, place >= tuple_(literal(fence.email_address), literal(fence.subscriber_id)))
    # whether a send would drop them, which goes to the address of today; a deleted subscriber's is kept
    address = func.coalesce(Subscriber.email_address, ActionSubscriber.email_address)
    suppressed = suppressions.is_suppressed_condition(of.owner_id, ActionSubscriber.list_id.expression, address)
    joined = and_(
        Subscriber.owner_id == ActionSubscriber.owner_id, Subscriber.subscriber_id == ActionSubscriber.subscriber_id
    )
    # whoever is skipped is read off the index and not looked up anywhere else
    keys = select(ActionSubscriber.list_id, ActionSubscriber.subscriber_id).where(condition)
    if sorts_subscribers:
        keys = keys.outerjoin(Subscriber, joined)
    page = keys.order_by(*ordered).offset(offset).limit(count).subquery("page")
    statement = (
        select(ActionSubscriber, Subscriber, suppressed.label("is_suppressed"))
        .join(
            page,
            and_(
                ActionSubscriber.owner_id == of.owner_id,
                ActionSubscriber.action_id == of.action_id,
                ActionSubscriber.list_id == page.c.list_id,
                ActionSubscriber.subscriber_id == page.c.subscriber_id,
            ),
        )
        .outerjoin(Subscriber, joined)
        .order_by(*ordered)
    )
    return (await session.execute(statement)).all()


def _under(of: pages.Filtered) -> ColumnElement[bool]:
    if not of.bits:
        return true()
    met = ActionSubscriber.activity.op("&")(of.bits)
    return met != 0 if of.is_any else met == of.bits
