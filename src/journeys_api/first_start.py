"""The account that a first embedded start makes, so that the first call can follow at once."""

import secrets

from sqlalchemy import func, select

from journeys_api.accounts import service as accounts
from journeys_api.clock import SystemClock
from journeys_api.db import make_engine, make_sessions
from journeys_api.models import User
from journeys_api.opening import pepper, required_url
from journeys_api.secrets_file import keep_secret, read_secret
from journeys_api.settings import Settings

USERNAME = "demo"
EMAIL_ADDRESS = "demo@example.com"
KEY_FILE = "demo_api_key"


async def demo_api_key(settings: Settings) -> str | None:
    """The demo account's API key; account and key are made where there is no account yet.

    The database knows the key's hash alone; the key itself is kept beside the other secrets, to be shown at each start.
    None: there are accounts, but the demo account was deleted.
    """
    engine = make_engine(required_url(settings), pool_size=1, statement_timeout=settings.statement_timeout)
    now = SystemClock().now()
    try:
        async with make_sessions(engine).begin() as session:
            group = await accounts.ensure_default_group(session, now=now)
            user_id = await session.scalar(select(User.user_id).where(func.lower(User.username) == USERNAME))
            kept = read_secret(settings.data_dir, KEY_FILE)
            if user_id is None:
                if await session.scalar(select(User.user_id).limit(1)) is not None:
                    return None
                user = await accounts.create_user(
                    session,
                    group_id=group.group_id,
                    username=USERNAME,
                    email_address=EMAIL_ADDRESS,
                    password=secrets.token_urlsafe(24),
                    now=now,
                )
                user_id = user.user_id
            elif kept is not None:
                return kept
            _, key = await accounts.create_api_key(
                session, owner_id=user_id, note="demo", bound_ip_address=None, now=now, pepper=pepper(settings)
            )
        # After the commit: a crash in between costs a key that nobody saw, and the next start makes another.
        keep_secret(settings.data_dir, KEY_FILE, key)
        return key
    finally:
        await engine.dispose()
