"""The commands that a person types: parse, open what a door opens, call a service."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
import typer
from email_validator import EmailNotValidError, validate_email
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.clock import SystemClock
from journeys_api.db import Sessions, make_engine, make_sessions
from journeys_api.embedded import EmbeddedPostgresError
from journeys_api.errors import DomainError
from journeys_api.heartbeat import Heartbeat
from journeys_api.logging import configure_logging, redact_text
from journeys_api.migrate import MigrationError, migrate, schema_is_current
from journeys_api.models import Job, User, UserGroup
from journeys_api.settings import Settings
from journeys_api.starting.opening import CannotStart, opened, pepper, required_url

Result = TypeVar("Result")

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
user_commands = typer.Typer(no_args_is_help=True, help="Accounts and administrators.")
key_commands = typer.Typer(no_args_is_help=True, help="API keys of accounts.")
stats_commands = typer.Typer(no_args_is_help=True, help="The numbers of journeys.")
visit_commands = typer.Typer(no_args_is_help=True, help="Visits of tracked links that could not be judged.")

cli.add_typer(user_commands, name="user")
cli.add_typer(key_commands, name="key")
cli.add_typer(stats_commands, name="stats")
cli.add_typer(visit_commands, name="visits")


class Refused(Exception):
    """The command cannot do what was asked; the text says why."""


@cli.callback()
def journeys_api() -> None:
    """The open, self-hosted server for customer journeys."""


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (JOURNEYS_HOST).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one (JOURNEYS_PORT).")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer requests.")] = 1,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Answer HTTP only; `journeys-api worker` runs the journeys then.")
    ] = False,
) -> None:
    """Answer HTTP; without JOURNEYS_DATABASE_URL on a PostgreSQL of its own."""
    # Imported here because it brings the whole application, which the other commands start faster without.
    from journeys_api.serve import serve as run

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    run(_settings().model_copy(update=given), workers=workers, with_worker=not no_worker)


@cli.command()
def worker() -> None:
    """Run journeys and send what they owe, until a signal says stop; as many as you like on one database."""
    # Imported here because it brings the engine, which the other commands start faster without.
    import uvloop

    from journeys_api.starting.memory import collect_rarely
    from journeys_api.work import work_until_stopped

    collect_rarely()
    with opened(_settings(), owning=False) as settings:
        asyncio.run(migrate(required_url(settings)))
        uvloop.run(work_until_stopped(settings))


@cli.command()
def doctor(
    minutes: Annotated[float, typer.Option(min=0, help="How long something may be due before it is called stuck.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Say what is stuck and why; ends with 1 when something is."""
    # Imported here because a table to print is what no other command needs.
    from journeys_api.cli.doctor_table import print_table
    from journeys_api.operators import doctor as looks

    async def examine(session: AsyncSession, settings: Settings) -> list[looks.Finding]:
        return await looks.examine(session, patience=timedelta(minutes=minutes))

    found = _in_one_transaction(examine)
    if as_json:
        typer.echo(orjson.dumps([vars(each) for each in found], option=orjson.OPT_INDENT_2))
    else:
        print_table(found)
    if any(each.is_stuck for each in found):
        raise typer.Exit(1)


@cli.command()
def demo(
    people: Annotated[int, typer.Option(min=1, max=100_000, help="How many people take the journey.")] = 1000,
) -> None:
    """Run a welcome journey in accelerated time, on a database of its own below the data directory; mails nobody."""
    # Imported here because it brings the engine, which the other commands start faster without.
    from rich.console import Console

    from journeys_api.cli.demo import demo_settings, run_demo
    from journeys_api.cli.demo_display import bars, print_outcome

    console = Console()
    quiet = _settings().model_copy(update={"log_level": "warning"})
    configure_logging(quiet.log_level)
    console.print("A welcome journey in accelerated time. A first run makes a database for it.")
    with opened(demo_settings(quiet), owning=True) as settings:
        asyncio.run(migrate(required_url(settings)))
        with bars(people, console) as show:
            outcome = asyncio.run(run_demo(settings, people=people, show=show))
    print_outcome(outcome, console)
    if not outcome.is_whole:
        raise Refused("not everybody completed the journey")


@cli.command("import")
def import_people(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV file, UTF-8.")],
    user: Annotated[str, typer.Option(help="Username of the account.")],
    list_id: Annotated[int, typer.Option("--list", min=1, help="Id of the list.")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="HEADING=FIELD or FIELDn=FIELD; FIELD is EmailAddress, a field's id or alias, TagAdd or TagSync. "
            "Without any: by the file's headings.",
        ),
    ] = None,
    delimiter: Annotated[str, typer.Option(help="Between fields.")] = ",",
    tag: Annotated[list[str] | None, typer.Option(help="A tag that everybody gets.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Also update who is on the list already.")] = False,
    trigger: Annotated[bool, typer.Option("--trigger", help="Tell journeys of those who come.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave it to the workers.")] = False,
) -> None:
    """Put the people of a CSV file on a list, while a server or a worker runs."""
    # Imported here because it brings the audience and a display, which the other commands start faster without.
    from rich.console import Console

    from journeys_api.cli.import_file import CannotImport, Wanted, import_file, print_outcome
    from journeys_api.imports.formats import Format
    from journeys_api.models import JobState
    from journeys_api.tags.names import is_tag_name

    mapped = dict(each.partition("=")[::2] for each in column or ())
    if len(delimiter) != 1 or delimiter in '"\\\r\n':
        raise Refused("the delimiter is one character")
    if mapped and "emailaddress" not in (target.strip().lower() for target in mapped.values()):
        raise Refused("one column must be mapped to EmailAddress")
    if not all(is_tag_name(each) for each in tag or ()):
        raise Refused("a tag has letters, digits, blanks, -, _ and % only")
    wanted = Wanted(
        file,
        user,
        list_id,
        Format(delimiter, '"', "\\"),
        mapped,
        updates=update,
        triggers=trigger,
        tags=tuple(tag or ()),
    )
    console = Console()

    async def hand_in(sessions: Sessions, settings: Settings) -> Job:
        return await import_file(sessions, wanted, console, waits=not no_wait)

    try:
        job = _with_sessions(hand_in)
    except CannotImport as error:
        raise Refused(str(error)) from error
    if job.state is JobState.PENDING:
        console.print(f"Import {job.job_id} waits for a worker.")
        return
    print_outcome(job, console)
    if job.state is JobState.FAILED:
        raise Refused(job.reason)


