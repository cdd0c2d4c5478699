"""Photos as files: checked, then written whole or not at all, under the SHA-256 of their bytes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from services.workorders.domain.photos import LARGEST_BYTES, NoImage, Picture, WrongHash
from shared import pictures
from shared.bounded import Unfit
from shared.errors import NotFound, TooLarge
from shared.files import write_whole

FORGOTTEN_S = 3_600  # a command that died is sent again before


def check(expected: str, content: bytes) -> None:
    """Raises TooLarge or WrongHash. Takes some 30 ms at most."""
    if len(content) > LARGEST_BYTES:
        raise TooLarge(f"A photo has at most {LARGEST_BYTES} bytes.")
    if sha256(content).hexdigest() != expected:
        raise WrongHash("The SHA-256 of the bytes is another one.", field="sha256")


def look_at(content: bytes, account: str) -> Picture:
    """Decode the whole picture, in a process of its own. Raises NoImage, and TooMany where the account sends many."""
    try:
        seen = pictures.look_at(content, account)
    except Unfit as wrong:
        raise NoImage(str(wrong)) from wrong
    return Picture(seen.media_type, len(content), seen.width, seen.height)


def keep(folder: Path, digest: str, content: bytes) -> None:
    """Write the bytes, also where a command that died left them. Takes its time: not for the hub."""
    write_whole(path_of(folder, digest), content, folder)


def path_of(folder: Path, digest: str) -> Path:
    return folder / "photos" / digest[:2] / digest[2:4] / digest


def read(folder: Path, digest: str) -> bytes:
    """The bytes. Raises NotFound where nobody named them in time, and they have just been removed."""
    try:
        return path_of(folder, digest).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no photo {digest}.") from None


def groups_of(folder: Path) -> list[Path]:
    """The folders that hold all photos."""
    return [*(folder / "photos").glob("*")]


def forgotten_in(group: Path, before: float) -> dict[str, Path]:
    """The files in such a folder, drafts included, that were last written before a time (POSIX), by name."""
    return {each.name: each for each in group.glob("*/*") if each.stat().st_mtime < before}
