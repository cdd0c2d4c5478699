"""Photos: checked, then kept whole."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from services.workorders import photo_files
from services.workorders.domain.photos import LARGEST_BYTES, NoImage, Picture, WrongHash
from shared.errors import TooLarge


def image(form: str = "PNG", size: tuple[int, int] = (4, 3)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, "navy").save(out, form)
    return out.getvalue()


def keep(folder: Path, content: bytes) -> Picture:
    digest = sha256(content).hexdigest()
    photo_files.check(digest, content)
    picture = photo_files.look_at(content, "somebody")
    photo_files.keep(folder, digest, content)
    return picture


@pytest.mark.parametrize(("form", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_an_image_is_kept_as_it_came(tmp_path: Path, form: str, media: str) -> None:
    content = image(form)
    picture = keep(tmp_path, content)
    assert picture == Picture(media, len(content), 4, 3)
    assert photo_files.path_of(tmp_path, sha256(content).hexdigest()).read_bytes() == content


def test_the_same_photo_again_changes_nothing(tmp_path: Path) -> None:
    assert keep(tmp_path, image()) == keep(tmp_path, image())
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 1


def test_bytes_under_another_hash_are_refused() -> None:
    with pytest.raises(WrongHash):
        photo_files.check("0" * 64, image())


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%PDF-1.7", image()[:40], b"<svg xmlns='x'/>"])
def test_what_is_no_whole_image_is_refused_and_not_kept(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NoImage):
        keep(tmp_path, content)
    assert list(tmp_path.iterdir()) == []


def test_a_small_file_that_unpacks_into_a_huge_image_is_refused(tmp_path: Path) -> None:
    out = BytesIO()
    Image.new("1", (9_000, 9_000)).save(out, "PNG")
    assert len(out.getvalue()) < 100_000
    with pytest.raises(NoImage):
        keep(tmp_path, out.getvalue())


def test_a_photo_of_over_ten_megabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        keep(tmp_path, bytes(LARGEST_BYTES + 1))


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_jpeg_with_more_pictures_behind_it_is_the_jpeg_that_a_browser_shows(more: int) -> None:
    """As phones write it: a multi-picture JPEG (MPO, CIPA DC-007)."""
    first, *others = (Image.new("RGB", (40, 30), (80 * each, 0, 0)) for each in range(1 + more))
    content = BytesIO()
    first.save(content, "MPO", save_all=True, append_images=others)
    seen = photo_files.look_at(content.getvalue(), "somebody")
    assert (seen.media_type, seen.width, seen.height) == ("image/jpeg", 40, 30)
