"""Coming to lists and leaving them, with what a list's settings want to happen then (AC 7.2)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, CTE, BigInteger, ColumnElement, Select, Text, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import trigger_events
from journeys_api.accounts import service as accounts
from journeys_api.models import (
    Delivery,
    DeliveryKind,
    DeliveryState,
    OptInMode,
    Subscriber,
    SubscriberList,
    SubscriptionStatus,
    SuppressionSource,
    UserGroup,
)
from journeys_api.subscribers import movements, queries
from journeys_api.subscribers.errors import SubscriberLimitExceeded
from journeys_api.suppressions import service as suppressions
from journeys_api.suppressions.service import SYSTEM_WIDE, Scope
from journeys_api.trigger_events import Happened

ALL_LISTS = "All lists"
SUBSCRIBED = "ListSubscription"
UNSUBSCRIBED = "ListUnsubscription"
SUPPRESSED_BECAUSE = "Unsubscribed"


@dataclass(frozen=True)
class Leaving:
    """How people leave a list."""

    ip_address: str
    suppressed_in: Collection[Scope] = ()
    """Where their addresses are suppressed, whatever the list's settings say."""
    heeds_suppression_settings: bool = True
    """Whether the list's settings may suppress their addresses."""
    every_list: bool = False
    """Whether they leave all lists of the account, whatever the list's settings say."""


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
    session: AsyncSession,
    *,
    found: SubscriberList,
    who: ColumnElement[bool],
    leaving: Leaving,
    now: datetime,
    depth: int = 0,
) -> int:
    """Unsubscribe people from a list, in one statement for one person as for a million.

    With them go, where the list's settings say so: their addresses on all other lists of the account or on one, and
    onto the suppressions of the list or of everybody. Those who leave may be subscribed to another list; who is on it
    already, in whatever status, stays there as they are. Settings of the other lists do nothing. Journeys that wait for
    any of that are told.

    Args:
        who: a condition over `Subscriber`; whoever is not on the list, or unsubscribed already, is left alone.
        depth: how deep in a chain of journeys it happens.

    Returns:
        How many left the list itself.

    Source: AC 2.5 `subscriber.unsubscribe`, 7.2, 7.5, 9 #22.
    """
    gone, effects = await _leaving(session, found, who, leaving, now=now, depth=depth)
    counted = select(func.count()).select_from(gone).where(gone.c.list_id == found.list_id)
    return await session.scalar(counted.add_cte(*effects)) or 0


async def leave_naming(
    session: AsyncSession,
    *,
    found: SubscriberList,
    who: ColumnElement[bool],
    leaving: Leaving,
    now: datetime,
    depth: int = 0,
) -> set[str]:
    """As `leave`; the addresses that left the list itself, in lower case."""
    gone, effects = await _leaving(session, found, who, leaving, now=now, depth=depth)
    named = select(func.lower(gone.c.email_address)).where(gone.c.list_id == found.list_id)
    return set(await session.scalars(named.add_cte(*effects)))


async def _leaving(
    session: AsyncSession,
    found: SubscriberList,
    who: ColumnElement[bool],
    leaving: Leaving,
    *,
    now: datetime,
    depth: int,
) -> tuple[CTE, list[CTE]]:
    """The parts of the statement that lets people leave: who is gone, and what comes of it."""
    linked = await _linked_lists(session, found, found.opt_out_subscribe_to, found.opt_out_unsubscribe_from)
    target = None if leaving.every_list else linked.get(found.opt_out_subscribe_to)
    reaches_all = leaving.every_list or found.opt_out_scope == ALL_LISTS
    gone = movements.going(
        found,
        who,
        other_lists=None if reaches_all else linked.keys() & {found.opt_out_unsubscribe_from},
        but=target.list_id if target is not None else 0,
        ip_address=leaving.ip_address,
        now=now,
    ).cte("gone")
    addresses = select(gone.c.email_address).where(gone.c.list_id == found.list_id)
    effects = [await _told(session, UNSUBSCRIBED, gone, owner_id=found.owner_id, now=now, depth=depth)]
    scopes = _suppressed_in(found, leaving)
    if scopes:
        suppressing = await suppressions.suppressing(
            session,
            addresses,
            owner_id=found.owner_id,
            scopes=scopes,
            source=SuppressionSource.UNSUBSCRIBE,
            reason=SUPPRESSED_BECAUSE,
            now=now,
        )
        effects.append(suppressing.cte("suppressed"))
    if target is not None:
        effects += await _coming(session, target, addresses, ip_address=leaving.ip_address, now=now, depth=depth)
    return gone, effects


async def _told(session: AsyncSession, kind: str, moved: CTE, *, owner_id: int, now: datetime, depth: int) -> CTE:
    """The part of a statement that tells journeys of everybody who moved."""
    await trigger_events.wake(session)
    people = select(moved.c.list_id, moved.c.subscriber_id, literal(0, BigInteger))
    recording = trigger_events.recording(kind, people, owner_id=owner_id, now=now, depth=depth)
    return recording.cte(f"told_of_{moved.name}")


def _suppressed_in(found: SubscriberList, leaving: Leaving) -> list[Scope]:
    scopes = set(leaving.suppressed_in)
    if leaving.heeds_suppression_settings:
        if found.opt_out_add_to_suppression_list:
            scopes.add((found.owner_id, found.list_id))
        if found.opt_out_add_to_global_suppression_list:
            scopes.add(SYSTEM_WIDE)
    return sorted(scopes)


