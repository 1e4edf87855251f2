"""Rules of single subscribers, as their account sees them: find, create, update."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.emails import service as emails
from journeys_api.fields import service as fields
from journeys_api.lists import service as lists
from journeys_api.models import BounceType, CustomField, Subscriber, SubscriberList, SubscriptionStatus
from journeys_api.subscribers import queries, subscriptions, values
from journeys_api.subscribers.errors import AddressTaken, PreviouslyUnsubscribed, SubscriberNotFound
from journeys_api.subscribers.values import LENIENT, STRICT, Change, Missing, Rules, Values
from journeys_api.trigger_events import Happened, record

HERE = (SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.OPT_IN_PENDING)
"""Statuses that come with a subscription; the others with its end."""
FIELD_CHANGED = "CustomFieldValueChanged"
UPDATE_RULES = Rules(Missing.BLANK, validates=False)
"""What `subscriber.update` enforces unasked: a required value cannot be replaced by the empty text."""


async def get_subscriber(session: AsyncSession, *, owner_id: int, list_id: int, subscriber_id: int) -> Subscriber:
    """The list's subscriber.

    Raises:
        SubscriberNotFound: no such subscriber on this list of this account.
    """
    statement = queries.owned_subscribers(owner_id).where(
        Subscriber.list_id == list_id, Subscriber.subscriber_id == subscriber_id
    )
    found = await session.scalar(statement)
    if found is None:
        raise SubscriberNotFound
    return found


async def find_subscriber(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    subscriber_id: int | None = None,
    address: str | None = None,
    for_update: bool = False,
) -> Subscriber | None:
    """The list's subscriber with this id, this address (in any case), or, where both are given, with both."""
    if subscriber_id is None and address is None:
        return None
    statement = queries.owned_subscribers(owner_id).where(Subscriber.list_id == list_id)
    if subscriber_id is not None:
        statement = statement.where(Subscriber.subscriber_id == subscriber_id)
    if address is not None:
        statement = statement.where(queries.has_address(address))
    if for_update:
        # without populate_existing a row loaded before would keep what it held then
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


@dataclass(frozen=True)
class NewSubscriber:
    """What `subscriber.create` is told. None: not told; on an update of somebody the stored value stays."""

    email_address: str
    status: SubscriptionStatus
    subscribed_at: datetime | None
    subscription_ip: str | None
    unsubscribed_at: datetime | None
    unsubscription_ip: str | None
    opted_in_at: datetime | None
    bounce_type: BounceType | None
    source: str | None
    source_ref: str | None
    custom_values: Mapping[str, object] = field(default_factory=dict)
    confirmation_email_id: int = 0
    """The email that asks for the confirmation; 0: the list's own."""
    updates_duplicate: bool = False
    updates_unsubscribed: bool = False
    enforces_fields: bool = False
    asks_for_confirmation: bool = False
    """Whether somebody who is pending after this is owed the mail that asks for the confirmation."""
    applies_behaviors: bool = False
    """Whether the list's opt-in settings are applied to somebody who is subscribed by this, and journeys are told."""
    triggers_journeys: bool = False
    """Whether journeys are told of somebody who is subscribed by this."""

    def columns(self) -> dict[str, object]:
        """What was told, by column."""
        told = {
            "status": self.status,
            "subscribed_at": self.subscribed_at,
            "subscription_ip": self.subscription_ip,
            "unsubscribed_at": self.unsubscribed_at,
            "unsubscription_ip": self.unsubscription_ip,
            "opted_in_at": self.opted_in_at,
            "bounce_type": self.bounce_type,
            "source": self.source,
            "source_ref": self.source_ref,
        }
        return {column: value for column, value in told.items() if value is not None}


