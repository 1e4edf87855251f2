"""The people who reached an action, by what they did with its email (`journey.action.subscribers`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

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

ORDERS: dict[str, ColumnElement[Any]] = {
    "emailaddress": ActionSubscriber.email_address.expression,
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


@dataclass(frozen=True)
class People:
    """One page, and how many there are under the filter."""

    rows: Sequence[Any]
    """Of (ActionSubscriber, Subscriber or None when deleted, is_suppressed)."""
    total: int


async def action_people(session: AsyncSession, *, owner_id: int, journey_id: int, action_id: int, page: Page) -> People:
    """The people who reached the action, once each.

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
    condition = and_(ActionSubscriber.owner_id == owner_id, ActionSubscriber.action_id == action_id, _under(page))
    total = await session.scalar(select(func.count()).select_from(ActionSubscriber).where(condition))
    order = ORDERS.get(page.order, ActionSubscriber.email_address.expression)
    ordered = [order.desc() if page.is_descending else order.asc()]
    # a total order, in the index's own direction
    ordered.append(
        ActionSubscriber.subscriber_id.desc() if page.is_descending else ActionSubscriber.subscriber_id.asc()
    )
    suppressed = suppressions.is_suppressed_condition(
        owner_id, ActionSubscriber.list_id.expression, ActionSubscriber.email_address.expression
    )
    statement = (
        select(ActionSubscriber, Subscriber, suppressed.label("is_suppressed"))
        .outerjoin(
            Subscriber,
            and_(
                Subscriber.owner_id == ActionSubscriber.owner_id,
                Subscriber.subscriber_id == ActionSubscriber.subscriber_id,
            ),
        )
        .where(condition)
        .order_by(*ordered)
        .limit(page.count)
        .offset(page.offset)
    )
    return People((await session.execute(statement)).all(), total or 0)


def _under(page: Page) -> ColumnElement[bool]:
    if not page.filters:
        return true()
    each = [ActionSubscriber.activity.op("&")(FILTERS[name].value) != 0 for name in page.filters]
    return or_(false(), *each) if page.is_any else and_(true(), *each)
