"""A person's bytes are worked on in processes that are bounded; hostile pictures end there, soon."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from shared import pictures
from shared.bounded import Bounded, Broken, Unfit


@pytest.fixture
def work() -> Iterator[Bounded]:
    made = Bounded("tests.unit.jobs", count=1, seconds=1, memory=200_000_000)
    yield made
    made.close()


def test_a_process_answers_one_job_after_another(work: Bounded) -> None:
    assert work.run("ann", "doubled", b"ab") == b"abab"
    process = work.idle[0].process.pid
    assert work.run("ann", "doubled", [1, "a"]) == [1, "a", 1, "a"]
    assert work.idle[0].process.pid == process
    with pytest.raises(Unfit, match="not like this"):
        work.run("ann", "refused")
    assert work.idle[0].process.pid == process


@pytest.mark.parametrize("job", ["spin", "swell", "crash", "write", "no such job"])
def test_a_job_that_takes_too_much_ends_and_the_next_one_is_done(work: Bounded, job: str) -> None:
    with pytest.raises(Broken):
        work.run("ann", job)
    assert work.run("ann", "doubled", 2) == 4


def test_the_process_ends_when_nobody_asks_any_more(work: Bounded) -> None:
    work.run("ann", "doubled", 2)
    child = work.idle.pop()
    child.socket.close()
    assert child.process.wait(10) == 0


# --- pictures ------------------------------------------------------------------------------------------------------


def jpeg(size: tuple[int, int] = (64, 48), **more: Any) -> bytes:
    out = BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, "JPEG", **more)
    return out.getvalue()


def with_scans(content: bytes, count: int) -> bytes:
    """The last scan of a progressive JPEG so often that there are ``count``: each is gone through anew."""
    first = content.rindex(b"\xff\xda")
    scan = content[first : content.rindex(b"\xff\xd9")]
    return content[:first] + scan * (count - content.count(b"\xff\xda") + 1) + b"\xff\xd9"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))


def png(*more: bytes, size: tuple[int, int] = (4, 3)) -> bytes:
    out = BytesIO()
    Image.new("1", size).save(out, "PNG")
    head, rest = out.getvalue()[:33], out.getvalue()[33:]
    return head + b"".join(more) + rest


def saved(form: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 3)).save(out, form)
    return out.getvalue()


def animated(form: str) -> bytes:
    out = BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "navy")]
    frames[0].save(out, form, save_all=True, append_images=frames[1:])
    return out.getvalue()


BOMB = zlib.compress(bytes(20_000_000))
HOSTILE = {
    "120 scans": with_scans(jpeg(progressive=True), 120),
    "more scans than so many pixels may have": with_scans(jpeg((4_000, 3_000), quality=5, progressive=True), 30),
    "a huge picture": png(size=(9_000, 9_000)),
    "a profile that unpacks into much": png(chunk(b"iCCP", b"p\0\0" + BOMB)),
    "a text that unpacks into much": png(chunk(b"zTXt", b"t\0\0" + BOMB)),
    "an international text that unpacks into much": png(chunk(b"iTXt", b"t\0\1\0\0\0" + BOMB)),
    "a moving GIF": animated("GIF"),
    "a moving PNG": animated("PNG"),
    "a moving WebP": animated("WEBP"),
    "a TIFF": saved("TIFF"),
    "a BMP": saved("BMP"),
    "an EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 3\n",
    "a cut JPEG": jpeg()[:-200],
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_picture_is_none(content: bytes) -> None:
    with pytest.raises(Unfit):
        pictures.look_at(content, "ann")


def test_what_cameras_make_are_pictures() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a lamp"
    for content in (jpeg((400, 300), exif=exif), jpeg((400, 300), progressive=True)):
        assert pictures.look_at(content, "ann") == ("image/jpeg", 400, 300)
    assert pictures.look_at(jpeg((401, 7)), "ann") == ("image/jpeg", 401, 7)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 1_000, zip=True)
    out = BytesIO()
    Image.new("RGBA", (40, 30)).save(out, "PNG", pnginfo=text)
    assert pictures.look_at(out.getvalue(), "ann") == ("image/png", 40, 30)


def test_a_picture_that_takes_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise Broken()

    monkeypatch.setattr(pictures.PROCESSES, "run", broken)
    with pytest.raises(Unfit, match="too long"):
        pictures.look_at(jpeg(), "ann")
