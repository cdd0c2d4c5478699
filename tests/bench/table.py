"""What a benchmark hands back, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Line:
    """One measured thing. ``goal`` says what is wanted of it, ``met`` whether it is so; None without a goal."""

    what: str
    ours: str
    yardstick: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None


def against(what: str, ours: Sequence[float], yardstick: Sequence[float], named: str, *, goal: float) -> Line:
    """Compare the medians of rates a second, measured in turns."""
    mine, theirs = median(ours), median(yardstick)
    ratio = mine / theirs
    return Line(what, spread(ours), f"{spread(yardstick)} {named}", f"{ratio:.3g}", f">= {goal:g}", ratio >= goal)


def spread(rates: Sequence[float]) -> str:
    """The median, and from where to where the rounds went."""
    return f"{median(rates):,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f})"


def percentile(values: Iterable[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def ms(values: Iterable[float]) -> str:
    """p50 and p99 of seconds, in milliseconds."""
    each = list(values)
    return f"p50 {percentile(each, 50) * 1000:.0f} ms, p99 {percentile(each, 99) * 1000:.0f} ms"


HEAD = Line("", "ours", "yardstick", "ratio", "goal")


def printed(lines: Sequence[Line]) -> str:
    """A table, as Markdown."""
    rows = [_cells(each) for each in (HEAD, *lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    texts = [f"| {' | '.join(row)} |" for row in padded]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def _cells(line: Line) -> list[str]:
    met = {True: ", met", False: ", NOT met", None: ""}[line.met]
    return [line.what, line.ours, line.yardstick, line.ratio, line.goal + met]
