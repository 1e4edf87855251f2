"""SQL of accounts."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import AccountStatus, ApiKey, LoginSession, User, UserGroup


class Holder(NamedTuple):
    """Whom a key or session speaks for."""

    user_id: int
    administrator_id: int
    permissions: list[str]


async def holder_of_key(session: AsyncSession, *, key_hash: bytes, client_address: str) -> Holder | None:
    """The enabled user whose key this is; None when there is none, or when the key is bound to another address."""
    statement = (
        select(User.user_id, UserGroup.permissions, ApiKey.bound_ip_address)
        .join(ApiKey, ApiKey.owner_id == User.user_id)
        .join(UserGroup, UserGroup.group_id == User.group_id)
        .where(ApiKey.key_hash == key_hash, User.account_status == AccountStatus.ENABLED)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None or row.bound_ip_address not in (None, client_address):
        return None
    return Holder(row.user_id, 0, row.permissions)


async def holder_of_session(session: AsyncSession, *, session_hash: bytes, now: datetime) -> Holder | None:
    """The enabled user or the administrator who logged in; None when the session is unknown or has expired."""
    statement = (
        select(
            func.coalesce(LoginSession.user_id, 0).label("user_id"),
            func.coalesce(LoginSession.administrator_id, 0).label("administrator_id"),
            User.account_status,
            UserGroup.permissions,
        )
        .outerjoin(User, User.user_id == LoginSession.user_id)
        .outerjoin(UserGroup, UserGroup.group_id == User.group_id)
        .where(LoginSession.session_hash == session_hash, LoginSession.expires_at > now)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None or (row.user_id and row.account_status != AccountStatus.ENABLED):
        return None
    return Holder(row.user_id, row.administrator_id, row.permissions or [])
