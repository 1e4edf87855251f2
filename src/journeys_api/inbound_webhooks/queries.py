"""SQL of inbound webhooks."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Select, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import InboundWebhook, InboundWebhookDay, SubscriberList, User


def owned_webhooks(owner_id: int) -> Select[InboundWebhook]:
    """The only way to an account's webhook: whatever is built on this stays within it."""
    return select(InboundWebhook).where(InboundWebhook.owner_id == owner_id)


def named_webhooks(owner_id: int) -> Select[InboundWebhook, str]:
    """The account's webhooks by id, each with its list's name."""
    statement = owned_webhooks(owner_id).add_columns(SubscriberList.name)
    return statement.join(
        SubscriberList,
        (SubscriberList.owner_id == InboundWebhook.owner_id) & (SubscriberList.list_id == InboundWebhook.list_id),
    ).order_by(InboundWebhook.webhook_id)


async def webhook_by_hash(session: AsyncSession, *, id_hash: bytes) -> InboundWebhook | None:
    """Anybody's webhook with this hash of its secret id."""
    found: InboundWebhook | None = await session.scalar(select(InboundWebhook).where(InboundWebhook.id_hash == id_hash))
    return found


async def lock_and_count(session: AsyncSession, *, owner_id: int) -> int:
    """How many webhooks the account has; nobody else makes one for it until the transaction ends."""
    await session.execute(select(User.user_id).where(User.user_id == owner_id).with_for_update(key_share=True))
    return (await session.execute(owned_webhooks(owner_id).with_only_columns(func.count()))).scalar_one()


async def count_call(session: AsyncSession, webhook: InboundWebhook, *, has_failed: bool, on: date) -> None:
    """Count one call of a webhook; of one that was deleted meanwhile nothing is counted.

    Last in its transaction: calls of the same webhook wait here for each other.
    """
    failed = int(has_failed)
    one_call = (
        select(
            InboundWebhook.webhook_id,
            InboundWebhook.owner_id,
            literal(on, InboundWebhookDay.counted_on.type),
            literal(1, InboundWebhookDay.received_count.type),
            literal(failed, InboundWebhookDay.failed_count.type),
        )
        .where(InboundWebhook.webhook_id == webhook.webhook_id)
        .with_for_update(read=True, key_share=True)
    )
    counting = insert(InboundWebhookDay).from_select(
        ["webhook_id", "owner_id", "counted_on", "received_count", "failed_count"], one_call
    )
    await session.execute(
        counting.on_conflict_do_update(
            index_elements=[InboundWebhookDay.webhook_id, InboundWebhookDay.counted_on],
            set_={
                "received_count": InboundWebhookDay.received_count + 1,
                "failed_count": InboundWebhookDay.failed_count + failed,
            },
        )
    )


async def days_since(
    session: AsyncSession, *, owner_id: int, since: date, webhook_id: int | None = None
) -> Sequence[InboundWebhookDay]:
    """The days with calls from one on, the newest first; of one webhook or of all of the account."""
    statement = select(InboundWebhookDay).where(
        InboundWebhookDay.owner_id == owner_id, InboundWebhookDay.counted_on >= since
    )
    if webhook_id is not None:
        statement = statement.where(InboundWebhookDay.webhook_id == webhook_id)
    ordered = statement.order_by(InboundWebhookDay.counted_on.desc(), InboundWebhookDay.webhook_id)
    return (await session.scalars(ordered)).all()
