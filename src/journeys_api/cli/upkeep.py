"""Commands of whoever looks after the server: what is stuck, whether the numbers are right, visits set aside."""

from datetime import timedelta
from typing import Annotated

import orjson
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.cli.database import in_one_transaction, with_sessions
from journeys_api.db import Sessions
from journeys_api.settings import Settings

stats_commands = typer.Typer(no_args_is_help=True, help="The numbers of journeys.")
visit_commands = typer.Typer(no_args_is_help=True, help="Visits of tracked links that could not be judged.")


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

    found = in_one_transaction(examine)
    if as_json:
        typer.echo(orjson.dumps([vars(each) for each in found], option=orjson.OPT_INDENT_2))
    else:
        print_table(found)
    if any(each.is_stuck for each in found):
        raise typer.Exit(1)


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

    found = in_one_transaction(verify)
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

    typer.echo(f"{with_sessions(retry)} visits are judged again.")


@visit_commands.command("forget")
def forget_visits() -> None:
    """Delete the visits that were set aside: they will never count."""
    # Imported here because it brings the ledger, which the other commands start faster without.
    from journeys_api.tracking.isolation import let_go

    async def forget(session: AsyncSession, settings: Settings) -> int:
        return await let_go(session)

    typer.echo(f"{in_one_transaction(forget)} visits are gone.")
