"""Draw what the benchmarks left in `results/` as SVG beside it; with `--docs` some of it in `docs/plots/`, too."""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
DOCS = HERE.parent / "docs" / "plots"
STYLE = {
    "svg.hashsalt": "benchmarks",  # the same figures are the same file
    "svg.fonttype": "none",  # letters stay letters
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
}

Draw = Callable[[Axes, Any], None]
"""Draw what a benchmark found."""


@dataclass(frozen=True)
class Plot:
    """How `results/<result>.json` is shown."""

    result: str
    title: str
    draw: Draw
    docs: bool = False
    """Whether the documentation has it."""


def draw_lines(
    axes: Axes, lines: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, *, powers: bool = False
) -> None:
    """A line for each name; `powers`: what goes across is shown by its powers of ten."""
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    if powers:
        axes.set_xscale("log")
    axes.set_ylim(0, 1.1 * max(y for points in lines.values() for _, y in points))
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend()


def growth(across: str, powers: bool, axes: Axes, found: Any) -> None:
    """What one costs, as a multiple of what it cost at first."""
    first = found[0]
    lines = {
        "by the processor": [(each["people"], each["microseconds"] / first["microseconds"]) for each in found],
        "by the clock": [(each["people"], first["per_second"] / each["per_second"]) for each in found],
    }
    draw_lines(axes, lines, across, "× the first", powers=powers)


def peers(axes: Axes, found: Any) -> None:
    """Who does how many a second."""
    rates = {name: each["other"] for name, each in found.items()}
    rates["engine"] = max(each["ours"] for each in found.values())
    rates = dict(sorted(rates.items(), key=lambda pair: pair[1]))
    bars = axes.barh(list(rates), list(rates.values()), color=["C1" if name == "engine" else "C0" for name in rates])
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates.values()], padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_xlabel("steps a second")


def limiter(axes: Axes, found: Any) -> None:
    """What a hit costs, by the number of keys; nothing where it was skipped."""
    if not found["limiter_us"]:
        return
    lines = {name: [(int(keys), cost) for keys, cost in each.items()] for name, each in found["limiter_us"].items()}
    draw_lines(axes, lines, "keys", "µs of processor a hit", powers=True)


def processes(axes: Axes, found: Any) -> None:
    """How many calls are answered, by the number of processes."""
    lines = {
        name: [(each["processes"], statistics.median(each["rate"])) for each in ways if each["shared"]]
        for name, ways in found["calls"].items()
    }
    draw_lines(axes, lines, "processes", "requests a second")
    axes.set_xticks([x for x, _ in next(iter(lines.values()))])


def picks(axes: Axes, found: Any) -> None:
    """What drawing takes, by the length of the list."""
    lines = {
        "drawn": [(each["size"], each["drawn_ms"]) for each in found],
        "order by random()": [(each["size"], each["by_sort_ms"]) for each in found if each["by_sort_ms"]],
    }
    draw_lines(axes, lines, "people on the list", "ms", powers=True)
    axes.set_yscale("log")
    axes.autoscale(axis="y")


PARKED = partial(growth, "people parked", True)
PLOTS = (
    Plot("growth_steps", "A step, while people are parked", PARKED, docs=True),
    Plot("growth_enrolling", "An event that lets somebody in, while people are parked", PARKED, docs=True),
    Plot("growth_mail", "A mail, while people are parked who were sent one", PARKED, docs=True),
    Plot("growth_laps", "A step, after many others", partial(growth, "steps finished before", False), docs=True),
    Plot("engine_peers", "Steps a second", peers, docs=True),
    Plot("api_workers", "Calls of the API", processes, docs=True),
    Plot("api_calls", "The limiter alone", limiter),
    Plot("random_picks", "Ten people of a list, drawn at random", picks),
)


def drawn(plot: Plot, found: Any) -> Figure:
    """The picture."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot(title=plot.title)
    plot.draw(axes, found)
    return figure


def main() -> None:
    """Draw whatever has been measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    mpl.rcParams.update(STYLE)
    for plot in PLOTS:
        kept = RESULTS / f"{plot.result}.json"
        if not kept.exists():
            continue
        figure = drawn(plot, json.loads(kept.read_text()))
        for folder in (RESULTS, DOCS) if given.docs and plot.docs else (RESULTS,):
            folder.mkdir(exist_ok=True)
            figure.savefig(folder / f"{plot.result}.svg", metadata={"Creator": None, "Date": None})
            print(folder / f"{plot.result}.svg")


if __name__ == "__main__":
    main()
