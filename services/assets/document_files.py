"""The bytes of photos and documents: checked, then kept in a folder for each facility."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path

from services.assets.domain.documents import UnknownDocument, WrongHash
from shared.files import write_whole

FORGOTTEN_S = 3_600  # a command that died is sent again before
A_FOLDER = 1_000  # facilities under one folder: listing a folder of a million others takes long


def check(expected: str, content: bytes) -> None:
    """Raises WrongHash. Takes its time: not for the hub."""
    if sha256(content).hexdigest() != expected:
        raise WrongHash("The SHA-256 of the bytes is another one.", field="sha256")


def path_of(data: Path, facility_id: int, digest: str) -> Path:
    return data / "documents" / str(facility_id // A_FOLDER) / str(facility_id) / digest


def keep(data: Path, facility_id: int, digest: str, content: bytes) -> None:
    """Write the bytes, also where a command that died left them: only then it is sure that the disk has them."""
    write_whole(path_of(data, facility_id, digest), content, data)


def read(data: Path, facility_id: int, digest: str) -> bytes:
    """The bytes. Raises UnknownDocument when somebody has just removed them."""
    try:
        return path_of(data, facility_id, digest).read_bytes()
    except FileNotFoundError:
        raise UnknownDocument("It was removed just now.") from None


def drop(data: Path, facility_id: int, digest: str) -> None:
    path_of(data, facility_id, digest).unlink(missing_ok=True)


def groups_of(data: Path) -> list[Path]:
    """The folders that hold those of facilities."""
    return [*(data / "documents").glob("*")]


def forgotten_in(group: Path, forgotten_s: float = FORGOTTEN_S) -> list[tuple[int, str]]:
    """(facility, name) of the files in such a folder, drafts included, that were not written of late."""
    before = time.time() - forgotten_s
    return [(int(each.parent.name), each.name) for each in group.glob("*/*") if each.stat().st_mtime < before]
