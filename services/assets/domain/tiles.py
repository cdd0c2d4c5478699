"""Squares of the web map (z/x/y), and the sums that a far view is drawn from.

A facility is counted where its anchor lies. In text a tile's number (see ``geometry.quadkey``) has one digit 0 to 3 for
each level, so that the text of a tile begins with that of each larger one that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, degrees, pi, sinh

from services.assets.domain import geometry as geo
from shared.errors import NotFound

LEVELS = (12, 15)
"""Of the sums kept. A city has some dozen squares of the first, some thousand (about 1 km wide) of the second."""
COUNTED_TO = 12
"""Tiles to this zoom are drawn from the sums, deeper ones from the facilities themselves."""
CELLS = 4
"""A far tile is counted in squares so many levels deeper: 16 on a side."""


class UnknownTile(NotFound):
    """There is no such tile."""

    slug = "unknown-tile"
    zh = "没有此瓦片"


@dataclass(frozen=True)
class Tile:
    """A tile of the map. Raises UnknownTile where its level has none, and past the level of quadkeys."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not (0 <= self.z <= geo.FINEST and 0 <= self.x < 1 << self.z and 0 <= self.y < 1 << self.z):
            raise UnknownTile(f"There is no tile {self.z}/{self.x}/{self.y}: levels go to {geo.FINEST}.")

    @property
    def first(self) -> int:
        """The first quadkey in it."""
        return geo.interleaved(self.x, self.y) << 2 * (geo.FINEST - self.z)

    @property
    def last(self) -> int:
        return self.first + (1 << 2 * (geo.FINEST - self.z)) - 1

    @property
    def box(self) -> geo.Box:
        return self.box_with(0)

    def box_with(self, margin: float) -> geo.Box:
        """With a margin all around, in parts of its side."""
        side = 1 << self.z
        west, east = ((self.x + each) / side * 360 - 180 for each in (-margin, 1 + margin))
        return west, _latitude((self.y + 1 + margin) / side), east, _latitude((self.y - margin) / side)


FOUR_DIGITS = ["".join(str(byte >> shift & 3) for shift in (6, 4, 2, 0)) for byte in range(256)]


def text_of(quadkey: int, level: int) -> str:
    """The quadkey of the tile of a level that holds it, as text."""
    return "".join(FOUR_DIGITS[each] for each in quadkey.to_bytes(geo.FINEST // 4, "big"))[:level]


def column_row(number: int) -> tuple[int, int]:
    """Where a tile with this number stands, counted from the west and from the north."""
    column = row = place = 0
    while number >> 2 * place:
        column |= (number >> 2 * place & 1) << place
        row |= (number >> 2 * place + 1 & 1) << place
        place += 1
    return column, row


def _latitude(y: float) -> float:
    """Of a place so far down the square of the world, 0 to 1."""
    return degrees(atan(sinh(pi * (1 - 2 * y))))


def figure(level: int) -> str:
    """The name of the sums of a level; their labels are the tile's quadkey in text, the kind and the condition."""
    return f"tiles.{level}"


def kept_level(z: int) -> int:
    """The level of the sums that a tile of this zoom is drawn from: with CELLS levels below it, or what there are."""
    return next((level for level in LEVELS if level >= z + CELLS), LEVELS[-1])
