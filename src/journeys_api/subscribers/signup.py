"""What people do themselves, without an account's credential: subscribe to lists and unsubscribe from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.emails import service as emails
from journeys_api.fields import service as fields
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import AccountStatus, Subscriber, SubscriberList, SubscriptionStatus
from journeys_api.subscribers import queries, selection, subscriptions, values
from journeys_api.subscribers.errors import (
    AccountDisabled,
    AddressTaken,
    AlreadyUnsubscribed,
    NotTheListsOwner,
    SubscriberNotFound,
)
from journeys_api.subscribers.selection import Selection
from journeys_api.subscribers.service import find_subscriber
from journeys_api.subscribers.subscriptions import Leaving
from journeys_api.subscribers.values import STRICT, Missing, Rules, Values
from journeys_api.suppressions.service import SYSTEM_WIDE, Scope

SUBSCRIBE_RULES = Rules(Missing.BLANK, validates=True)
"""What `subscriber.subscribe` enforces unasked: whatever is submitted must fit its field."""


@dataclass(frozen=True)
class Subscription:
    """Who wants to be on which lists."""

    list_ids: Sequence[int]
    """The first is the one that custom values go to and that the answer tells of."""
    email_address: str
    ip_address: str
    source: str
    source_ref: str
    custom_values: Mapping[str, object] = field(default_factory=dict)
    """Values of fields that the first list does not have are left out."""
    enforces_fields: bool = False


async def subscribe(session: AsyncSession, *, wanted: Subscription, now: datetime) -> tuple[Subscriber, SubscriberList]:
    """Put somebody on lists of one account, or back on them: pending where the list wants a confirmation.

    Whoever is on the first list already is refused; on the others they stay as they are. Who is subscribed may enter
    journeys; who is pending is owed the mail that asks for the confirmation.

    Returns:
        The subscriber of the first list, and the list.

    Raises:
        ListNotFound: one of the lists is not there, or not of the first one's account.
        AccountDisabled: the account may not be used.
        RequiredFieldMissing, FieldValueTaken, InvalidFieldValue: a custom value.
        AddressTaken: already on the first list.
        SubscriberLimitExceeded: the account has as many subscribers as its group allows.

    Source: AC 2.5 `subscriber.subscribe`.
    """
    targets = await _lists_of_one_account(session, wanted.list_ids)
    first = targets[0]
    account, group = await accounts.account_of(session, user_id=first.owner_id)
    if account.account_status is not AccountStatus.ENABLED:
        raise AccountDisabled
    before = await queries.lock_address(
        session, owner_id=first.owner_id, list_ids=[each.list_id for each in targets], address=wanted.email_address
    )
    former = before.get(first.list_id)
    if former is not None and former.status is not SubscriptionStatus.UNSUBSCRIBED:
        raise AddressTaken
    accepted = await _judge(session, first, former, wanted)
    statuses = {each.list_id: subscriptions.status_of_newcomers(each, group) for each in targets}
    new = [each for each in targets if each.list_id not in before]
    await subscriptions.refuse_beyond_limit(session, owner_id=first.owner_id, group=group, newcomers=len(new))
    arrived = await _insert(session, new, wanted, statuses, now)
    for each in before.values():
        if each.status is SubscriptionStatus.UNSUBSCRIBED:
            _resubscribe(each, wanted, statuses[each.list_id], now)
            arrived[each.list_id] = each
    if first.list_id not in arrived:  # somebody else was faster
        raise AddressTaken
    await values.keep(session, arrived[first.list_id], accepted, now=now)
    await session.flush()
    await _announce(session, targets, arrived, statuses, now)
    for target in targets:
        if target.list_id in arrived and statuses[target.list_id] is SubscriptionStatus.SUBSCRIBED:
            who = Subscriber.subscriber_id == arrived[target.list_id].subscriber_id
            await subscriptions.go_on(session, found=target, who=who, ip_address=wanted.ip_address, now=now)
    return arrived[first.list_id], first


async def _announce(
    session: AsyncSession,
    targets: Sequence[SubscriberList],
    arrived: Mapping[int, Subscriber],
    statuses: Mapping[int, SubscriptionStatus],
    now: datetime,
) -> None:
    """Tell journeys who is subscribed, and owe the mail to who is still to confirm."""
    came = [each for each in targets if each.list_id in arrived]
    pending = [each for each in came if statuses[each.list_id] is SubscriptionStatus.OPT_IN_PENDING]
    counting = [arrived[each.list_id] for each in came if statuses[each.list_id] is SubscriptionStatus.SUBSCRIBED]
    await subscriptions.tell_subscribed(session, counting, now=now)
    await subscriptions.owe_confirmations(
        session, [(arrived[each.list_id], each.opt_in_confirmation_email_id) for each in pending], now=now
    )


async def _judge(
    session: AsyncSession, first: SubscriberList, former: Subscriber | None, wanted: Subscription
) -> Values:
    known = await fields.fields_of_list(session, owner_id=first.owner_id, list_id=first.list_id)
    return await values.judge(
        session,
        known,
        wanted.custom_values,
        rules=STRICT if wanted.enforces_fields else SUBSCRIBE_RULES,
        owner_id=first.owner_id,
        list_id=first.list_id,
        address=wanted.email_address,
        stored=Values(listed=values.defaults(known) if former is None else former.custom_values),
    )


async def _lists_of_one_account(session: AsyncSession, list_ids: Sequence[int]) -> list[SubscriberList]:
    found = await queries.lists_of_anyone(session, list_ids=list_ids)
    targets = [found[list_id] for list_id in dict.fromkeys(list_ids) if list_id in found]
    if len(targets) < len(set(list_ids)) or len({each.owner_id for each in targets}) != 1:
        raise ListNotFound
    return targets


async def _insert(
    session: AsyncSession,
    targets: Sequence[SubscriberList],
    wanted: Subscription,
    statuses: Mapping[int, SubscriptionStatus],
    now: datetime,
) -> dict[int, Subscriber]:
    if not targets:
        return {}
    defaults = await queries.default_values(
        session, owner_id=targets[0].owner_id, list_ids=[each.list_id for each in targets]
    )
    rows = [
        {
            "owner_id": each.owner_id,
            "list_id": each.list_id,
            "email_address": wanted.email_address,
            "status": statuses[each.list_id],
            "subscribed_at": now,
            "subscription_ip": wanted.ip_address,
            "source": wanted.source,
            "source_ref": wanted.source_ref,
            "custom_values": defaults[each.list_id],
            "created_at": now,
            "updated_at": now,
        }
        for each in targets
    ]
    return {each.list_id: each for each in await queries.insert_subscribers(session, rows)}


def _resubscribe(before: Subscriber, wanted: Subscription, status: SubscriptionStatus, now: datetime) -> None:
    before.status = status
    before.subscribed_at = now
    before.subscription_ip = wanted.ip_address
    before.opted_in_at = None
    before.source = wanted.source
    before.source_ref = wanted.source_ref
    before.updated_at = now


@dataclass(frozen=True)
class Unsubscription:
    """Who is to leave which list, and how."""

    list_id: int
    ip_address: str
    subscriber_id: int | None = None
    email_address: str | None = None
    selection: Selection | None = None
    """Whom of the list, in place of one person."""
    email_id: int = 0
    """The email whose link was followed; 0: none."""
    adds_to_global_suppression: bool = False
    heeds_suppression_settings: bool = True
    is_preview: bool = False


async def unsubscribe(
    session: AsyncSession, *, wanted: Unsubscription, caller_id: int, is_administrator: bool, now: datetime
) -> SubscriberList:
    """Let one person leave a list, or, for the list's own account, everybody of a selection.

    Nobody needs a credential to leave. What reaches beyond that person needs the account's own: a selection is refused
    to others, and an address that they want suppressed everywhere is suppressed for the list's account only.

    Args:
        caller_id: the account whose valid credential came along; 0: none did.
        is_administrator: whether an administrator's did.

    Raises:
        ListNotFound: there is no such list.
        NotTheListsOwner: a selection, and the caller is not the list's account.
        SubscriberNotFound: nobody on the list has this id and address.
        EmailNotFound: the email is not the account's.
        AlreadyUnsubscribed: the person has left before.
        CriteriaNotEvaluable: a rule of the selection cannot be evaluated.

    Source: AC 2.5 `subscriber.unsubscribe`; that bulk and system-wide effects want a credential is ours.
    """
    found = (await queries.lists_of_anyone(session, list_ids=[wanted.list_id])).get(wanted.list_id)
    if found is None:
        raise ListNotFound
    is_own = is_administrator or caller_id == found.owner_id
    if wanted.email_id:
        await emails.get_email(session, owner_id=found.owner_id, email_id=wanted.email_id)
    if wanted.selection is not None:
        if not is_own:
            raise NotTheListsOwner
        who = await selection.condition(
            session, wanted.selection, owner_id=found.owner_id, list_id=found.list_id, now=now
        )
    else:
        leaving_id = await _lock_who_leaves(session, found, wanted)
        who = Subscriber.subscriber_id == leaving_id
    if not wanted.is_preview:
        await subscriptions.leave(
            session,
            found=found,
            who=who,
            leaving=Leaving(
                ip_address=wanted.ip_address,
                suppressed_in=_suppressed_in(found, wanted, is_own=is_own),
                heeds_suppression_settings=wanted.heeds_suppression_settings,
            ),
            now=now,
        )
    return found


async def leave_all_lists(
    session: AsyncSession, *, owner_id: int, first_list_id: int, email_address: str, ip_address: str, now: datetime
) -> None:
    """Take an address off every list of the account; who has left all of them already stays so.

    Args:
        first_list_id: whose settings for leavers apply; where the address is not on it, those of its oldest list. Being
            subscribed to another list is none of them.

    Raises:
        SubscriberNotFound: the address is on no list of the account.
    """
    found = await queries.lock_address_everywhere(session, owner_id=owner_id, address=email_address)
    if not found:
        raise SubscriberNotFound
    on = sorted(list_id for list_id, each in found.items() if each.status is not SubscriptionStatus.UNSUBSCRIBED)
    if not on:
        return
    list_id = first_list_id if first_list_id in on else on[0]
    await subscriptions.leave(
        session,
        found=(await queries.lists_of_anyone(session, list_ids=[list_id]))[list_id],
        who=Subscriber.subscriber_id == found[list_id].subscriber_id,
        leaving=Leaving(ip_address=ip_address, every_list=True),
        now=now,
    )


async def _lock_who_leaves(session: AsyncSession, found: SubscriberList, wanted: Unsubscription) -> int:
    subscriber = await find_subscriber(
        session,
        owner_id=found.owner_id,
        list_id=found.list_id,
        subscriber_id=wanted.subscriber_id,
        address=wanted.email_address,
        for_update=True,
    )
    if subscriber is None:
        raise SubscriberNotFound
    if subscriber.status is SubscriptionStatus.UNSUBSCRIBED:
        raise AlreadyUnsubscribed
    return subscriber.subscriber_id


def _suppressed_in(found: SubscriberList, wanted: Unsubscription, *, is_own: bool) -> list[Scope]:
    if not wanted.adds_to_global_suppression:
        return []
    # a stranger must not keep other accounts of the server from writing to somebody
    return [SYSTEM_WIDE] if is_own else [(found.owner_id, 0)]
