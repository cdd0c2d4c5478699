"""Label sheets: where each label lies on an A4 page, and what stands on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from shared.errors import NotFound

A4_MM = (210.0, 297.0)
MOST_LABELS = 1_000
EDGE_MM = 8.0  # what printers leave blank around a page


class NothingToPrint(NotFound):
    """No facility was found to print a label for."""

    slug = "nothing-to-print"
    zh = "没有可打印标签的设施"


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Labels in columns and rows; lengths in millimetres. ``across_mm`` and ``down_mm`` are the gaps between them."""

    columns: int
    rows: int
    width_mm: float
    height_mm: float
    left_mm: float
    top_mm: float
    across_mm: float = 0.0
    down_mm: float = 0.0

    @property
    def size(self) -> int:
        return self.columns * self.rows

    def places(self) -> Iterator[tuple[float, float]]:
        """The upper left corner of each label from the upper left of the page, (right, down), row by row."""
        for row in range(self.rows):
            for column in range(self.columns):
                yield (
                    self.left_mm + column * (self.width_mm + self.across_mm),
                    self.top_mm + row * (self.height_mm + self.down_mm),
                )


# Sheets as shops sell them, by columns, rows and the size of a label.
SHEETS = {
    "3x8-70x37": Sheet(columns=3, rows=8, width_mm=70, height_mm=37, left_mm=0, top_mm=0.5),
    "3x7-63.5x38.1": Sheet(columns=3, rows=7, width_mm=63.5, height_mm=38.1, left_mm=7.25, top_mm=15.15, across_mm=2.5),
    "2x7-99.1x38.1": Sheet(columns=2, rows=7, width_mm=99.1, height_mm=38.1, left_mm=4.65, top_mm=15.15, across_mm=2.5),
}
USUAL = "3x8-70x37"


def divided(columns: int, rows: int) -> Sheet:
    """A page without precut labels, divided evenly inside its printable edge."""
    width, height = A4_MM[0] - 2 * EDGE_MM, A4_MM[1] - 2 * EDGE_MM
    return Sheet(
        columns=columns, rows=rows, width_mm=width / columns, height_mm=height / rows, left_mm=EDGE_MM, top_mm=EDGE_MM
    )


@dataclass(frozen=True, kw_only=True)
class Label:
    """What stands on one label; ``opens`` is the address in its QR code."""

    code: str
    kind_zh: str
    kind_en: str
    street: str
    opens: str


def address_of(public_url: str, code: str) -> str:
    """The address that opens a facility, as short as can be: every letter makes the QR code finer."""
    return f"{public_url.rstrip('/')}/f/{quote(code, safe='')}"