@cli.command("migrate")
def migrate_command() -> None:
    """Bring the database's schema to this release's revision."""
    with opened(_settings(), owning=False) as settings:
        asyncio.run(migrate(required_url(settings)))
    typer.echo("The schema is up to date.")


@cli.command()
def export_openapi() -> None:
    """Print the OpenAPI document of both doors."""
    # Imported here because it brings every command of the API, which the rest starts faster without.
    from journeys_api.commands import catalog
    from journeys_api.commands.registry import COMMANDS
    from journeys_api.http.openapi import openapi_document

    assert catalog, "the catalog fills the table of commands"
    document = openapi_document(COMMANDS.values(), public_url=_settings().public_url)
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


@stats_commands.command("verify")
def verify_stats(
    account: Annotated[
        int | None, typer.Option(help="Id of the only account to verify; all of them if absent.")
    ] = None,
) -> None:
    """Recompute every number of every account from the facts; ends with 1 when one differs. Workers may go on."""
    # Imported here because its statements are made when it is imported, which no other command needs.
    from journeys_api.stats.verifying import Difference, differences

    async def verify(session: AsyncSession, settings: Settings) -> list[Difference]:
        return await differences(session, owner_id=account)

    found = _in_one_transaction(verify)
    for each in found:
        typer.echo(f"account {each.owner_id}: {each.of}: {each.counter} is {each.kept}, the facts say {each.true}")
    typer.echo(f"{len(found)} numbers differ." if found else "Every number follows from the facts.")
    if found:
        raise typer.Exit(1)


@visit_commands.command("retry")
def retry_visits() -> None:
    """Have the visits that were set aside judged once more; the next worker does it."""
    # Imported here because it brings the ledger, which the other commands start faster without.
    from journeys_api.tracking.isolation import put_back

    async def retry(sessions: Sessions, settings: Settings) -> int:
        total = 0
        while True:
            async with sessions.begin() as session:
                some = await put_back(session)
            if not some:
                return total
            total += some

    typer.echo(f"{_with_sessions(retry)} visits are judged again.")


@visit_commands.command("forget")
def forget_visits() -> None:
    """Delete the visits that were set aside: they will never count."""
    # Imported here because it brings the ledger, which the other commands start faster without.
    from journeys_api.tracking.isolation import let_go

    async def forget(session: AsyncSession, settings: Settings) -> int:
        return await let_go(session)

    typer.echo(f"{_in_one_transaction(forget)} visits are gone.")


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
        typer.echo(_in_one_transaction(create))
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

    typer.echo(_in_one_transaction(create))


def _settings() -> Settings:
    try:
        settings = Settings()
    except ValidationError as error:
        # Not pydantic's own text: it quotes what was given, and that may be a key.
        reasons = (
            f"JOURNEYS_{'_'.join(map(str, one['loc'])).upper()}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise CannotStart("; ".join(reasons)) from None
    configure_logging(settings.log_level)
    return settings


def _asked_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _in_one_transaction(work: Callable[[AsyncSession, Settings], Awaitable[Result]]) -> Result:
    """Run `work` on the database in a transaction that is committed when it returns."""

    async def run(sessions: Sessions, settings: Settings) -> Result:
        async with sessions.begin() as session:
            return await work(session, settings)

    return _with_sessions(run)


def _with_sessions(work: Callable[[Sessions, Settings], Awaitable[Result]]) -> Result:
    """Run `work` on the database; TimeoutError when that does not answer any more.

    An embedded database is migrated first; one of the operator's own is left as it is, and refused if it is behind.
    """

    async def run(settings: Settings, *, embedded: bool) -> Result:
        url = required_url(settings)
        if embedded:
            await migrate(url)
        engine = make_engine(url, pool_size=1, statement_timeout=settings.statement_timeout)
        heartbeat, stop = Heartbeat(url), asyncio.Event()
        beating = asyncio.create_task(heartbeat.run(stop), name="heartbeat")
        try:
            # some statements take their time; a database that has fallen silent would be waited for without end
            with heartbeat.guard():
                async with engine.connect() as connection:
                    if not await schema_is_current(connection):
                        raise Refused("the database's schema is behind this release: run journeys-api migrate first")
                return await work(make_sessions(engine), settings)
        finally:
            stop.set()
            await beating
            await engine.dispose()

    given = _settings()
    with opened(given, owning=False) as settings:
        return asyncio.run(run(settings, embedded=given.database_url is None))


def main() -> None:
    """Run the command line; what stops it is said in one line."""
    try:
        cli()
    except (CannotStart, DomainError, EmbeddedPostgresError, MigrationError, Refused) as error:
        _give_up(str(error))
    except DBAPIError as error:
        _give_up(redact_text(f"the database refused: {error.orig}"))
    except TimeoutError:
        _give_up("the database does not answer")
    except OSError as error:
        _give_up(redact_text(f"cannot reach the database or a file: {error}"))


def _give_up(reason: str) -> None:
    print(f"journeys-api: {reason}", file=sys.stderr)
    raise SystemExit(1)
