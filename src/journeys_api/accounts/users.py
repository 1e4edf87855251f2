"""Rules of users as administrators see them: change, list, delete; and users' changes to their own account."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Select, Text, cast, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from journeys_api.accounts import logins, queries, service
from journeys_api.accounts.errors import (
    CurrencyCounted,
    EmailAddressTaken,
    GroupNotFound,
    NotOwnAccount,
    UsernameTaken,
    UserNotFound,
)
from journeys_api.models import AccountStatus, Base, Journey, Subscriber, SubscriberList, User, UserGroup
from journeys_api.stats import queries as stats

Row = TypeVarTuple("Row")

FOR_ADMINISTRATORS = frozenset({"account_status", "available_credits", "group_id", "reputation_level"})
"""Columns of `users` that a user's own call leaves as they are, whatever it says."""

PROFILE_FOR_ADMINISTRATORS = frozenset({"SignUpIPAddress"})

DELETION_TIMEOUT_MS = 3_600_000


@dataclass(frozen=True)
class UserChanges:
    """What to change of an account; what is not named stays."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    password: str | None = None


@dataclass(frozen=True)
class UserFilter:
    """Which accounts to list. None and empty ask for nothing."""

    group_ids: Collection[int] | None = None
    account_status: str | None = None
    reputation_level: str | None = None
    is_online: bool = False
    """Nobody's presence is kept: true finds nobody."""
    category_id: int = -1
    """There are no categories: -1 and 0 find everybody, any other nobody."""
    search: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], str] | None = None
    """A column, and the text that it shall contain (without case)."""


@dataclass(frozen=True)
class Utilization:
    """How much of its limits an account uses."""

    subscribers: int = 0
    lists: int = 0


async def update_user(
    session: AsyncSession, *, user_id: int, acting_user_id: int | None, changes: UserChanges, now: datetime
) -> User:
    """Change an account. A new password and a disabled account end the account's sessions.

    Args:
        acting_user_id: the user who asks, whose words on what is the administrators' are passed over; None: an
            administrator.

    Raises:
        NotOwnAccount: a user asks for another account, whether or not there is one.
        PasswordUnfit: empty, or longer than 1024 bytes.
        UserNotFound: there is no such account.
        GroupNotFound: the account cannot move to a group that is not there.
        UsernameTaken, EmailAddressTaken: another account logs in by that name.
        CurrencyCounted: revenue was counted in the account's currency, and another would be summed with it.
    """
    columns, profile = dict(changes.columns), dict(changes.profile)
    if acting_user_id is not None:
        if acting_user_id != user_id:
            raise NotOwnAccount
        columns = {name: value for name, value in columns.items() if name not in FOR_ADMINISTRATORS}
        profile = {name: value for name, value in profile.items() if name not in PROFILE_FOR_ADMINISTRATORS}
    if changes.password is not None:
        columns["password_hash"] = await service.hash_of(changes.password)
    # a conversion refers to the account before it reads the currency: what is being counted is there afterwards
    user = await queries.user_for_update(session, user_id=user_id, is_alone="currency" in columns)
    if user is None:
        raise UserNotFound
    is_changed = user.currency and columns.get("currency", user.currency) != user.currency
    if is_changed and await stats.has_revenue(session, owner_id=user_id):
        raise CurrencyCounted
    if "group_id" in columns and await queries.group_kept(session, group_id=columns["group_id"]) is None:
        raise GroupNotFound
    await _refuse_taken(session, columns, but_of=user_id)
    for name, value in columns.items():
        setattr(user, name, value)
    user.profile = {**user.profile, **profile}
    user.updated_at = now
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError:  # somebody took the name between the question and the update
        raise UsernameTaken from None
    if changes.password is not None or columns.get("account_status") == AccountStatus.DISABLED:
        await logins.end_sessions(session, user_id=user_id)
    return user


async def _refuse_taken(session: AsyncSession, columns: Mapping[str, Any], *, but_of: int) -> None:
    is_username_taken, is_address_taken = await queries.names_taken(
        session,
        username=columns.get("username"),
        email_address=columns.get("email_address"),
        but_of=but_of,
    )
    if is_username_taken:
        raise UsernameTaken
    if is_address_taken:
        raise EmailAddressTaken


