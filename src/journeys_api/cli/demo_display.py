"""A demonstration on a terminal: a bar for everybody's way, and the numbers at its end."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table

from journeys_api.cli.demo import Outcome, Progress, Show, expected_mails


@contextmanager
def bars(people: int, console: Console) -> Iterator[Show]:
    """Bars while the context lasts; what it gives draws how far the journey is."""
    clock = TextColumn("{task.fields[at]}")
    with Bars(TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), clock, console=console) as drawn:
        totals = {"entered": people, "waiting": people, "mailed": expected_mails(people), "completed": people}
        tasks = {name: drawn.add_task(name, total=total, at="") for name, total in totals.items()}

        def show(progress: Progress) -> None:
            for name, task in tasks.items():
                at = f"{progress.at:%a %Y-%m-%d %H:%M} UTC" if name == "entered" else ""
                drawn.update(task, completed=getattr(progress, name), at=at)

        yield show


def print_outcome(outcome: Outcome, console: Console) -> None:
    """The numbers, and where the mail lies."""
    end = outcome.progress
    days = (end.at - outcome.began_at).total_seconds() / 86_400
    table = Table(show_header=False)
    for name, value in (
        ("people entered", end.entered),
        ("completed", end.completed),
        ("failed or left", end.failed),
        ("still inside", end.waiting),
        ("mails", f"{end.mailed} of {outcome.expected_mails}"),
        ("journey time", f"{days:.1f} days"),
        ("real time", f"{outcome.seconds:.1f} seconds"),
    ):
        table.add_row(name, str(value))
    console.print(table)
    # plain and unwrapped, so that it can be copied
    console.print(f"The mail lies in {outcome.maildir}", soft_wrap=True, markup=False, highlight=False)
