"""SQL of email contents, sender domains and SMS gateways."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    Table,
    any_,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from journeys_api.models import DomainStatus, Email, SenderDomain, SmsGateway, User, UserGroup

_EMAILS = cast(Table, Email.__table__)
_SET_IN_COPIES = ("email_id", "owner_id", "name", "options", "created_at", "updated_at", "deleted_at")
_KEPT_IN_COPIES = [column for column in _EMAILS.columns if column.name not in _SET_IN_COPIES]


def owned_emails(owner_id: int) -> Select[Email]:
    """The only way to an email: whatever is built on this stays within one account and off deleted ones."""
    return select(Email).where(Email.owner_id == owner_id, Email.deleted_at.is_(None))


def among(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Whether the column holds one of the ids: one array parameter, however many there are."""
    return cast("ColumnElement[bool]", column == any_(literal(list(ids), ARRAY(BigInteger))))


def with_columns(statement: Select[Email], columns: Collection[str]) -> Select[Email]:
    """The same emails with only these columns read; contents are up to 16 MiB each, and many callers want a name."""
    return statement.options(load_only(*(getattr(Email, column) for column in columns), raiseload=True))


async def size_of(session: AsyncSession, statement: Select[Email], columns: Collection[str]) -> int:
    """Bytes of these text columns over the emails of a statement. Lengths are known without reading the texts."""
    lengths = [func.octet_length(getattr(Email, column)) for column in columns]
    rows = statement.with_only_columns(sum(lengths[1:], start=lengths[0]).label("size")).subquery()
    return int(await session.scalar(select(func.sum(rows.c.size))) or 0)


async def email_for_update(session: AsyncSession, *, owner_id: int, email_id: int) -> Email | None:
    """The account's email, locked."""
    return cast(
        "Email | None", await session.scalar(owned_emails(owner_id).where(Email.email_id == email_id).with_for_update())
    )


async def count_emails(session: AsyncSession, *, owner_id: int) -> int:
    """How many emails the account has."""
    counted = select(func.count()).select_from(owned_emails(owner_id).with_only_columns(Email.email_id).subquery())
    return await session.scalar(counted) or 0


def without_option(option: str) -> ColumnElement[Any]:
    """An email's options less one of them."""
    return sql_cast(sql_cast(Email.options, JSONB).op("-")(option), JSON)


async def copy_emails(
    session: AsyncSession,
    *,
    owner_id: int,
    email_ids: Collection[int],
    to_owner_id: int,
    now: datetime,
    name: ColumnElement[str],
    options: ColumnElement[Any],
) -> dict[int, tuple[int, str]]:
    """Source id → (id, name) of its copy, for the account's emails among the ids; one statement, no content travels.

    The new ids are drawn before the rows are written: INSERT … RETURNING cannot say which row came of which.
    """
    picked = (
        owned_emails(owner_id)
        .where(among(Email.email_id, email_ids))
        .with_only_columns(
            Email.email_id.label("source_id"),
            func.nextval(func.pg_get_serial_sequence("emails", "email_id")).label("new_id"),
            name.label("new_name"),
        )
        .cte("picked")
    )
    source = (
        select(
            picked.c.new_id,
            literal(to_owner_id, BigInteger),
            picked.c.new_name,
            options,
            literal(now, DateTime(timezone=True)),
            literal(now, DateTime(timezone=True)),
            *_KEPT_IN_COPIES,
        )
        .select_from(_EMAILS)
        .join(picked, picked.c.source_id == _EMAILS.c.email_id)
    )
    targets = [
        "email_id",
        "owner_id",
        "name",
        "options",
        "created_at",
        "updated_at",
        *(c.name for c in _KEPT_IN_COPIES),
    ]
    written = insert(_EMAILS).from_select(targets, source, include_defaults=False).cte("written")
    rows = await session.execute(select(picked.c.source_id, picked.c.new_id, picked.c.new_name).add_cte(written))
    return {source_id: (new_id, new_name) for source_id, new_id, new_name in rows}


async def group_attributes(session: AsyncSession, *, owner_id: int) -> dict[str, Any]:
    """The settings of the account's group, by wire name."""
    statement = select(UserGroup.attributes).join(User, User.group_id == UserGroup.group_id)
    return await session.scalar(statement.where(User.user_id == owner_id)) or {}


def sender_domains_ever(owner_id: int) -> Select[SenderDomain]:
    """The account's sender domains, deleted ones too: a name is never made twice."""
    return select(SenderDomain).where(SenderDomain.owner_id == owner_id)


def owned_sender_domains(owner_id: int) -> Select[SenderDomain]:
    """The only way to a sender domain: within one account, off deleted ones."""
    return sender_domains_ever(owner_id).where(SenderDomain.status != DomainStatus.DELETED)


async def lock_account(session: AsyncSession, *, owner_id: int) -> None:
    """One at a time from here on, within the account: what is counted stays so until the transaction ends."""
    # NO KEY UPDATE: rows that merely refer to the user are still written meanwhile
    await session.execute(select(User.user_id).where(User.user_id == owner_id).with_for_update(key_share=True))


async def count_sender_domains(session: AsyncSession, *, owner_id: int) -> int:
    """How many sender domains the account has."""
    counted = owned_sender_domains(owner_id).with_only_columns(SenderDomain.domain_id).subquery()
    return await session.scalar(select(func.count()).select_from(counted)) or 0


def gateways() -> Select[SmsGateway]:
    """Every SMS gateway; they belong to the installation and not to an account."""
    return select(SmsGateway)


async def count_users(session: AsyncSession, *, user_ids: Collection[int]) -> int:
    """How many of the ids are users'."""
    statement = select(func.count()).select_from(User).where(among(User.user_id, user_ids))
    return await session.scalar(statement) or 0
