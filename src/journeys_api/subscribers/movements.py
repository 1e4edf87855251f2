"""The statements by which people come to lists and leave them: for sets of people, and as parts of a larger one."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Select, Text, exists, func, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from journeys_api.models import Delivery, DeliveryKind, DeliveryState, Subscriber, SubscriberList, SubscriptionStatus
from journeys_api.subscribers import queries


def going(
    found: SubscriberList,
    who: ColumnElement[bool],
    *,
    other_lists: Collection[int] | None,
    but: int,
    ip_address: str,
    now: datetime,
) -> ReturningUpdate[int, int, str]:
    """Unsubscribe people from a list, and their addresses from others of its account.

    Args:
        who: a condition over `Subscriber`; whoever is not on the list, or unsubscribed already, is left alone.
        other_lists: the other lists; None: all.
        but: a list that is none of the others; 0: there is none.

    Returns:
        `list_id`, `subscriber_id` and `email_address` of everybody who left a list.
    """
    chosen = (
        select(Subscriber.subscriber_id, func.lower(Subscriber.email_address).label("address"))
        .where(
            queries.of_list(found.owner_id, found.list_id), Subscriber.status != SubscriptionStatus.UNSUBSCRIBED, who
        )
        .cte("chosen")
    )
    # a union and not an `OR` of the two, which would read every subscriber of the account for a single one
    people = [select(chosen.c.subscriber_id)]
    if other_lists is None or other_lists:
        elsewhere = aliased(Subscriber)
        people.append(
            select(elsewhere.subscriber_id)
            .select_from(chosen)
            .join(SubscriberList, SubscriberList.owner_id == found.owner_id)
            .join(
                elsewhere,
                (elsewhere.owner_id == found.owner_id)
                & (elsewhere.list_id == SubscriberList.list_id)
                & (func.lower(elsewhere.email_address) == chosen.c.address),
            )
            .where(
                SubscriberList.list_id.not_in((found.list_id, but)),
                *([] if other_lists is None else [queries.one_of_ids(SubscriberList.list_id, other_lists)]),
            )
        )
    return _unsubscribing(
        Subscriber.subscriber_id.in_(union_all(*people)), owner_id=found.owner_id, ip_address=ip_address, now=now
    )


def going_elsewhere(
    addresses: Select[str], *, owner_id: int, list_id: int, ip_address: str, now: datetime
) -> ReturningUpdate[int, int, str]:
    """Unsubscribe addresses from one list; returns as `going`."""
    chosen = addresses.subquery("chosen")
    who = queries.of_list(owner_id, list_id) & func.lower(Subscriber.email_address).in_(
        select(func.lower(chosen.columns[0]))
    )
    return _unsubscribing(who, owner_id=owner_id, ip_address=ip_address, now=now)


def _unsubscribing(
    who: ColumnElement[bool], *, owner_id: int, ip_address: str, now: datetime
) -> ReturningUpdate[int, int, str]:
    return (
        update(Subscriber)
        .where(Subscriber.owner_id == owner_id, Subscriber.status != SubscriptionStatus.UNSUBSCRIBED, who)
        .values(
            status=SubscriptionStatus.UNSUBSCRIBED, unsubscribed_at=now, unsubscription_ip=ip_address, updated_at=now
        )
        .returning(Subscriber.list_id, Subscriber.subscriber_id, Subscriber.email_address)
    )


def coming(
    target: SubscriberList,
    addresses: Select[str],
    *,
    status: SubscriptionStatus,
    default_values: Mapping[str, str],
    ip_address: str,
    most: int | None,
    now: datetime,
) -> ReturningInsert[int, int, str]:
    """Subscribe addresses to a list; whoever is on it already, in whatever status, stays as they are.

    Args:
        most: how many may come; None: all.

    Returns:
        As `going`, of everybody who came.
    """
    chosen = addresses.subquery("chosen")
    there = aliased(Subscriber)
    is_there = exists().where(
        there.owner_id == target.owner_id,
        there.list_id == target.list_id,
        func.lower(there.email_address) == func.lower(chosen.columns[0]),
    )
    rows = select(
        literal(target.owner_id, BigInteger),
        literal(target.list_id, BigInteger),
        chosen.columns[0],
        literal(status, Subscriber.status.type),
        literal(now, Subscriber.created_at.type),
        literal(ip_address, Text),
        literal(dict(default_values), JSONB),
        literal(now, Subscriber.created_at.type),
        literal(now, Subscriber.created_at.type),
        # who is there already takes no room
    ).where(~is_there)
    into = [
        "owner_id",
        "list_id",
        "email_address",
        "status",
        "subscribed_at",
        "subscription_ip",
        "custom_values",
        "created_at",
        "updated_at",
    ]
    # in one order, so that two that bring the same addresses wait for each other and never in a circle
    inserting = insert(Subscriber).from_select(into, rows.order_by(func.lower(chosen.columns[0])).limit(most))
    return inserting.on_conflict_do_nothing().returning(
        Subscriber.list_id, Subscriber.subscriber_id, Subscriber.email_address
    )


def returning_to(
    target: SubscriberList, addresses: Select[str], *, status: SubscriptionStatus, ip_address: str, now: datetime
) -> ReturningUpdate[int, int, str]:
    """Subscribe addresses again that had been unsubscribed from a list; returns as `going`."""
    chosen = addresses.subquery("chosen")
    return (
        update(Subscriber)
        .where(
            queries.of_list(target.owner_id, target.list_id),
            Subscriber.status == SubscriptionStatus.UNSUBSCRIBED,
            func.lower(Subscriber.email_address).in_(select(func.lower(chosen.columns[0]))),
        )
        .values(
            status=status,
            subscribed_at=now,
            subscription_ip=ip_address,
            opted_in_at=None,
            source="API",
            source_ref="",
            updated_at=now,
        )
        .returning(Subscriber.list_id, Subscriber.subscriber_id, Subscriber.email_address)
    )


def asking(people: Select[int], *, owner_id: int, list_id: int, email_id: int, now: datetime) -> Insert:
    """Owe people of a list the mail that asks them to confirm their subscription.

    Args:
        people: their ids.
        email_id: the email; 0: the plain default one.
    """
    chosen = people.subquery("asked")
    rows = select(
        literal(owner_id, BigInteger),
        literal(DeliveryKind.CONFIRMATION, Delivery.kind.type),
        literal(list_id, BigInteger),
        chosen.columns[0],
        literal(email_id or None, BigInteger),
        literal(DeliveryState.PENDING, Delivery.state.type),
        literal(now, Delivery.created_at.type),
        literal(now, Delivery.created_at.type),
    )
    into = [
        "owner_id",
        "kind",
        "list_id",
        "subscriber_id",
        "email_id",
        "state",
        "next_attempt_at",
        "created_at",
    ]
    return insert(Delivery).from_select(into, rows)
