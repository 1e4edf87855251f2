"""Rules of logins: what proves who somebody is, and the sessions that come of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import credentials, queries
from journeys_api.accounts.errors import LoginRefused
from journeys_api.models import Administrator, LoginSession, User, UserGroup

AT_ONCE = 4
"""Logins that one process works on together: each holds a connection and 64 MiB while its password is hashed, and the
other calls need connections too."""

EXPIRED_AT_ONCE = 100
"""Expired sessions that one login clears away: more than it adds, few enough not to be felt."""

Counted = Callable[[str], AbstractContextManager[None]]
"""Counts a login to what is named as failed, unless its block ends otherwise than with LoginRefused. Entered before the
password is looked at, and where the account is known: it has several names, and is to be guessed at by one count."""

_turns = asyncio.Semaphore(AT_ONCE)


@dataclass(frozen=True)
class UserLogin:
    """A user has logged in."""

    session_id: str
    user: User
    group: UserGroup


@dataclass(frozen=True)
class AdministratorLogin:
    """An administrator has logged in."""

    session_id: str
    administrator: Administrator | None
    """None: by the configured key, which is nobody's."""
    last_login_at: datetime | None


@asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """Wait for a turn to log somebody in; take it before the first statement, which is when a connection is taken."""
    async with _turns:
        yield


async def log_in_user(
    session: AsyncSession,
    *,
    name: str,
    password: str,
    pepper: bytes,
    now: datetime,
    lifetime: timedelta,
    counted: Counted,
) -> UserLogin:
    """Log a user in by e-mail address or username, and password.

    An unknown name takes as long as a wrong password.

    Raises:
        LoginRefused: no such account, another password, or the account is disabled.
    """
    kept = await queries.password_of_user(session, name=name)
    with counted(_counted_as("user", kept, name)):
        await _prove(kept, password)
        assert kept is not None
        # read again under a lock: a password changed, or an account disabled, while this was hashed must not let in
        account = (
            await session.execute(
                queries.enabled_accounts().where(
                    User.user_id == kept.account_id, User.password_hash == kept.password_hash
                )
            )
        ).one_or_none()
        if account is None:
            raise LoginRefused
    session_id = await _open(session, pepper=pepper, now=now, lifetime=lifetime, user_id=kept.account_id)
    return UserLogin(session_id, account[0], account[1])


async def log_in_user_by_key(
    session: AsyncSession,
    *,
    key: str,
    pepper: bytes,
    client_address: str,
    now: datetime,
    lifetime: timedelta,
    counted: Counted,
) -> UserLogin:
    """Log a user in by an API key, and count its use. The session ends with the key.

    Raises:
        LoginRefused: no such key, not from this address, or the account is disabled.
    """
    with counted(f"key {key}"):
        found = await queries.key_by_hash(session, key_hash=credentials.keyed_hash(pepper, key))
        if found is None or not credentials.may_use_from(found.bound_ip_address, client_address):
            raise LoginRefused
        account = (
            await session.execute(queries.enabled_accounts().where(User.user_id == found.owner_id))
        ).one_or_none()
        if account is None or not await queries.count_key_use(
            session, api_key_id=found.api_key_id, client_address=client_address, now=now
        ):
            raise LoginRefused
    session_id = await _open(
        session, pepper=pepper, now=now, lifetime=lifetime, user_id=found.owner_id, api_key_id=found.api_key_id
    )
    return UserLogin(session_id, account[0], account[1])


async def log_in_administrator(
    session: AsyncSession,
    *,
    name: str,
    password: str,
    pepper: bytes,
    now: datetime,
    lifetime: timedelta,
    counted: Counted,
) -> AdministratorLogin:
    """Log an administrator in by username and password.

    Raises:
        LoginRefused: no such administrator, or another password.
    """
    kept = await queries.password_of_administrator(session, name=name)
    with counted(_counted_as("administrator", kept, name)):
        await _prove(kept, password)
        assert kept is not None
        administrator = await session.scalar(
            select(Administrator)
            .where(Administrator.administrator_id == kept.account_id, Administrator.password_hash == kept.password_hash)
            .with_for_update(key_share=True)
        )
        if administrator is None:
            raise LoginRefused
    last_login_at = administrator.last_login_at
    administrator.last_login_at = now
    await session.flush()
    session_id = await _open(session, pepper=pepper, now=now, lifetime=lifetime, administrator_id=kept.account_id)
    return AdministratorLogin(session_id, administrator, last_login_at)


async def log_in_by_admin_key(
    session: AsyncSession, *, key: str, configured: str, pepper: bytes, now: datetime, lifetime: timedelta
) -> AdministratorLogin:
    """Open an administrator's session by the configured key; it ends when another key is configured.

    Raises:
        LoginRefused: it is another key.
    """
    if not configured or not credentials.same_secret(key, configured):
        raise LoginRefused
    session_id = await _open(
        session,
        pepper=pepper,
        now=now,
        lifetime=lifetime,
        admin_key_hash=credentials.keyed_hash(pepper, configured),
    )
    return AdministratorLogin(session_id, None, None)


async def end_sessions(session: AsyncSession, *, user_id: int) -> None:
    """Log a user out everywhere."""
    await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))


def _counted_as(kind: str, kept: queries.KeptPassword | None, name: str) -> str:
    """The kinds are counted apart: else a name closed for the one would tell whether the other has it."""
    return f"{kind} name {name.lower()}" if kept is None else f"{kind} {kept.account_id}"


async def _prove(kept: queries.KeptPassword | None, password: str) -> None:
    password_hash = None if kept is None else kept.password_hash
    if not await asyncio.to_thread(credentials.password_matches, password_hash, password):
        raise LoginRefused


async def _open(
    session: AsyncSession, *, pepper: bytes, now: datetime, lifetime: timedelta, **holder: int | bytes
) -> str:
    """A new session for the holder; clears some expired ones away."""
    expired = (
        select(LoginSession.session_hash)
        .where(LoginSession.expires_at <= now)
        .order_by(LoginSession.expires_at)
        .limit(EXPIRED_AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("expired")
        .prefix_with("MATERIALIZED")
    )
    await session.execute(
        delete(LoginSession)
        .where(LoginSession.session_hash.in_(select(expired.c.session_hash)))
        .execution_options(synchronize_session=False)
    )
    session_id = credentials.new_session_id()
    await session.execute(
        insert(LoginSession).values(
            session_hash=credentials.keyed_hash(pepper, session_id),
            created_at=now,
            expires_at=now + lifetime,
            **holder,
        )
    )
    return session_id
