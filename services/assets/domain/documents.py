"""Photos and documents in a facility's file, known by the SHA-256 of their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.errors import Invalid, NotFound

LARGEST_BYTES = 20 * 1024 * 1024


class DocumentKind(StrEnum):
    PHOTO = "photo"
    DOCUMENT = "document"


class WrongHash(Invalid):
    """The bytes do not have this SHA-256."""

    slug = "wrong-hash"
    zh = "内容与 SHA-256 不符"


class NotReadable(Invalid):
    """These bytes are neither an image nor a PDF."""

    slug = "not-readable"
    zh = "内容既非图片也非 PDF"


class UnknownDocument(NotFound):
    """The facility's file holds no such document."""

    slug = "unknown-document"
    zh = "设施档案中没有此文件"


@dataclass(frozen=True)
class Content:
    """What bytes turned out to be; ``size`` counts them."""

    kind: DocumentKind
    media_type: str
    size: int


@dataclass(eq=False, kw_only=True)
class Document:
    """A photo or document of a facility. A removed one stays as an entry, so that past days show it; its bytes go."""

    facility_id: int
    sha256: str
    kind: str
    title: str
    media_type: str
    size: int
    who: str
    added_at: datetime
    removed_by: str | None = None
    removed_at: datetime | None = None
    id: int | None = None

    @property
    def file_name(self) -> str:
        """What a browser saves it as."""
        extension = self.media_type.rpartition("/")[2]
        return f"{self.title or self.sha256[:12]}.{extension}"
