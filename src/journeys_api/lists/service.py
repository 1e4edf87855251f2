"""Rules of lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys.leaving import before_deletion
from journeys_api.lists import queries
from journeys_api.lists.errors import (
    ConfirmationEmailNotFound,
    LinkedListNotFound,
    ListLimitExceeded,
    ListNotFound,
    PhoneFieldNotFound,
    TemplateNotFound,
)
from journeys_api.models import ContentType, Email, OptInMode, SubscriberList

MOST_LISTS = 10_000
"""A page of lists never holds more, even when all are asked for: the answer would be tens of megabytes."""


@dataclass(frozen=True)
class ConfirmationEmail:
    """The email that asks for the confirmation, made together with its list."""

    subject: str
    from_name: str
    from_email: str
    content_type: ContentType
    html_content: str = ""
    plain_content: str = ""
    reply_to_name: str = ""
    reply_to_email: str = ""
    pre_header_text: str = ""
    email_name: str = ""
    """"" for `Confirmation email: <list id>`."""
    mode: str = "Empty"
    template_id: int = 0


@dataclass(frozen=True)
class ListChanges:
    """What an update sets; what is absent stays."""

    columns: Mapping[str, object] = field(default_factory=dict)
    """Column name → value."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The vendor's other settings, by wire name."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The list's options, by wire name."""
    phone_field_id: int | None = None
    """The field that holds the telephone number; 0 for none, None: unchanged."""


@dataclass(frozen=True)
class ListPage:
    """Some lists with their numbers of active subscribers and segments, and how many lists pass the filter in all."""

    lists: list[SubscriberList]
    active_counts: dict[int, int]
    segment_counts: dict[int, int]
    total: int


async def get_list(session: AsyncSession, *, owner_id: int, list_id: int, for_update: bool = False) -> SubscriberList:
    """The account's list.

    Args:
        for_update: lock the row until the transaction ends: nobody else changes or deletes the list, and whoever also
            asks with this waits. Inserts of its subscribers do not wait.

    Raises:
        ListNotFound: no such list in this account.
    """
    statement = queries.owned_lists(owner_id).where(SubscriberList.list_id == list_id)
    if for_update:
        # without populate_existing a row loaded before would keep what it held then
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise ListNotFound
    return found


async def create_list(
    session: AsyncSession,
    *,
    owner_id: int,
    name: str,
    opt_in_mode: OptInMode,
    columns: Mapping[str, str],
    confirmation_email: ConfirmationEmail | None,
    now: datetime,
) -> SubscriberList:
    """Make a list, and its confirmation email when one is given: both or none.

    A confirmation email makes the list double opt-in, and so does a user group that forces it. Names may repeat.

    Args:
        columns: description and sender, by column name.

    Raises:
        ListLimitExceeded: the account has as many lists as its group allows (archived ones count).
        TemplateNotFound: the confirmation email is to be based on a template that the account does not have.

    Source: AC 2.4, `list.create`.
    """
    group = await queries.group_of_owner(session, owner_id=owner_id)
    if group.limit_lists > 0:
        await queries.lock_owner(session, owner_id=owner_id)  # two calls must not both take the last place
        if await queries.count_lists(session, owner_id=owner_id) >= group.limit_lists:
            raise ListLimitExceeded
    if confirmation_email is not None or group.force_opt_in_list:
        opt_in_mode = OptInMode.DOUBLE
    made = SubscriberList(
        owner_id=owner_id, name=name, opt_in_mode=opt_in_mode, created_at=now, updated_at=now, **columns
    )
    session.add(made)
    await session.flush()
    if confirmation_email is not None:
        email = await _create_email(session, owner_id=owner_id, given=confirmation_email, of=made, now=now)
        made.opt_in_confirmation_email_id = email.email_id
        await session.flush()
    return made


async def _create_email(
    session: AsyncSession, *, owner_id: int, given: ConfirmationEmail, of: SubscriberList, now: datetime
) -> Email:
    if given.template_id and not await queries.email_exists(session, owner_id=owner_id, email_id=given.template_id):
        raise TemplateNotFound
    email = Email(
        owner_id=owner_id,
        name=given.email_name or f"Confirmation email: {of.list_id}",
        from_name=given.from_name,
        from_email=given.from_email,
        reply_to_name=given.reply_to_name,
        reply_to_email=given.reply_to_email,
        content_type=given.content_type,
        mode=given.mode,
        template_id=given.template_id,
        subject=given.subject,
        pre_header_text=given.pre_header_text,
        html_content=given.html_content,
        plain_content=given.plain_content,
        created_at=now,
        updated_at=now,
    )
    session.add(email)
    await session.flush()
    return email


