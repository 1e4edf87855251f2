"""Rules of email contents."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.emails import domains, queries
from journeys_api.emails.content import DEFAULT_OPTIONS, Draft, LinkRules, ValidateScope, problems_of
from journeys_api.emails.errors import AnswerTooLarge, ContentRefused, EmailNotFound, SenderDomainUnusable
from journeys_api.models import Email

MOST_BYTES = 64 * 1024 * 1024
"""Contents in one answer: an account may hold any number of emails of 16 MiB, and all accounts share the memory."""
_BODIES = frozenset({"html_content", "plain_content", "fetch_url", "fetch_plain_url"})
_LARGE = frozenset({"html_content", "plain_content", "extra_content_1", "extra_content_2", "pre_header_text"})


@dataclass(frozen=True)
class EmailChanges:
    """What an update sends; whatever is not in it stays as it is."""

    columns: Mapping[str, Any]
    """Attribute of `Email` → new value."""
    options: Mapping[str, Any]
    """Option by its wire name → new value."""


async def create_email(session: AsyncSession, *, owner_id: int, now: datetime) -> Email:
    """An empty shell, to be filled by an update."""
    email = Email(owner_id=owner_id, created_at=now, updated_at=now)
    session.add(email)
    await session.flush()
    return email


async def get_email(session: AsyncSession, *, owner_id: int, email_id: int) -> Email:
    """The account's email.

    Raises:
        EmailNotFound: no such email in this account, or it is deleted.
    """
    email = await session.scalar(queries.owned_emails(owner_id).where(Email.email_id == email_id))
    if email is None:
        raise EmailNotFound
    return email


async def emails_by_id(session: AsyncSession, *, owner_id: int, email_ids: Collection[int]) -> dict[int, Email]:
    """The account's emails among the ids, whole; unknown, deleted and foreign ids are left out."""
    if not email_ids:
        return {}
    found = await session.scalars(queries.owned_emails(owner_id).where(queries.among(Email.email_id, email_ids)))
    return {email.email_id: email for email in found}


async def select_emails(
    session: AsyncSession, *, owner_id: int, email_ids: Collection[int], columns: Collection[str]
) -> Sequence[Email]:
    """The account's emails among the ids, by id; of each only the columns named (attributes of `Email`) are read.

    Raises:
        AnswerTooLarge: more than 64 MiB of contents.
    """
    statement = queries.owned_emails(owner_id).where(queries.among(Email.email_id, email_ids))
    return await _read(session, statement.order_by(Email.email_id), columns)


async def list_emails(
    session: AsyncSession, *, owner_id: int, columns: Collection[str], offset: int, limit: int | None
) -> tuple[int, Sequence[Email]]:
    """How many emails the account has, and a page of them by name; of each only the columns named are read.

    Args:
        limit: None is all of them, as the vendor answers.

    Raises:
        AnswerTooLarge: more than 64 MiB of contents.
    """
    # sorts the account's emails on each call, without their contents
    page = queries.owned_emails(owner_id).order_by(func.lower(Email.name), Email.email_id).offset(offset).limit(limit)
    return await queries.count_emails(session, owner_id=owner_id), await _read(session, page, columns)


async def _read(session: AsyncSession, statement: Select[Email], columns: Collection[str]) -> Sequence[Email]:
    large = sorted(_LARGE.intersection(columns))
    if large and await queries.size_of(session, statement, large) > MOST_BYTES:
        raise AnswerTooLarge
    return (await session.scalars(queries.with_columns(statement, columns))).all()


async def update_email(
    session: AsyncSession,
    *,
    owner_id: int,
    email_id: int,
    scope: ValidateScope,
    changes: EmailChanges,
    now: datetime,
) -> None:
    """Change an email; what it would become is judged for the scope first.

    Raises:
        EmailNotFound: no such email in this account, or it is deleted.
        ContentRefused: with every problem of the content; nothing is changed.
        SenderDomainUnusable: a Campaign whose sender domain is not an enabled one of the account.

    Source: AC 2.8.
    """
    email = await queries.email_for_update(session, owner_id=owner_id, email_id=email_id)
    if email is None:
        raise EmailNotFound
    draft = _draft(email, changes)
    rules = LinkRules.of_group(await queries.group_attributes(session, owner_id=owner_id))
    problems = problems_of(draft, scope=scope, rules=rules)
    if problems:
        raise ContentRefused(problems)
    sender_domain = draft.options["SenderDomain"]
    if (
        scope is ValidateScope.CAMPAIGN
        and sender_domain
        and not await domains.is_enabled(session, owner_id=owner_id, name=sender_domain)
    ):
        raise SenderDomainUnusable
    for attribute, value in changes.columns.items():
        setattr(email, attribute, value)
    email.options = {**email.options, **changes.options}
    if draft.is_content_touched:
        email.content_type = draft.content_type
    email.updated_at = now
    await session.flush()


def _draft(email: Email, changes: EmailChanges) -> Draft:
    def after(attribute: str) -> str:
        value: str = changes.columns.get(attribute, getattr(email, attribute))
        return value

    return Draft(
        html=after("html_content"),
        plain=after("plain_content"),
        fetch_url=after("fetch_url"),
        fetch_plain_url=after("fetch_plain_url"),
        options={**DEFAULT_OPTIONS, **email.options, **changes.options},
        is_content_touched=not _BODIES.isdisjoint(changes.columns),
    )


async def delete_email(session: AsyncSession, *, owner_id: int, email_id: int, now: datetime) -> None:
    """Take an email away. A journey that sends it fails visibly at that step.

    Raises:
        EmailNotFound: no such email in this account, or it is deleted already.
    """
    email = await queries.email_for_update(session, owner_id=owner_id, email_id=email_id)
    if email is None:
        raise EmailNotFound
    email.deleted_at = now
    await session.flush()


async def duplicate_email(session: AsyncSession, *, owner_id: int, email_id: int, now: datetime) -> tuple[int, str]:
    """Id and name of a new email of the same content, named `Copy of …`.

    Raises:
        EmailNotFound: no such email in this account, or it is deleted.
    """
    copies = await queries.copy_emails(
        session,
        owner_id=owner_id,
        email_ids=[email_id],
        to_owner_id=owner_id,
        now=now,
        name=literal("Copy of ") + Email.name,
        options=Email.options.expression,
    )
    if email_id not in copies:
        raise EmailNotFound
    return copies[email_id]


async def copy_emails(
    session: AsyncSession, *, owner_id: int, email_ids: Collection[int], to_owner_id: int, now: datetime
) -> dict[int, int]:
    """Copy emails into an account (it may be the same one): source id → id of the copy.

    Unknown, deleted and foreign ids are left out. A copy keeps its name and loses its sender domain, which belongs to
    the source account. One statement, whatever the number.
    """
    if not email_ids:
        return {}
    copies = await queries.copy_emails(
        session,
        owner_id=owner_id,
        email_ids=email_ids,
        to_owner_id=to_owner_id,
        now=now,
        name=Email.name.expression,
        options=queries.without_option("SenderDomain"),
    )
    return {source_id: new_id for source_id, (new_id, _) in copies.items()}