async def go_on(
    session: AsyncSession,
    *,
    found: SubscriberList,
    who: ColumnElement[bool],
    ip_address: str,
    now: datetime,
    depth: int = 0,
) -> None:
    """Do what a list's settings want for people whose subscription to it counts from now on: subscribe their addresses
    to another list, unsubscribe them from another. Settings of these lists do nothing.

    Args:
        who: a condition over `Subscriber`, true of people on the list only.
        depth: how deep in a chain of journeys it happens.
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
        ).cte("gone")
        effects += [gone, await _told(session, UNSUBSCRIBED, gone, owner_id=found.owner_id, now=now, depth=depth)]
    target = linked.get(found.opt_in_subscribe_to)
    if target is not None and found.opt_in_subscribe_to != found.opt_in_unsubscribe_from:
        effects += await _coming(session, target, addresses, ip_address=ip_address, now=now, depth=depth)
    await session.execute(select(literal(1)).add_cte(*effects))


async def come(
    session: AsyncSession, *, target: SubscriberList, addresses: Collection[str], now: datetime, depth: int
) -> set[str]:
    """Subscribe addresses to a list, also those that had been unsubscribed from it, with all that comes of it.

    Returns:
        The addresses that came, in lower case.
    """
    given = select(func.unnest(literal(list(addresses), ARRAY(Text)), type_=Text).column_valued("address"))
    _, group = await accounts.account_of(session, user_id=target.owner_id)
    status = status_of_newcomers(target, group)
    again = movements.returning_to(target, given, status=status, ip_address="", now=now).cte("again")
    effects = await _arrived(session, target, again, status=status, now=now, depth=depth)
    effects += await _coming(session, target, given, ip_address="", now=now, depth=depth)
    come = next(effect for effect in effects if effect.name == "come")
    both = union_all(*(select(each.c.subscriber_id, each.c.email_address) for each in (again, come))).subquery()
    rows = (await session.execute(select(both).add_cte(*effects))).all()
    if status is SubscriptionStatus.SUBSCRIBED and rows:
        who = queries.one_of_ids(Subscriber.subscriber_id, [row.subscriber_id for row in rows])
        await go_on(session, found=target, who=who, ip_address="", now=now, depth=depth)
    return {row.email_address.lower() for row in rows}


async def tell_subscribed(session: AsyncSession, subscribers: Sequence[Subscriber], *, now: datetime) -> None:
    """Tell journeys that subscriptions of people of one account count from now on."""
    if subscribers:
        happened = [Happened(SUBSCRIBED, each.list_id, each.subscriber_id) for each in subscribers]
        await trigger_events.record(session, happened, owner_id=subscribers[0].owner_id, now=now)


async def owe_confirmations(session: AsyncSession, pending: Sequence[tuple[Subscriber, int]], *, now: datetime) -> None:
    """Owe people the mail that asks for the confirmation.

    Args:
        pending: each with the email; 0: the plain default one.
    """
    if not pending:
        return
    session.add_all(
        Delivery(
            owner_id=subscriber.owner_id,
            kind=DeliveryKind.CONFIRMATION,
            list_id=subscriber.list_id,
            subscriber_id=subscriber.subscriber_id,
            email_id=email_id or None,
            state=DeliveryState.PENDING,
            next_attempt_at=now,
            created_at=now,
        )
        for subscriber, email_id in pending
    )
    await session.flush()
    await trigger_events.wake(session)


async def _linked_lists(session: AsyncSession, found: SubscriberList, *list_ids: int) -> dict[int, SubscriberList]:
    wanted = set(list_ids) - {0, found.list_id}
    return await queries.owned_lists(session, owner_id=found.owner_id, list_ids=wanted) if wanted else {}


async def _coming(
    session: AsyncSession,
    target: SubscriberList,
    addresses: Select[str],
    *,
    ip_address: str,
    now: datetime,
    depth: int,
) -> list[CTE]:
    """The parts of a statement that subscribe addresses to a list: `come`, and what comes of it."""
    _, group = await accounts.account_of(session, user_id=target.owner_id)
    values = await queries.default_values(session, owner_id=target.owner_id, list_ids=[target.list_id])
    status = status_of_newcomers(target, group)
    come = movements.coming(
        target,
        addresses,
        status=status,
        default_values=values[target.list_id],
        ip_address=ip_address,
        # who finds no room stays away: leaving must work all the same
        most=await room_for_newcomers(session, owner_id=target.owner_id, group=group),
        now=now,
    ).cte("come")
    return await _arrived(session, target, come, status=status, now=now, depth=depth)


async def _arrived(
    session: AsyncSession, target: SubscriberList, come: CTE, *, status: SubscriptionStatus, now: datetime, depth: int
) -> list[CTE]:
    """The parts of a statement for people who came to a list: journeys are told, or the people asked to confirm."""
    if status is SubscriptionStatus.SUBSCRIBED:
        return [come, await _told(session, SUBSCRIBED, come, owner_id=target.owner_id, now=now, depth=depth)]
    await trigger_events.wake(session)
    asking = movements.asking(
        select(come.c.subscriber_id),
        owner_id=target.owner_id,
        list_id=target.list_id,
        email_id=target.opt_in_confirmation_email_id,
        now=now,
    )
    return [come, asking.cte(f"asked_{come.name}")]
