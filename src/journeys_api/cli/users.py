"""Commands about accounts: users, administrators and API keys."""

import sys
from ipaddress import ip_address
from typing import Annotated

import typer
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.cli.database import Refused, in_one_transaction
from journeys_api.clock import SystemClock
from journeys_api.models import User, UserGroup
from journeys_api.settings import Settings
from journeys_api.starting.opening import pepper

user_commands = typer.Typer(no_args_is_help=True, help="Accounts and administrators.")
key_commands = typer.Typer(no_args_is_help=True, help="API keys of accounts.")


@user_commands.command("create")
def create_user(
    username: Annotated[str, typer.Option(prompt=True)],
    email: Annotated[str, typer.Option(prompt=True)],
    password: Annotated[
        str | None, typer.Option(help="Asked for when absent: other users of this machine see what is typed here.")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make an administrator in place of an account.")] = False,
    group: Annotated[
        int | None, typer.Option(help="Id of the account's user group; the default group if absent.")
    ] = None,
) -> None:
    """Make an account, or an administrator."""
    if admin and group is not None:
        raise Refused("administrators belong to no group: leave out --group")
    try:
        address = validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise Refused(f"not an email address: {error}") from error
    secret = password if password is not None else _asked_password()
    if not username or not secret:
        raise Refused("username and password must not be empty")

    async def create(session: AsyncSession, settings: Settings) -> str:
        now = SystemClock().now()
        if admin:
            administrator = await accounts.create_administrator(
                session, username=username, email_address=address, password=secret, now=now
            )
            return f"Administrator {administrator.administrator_id} created."
        default = await accounts.ensure_default_group(session, now=now)
        if group is not None and await session.get(UserGroup, group) is None:
            raise Refused(f"there is no user group {group}")
        user = await accounts.create_user(
            session,
            group_id=default.group_id if group is None else group,
            username=username,
            email_address=address,
            password=secret,
            now=now,
        )
        return f"User {user.user_id} created."

    try:
        typer.echo(in_one_transaction(create))
    except IntegrityError as error:
        raise Refused("this username or email address is taken") from error


@key_commands.command("create")
def create_key(
    user: Annotated[str, typer.Option(help="Username of the account.")],
    note: Annotated[str, typer.Option(help="What the key is for.")] = "",
    ip: Annotated[str | None, typer.Option(help="The only address that may use the key.")] = None,
) -> None:
    """Make an API key for an account and print it; it cannot be shown again."""

    if ip is not None:
        try:
            ip = str(ip_address(ip))
        except ValueError as error:
            raise Refused(f"{ip} is no IP address") from error

    async def create(session: AsyncSession, settings: Settings) -> str:
        owner_id = await session.scalar(select(User.user_id).where(func.lower(User.username) == user.lower()))
        if owner_id is None:
            raise Refused(f"there is no user {user}")
        _, key = await accounts.create_api_key(
            session,
            owner_id=owner_id,
            note=note,
            bound_ip_address=ip,
            now=SystemClock().now(),
            pepper=pepper(settings),
        )
        return key

    typer.echo(in_one_transaction(create))


def _asked_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
