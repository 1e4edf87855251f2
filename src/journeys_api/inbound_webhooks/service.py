"""Rules of inbound webhooks: who may make them, and what a call of one does."""

import contextlib
import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts.credentials import keyed_hash
from journeys_api.inbound_webhooks import queries
from journeys_api.inbound_webhooks.errors import TooManyWebhooks, WebhookNotFound
from journeys_api.lists import service as lists
from journeys_api.models import InboundEvent, InboundWebhook, InboundWebhookDay, Subscriber
from journeys_api.subscribers import signup
from journeys_api.subscribers.errors import AddressTaken, AlreadyUnsubscribed
from journeys_api.subscribers.service import find_subscriber
from journeys_api.subscribers.signup import Subscription, Unsubscription

MOST_WEBHOOKS = 1000
"""Of one account: all are answered in one list."""
_PURPOSE = b"journeys inbound webhook "


@dataclass(frozen=True)
class Binding:
    """What a webhook is set up to do."""

    name: str
    list_id: int
    event: InboundEvent
    leaves_all_lists: bool


def hashed_id(key: bytes, webhook: InboundWebhook) -> str:
    """The webhook's secret id: eight groups of four hex digits that nobody can guess without the server's key."""
    digits = hmac.new(key, _PURPOSE + webhook.seed, hashlib.sha256).hexdigest()[:32]
    return "-".join(digits[start : start + 4] for start in range(0, 32, 4))


async def create_webhook(
    session: AsyncSession, *, owner_id: int, binding: Binding, key: bytes, now: datetime
) -> InboundWebhook:
    """A new address for the list.

    Raises:
        ListNotFound: the list is not the account's.
        TooManyWebhooks: the account has `MOST_WEBHOOKS`.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=binding.list_id, for_update=True)
    if await queries.lock_and_count(session, owner_id=owner_id) >= MOST_WEBHOOKS:
        raise TooManyWebhooks
    made = InboundWebhook(
        owner_id=owner_id,
        list_id=binding.list_id,
        name=binding.name,
        event=binding.event,
        leaves_all_lists=binding.leaves_all_lists,
        seed=secrets.token_bytes(16),
        created_at=now,
        updated_at=now,
    )
    made.id_hash = keyed_hash(key, hashed_id(key, made))
    session.add(made)
    await session.flush()
    return made


async def update_webhook(
    session: AsyncSession, *, owner_id: int, webhook_id: int, binding: Binding, now: datetime
) -> tuple[InboundWebhook, str]:
    """Bind a webhook anew; whoever calls its address goes on doing so. The webhook and the name of its list.

    Raises:
        WebhookNotFound: no such webhook in this account.
        ListNotFound: the list is not the account's.
    """
    await get_webhook(session, owner_id=owner_id, webhook_id=webhook_id)
    # list before webhook, as whoever deletes the list takes them
    bound = await lists.get_list(session, owner_id=owner_id, list_id=binding.list_id, for_update=True)
    statement = queries.owned_webhooks(owner_id).where(InboundWebhook.webhook_id == webhook_id)
    found = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise WebhookNotFound
    found.name, found.list_id, found.event = binding.name, binding.list_id, binding.event
    found.leaves_all_lists, found.updated_at = binding.leaves_all_lists, now
    await session.flush()
    return found, bound.name


async def get_webhook(session: AsyncSession, *, owner_id: int, webhook_id: int) -> InboundWebhook:
    """The account's webhook.

    Raises:
        WebhookNotFound: no such webhook in this account.
    """
    found = await session.scalar(queries.owned_webhooks(owner_id).where(InboundWebhook.webhook_id == webhook_id))
    if found is None:
        raise WebhookNotFound
    return found


async def list_webhooks(session: AsyncSession, *, owner_id: int) -> Sequence[tuple[InboundWebhook, str]]:
    """The account's webhooks by id, each with the name of its list."""
    rows = await session.execute(queries.named_webhooks(owner_id).limit(MOST_WEBHOOKS))
    return [(webhook, name) for webhook, name in rows]


