"""Rules of accounts: who a credential speaks for, and how accounts and their keys come and go."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import credentials, queries
from journeys_api.accounts.errors import (
    ApiKeyNotFound,
    ApiKeyNotMade,
    EmailAddressTaken,
    GroupNotFound,
    PasswordUnfit,
    TooManyApiKeys,
    UsernameTaken,
    UserNotFound,
)
from journeys_api.commands.call import Principal
from journeys_api.lanes import Lane
from journeys_api.models import Administrator, ApiKey, User, UserGroup

MOST_API_KEYS = 1000
"""Keys of one account: `user.apikey.list` knows no pages."""


async def principal_of_key(lane: Lane, *, key_hash: bytes, client_address: str) -> Principal | None:
    """The user whose API key hashes to this; None when there is none who may use it from this address."""
    holder = await queries.holder_of_key(lane, key_hash=key_hash, client_address=client_address)
    return None if holder is None else _principal(holder)


async def principal_of_session(
    lane: Lane, *, session_hash: bytes, client_address: str, admin_key_hash: bytes, now: datetime
) -> tuple[Principal, datetime | None] | None:
    """The user or administrator of a live session, and when it expires; None when there is none.

    Args:
        client_address: a session that was opened by a bound key is bound with it.
        admin_key_hash: keyed hash of the administrator's key as it is configured now.
    """
    holder = await queries.holder_of_session(
        lane, session_hash=session_hash, client_address=client_address, admin_key_hash=admin_key_hash, now=now
    )
    return None if holder is None else (_principal(holder), holder.expires_at)


async def credential_changes(lane: Lane) -> int:
    """A number that grows with every committed change after which a credential may mean less, or somebody else."""
    return await queries.credential_changes(lane)


@lru_cache(maxsize=1000)
def _granted(permissions: tuple[str, ...]) -> frozenset[str]:
    """A group's permissions: thousands of remembered callers share one set."""
    return frozenset(permissions)


def _principal(holder: queries.Holder) -> Principal:
    if holder.is_administrator:
        return Principal("admin", administrator_id=holder.administrator_id)
    return Principal("user", user_id=holder.user_id, permissions=_granted(tuple(holder.permissions)))


async def ensure_default_group(session: AsyncSession, *, now: datetime) -> UserGroup:
    """The group `Default` (id 1, all permissions), made where there is no group yet (rulings 2)."""
    # processes that start together must not make two
    await session.execute(text("LOCK TABLE user_groups IN SHARE ROW EXCLUSIVE MODE"))
    group = await session.scalar(select(UserGroup).order_by(UserGroup.group_id).limit(1))
    if group is None:
        group = UserGroup(group_name="Default", permissions=["*"], created_at=now, updated_at=now)
        session.add(group)
        await session.flush()
    return group


async def create_administrator(
    session: AsyncSession, *, username: str, email_address: str, password: str, now: datetime
) -> Administrator:
    """Make a person who may call the admin commands, with `admin.login`.

    Raises:
        PasswordUnfit: empty, or longer than 1024 bytes.
        UsernameTaken: by another administrator.
    """
    password_hash = await hash_of(password)
    made: Administrator | None = await session.scalar(
        insert(Administrator)
        .values(username=username, email_address=email_address, password_hash=password_hash, created_at=now)
        .on_conflict_do_nothing()
        .returning(Administrator)
    )
    if made is None:
        raise UsernameTaken
    return made


async def create_user(
    session: AsyncSession,
    *,
    group_id: int,
    username: str,
    email_address: str,
    password: str,
    now: datetime,
    **optional: Any,
) -> User:
    """Make an account. `optional` are further columns of `users`.

    Raises:
        PasswordUnfit: empty, or longer than 1024 bytes.
        GroupNotFound: there is no such group.
        UsernameTaken: another account logs in by this name.
        EmailAddressTaken: another account logs in by this address.
    """
    password_hash = await hash_of(password)
    if await queries.group_kept(session, group_id=group_id) is None:
        raise GroupNotFound
    await _refuse_taken(session, username=username, email_address=email_address)
    user: User | None = await session.scalar(
        insert(User)
        .values(
            group_id=group_id,
            username=username,
            email_address=email_address,
            password_hash=password_hash,
            created_at=now,
            updated_at=now,
            **optional,
        )
        .on_conflict_do_nothing()
        .returning(User)
    )
    if user is None:  # somebody took one of them between the question and the insert
        await _refuse_taken(session, username=username, email_address=email_address)
        raise UsernameTaken
    return user