async def find_user(session: AsyncSession, *, user_id: int | None, email_address: str | None) -> tuple[User, UserGroup]:
    """An account and its group, by id or else by address.

    Raises:
        UserNotFound: there is no such account.
    """
    if user_id is not None:
        which: ColumnElement[bool] = User.user_id == user_id
    else:
        which = func.lower(User.email_address) == func.lower(email_address)
    row = (await session.execute(queries.users_with_groups().where(which))).one_or_none()
    if row is None:
        raise UserNotFound
    return row[0], row[1]


async def list_users(
    session: AsyncSession,
    *,
    only: UserFilter,
    order: Sequence[tuple[ColumnElement[Any], bool]],
    offset: int,
    limit: int,
) -> tuple[Sequence[tuple[User, UserGroup]], int]:
    """A page of accounts with their groups, and how many the filter finds in all.

    Args:
        order: columns, each with whether it descends; the id follows, so that the order is total.
    """
    if only.is_online or only.category_id not in (-1, 0):
        return [], 0
    found = _filtered(queries.users_with_groups(), only)
    total = await session.scalar(select(func.count()).select_from(_filtered(select(User.user_id), only).subquery()))
    ordering = [column.desc() if descends else column.asc() for column, descends in order]
    rows = await session.execute(found.order_by(*ordering, User.user_id).offset(offset).limit(limit))
    return [(row[0], row[1]) for row in rows], total or 0


def _filtered(statement: Select[*Row], only: UserFilter) -> Select[*Row]:
    if only.group_ids is not None:
        statement = statement.where(queries.among(User.group_id, only.group_ids))
    if only.account_status is not None:
        statement = statement.where(User.account_status == only.account_status)
    if only.reputation_level is not None:
        statement = statement.where(User.reputation_level == only.reputation_level)
    if only.search is not None:
        column, keyword = only.search
        statement = statement.where(cast(column, Text).icontains(keyword, autoescape=True))
    return statement


async def utilization(session: AsyncSession, *, user_ids: Collection[int]) -> dict[int, Utilization]:
    """What each account uses of its limits, in two statements.

    Subscribers are counted in the index of their key: a million took 0.4 s on two cores, so a page of big accounts may
    run into the statement timeout.
    """
    subscribers = await session.execute(
        select(Subscriber.owner_id, func.count())
        .where(queries.among(Subscriber.owner_id, user_ids))
        .group_by(Subscriber.owner_id)
    )
    lists = await session.execute(
        select(SubscriberList.owner_id, func.count())
        .where(queries.among(SubscriberList.owner_id, user_ids))
        .group_by(SubscriberList.owner_id)
    )
    by_subscribers = {row[0]: row[1] for row in subscribers}
    by_lists = {row[0]: row[1] for row in lists}
    return {user_id: Utilization(by_subscribers.get(user_id, 0), by_lists.get(user_id, 0)) for user_id in user_ids}


async def delete_users(session: AsyncSession, *, user_ids: Collection[int]) -> None:
    """Destroy accounts and everything they own; ids of nobody are passed over.

    One statement a table, children first, so that the foreign keys find nothing left to cascade to, row by row. A
    million subscribers, each with a tag and an enrollment, took 6 s on two cores with everything in memory; ten million
    take minutes, and the steps, which have no index, are read whole. All of it is one transaction: the account is whole
    until the end, its own calls that write wait or give up meanwhile, and the space comes back with the next vacuum.
    What a worker writes for the account in this very moment may stay behind as rows of nobody.
    """
    held = await session.scalars(
        select(User.user_id).where(queries.among(User.user_id, user_ids)).order_by(User.user_id).with_for_update()
    )
    found = held.all()
    if not found:
        return
    # the timeout of API calls would cut a big account's deletion off, for ever
    await session.execute(text(f"SET LOCAL statement_timeout = {DELETION_TIMEOUT_MS}"))
    tables = Base.metadata.tables
    journeys = tables[Journey.__tablename__]
    theirs = select(journeys.c.journey_id).where(queries.among(journeys.c.owner_id, found))
    for table in tables.values():
        if "journey_id" in table.c and "owner_id" not in table.c:
            await session.execute(table.delete().where(table.c.journey_id.in_(theirs)))
    for table in reversed(Base.metadata.sorted_tables):
        if "owner_id" in table.c:
            await session.execute(table.delete().where(queries.among(table.c.owner_id, found)))
    users = tables[User.__tablename__]
    await session.execute(users.delete().where(queries.among(users.c.user_id, found)))
