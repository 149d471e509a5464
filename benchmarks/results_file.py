"""Writes what was measured: a Markdown file named after theme, hardware and date, with its plots beside it.

path = write_results(
    Results(
        theme="service-search",
        title="What a search costs, from the crop to the answer",
        introduction="`make bench ARGS=...`: one sentence on how it was measured.",
        settings={"threads": "2", "repeats": "7"},  # joins describe_machine() in the table at the head
        sections=[Section("By clients", table(["clients", "p50"], [["1", "3.2"]]))],
        plots=[Plot("by-gallery-size", "Cost of a search", "detections", "ms", {"lifted": [Point(1000, 3.2)]})],
    ),
    folder=Path("benchmarks/results"),
    hardware=hardware_name(),
)
"""

import datetime
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.machine import describe_machine

RESULTS_FOLDER = Path(__file__).resolve().parent / "results"

# Of a plot: with these, one of ten lines stays below 100 kB.
_INCHES, _DOTS_PER_INCH = (8.0, 5.0), 110
_MARKERS = "osD^vPX*<>"


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeats of one measurement: their median, the smallest and the largest."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """At least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.lowest)} to {number(self.highest)})"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and Markdown below it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """A place on a line; with the range of the repeats it becomes a bar."""

    x: float
    y: float
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of lines, one for each way.

    Attributes:
        name: the end of its file's name, such as "by-gallery-size".
        series: points of every line, by what the line is called.
        has_logarithmic_axes: both; else both are linear and begin at 0.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[Point]]
    has_logarithmic_axes: bool = True


@dataclass(frozen=True, slots=True)
class Results:
    """A results file before it is written.

    Attributes:
        theme: the beginning of its file's name, such as "gallery-scoring".
        introduction: what was measured and how; the command for it.
        settings: of this run: threads, repeats, sizes; shown at the head below the machine.
        device: "cpu" or "cuda": whose description is shown.
        means_something: False for a run of tiny sizes, which then says so first.
    """

    theme: str
    title: str
    introduction: str
    settings: Mapping[str, str]
    sections: Sequence[Section]
    plots: Sequence[Plot] = field(default=())
    device: str = "cpu"
    means_something: bool = True


def write_results(results: Results, folder: Path, hardware: str) -> Path:
    """Writes THEME_HARDWARE_DATE.md and its plots over what is there of the same name; returns the file."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{results.theme}_{hardware}_{date}.md"
    head = describe_machine(results.device) | {"date": date} | results.settings
    parts = [f"# {results.title}"]
    if not results.means_something:
        parts.append("Tiny sizes: these figures mean nothing.")
    parts += [results.introduction, table(["", ""], [[name, value] for name, value in head.items()])]
    for plot in results.plots:
        picture = path.with_name(f"{path.stem}_{plot.name}.png")
        draw(plot, picture)
        parts.append(f"![{plot.title}]({picture.name})")
    parts += [f"## {section.title}\n\n{section.text}" for section in results.sections]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """With three digits that count, and no exponent from a thousandth to a million."""
    if value == 0 or not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2g}"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 4
    return f"{value:,.{decimals}f}"


def draw(plot: Plot, path: Path) -> None:
    """Writes a plot as PNG."""
    figure = Figure(_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    for place, (name, points) in enumerate(plot.series.items()):
        low = [0.0 if point.lowest is None else point.y - point.lowest for point in points]
        high = [0.0 if point.highest is None else point.highest - point.y for point in points]
        axes.errorbar(
            [point.x for point in points],
            [point.y for point in points],
            yerr=[low, high],
            label=name,
            color=f"C{place % 10}",
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=4,
            linewidth=1.2,
            capsize=2,
        )
    axes.set_title(plot.title)
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel(plot.y_label)
    if plot.has_logarithmic_axes:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    else:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(path)
