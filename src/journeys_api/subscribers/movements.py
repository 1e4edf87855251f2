"""The statements by which people come to lists and leave them: for sets of people, and as parts of a larger one."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Select, Text, func, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from journeys_api.models import Subscriber, SubscriberList, SubscriptionStatus
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
) -> Insert:
    """Subscribe addresses to a list; whoever is on it already, in whatever status, stays as they are.

    Args:
        most: how many may come; None: all.
    """
    chosen = addresses.subquery("chosen")
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
    )
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
    return insert(Subscriber).from_select(into, rows.limit(most)).on_conflict_do_nothing()