async def create_subscriber(
    session: AsyncSession, *, owner_id: int, list_id: int, given: NewSubscriber, now: datetime
) -> Subscriber:
    """Put somebody on a list, or, where the call says so, update who has the address already.

    Raises:
        ListNotFound: no such list in this account.
        EmailNotFound: the confirmation email is not the account's.
        UnknownFields, RequiredFieldMissing, FieldValueTaken, InvalidFieldValue: a custom value.
        AddressTaken, PreviouslyUnsubscribed: the address is on the list, and is not to be updated.
        SubscriberLimitExceeded: the account has as many subscribers as its group allows.

    Source: AC 2.5 `subscriber.create`.
    """
    found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    if given.confirmation_email_id:
        await emails.get_email(session, owner_id=owner_id, email_id=given.confirmation_email_id)
    known = await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id)
    values.refuse_unknown(known, given.custom_values)
    before = await find_subscriber(
        session, owner_id=owner_id, list_id=list_id, address=given.email_address, for_update=True
    )
    _refuse_duplicate(before, given)
    defaults = values.defaults(known) if before is None else before.custom_values
    accepted = await values.judge(
        session,
        known,
        given.custom_values,
        rules=STRICT if given.enforces_fields else LENIENT,
        owner_id=owner_id,
        list_id=list_id,
        address=given.email_address,
        stored=Values(listed=defaults),
    )
    was_subscribed = before is not None and before.status is SubscriptionStatus.SUBSCRIBED
    if before is None:
        kept = await _insert(session, found, given, defaults=defaults, now=now)
    else:
        kept = _overwrite(before, given, now)
    await values.keep(session, kept, accepted, now=now)
    await session.flush()
    if kept.status is SubscriptionStatus.SUBSCRIBED and not was_subscribed:
        await _follow_up(session, found, kept, given, now)
    if kept.status is SubscriptionStatus.OPT_IN_PENDING and given.asks_for_confirmation:
        email_id = given.confirmation_email_id or found.opt_in_confirmation_email_id
        await subscriptions.owe_confirmations(session, [(kept, email_id)], now=now)
    return kept


async def _follow_up(
    session: AsyncSession, found: SubscriberList, kept: Subscriber, given: NewSubscriber, now: datetime
) -> None:
    """What the call wants to come of somebody's being subscribed now."""
    if given.applies_behaviors or given.triggers_journeys:
        await subscriptions.tell_subscribed(session, [kept], now=now)
    if given.applies_behaviors:
        await subscriptions.go_on(
            session,
            found=found,
            who=Subscriber.subscriber_id == kept.subscriber_id,
            ip_address=kept.subscription_ip,
            now=now,
        )


def _refuse_duplicate(before: Subscriber | None, given: NewSubscriber) -> None:
    if before is None:
        return
    if before.status is SubscriptionStatus.UNSUBSCRIBED:
        if not given.updates_unsubscribed:
            raise PreviouslyUnsubscribed
    elif not given.updates_duplicate:
        raise AddressTaken


async def _insert(
    session: AsyncSession, found: SubscriberList, given: NewSubscriber, *, defaults: Mapping[str, str], now: datetime
) -> Subscriber:
    _, group = await accounts.account_of(session, user_id=found.owner_id)
    await subscriptions.refuse_beyond_limit(session, owner_id=found.owner_id, group=group, newcomers=1)
    row = {
        "owner_id": found.owner_id,
        "list_id": found.list_id,
        "email_address": given.email_address,
        "custom_values": dict(defaults),
        "created_at": now,
        "updated_at": now,
        **given.columns(),
    }
    inserted = await queries.insert_subscribers(session, [row])
    if inserted:
        return inserted[0]
    # somebody else was faster
    before = await find_subscriber(
        session, owner_id=found.owner_id, list_id=found.list_id, address=given.email_address, for_update=True
    )
    if before is None:
        raise AddressTaken
    _refuse_duplicate(before, given)
    return _overwrite(before, given, now)


def _overwrite(before: Subscriber, given: NewSubscriber, now: datetime) -> Subscriber:
    for column, value in given.columns().items():
        setattr(before, column, value)
    before.updated_at = now
    return before


