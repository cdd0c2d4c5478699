"""Photos as files: checked, then written whole or not at all, under the SHA-256 of their bytes."""

from __future__ import annotations

import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from uuid import uuid4

from PIL import Image

from services.workorders.domain.photos import LARGEST_BYTES, MOST_PIXELS, NoImage, Picture, WrongHash
from shared.errors import TooLarge

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


def keep(folder: Path, expected: str, content: bytes) -> Picture:
    """Check the bytes and write them. Raises TooLarge, WrongHash or NoImage. Takes its time: not for the hub."""
    if len(content) > LARGEST_BYTES:
        raise TooLarge(f"A photo has at most {LARGEST_BYTES} bytes.")
    if sha256(content).hexdigest() != expected:
        raise WrongHash("The SHA-256 of the bytes is another one.", field="sha256")
    picture = look_at(content)
    if not path_of(folder, expected).exists():
        write(path_of(folder, expected), content)
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


def write(path: Path, content: bytes) -> None:
    """Put the bytes at ``path`` so that a power cut leaves all of them or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
