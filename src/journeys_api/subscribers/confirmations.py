"""What people do by the links in their mails: confirm a subscription, reject it, leave a list, leave it for good, say
that a mail was not wanted. Each may be repeated.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import Subscriber, SubscriberList, SubscriptionStatus, SuppressionSource
from journeys_api.subscribers import queries, subscriptions
from journeys_api.subscribers.errors import NotPending, SubscriberNotFound, WrongConfirmationCode
from journeys_api.subscribers.service import find_subscriber
from journeys_api.subscribers.subscriptions import Leaving
from journeys_api.suppressions import service as suppressions
from journeys_api.suppressions.service import SYSTEM_WIDE


async def opt_in(
    session: AsyncSession,
    *,
    list_id: int,
    subscriber_id: int,
    is_code_of: Callable[[int], bool],
    ip_address: str,
    now: datetime,
) -> SubscriberList:
    """As `confirm_subscription`, for somebody of whom only list, id and code are known.

    Args:
        is_code_of: whether the code is that of this subscriber in the list's account.

    Raises:
        ListNotFound, SubscriberNotFound: the person is not on the list.
        WrongConfirmationCode: the code is another one.
        NotPending: the person was unsubscribed since.

    Source: AC 2.5 `subscriber.optin`.
    """
    found = (await queries.lists_of_anyone(session, list_ids=[list_id])).get(list_id)
    if found is None:
        raise ListNotFound
    owner_id = found.owner_id
    if await find_subscriber(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id) is None:
        raise SubscriberNotFound
    if not is_code_of(owner_id):
        raise WrongConfirmationCode
    return await confirm_subscription(
        session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id, ip_address=ip_address, now=now
    )


async def confirm_subscription(
    session: AsyncSession, *, owner_id: int, list_id: int, subscriber_id: int, ip_address: str, now: datetime
) -> SubscriberList:
    """Let a pending subscription count from now on, with all that the list's settings want then. Journeys are told.

    A subscription that counts already stays as it is.

    Raises:
        ListNotFound, SubscriberNotFound: the person is not on the list any more.
        NotPending: the person was unsubscribed since.
    """
    found, subscriber = await _locked(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id)
    if subscriber.status is SubscriptionStatus.SUBSCRIBED:
        return found
    if subscriber.status is not SubscriptionStatus.OPT_IN_PENDING:
        raise NotPending
    subscriber.status = SubscriptionStatus.SUBSCRIBED
    subscriber.opted_in_at = subscriber.updated_at = now
    await session.flush()
    await subscriptions.tell_subscribed(session, [subscriber], now=now)
    await subscriptions.go_on(
        session, found=found, who=Subscriber.subscriber_id == subscriber_id, ip_address=ip_address, now=now
    )
    return found


async def reject_subscription(
    session: AsyncSession, *, owner_id: int, list_id: int, subscriber_id: int, ip_address: str, now: datetime
) -> SubscriberList:
    """End a pending subscription: it never counted, so none of the list's settings takes effect and no journey is told.

    Whoever has confirmed before leaves the list, as by its own link; whoever left stays so.

    Raises:
        ListNotFound, SubscriberNotFound: the person is not on the list any more.
    """
    found, subscriber = await _locked(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id)
    if subscriber.status is not SubscriptionStatus.OPT_IN_PENDING:
        await _leave(session, found, subscriber, ip_address=ip_address, now=now)
        return found
    subscriber.status = SubscriptionStatus.UNSUBSCRIBED
    subscriber.unsubscribed_at = subscriber.updated_at = now
    subscriber.unsubscription_ip = ip_address
    await session.flush()
    return found


async def unsubscribe_by_link(
    session: AsyncSession, *, owner_id: int, list_id: int, subscriber_id: int, ip_address: str, now: datetime
) -> SubscriberList:
    """Let somebody leave a list, with all that the list's settings want then; whoever left stays so.

    Raises:
        ListNotFound, SubscriberNotFound: the person is not on the list any more.
    """
    found, subscriber = await _locked(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id)
    await _leave(session, found, subscriber, ip_address=ip_address, now=now)
    return found


async def suppress_by_link(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    subscriber_id: int,
    recipient: str | None,
    ip_address: str,
    now: datetime,
) -> SubscriberList:
    """As `unsubscribe_by_link`, and nobody on this server writes to the person any more.

    Args:
        recipient: the address that the mail went to, which is suppressed beside the one of today; of somebody who is
            gone from the list it is all there is. None: not known.

    Raises:
        ListNotFound, SubscriberNotFound: the person is not on the list any more, and the address is not known.

    Source: AC 7.5, `Link:Suppression`.
    """
    return await _leave_for_good(
        session,
        owner_id=owner_id,
        list_id=list_id,
        subscriber_id=subscriber_id,
        recipient=recipient,
        source=SuppressionSource.UNSUBSCRIBE,
        ip_address=ip_address,
        now=now,
    )


async def complain_by_link(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    subscriber_id: int,
    recipient: str | None,
    ip_address: str,
    now: datetime,
) -> SubscriberList:
    """As `suppress_by_link`, for somebody who says that a mail was spam.

    Raises:
        As `suppress_by_link`.

    Source: AC 7.1, 7.5: a complaint unsubscribes and suppresses for the whole system.
    """
    return await _leave_for_good(
        session,
        owner_id=owner_id,
        list_id=list_id,
        subscriber_id=subscriber_id,
        recipient=recipient,
        source=SuppressionSource.SPAM_COMPLAINT,
        ip_address=ip_address,
        now=now,
    )


async def _leave_for_good(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    subscriber_id: int,
    recipient: str | None,
    source: SuppressionSource,
    ip_address: str,
    now: datetime,
) -> SubscriberList:
    found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    subscriber = await find_subscriber(
        session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id, for_update=True
    )
    known = (recipient, subscriber.email_address if subscriber is not None else None)
    addresses = {address for address in known if address is not None}
    if not addresses:
        raise SubscriberNotFound
    # before leaving: the list's own settings may suppress the address as well, and the first reason stays
    await suppressions.suppress(
        session,
        scope=SYSTEM_WIDE,
        addresses={owner_id: addresses},
        source=source,
        reason=source.value,
        now=now,
    )
    if subscriber is not None:
        await _leave(session, found, subscriber, ip_address=ip_address, now=now)
    return found


async def _locked(
    session: AsyncSession, *, owner_id: int, list_id: int, subscriber_id: int
) -> tuple[SubscriberList, Subscriber]:
    found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    subscriber = await find_subscriber(
        session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id, for_update=True
    )
    if subscriber is None:
        raise SubscriberNotFound
    return found, subscriber


async def _leave(
    session: AsyncSession, found: SubscriberList, subscriber: Subscriber, *, ip_address: str, now: datetime
) -> None:
    await subscriptions.leave(
        session,
        found=found,
        who=Subscriber.subscriber_id == subscriber.subscriber_id,
        leaving=Leaving(ip_address=ip_address),
        now=now,
    )