@dataclass(frozen=True)
class SubscriberChanges:
    """What `subscriber.update` is told; None: as it is."""

    email_address: str | None = None
    status: SubscriptionStatus | None = None
    unsubscribed_at: datetime | None = None
    unsubscription_ip: str | None = None
    bounce_type: BounceType | None = None
    custom_values: Mapping[str, object] = field(default_factory=dict)
    enforces_fields: bool = False
    only_given_fields: bool = False
    """Whether required fields that were not submitted are left out of what is enforced."""
    triggers_journeys: bool = True
    """Whether journeys are told of changed values."""


async def update_subscriber(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    subscriber_id: int,
    changes: SubscriberChanges,
    now: datetime,
) -> Subscriber:
    """Change what is told of a subscriber; everything else stays, also values of other fields.

    A status set here is only written down: none of the list's settings for leaving it takes effect.

    Raises:
        ListNotFound: no such list in this account.
        SubscriberNotFound: no such subscriber on the list.
        AddressTaken: somebody else on the list has the new address.
        UnknownFields, RequiredFieldMissing, FieldValueTaken, InvalidFieldValue: a custom value.

    Source: AC 2.5 `subscriber.update`.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    changed = await find_subscriber(
        session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id, for_update=True
    )
    if changed is None:
        raise SubscriberNotFound
    if changes.email_address is not None and changes.email_address != changed.email_address:
        await _change_address(session, changed, changes.email_address)
    if changes.custom_values or changes.enforces_fields:
        known = await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id)
        values.refuse_unknown(known, changes.custom_values)
        accepted = await _judge_update(session, changed, known, changes)
        changed_values = await values.keep(session, changed, accepted, now=now)
        if changes.triggers_journeys:
            await record(session, _happened(changed, changed_values), owner_id=owner_id, now=now)
    _change_columns(changed, changes, now)
    await session.flush()
    return changed


def _happened(changed: Subscriber, changed_values: Sequence[Change]) -> list[Happened]:
    return [
        Happened(
            FIELD_CHANGED,
            changed.list_id,
            changed.subscriber_id,
            change.field_id,
            {"value": change.new, "before": change.old},
        )
        for change in changed_values
    ]


async def _judge_update(
    session: AsyncSession, changed: Subscriber, known: list[CustomField], changes: SubscriberChanges
) -> Values:
    rules = UPDATE_RULES
    stored = Values(listed=changed.custom_values)
    if changes.enforces_fields:
        rules = Rules(Missing.EMPTY, validates=True, wants_all=not changes.only_given_fields)
        shared = await queries.lock_global_values(session, owner_id=changed.owner_id, address=changed.email_address)
        stored = Values(listed=changed.custom_values, shared=shared)
    return await values.judge(
        session,
        known,
        changes.custom_values,
        rules=rules,
        owner_id=changed.owner_id,
        list_id=changed.list_id,
        address=changed.email_address,
        stored=stored,
    )


async def _change_address(session: AsyncSession, changed: Subscriber, address: str) -> None:
    """The values of global fields stay with the old address and are copied to the new one, unless it has its own."""
    old_address, changed.email_address = changed.email_address, address
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError:
        raise AddressTaken from None
    await queries.copy_global_values(session, owner_id=changed.owner_id, source=old_address, target=address)


def _change_columns(changed: Subscriber, changes: SubscriberChanges, now: datetime) -> None:
    if changes.status is not None and changes.status is not changed.status:
        if changes.status is SubscriptionStatus.UNSUBSCRIBED:
            changed.unsubscribed_at = now
        elif changes.status in HERE and changed.subscribed_at is None:
            changed.subscribed_at = now
        changed.status = changes.status
    if changes.unsubscribed_at is not None:
        changed.unsubscribed_at = changes.unsubscribed_at
    if changes.unsubscription_ip is not None:
        changed.unsubscription_ip = changes.unsubscription_ip
    if changes.bounce_type is not None:
        changed.bounce_type = changes.bounce_type
        if changes.bounce_type is BounceType.NOT_BOUNCED:
            changed.soft_bounce_count = 0
    changed.updated_at = now