async def delete_webhook(session: AsyncSession, *, owner_id: int, webhook_id: int) -> None:
    """Take a webhook away, and its numbers with it.

    Raises:
        WebhookNotFound: no such webhook in this account.
    """
    await session.delete(await get_webhook(session, owner_id=owner_id, webhook_id=webhook_id))
    await session.flush()


async def days_of_webhook(
    session: AsyncSession, *, owner_id: int, webhook_id: int, days: int, now: datetime
) -> Sequence[InboundWebhookDay]:
    """The days with calls among the last so many (UTC, today included), the newest first.

    Raises:
        WebhookNotFound: no such webhook in this account.
    """
    await get_webhook(session, owner_id=owner_id, webhook_id=webhook_id)
    since = _today(now) - timedelta(days=days - 1)
    return await queries.days_since(session, owner_id=owner_id, since=since, webhook_id=webhook_id)


async def days_of_webhooks(
    session: AsyncSession, *, owner_id: int, days: int, now: datetime
) -> Mapping[int, Sequence[InboundWebhookDay]]:
    """As `days_of_webhook`, of each webhook of the account that was called."""
    by_webhook: dict[int, list[InboundWebhookDay]] = defaultdict(list)
    for each in await queries.days_since(session, owner_id=owner_id, since=_today(now) - timedelta(days=days - 1)):
        by_webhook[each.webhook_id].append(each)
    return by_webhook


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()


async def webhook_of(session: AsyncSession, *, secret_id: str, key: bytes) -> InboundWebhook:
    """The webhook that is called by this secret id.

    Raises:
        WebhookNotFound: it is nobody's.
    """
    found = await queries.webhook_by_hash(session, id_hash=keyed_hash(key, secret_id))
    if found is None:
        raise WebhookNotFound
    return found


async def count_call(session: AsyncSession, webhook: InboundWebhook, *, has_failed: bool, now: datetime) -> None:
    """Count a call of the webhook and how it ended, in the transaction of what it did."""
    await queries.count_call(session, webhook, has_failed=has_failed, on=_today(now))


@dataclass(frozen=True)
class Reported:
    """What the other system says of somebody."""

    email_address: str
    ip_address: str
    custom_values: Mapping[str, object] = field(default_factory=dict)


async def take_call(
    session: AsyncSession, webhook: InboundWebhook, reported: Reported, *, now: datetime
) -> Subscriber | None:
    """Do what the webhook is bound to; doing it again changes nothing and is no trouble.

    Returns:
        The list's subscriber of this address, where there is one afterwards.

    Raises:
        ListNotFound: the list is gone.
        SubscriberNotFound: who is to leave was never there.
        AccountDisabled, SubscriberLimitExceeded, RequiredFieldMissing, FieldValueTaken, InvalidFieldValue: as for
            `subscriber.subscribe`.
    """
    if webhook.event is InboundEvent.SUBSCRIPTION:
        await _subscribe(session, webhook, reported, now=now)
    else:
        await _unsubscribe(session, webhook, reported, now=now)
    return await find_subscriber(
        session, owner_id=webhook.owner_id, list_id=webhook.list_id, address=reported.email_address
    )


async def _subscribe(session: AsyncSession, webhook: InboundWebhook, reported: Reported, *, now: datetime) -> None:
    wanted = Subscription(
        list_ids=[webhook.list_id],
        email_address=reported.email_address,
        ip_address=reported.ip_address,
        source="Webhook",
        source_ref=str(webhook.webhook_id),
        custom_values=reported.custom_values,
    )
    with contextlib.suppress(AddressTaken):  # senders repeat what they are not sure of
        await signup.subscribe(session, wanted=wanted, now=now)


async def _unsubscribe(session: AsyncSession, webhook: InboundWebhook, reported: Reported, *, now: datetime) -> None:
    if webhook.leaves_all_lists:
        await signup.leave_all_lists(
            session,
            owner_id=webhook.owner_id,
            first_list_id=webhook.list_id,
            email_address=reported.email_address,
            ip_address=reported.ip_address,
            now=now,
        )
        return
    wanted = Unsubscription(
        list_id=webhook.list_id, email_address=reported.email_address, ip_address=reported.ip_address
    )
    with contextlib.suppress(AlreadyUnsubscribed):
        await signup.unsubscribe(session, wanted=wanted, caller_id=0, is_administrator=False, now=now)
