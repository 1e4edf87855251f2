"""What `doctor` found, for a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from journeys_api.operators.doctor import MOST_COUNTED, Finding


def print_table(found: Sequence[Finding], console: Console | None = None) -> None:
    """One row for each look, and a last line that says whether something is stuck."""
    console = console or Console()
    table = Table(show_lines=False)
    table.add_column("")
    table.add_column("Look")
    table.add_column("Count", justify="right")
    table.add_column("What it means")
    for each in found:
        mark = Text("stuck", "bold red") if each.is_stuck else Text("ok", "green")
        count = f"{each.count}+" if each.count >= MOST_COUNTED else str(each.count)
        # reasons quote what accounts wrote: text, never markup
        meaning = Text("\n").join([Text(each.meaning), *(Text(f"  {line}", "yellow") for line in each.details)])
        table.add_row(mark, each.name.replace("_", " "), count, meaning if each.count else Text(each.meaning, "dim"))
    console.print(table)
    stuck = sum(1 for each in found if each.is_stuck)
    console.print(Text(f"{stuck} things are stuck.", "bold red") if stuck else Text("Nothing is stuck.", "bold green"))
