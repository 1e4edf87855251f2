"""What a first start makes: the group that new accounts belong to and, on the embedded server, an account to try."""

import secrets

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.clock import SystemClock
from journeys_api.db import make_engine, make_sessions
from journeys_api.models import User, UserGroup
from journeys_api.settings import Settings
from journeys_api.starting.opening import pepper, required_url
from journeys_api.starting.secrets_file import keep_secret, read_secret

DEMO_USERNAME = "demo"
DEMO_EMAIL_ADDRESS = "demo@example.com"
DEMO_KEY_FILE = "demo_api_key"


async def prepare(settings: Settings, *, with_demo: bool) -> str | None:
    """Make the first rows where there are none; answers the demo account's API key if it is wanted and there is one.

    The database knows the key's hash alone; the key itself is kept beside the other secrets, to be shown at each start.
    An account that was deleted is not made again while there are others.

    Args:
        settings: as `opened` gave them out; the schema is up to date.
    """
    engine = make_engine(required_url(settings), pool_size=1, statement_timeout=settings.statement_timeout)
    sessions = make_sessions(engine)
    try:
        async with sessions.begin() as session:
            # Asked first: making it locks the table, which a server that joins others at work should not.
            if await session.scalar(select(UserGroup.group_id).limit(1)) is None:
                await accounts.ensure_default_group(session, now=SystemClock().now())
        if not with_demo:
            return None
        kept = read_secret(settings.data_dir, DEMO_KEY_FILE)
        async with sessions.begin() as session:
            user_id = await _demo_account(session)
            if user_id is None or kept is not None:
                return kept if user_id is not None else None
            _, key = await accounts.create_api_key(
                session,
                owner_id=user_id,
                note="demo",
                bound_ip_address=None,
                now=SystemClock().now(),
                pepper=pepper(settings),
            )
        # After the commit: a crash in between costs a key that nobody saw, and the next start makes another.
        keep_secret(settings.data_dir, DEMO_KEY_FILE, key)
        return key
    finally:
        await engine.dispose()


async def _demo_account(session: AsyncSession) -> int | None:
    user_id = await session.scalar(select(User.user_id).where(func.lower(User.username) == DEMO_USERNAME))
    if user_id is not None or await session.scalar(select(User.user_id).limit(1)) is not None:
        return user_id
    now = SystemClock().now()
    group = await accounts.ensure_default_group(session, now=now)
    user = await accounts.create_user(
        session,
        group_id=group.group_id,
        username=DEMO_USERNAME,
        email_address=DEMO_EMAIL_ADDRESS,
        password=secrets.token_urlsafe(24),
        now=now,
    )
    return user.user_id
