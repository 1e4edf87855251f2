"""SQL of accounts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    LargeBinary,
    Select,
    any_,
    bindparam,
    cast,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts.credentials import may_use_from
from journeys_api.lanes import Lane, Prepared
from journeys_api.models import AccountStatus, Administrator, ApiKey, CredentialChange, LoginSession, User, UserGroup


class Holder(NamedTuple):
    """Whom a key or session speaks for."""

    user_id: int
    administrator_id: int
    permissions: list[str]
    is_administrator: bool = False
    expires_at: datetime | None = None
    """When a session ends by itself; None: it is a key."""


class KeptPassword(NamedTuple):
    """What a login is judged by."""

    account_id: int
    password_hash: str


def among(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Whether the column is one of the ids. They go as one array: a statement takes no more than 32767 parameters."""
    condition: ColumnElement[bool] = column == any_(cast(sorted(ids), ARRAY(BigInteger)))
    return condition


_HOLDER_OF_KEY = Prepared(
    select(User.user_id, UserGroup.permissions, ApiKey.bound_ip_address)
    .join(ApiKey, ApiKey.owner_id == User.user_id)
    .join(UserGroup, UserGroup.group_id == User.group_id)
    .where(ApiKey.key_hash == bindparam("key_hash", type_=LargeBinary), User.account_status == AccountStatus.ENABLED)
)
_HOLDER_OF_SESSION = Prepared(
    select(
        LoginSession.user_id,
        LoginSession.administrator_id,
        LoginSession.admin_key_hash,
        LoginSession.expires_at,
        ApiKey.bound_ip_address,
        User.account_status,
        UserGroup.permissions,
    )
    .outerjoin(User, User.user_id == LoginSession.user_id)
    .outerjoin(UserGroup, UserGroup.group_id == User.group_id)
    .outerjoin(ApiKey, ApiKey.api_key_id == LoginSession.api_key_id)
    .where(
        LoginSession.session_hash == bindparam("session_hash", type_=LargeBinary),
        LoginSession.expires_at > bindparam("now", type_=DateTime(timezone=True)),
    )
)
_CHANGES = Prepared(select(cast(func.coalesce(func.sum(CredentialChange.changes), 0), BigInteger).label("changes")))


async def holder_of_key(lane: Lane, *, key_hash: bytes, client_address: str) -> Holder | None:
    """The enabled user whose key this is; None when there is none, or when the key is bound to another address."""
    rows = await lane.rows(_HOLDER_OF_KEY, key_hash=key_hash)
    if not rows or not may_use_from(rows[0].bound_ip_address, client_address):
        return None
    return Holder(rows[0].user_id, 0, rows[0].permissions)


async def holder_of_session(
    lane: Lane, *, session_hash: bytes, client_address: str, admin_key_hash: bytes, now: datetime
) -> Holder | None:
    """The enabled user or the administrator who logged in; None when the session is unknown, has expired or ended.

    A session that an API key opened may be used only where the key may; one that the configured administrator's key
    opened ends when another key is configured.
    """
    rows = await lane.rows(_HOLDER_OF_SESSION, session_hash=session_hash, now=now)
    if not rows or not may_use_from(rows[0].bound_ip_address, client_address):
        return None
    row = rows[0]
    if row.user_id is not None:
        if row.account_status != AccountStatus.ENABLED:
            return None
        return Holder(row.user_id, 0, row.permissions, expires_at=row.expires_at)
    if row.admin_key_hash not in (None, admin_key_hash):
        return None
    return Holder(0, row.administrator_id or 0, [], is_administrator=True, expires_at=row.expires_at)


async def credential_changes(lane: Lane) -> int:
    """A number that grows with every committed change that a credential's rights follow from."""
    changes: int = (await lane.rows(_CHANGES))[0].changes
    return changes


