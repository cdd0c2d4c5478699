"""Photos as files: checked, then written whole or not at all, under the SHA-256 of their bytes."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path

from PIL import Image

from services.workorders.domain.photos import LARGEST_BYTES, MOST_PIXELS, NoImage, Picture, WrongHash
from shared.errors import TooLarge
from shared.files import write_whole

FORGOTTEN_S = 3_600  # a command that died is sent again before
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


def keep(folder: Path, expected: str, content: bytes) -> Picture:
    """Check the bytes and write them. Raises TooLarge, WrongHash or NoImage. Takes its time: not for the hub."""
    if len(content) > LARGEST_BYTES:
        raise TooLarge(f"A photo has at most {LARGEST_BYTES} bytes.")
    if sha256(content).hexdigest() != expected:
        raise WrongHash("The SHA-256 of the bytes is another one.", field="sha256")
    picture = look_at(content)
    write_whole(path_of(folder, expected), content, folder)  # also where a command that died left them
    return picture


def look_at(content: bytes) -> Picture:
    """Decode the whole image. A small file that would unpack into a huge one is refused before it is unpacked."""
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise NoImage(f"An image has at most {MOST_PIXELS} pixels.")
            image.load()
            return Picture(Image.MIME[image.format or ""], len(content), image.width, image.height)
    except NoImage:
        raise
    except Exception as wrong:  # the decoders raise whatever they like on broken bytes
        raise NoImage("These bytes are no JPEG, PNG, WebP or GIF image.") from wrong


def path_of(folder: Path, digest: str) -> Path:
    return folder / "photos" / digest[:2] / digest[2:4] / digest


def groups_of(folder: Path) -> list[Path]:
    """The folders that hold all photos."""
    return [*(folder / "photos").glob("*")]


def forgotten_in(group: Path, before: float) -> dict[str, Path]:
    """The files in such a folder, drafts included, that were last written before a time (POSIX), by name."""
    return {each.name: each for each in group.glob("*/*") if each.stat().st_mtime < before}
