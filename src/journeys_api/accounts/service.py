"""Rules of accounts: who a credential speaks for, and how accounts, keys and sessions come and go."""

import asyncio
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import credentials, queries
from journeys_api.commands.call import Principal
from journeys_api.models import Administrator, ApiKey, User, UserGroup

DEFAULT_GROUP_ID = 1


async def principal_of_key(session: AsyncSession, *, key_hash: bytes, client_address: str) -> Principal | None:
    """The user whose API key hashes to this; None when there is none who may use it from this address."""
    holder = await queries.holder_of_key(session, key_hash=key_hash, client_address=client_address)
    return _principal(holder)


async def principal_of_session(session: AsyncSession, *, session_hash: bytes, now: datetime) -> Principal | None:
    """The user or administrator of a live session; None when there is none."""
    holder = await queries.holder_of_session(session, session_hash=session_hash, now=now)
    return _principal(holder)


def _principal(holder: queries.Holder | None) -> Principal | None:
    if holder is None:
        return None
    if holder.administrator_id:
        return Principal("admin", administrator_id=holder.administrator_id)
    return Principal("user", user_id=holder.user_id, permissions=frozenset(holder.permissions))


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
    """Make a person who may call the admin commands, with `admin.login`."""
    administrator = Administrator(
        username=username,
        email_address=email_address,
        password_hash=await asyncio.to_thread(credentials.hash_password, password),
        created_at=now,
    )
    session.add(administrator)
    await session.flush()
    return administrator


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
    """Make an account. `optional` are further columns of `users`."""
    user = User(
        group_id=group_id,
        username=username,
        email_address=email_address,
        password_hash=await asyncio.to_thread(credentials.hash_password, password),
        created_at=now,
        updated_at=now,
        **optional,
    )
    session.add(user)
    await session.flush()
    return user


async def create_api_key(
    session: AsyncSession,
    *,
    owner_id: int,
    note: str,
    bound_ip_address: str | None,
    now: datetime,
    pepper: bytes,
) -> tuple[ApiKey, str]:
    """Make a key for the account; the second value is the key itself, which nobody can see again."""
    clear = credentials.new_api_key()
    api_key = ApiKey(
        owner_id=owner_id,
        key_hash=credentials.keyed_hash(pepper, clear),
        masked_key=credentials.masked(clear),
        note=note,
        bound_ip_address=bound_ip_address,
        created_at=now,
    )
    session.add(api_key)
    await session.flush()
    return api_key, clear