async def update_list(
    session: AsyncSession, *, owner_id: int, list_id: int, changes: ListChanges, now: datetime
) -> SubscriberList:
    """Change a list's settings. A user group that forces double opt-in keeps the list at it, whatever is asked for.

    Raises:
        ListNotFound: no such list in this account.
        PhoneFieldNotFound: the telephone field is neither the list's nor global.
        ConfirmationEmailNotFound: no such email in this account.
        LinkedListNotFound: a list to subscribe to or unsubscribe from is not the account's.

    Source: AC 2.4, `list.update`; AC 7.2.
    """
    changed = await get_list(session, owner_id=owner_id, list_id=list_id, for_update=True)
    columns = dict(changes.columns)
    await _check_references(session, owner_id=owner_id, list_id=list_id, changes=changes)
    if "opt_in_mode" in columns:
        group = await queries.group_of_owner(session, owner_id=owner_id)
        if group.force_opt_in_list:
            columns["opt_in_mode"] = OptInMode.DOUBLE
    for column, value in columns.items():
        setattr(changed, column, value)
    if changes.phone_field_id is not None:
        changed.phone_field_id = changes.phone_field_id
    changed.attributes = {**changed.attributes, **changes.attributes}
    changed.options = {**changed.options, **changes.options}
    changed.updated_at = now
    await session.flush()
    return changed


async def _check_references(session: AsyncSession, *, owner_id: int, list_id: int, changes: ListChanges) -> None:
    phone_field_id = changes.phone_field_id
    if phone_field_id and not await queries.field_for_list(
        session, owner_id=owner_id, list_id=list_id, field_id=phone_field_id
    ):
        raise PhoneFieldNotFound
    email_id = changes.columns.get("opt_in_confirmation_email_id")
    if (
        isinstance(email_id, int)
        and email_id
        and not await queries.email_exists(session, owner_id=owner_id, email_id=email_id)
    ):
        raise ConfirmationEmailNotFound
    linked = {linked for column in queries.LINKS if isinstance(linked := changes.columns.get(column), int) and linked}
    if linked and linked != await queries.lock_known_lists(session, owner_id=owner_id, list_ids=sorted(linked)):
        raise LinkedListNotFound


async def count_active(session: AsyncSession, *, owner_id: int, list_id: int) -> int:
    """How many subscribers of the list are Subscribed and not hard-bounced."""
    counts = await queries.active_counts(session, owner_id=owner_id, list_ids=[list_id])
    return counts.get(list_id, 0)


async def count_segments(session: AsyncSession, *, owner_id: int, list_id: int) -> int:
    """How many segments the list has."""
    counts = await queries.segment_counts(session, owner_id=owner_id, list_ids=[list_id])
    return counts.get(list_id, 0)


async def page_of_lists(
    session: AsyncSession,
    *,
    owner_id: int,
    search: str,
    is_archived: bool | None,
    order_by: str,
    descending: bool,
    first: int,
    most: int,
) -> ListPage:
    """Some of the account's lists, with their numbers of active subscribers and of segments.

    Four statements whatever the page.

    Args:
        search: part of name or description, without case; "" for all.
        is_archived: None for both kinds.
        order_by: `list_id`, `name`, `created_at`, `archived_at`, `active_count` or `segment_count`; ties by id.
        most: 0 for all; never more than `MOST_LISTS`.
    """
    lists, total = await queries.page_of_lists(
        session,
        owner_id=owner_id,
        search=search,
        is_archived=is_archived,
        order_by=order_by,
        descending=descending,
        first=first,
        most=min(most or MOST_LISTS, MOST_LISTS),
    )
    list_ids = [found.list_id for found in lists]
    counts = await queries.active_counts(session, owner_id=owner_id, list_ids=list_ids)
    segments = await queries.segment_counts(session, owner_id=owner_id, list_ids=list_ids)
    return ListPage(lists, counts, segments, total)


async def delete_lists(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int], now: datetime) -> None:
    """Remove lists with their subscribers, segments, fields, tags, suppressed addresses and inbound webhooks; ids that
    are not the account's are skipped.

    The values of global fields stay, because they belong to the address, and the confirmation email stays, because
    other lists may send it. Journeys end for whoever is inside. Other lists forget that they lead to a removed one.
    Journeys that name it name nothing from then on: ids are never used again. No trigger event comes of it: nobody
    unsubscribed and no tag was taken off.
    """
    found = await queries.lists_for_deletion(session, owner_id=owner_id, list_ids=list_ids)
    if found:
        await before_deletion(session, queries.on_lists(owner_id, found), owner_id=owner_id, list_ids=found, now=now)
        await queries.delete_lists(session, owner_id=owner_id, list_ids=found)


async def forget_phone_fields(session: AsyncSession, *, owner_id: int, field_ids: Sequence[int]) -> None:
    """Take fields that are being removed away from the lists that keep telephone numbers in them.

    Call it after the fields are deleted: a list that is just choosing one of them holds that row until it has.
    """
    await queries.clear_phone_fields(session, owner_id=owner_id, field_ids=field_ids)
