"""Coming to lists and leaving them, with what a list's settings want to happen then (AC 7.2)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CTE, ColumnElement, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.models import OptInMode, Subscriber, SubscriberList, SubscriptionStatus, SuppressionSource, UserGroup
from journeys_api.subscribers import movements, queries
from journeys_api.subscribers.errors import SubscriberLimitExceeded
from journeys_api.suppressions import service as suppressions
from journeys_api.suppressions.service import SYSTEM_WIDE, Scope

ALL_LISTS = "All lists"
SUPPRESSED_BECAUSE = "Unsubscribed"


@dataclass(frozen=True)
class Leaving:
    """How people leave a list."""

    ip_address: str
    suppressed_in: Collection[Scope] = ()
    """Where their addresses are suppressed, whatever the list's settings say."""
    heeds_suppression_settings: bool = True
    """Whether the list's settings may suppress their addresses."""


def status_of_newcomers(found: SubscriberList, group: UserGroup) -> SubscriptionStatus:
    """Whether a subscription counts at once on this list, or waits for its confirmation."""
    if found.opt_in_mode is OptInMode.DOUBLE or group.force_opt_in_list:
        return SubscriptionStatus.OPT_IN_PENDING
    return SubscriptionStatus.SUBSCRIBED


async def room_for_newcomers(session: AsyncSession, *, owner_id: int, group: UserGroup) -> int | None:
    """How many subscribers more the account may have, on all its lists and in whatever status; None: no limit.

    With a limit nobody else is told until the transaction ends. The count reads the account's index up to the limit:
    a limit of a million costs a tenth of a second for each newcomer.
    """
    if group.limit_subscribers <= 0:
        return None
    await queries.lock_owner(session, owner_id=owner_id)
    count = await queries.count_subscribers(session, owner_id=owner_id, most=group.limit_subscribers)
    return max(group.limit_subscribers - count, 0)


async def refuse_beyond_limit(session: AsyncSession, *, owner_id: int, group: UserGroup, newcomers: int) -> None:
    """Make sure that the account may have so many subscribers more.

    Raises:
        SubscriberLimitExceeded: it may not.
    """
    room = await room_for_newcomers(session, owner_id=owner_id, group=group)
    if room is not None and newcomers > room:
        raise SubscriberLimitExceeded


async def leave(
    session: AsyncSession, *, found: SubscriberList, who: ColumnElement[bool], leaving: Leaving, now: datetime
) -> int:
    """Unsubscribe people from a list, in one statement for one person as for a million.

    With them go, where the list's settings say so: their addresses on all other lists of the account or on one, and
    onto the suppressions of the list or of everybody. Those who leave may be subscribed to another list; who is on it
    already, in whatever status, stays there as they are. Settings of the other lists do nothing.

    Args:
        who: a condition over `Subscriber`; whoever is not on the list, or unsubscribed already, is left alone.

    Returns:
        How many left the list itself.

    Source: AC 2.5 `subscriber.unsubscribe`, 7.2, 7.5, 9 #22.
    """
    linked = await _linked_lists(session, found, found.opt_out_subscribe_to, found.opt_out_unsubscribe_from)
    target = linked.get(found.opt_out_subscribe_to)
    gone = movements.going(
        found,
        who,
        other_lists=None if found.opt_out_scope == ALL_LISTS else linked.keys() & {found.opt_out_unsubscribe_from},
        but=target.list_id if target is not None else 0,
        ip_address=leaving.ip_address,
        now=now,
    ).cte("gone")
    addresses = select(gone.c.email_address).where(gone.c.list_id == found.list_id)
    effects: list[CTE] = []
    scopes = _suppressed_in(found, leaving)
    if scopes:
        suppressing = suppressions.suppressing(
            addresses, scopes=scopes, source=SuppressionSource.UNSUBSCRIBE, reason=SUPPRESSED_BECAUSE, now=now
        )
        effects.append(suppressing.cte("suppressed"))
    if target is not None:
        effects.append(await _coming(session, target, addresses, ip_address=leaving.ip_address, now=now))
    counted = select(func.count()).select_from(gone).where(gone.c.list_id == found.list_id)
    return await session.scalar(counted.add_cte(*effects)) or 0


def _suppressed_in(found: SubscriberList, leaving: Leaving) -> list[Scope]:
    scopes = set(leaving.suppressed_in)
    if leaving.heeds_suppression_settings:
        if found.opt_out_add_to_suppression_list:
            scopes.add((found.owner_id, found.list_id))
        if found.opt_out_add_to_global_suppression_list:
            scopes.add(SYSTEM_WIDE)
    return sorted(scopes)


async def go_on(
    session: AsyncSession, *, found: SubscriberList, who: ColumnElement[bool], ip_address: str, now: datetime
) -> None:
    """Do what a list's settings want for people whose subscription to it counts from now on: subscribe their addresses
    to another list, unsubscribe them from another. Settings of these lists do nothing.

    Args:
        who: a condition over `Subscriber`, true of people on the list only.
    """
    linked = await _linked_lists(session, found, found.opt_in_subscribe_to, found.opt_in_unsubscribe_from)
    if not linked:
        return
    addresses = select(Subscriber.email_address).where(queries.of_list(found.owner_id, found.list_id), who)
    effects: list[CTE] = []
    if found.opt_in_unsubscribe_from in linked:
        gone = movements.going_elsewhere(
            addresses,
            owner_id=found.owner_id,
            list_id=found.opt_in_unsubscribe_from,
            ip_address=ip_address,
            now=now,
        )
        effects.append(gone.cte("gone"))
    target = linked.get(found.opt_in_subscribe_to)
    if target is not None and found.opt_in_subscribe_to != found.opt_in_unsubscribe_from:
        effects.append(await _coming(session, target, addresses, ip_address=ip_address, now=now))
    await session.execute(select(literal(1)).add_cte(*effects))


async def _linked_lists(session: AsyncSession, found: SubscriberList, *list_ids: int) -> dict[int, SubscriberList]:
    wanted = set(list_ids) - {0, found.list_id}
    return await queries.owned_lists(session, owner_id=found.owner_id, list_ids=wanted) if wanted else {}


async def _coming(
    session: AsyncSession, target: SubscriberList, addresses: Select[str], *, ip_address: str, now: datetime
) -> CTE:
    _, group = await accounts.account_of(session, user_id=target.owner_id)
    values = await queries.default_values(session, owner_id=target.owner_id, list_ids=[target.list_id])
    return movements.coming(
        target,
        addresses,
        status=status_of_newcomers(target, group),
        default_values=values[target.list_id],
        ip_address=ip_address,
        # who finds no room stays away: leaving must work all the same
        most=await room_for_newcomers(session, owner_id=target.owner_id, group=group),
        now=now,
    ).cte("come")
