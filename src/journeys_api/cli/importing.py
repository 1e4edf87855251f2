"""The command that puts people on a list."""

from pathlib import Path
from typing import Annotated

import typer

from journeys_api.cli.database import Refused, with_sessions
from journeys_api.db import Sessions
from journeys_api.models import Job
from journeys_api.settings import Settings


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
        job = with_sessions(hand_in)
    except CannotImport as error:
        raise Refused(str(error)) from error
    if job.state is JobState.PENDING:
        console.print(f"Import {job.job_id} waits for a worker.")
        return
    print_outcome(job, console)
    if job.state is JobState.FAILED:
        raise Refused(job.reason)
