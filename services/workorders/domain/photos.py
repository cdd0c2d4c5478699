"""Photos of findings and of work done, known by the SHA-256 of their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.errors import Invalid

LARGEST_BYTES = 10 * 1024 * 1024


class NoImage(Invalid):
    """These bytes cannot be decoded as an image."""

    slug = "no-image"
    zh = "无法识别为图片"


class WrongHash(Invalid):
    """The bytes do not have this SHA-256."""

    slug = "wrong-hash"
    zh = "内容与 SHA-256 不符"


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
