"""The commands that a person types: parse, open what a door opens, call a service."""

import sys

import typer
from sqlalchemy.exc import DBAPIError

from journeys_api.cli import importing, running, upkeep, users
from journeys_api.cli.database import Refused
from journeys_api.embedded import EmbeddedPostgresError
from journeys_api.errors import DomainError
from journeys_api.logging import redact_text
from journeys_api.migrate import MigrationError
from journeys_api.starting.opening import CannotStart

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@cli.callback()
def journeys_api() -> None:
    """The open, self-hosted server for customer journeys."""


# in the order of `--help`
cli.command()(running.serve)
cli.command()(running.worker)
cli.command()(upkeep.doctor)
cli.command()(running.demo)
cli.command("import")(importing.import_people)
cli.command("migrate")(running.migrate_command)
cli.command()(running.export_openapi)
cli.add_typer(users.user_commands, name="user")
cli.add_typer(users.key_commands, name="key")
cli.add_typer(upkeep.stats_commands, name="stats")
cli.add_typer(upkeep.visit_commands, name="visits")


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