async def password_of_user(session: AsyncSession, *, name: str) -> KeptPassword | None:
    """The password of the user with this e-mail address or, if there is none, with this username."""
    address = func.lower(User.email_address) == func.lower(name)
    row = (
        await session.execute(
            select(User.user_id, User.password_hash)
            .where(or_(address, func.lower(User.username) == func.lower(name)))
            .order_by(address.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else KeptPassword(row.user_id, row.password_hash)


async def password_of_administrator(session: AsyncSession, *, name: str) -> KeptPassword | None:
    """The password of the administrator with this username."""
    row = (
        await session.execute(
            select(Administrator.administrator_id, Administrator.password_hash).where(
                func.lower(Administrator.username) == func.lower(name)
            )
        )
    ).one_or_none()
    return None if row is None else KeptPassword(row.administrator_id, row.password_hash)


def enabled_accounts() -> Select[User, UserGroup]:
    """Enabled users with their groups, the users' rows kept from changes until the transaction ends."""
    return (
        select(User, UserGroup)
        .join(UserGroup, UserGroup.group_id == User.group_id)
        .where(User.account_status == AccountStatus.ENABLED)
        .with_for_update(read=True, of=User)
    )


async def key_by_hash(session: AsyncSession, *, key_hash: bytes) -> ApiKey | None:
    """The key, whoever holds it."""
    key: ApiKey | None = await session.scalar(select(ApiKey).where(ApiKey.key_hash == key_hash))
    return key


async def count_key_use(session: AsyncSession, *, api_key_id: int, client_address: str, now: datetime) -> bool:
    """One more login by the key; False when it has gone meanwhile. Nobody deletes it until the transaction ends."""
    counted = await session.scalar(
        update(ApiKey)
        .where(ApiKey.api_key_id == api_key_id)
        .values(request_count=ApiKey.request_count + 1, last_used_at=now, last_used_ip=client_address)
        .returning(ApiKey.api_key_id)
        .execution_options(synchronize_session=False)
    )
    return counted is not None


def owned_api_keys(owner_id: int) -> Select[ApiKey]:
    """The only way to a key: whatever is built on this stays within one account."""
    return select(ApiKey).where(ApiKey.owner_id == owner_id)


async def names_taken(
    session: AsyncSession, *, username: str | None, email_address: str | None, but_of: int = 0
) -> tuple[bool, bool]:
    """Whether another account holds the username, and whether one holds the address; None asks for nothing.

    An address that is somebody's username counts as held and so does the reverse: both are names to log in with.
    """
    found = []
    for name in (username, email_address):
        is_held = (
            select(User.user_id)
            .where(
                or_(
                    func.lower(User.username) == func.lower(name),
                    func.lower(User.email_address) == func.lower(name),
                ),
                User.user_id != but_of,
            )
            .exists()
        )
        found.append(name is not None and bool(await session.scalar(select(is_held))))
    return found[0], found[1]


async def group_kept(session: AsyncSession, *, group_id: int) -> UserGroup | None:
    """The group, which nobody deletes until the transaction ends."""
    group: UserGroup | None = await session.scalar(
        select(UserGroup).where(UserGroup.group_id == group_id).with_for_update(read=True, key_share=True)
    )
    return group


async def user_for_update(session: AsyncSession, *, user_id: int, is_alone: bool = False) -> User | None:
    """The user's row, locked against changes but not against new rows that refer to it.

    Args:
        is_alone: against those, too; what others have under way is waited for.
    """
    user: User | None = await session.scalar(
        select(User).where(User.user_id == user_id).with_for_update(key_share=not is_alone)
    )
    return user


def users_with_groups() -> Select[User, UserGroup]:
    """Every account with its group; for administrators only."""
    return select(User, UserGroup).join(UserGroup, UserGroup.group_id == User.group_id)


async def group_for_update(session: AsyncSession, *, group_id: int) -> UserGroup | None:
    """The group's row, locked against changes."""
    group: UserGroup | None = await session.scalar(
        select(UserGroup).where(UserGroup.group_id == group_id).with_for_update(key_share=True)
    )
    return group


async def every_group_id_for_update(session: AsyncSession) -> Sequence[int]:
    """The ids of all groups, which nobody changes, deletes or joins until the transaction ends."""
    return (await session.scalars(select(UserGroup.group_id).order_by(UserGroup.group_id).with_for_update())).all()


async def currency_of(session: AsyncSession, *, owner_id: int) -> str:
    """What the account's revenue is counted in; "": nothing is settled yet, or the account is gone."""
    return await session.scalar(select(User.currency).where(User.user_id == owner_id)) or ""


async def whitelists_of(session: AsyncSession, *, owner_ids: Collection[int]) -> dict[int, str]:
    """The lines of those of the accounts that want addresses never suppressed."""
    lines = User.profile["WhiteListedEmailAddresses"].as_string()
    found = await session.execute(select(User.user_id, lines).where(among(User.user_id, owner_ids), lines != ""))
    return dict(found.all())


async def settle_currency(session: AsyncSession, *, owner_id: int, currency: str) -> None:
    """Let the account count in a currency, unless one was settled before."""
    await session.execute(
        update(User)
        .where(User.user_id == owner_id, User.currency == "")
        .values(currency=currency)
        .execution_options(synchronize_session=False)
    )
