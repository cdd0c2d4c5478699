"""Photos and documents: looked at, then kept whole."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from services.assets import document_files
from services.assets.domain.documents import Content, DocumentKind, NotReadable, UnknownDocument, WrongHash
from services.assets.routes.files import look_at

PDF = b"%PDF-1.7\n1 0 obj << >> endobj\n%%EOF"


def image(form: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (4, 3)) -> bytes:
    out = BytesIO()
    Image.new(mode, size).save(out, form)
    return out.getvalue()


def looked_at(content: bytes) -> Content:
    document_files.check(sha256(content).hexdigest(), content)
    return look_at(content, "somebody")


@pytest.mark.parametrize(("form", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_an_image_is_a_photo(form: str, media: str) -> None:
    assert looked_at(image(form)) == Content(DocumentKind.PHOTO, media, len(image(form)))


def test_a_pdf_is_a_document() -> None:
    assert looked_at(PDF) == Content(DocumentKind.DOCUMENT, "application/pdf", len(PDF))


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg xmlns='x'/>", b"<html>%PDF-", b"PK\x03\x04", image()[:40], image("PNG", "1", (9_000, 9_000))],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(NotReadable):
        looked_at(content)


def test_bytes_under_another_hash_are_refused() -> None:
    with pytest.raises(WrongHash):
        document_files.check("0" * 64, PDF)


def test_bytes_are_kept_for_each_facility_apart_and_dropped_for_one(tmp_path: Path) -> None:
    digest = sha256(PDF).hexdigest()
    for facility_id in (7, 7, 1_000_007):
        document_files.keep(tmp_path, facility_id, digest, PDF)
    document_files.drop(tmp_path, 7, digest)
    document_files.drop(tmp_path, 7, digest)
    with pytest.raises(UnknownDocument):
        document_files.read(tmp_path, 7, digest)
    assert document_files.read(tmp_path, 1_000_007, digest) == PDF
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == [digest]
