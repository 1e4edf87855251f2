"""Commands that run the product: the server, a worker, a demonstration; its schema and its document."""

import asyncio
from typing import Annotated

import orjson
import typer

from journeys_api.cli.database import Refused, given_settings
from journeys_api.logging import configure_logging
from journeys_api.migrate import migrate
from journeys_api.starting.memory import collect_rarely, loading
from journeys_api.starting.opening import opened, required_url


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
    with loading():
        from journeys_api.serve import serve as run

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    run(given_settings().model_copy(update=given), workers=workers, with_worker=not no_worker)


def worker() -> None:
    """Run journeys and send what they owe, until a signal says stop; as many as you like on one database."""
    # Imported here because it brings the engine, which the other commands start faster without.
    with loading():
        import uvloop

        from journeys_api.work import work_until_stopped

    collect_rarely()
    with opened(given_settings(), owning=False) as settings:
        asyncio.run(migrate(required_url(settings)))
        uvloop.run(work_until_stopped(settings))


def demo(
    people: Annotated[int, typer.Option(min=1, max=100_000, help="How many people take the journey.")] = 1000,
) -> None:
    """Run a welcome journey in accelerated time, on a database of its own below the data directory; mails nobody."""
    # Imported here because it brings the engine, which the other commands start faster without.
    from rich.console import Console

    from journeys_api.cli.demo import demo_settings, run_demo
    from journeys_api.cli.demo_display import bars, print_outcome

    console = Console()
    quiet = given_settings().model_copy(update={"log_level": "warning"})
    configure_logging(quiet.log_level)
    console.print("A welcome journey in accelerated time. A first run makes a database for it.")
    with opened(demo_settings(quiet), owning=True) as settings:
        asyncio.run(migrate(required_url(settings)))
        with bars(people, console) as show:
            outcome = asyncio.run(run_demo(settings, people=people, show=show))
    print_outcome(outcome, console)
    if not outcome.is_whole:
        raise Refused("not everybody completed the journey")


def migrate_command() -> None:
    """Bring the database's schema to this release's revision."""
    with opened(given_settings(), owning=False) as settings:
        asyncio.run(migrate(required_url(settings)))
    typer.echo("The schema is up to date.")


def export_openapi() -> None:
    """Print the OpenAPI document of both doors."""
    # Imported here because it brings every command of the API, which the rest starts faster without.
    from journeys_api.commands import catalog
    from journeys_api.commands.registry import COMMANDS
    from journeys_api.http.openapi import openapi_document

    assert catalog, "the catalog fills the table of commands"
    document = openapi_document(COMMANDS.values(), public_url=given_settings().public_url)
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
