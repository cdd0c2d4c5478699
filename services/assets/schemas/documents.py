"""Photos and documents of a facility."""

from __future__ import annotations

from marshmallow import validate

from services.assets.domain.documents import DocumentKind
from shared.fields import Integer, Sha256, Strict, String, Time

TITLE = {"description": "What it shows.", "example": "Load test report 2025"}


class DocumentQuery(Strict):
    """What comes with the bytes."""

    title = String(longest=200, metadata=TITLE)


class DocumentOut(Strict):
    """A photo or document in a facility's file; GET …/documents/{sha256} gives its bytes."""

    sha256 = Sha256(metadata={"description": "Its SHA-256.", "example": "9f" * 32})
    kind = String(
        validate=validate.OneOf([*DocumentKind]),
        metadata={"description": "A photo is an image, a document a PDF.", "example": "document"},
    )
    title = String(shortest=0, metadata=TITLE)
    media_type = String(metadata={"description": "What the bytes are.", "example": "application/pdf"})
    size = Integer(metadata={"description": "How many bytes.", "example": 48213})
    who = String(allow_none=True, metadata={"description": "Who added it, for staff to know.", "example": "li.wei"})
    added_at = Time(metadata={"description": "When."})
