"""Pictures that people send: what they are, found out by decoding them whole, in a process of its own."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from typing import NamedTuple

from shared.bounded import Bounded, Broken, Unfit

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_PIXELS = 50_000_000
MOST_SCANS, MOST_WORK = 32, 250_000_000  # of a progressive JPEG; work is pixels × scans: each goes through all of them
MOST_TEXT = 1_000_000  # bytes that a PNG's compressed texts and profiles unpack into
START_OF_SCAN = re.compile(rb"\xff\xda")
PROCESSES = Bounded("shared.pictures", count=2, seconds=4, memory=700_000_000)


class Picture(NamedTuple):
    """``width`` and ``height`` in pixels."""

    media_type: str
    width: int
    height: int


def look_at(content: bytes, account: str) -> Picture:
    """Decode a still picture. Raises Unfit, which says why it is none."""
    try:
        return Picture(*PROCESSES.run(account, "decoded", content))
    except Broken as wrong:
        raise Unfit("To decode this picture takes too long, or too much memory.") from wrong


def decoded(content: bytes) -> Picture:
    """In the process. What would unpack into much is refused before it is unpacked."""
    from PIL import Image, PngImagePlugin  # here, since a service that only asks the process does without

    Image.MAX_IMAGE_PIXELS = None  # it would only warn; see _check
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MOST_TEXT
    warnings.simplefilter("ignore")
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            several = image.format == "MPO"  # a JPEG with a preview or depth behind it, as phones write
            picture = Picture(Image.MIME["JPEG" if several else image.format or ""], *image.size)
            _check(picture, not several and getattr(image, "is_animated", False), content)
            image.draft("RGB", (1, 1))  # a JPEG: all of it is read, and less is reckoned
            image.load()
            return picture
    except Unfit:
        raise
    except Exception as wrong:  # the decoders raise whatever they like on broken bytes
        raise Unfit("These bytes are no JPEG, PNG, WebP or GIF image.") from wrong


def _check(picture: Picture, animated: bool, content: bytes) -> None:
    pixels = picture.width * picture.height
    if pixels > MOST_PIXELS:
        raise Unfit(f"A picture has at most {MOST_PIXELS:,} pixels.")
    if animated:
        raise Unfit("A picture stands still.")
    scans = len(START_OF_SCAN.findall(content)) if picture.media_type == "image/jpeg" else 1
    if scans > MOST_SCANS or pixels * scans > MOST_WORK:
        raise Unfit(f"A JPEG has at most {MOST_SCANS} scans, and {MOST_WORK:,} pixels in all of them.")
