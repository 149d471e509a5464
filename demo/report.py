"""What the demo prints of the queries and their answers."""

from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table

from demo.queries import AskedQuery, Match, count_right, is_right

_CLOCK = "%H:%M:%S"


def print_query(console: Console, number: int, asked: AskedQuery) -> None:
    """A query and its matches, without lifting and with it."""
    crop = asked.crop
    when = datetime.fromtimestamp(crop.timestamp_seconds, UTC)
    console.print(f"\n[bold]Query {number}[/bold]: {crop.person_id}, seen by {crop.camera_id} at {when:{_CLOCK}}")
    console.print(_table("without temporal lifting", asked, asked.without_lifting))
    console.print(_table("with temporal lifting", asked, asked.with_lifting))


def print_summary(console: Console, asked: list[AskedQuery], num_people: int) -> None:
    """How often the right person came first."""
    without, lifted = count_right(asked)
    console.print(f"\nThe right person came first (by chance it would be one query in {num_people}):")
    console.print(f"  without temporal lifting  {_share(without, len(asked))}")
    console.print(f"  with temporal lifting     {_share(lifted, len(asked))}")


def _table(title: str, asked: AskedQuery, matches: list[Match]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("rank", justify="right")
    for name in ("camera", "time"):
        table.add_column(name)
    for name in ("score", "appearance", "temporal"):
        table.add_column(name, justify="right")
    table.add_column("person")
    table.add_column("")
    for match in matches:
        verdict = "[green]right[/green]" if is_right(asked, match) else "[red]wrong[/red]"
        table.add_row(*_cells(match), match.person_id, verdict)
    return table


def _cells(match: Match) -> tuple[str, ...]:
    return (
        str(match.rank),
        match.camera_id,
        f"{match.timestamp:{_CLOCK}}",
        f"{match.score:.4f}",
        f"{match.appearance_score:.4f}",
        "–" if match.temporal_score is None else f"{match.temporal_score:.4f}",
    )


def _share(count: int, total: int) -> str:
    return f"{count} of {total} queries ({count / total:.0%})"
