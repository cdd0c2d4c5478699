"""Photos of findings and of work done, known by the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from shared.errors import Invalid, TooMany

LARGEST_BYTES = 10 * 1024 * 1024


class NoImage(Invalid):
    """These bytes cannot be decoded as an image."""

    slug = "no-image"
    zh = "无法识别为图片"


class WrongHash(Invalid):
    """The bytes do not have this SHA-256."""

    slug = "wrong-hash"
    zh = "内容与 SHA-256 不符"


class TooManyUnnamed(TooMany):
    """Too many photos wait that no finding and no order names."""

    slug = "too-many-unnamed-photos"
    zh = "尚未被线索或工单引用的照片过多"


@dataclass(frozen=True)
class Holder:
    """Somebody who has sent a photo's bytes; ``crew`` is empty for who is of none."""

    name: str
    crew: str = ""


@dataclass(frozen=True)
class Bound:
    """How many photos, and bytes of them, of one account may wait to be named."""

    photos: int
    bytes: int


@dataclass(frozen=True)
class Naming:
    """Who named a photo on an order: an account, of a crew maybe, or the finding that this says the reporter of.

    Neither: before it was kept who did.
    """

    by: str | None
    crew: str | None
    is_reporter: Callable[[str], bool] | None = None

    def shows_to_readers(self, holders: Collection[Holder]) -> bool:
        """Whether the order shows the photo to its readers: who named it there has sent the bytes, or their crew has.

        A hash alone can be copied from anywhere.
        """
        if self.is_reporter:
            return any(self.is_reporter(each.name) for each in holders)
        of_the_crew = bool(self.crew) and self.crew in {each.crew for each in holders}
        return self.by is None or of_the_crew or Holder(self.by, self.crew or "") in holders


@dataclass(frozen=True)
class Picture:
    """What bytes turned out to be. ``size`` is in bytes, ``width`` and ``height`` in pixels."""

    media_type: str
    size: int
    width: int
    height: int


@dataclass(eq=False, kw_only=True)
class Photo:
    """A stored photo; its bytes are in a file named by ``sha256``. ``width`` and ``height`` are in pixels."""

    sha256: str
    media_type: str
    size: int
    width: int
    height: int
    stored_by: str
    stored_at: datetime
    named: bool = True