async def _refuse_taken(session: AsyncSession, *, username: str, email_address: str) -> None:
    is_username_taken, is_address_taken = await queries.names_taken(
        session, username=username, email_address=email_address
    )
    if is_username_taken:
        raise UsernameTaken
    if is_address_taken:
        raise EmailAddressTaken


async def get_user(session: AsyncSession, *, user_id: int) -> User:
    """The account, whoever asks: for administrators, and for copying from one account to another.

    Raises:
        UserNotFound: there is no such account.
    """
    user = await session.get(User, user_id)
    if user is None:
        raise UserNotFound
    return user


async def account_of(session: AsyncSession, *, user_id: int) -> tuple[User, UserGroup]:
    """An account and its group.

    Raises:
        UserNotFound: there is no such account (any more).
    """
    row = (await session.execute(queries.users_with_groups().where(User.user_id == user_id))).one_or_none()
    if row is None:
        raise UserNotFound
    return row[0], row[1]


async def currency_of(session: AsyncSession, *, owner_id: int, named: str = "") -> str:
    """What the account's revenue is counted in; "": nobody has said.

    Args:
        named: a currency that the account takes as its own if it has none yet.
    """
    found = await queries.currency_of(session, owner_id=owner_id)
    if found or not named:
        return found
    await queries.settle_currency(session, owner_id=owner_id, currency=named)
    return await queries.currency_of(session, owner_id=owner_id)


async def whitelists_of(session: AsyncSession, *, owner_ids: Collection[int]) -> dict[int, str]:
    """What addresses the accounts never want suppressed, as they wrote it; only those that want any."""
    return await queries.whitelists_of(session, owner_ids=owner_ids)


async def hash_of(password: str) -> str:
    """The hash to keep of a password. Call it before the first statement: no connection waits for it then.

    Raises:
        PasswordUnfit: empty, or longer than 1024 bytes.
    """
    if not 1 <= len(password.encode("utf-8")) <= credentials.MAX_PASSWORD_BYTES:
        raise PasswordUnfit
    return await asyncio.to_thread(credentials.hash_password, password)


async def create_api_key(
    session: AsyncSession,
    *,
    owner_id: int,
    note: str,
    bound_ip_address: str | None,
    now: datetime,
    pepper: bytes,
) -> tuple[ApiKey, str]:
    """Make a key for the account; the second value is the key itself, which nobody can see again.

    Raises:
        TooManyApiKeys: the account has 1000.
        ApiKeyNotMade: the account was deleted at the same moment.
    """
    count = await session.scalar(select(func.count()).select_from(queries.owned_api_keys(owner_id).subquery()))
    if count is not None and count >= MOST_API_KEYS:
        raise TooManyApiKeys
    clear = credentials.new_api_key()
    api_key = ApiKey(
        owner_id=owner_id,
        key_hash=credentials.keyed_hash(pepper, clear),
        masked_key=credentials.masked(clear),
        note=note,
        bound_ip_address=bound_ip_address,
        created_at=now,
        last_used_at=None,
        last_used_ip=None,
        request_count=0,
    )
    try:
        async with session.begin_nested():
            session.add(api_key)
    except IntegrityError:
        raise ApiKeyNotMade from None
    return api_key, clear


async def list_api_keys(session: AsyncSession, *, owner_id: int) -> Sequence[ApiKey]:
    """The account's keys, oldest first; what is kept of them cannot be used."""
    return (await session.scalars(queries.owned_api_keys(owner_id).order_by(ApiKey.api_key_id))).all()


async def delete_api_key(session: AsyncSession, *, owner_id: int, api_key_id: int) -> None:
    """Revoke a key; the sessions that it opened end with it.

    Raises:
        ApiKeyNotFound: no such key in this account.
    """
    deleted = await session.scalar(
        delete(ApiKey)
        .where(ApiKey.owner_id == owner_id, ApiKey.api_key_id == api_key_id)
        .returning(ApiKey.api_key_id)
        .execution_options(synchronize_session=False)
    )
    if deleted is None:
        raise ApiKeyNotFound
