"""Zip files, looked at before they are opened: what is inside, and whether it unpacks to more than it seems."""

from __future__ import annotations

import zipfile
from pathlib import Path

from services.assets.importing.model import Unusable

LARGEST = 2 << 30  # unpacked, in bytes
LARGE = 64 << 20  # below this a high ratio does no harm
HIGHEST_RATIO = 100  # real tables and shapes shrink to a tenth, empty rows to a fiftieth, bombs to a thousandth
MOST_MEMBERS = 10_000
ENCRYPTED = 0x1
MOST_DEPTH = 64  # of elements in each other


def opened(path: Path) -> zipfile.ZipFile:
    """The archive, checked. Raises Unusable."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as wrong:
        raise Unusable("The zip (or XLSX) is damaged or was cut; send it again.") from wrong
    try:
        _check(archive)
    except Unusable:
        archive.close()
        raise
    return archive


def _check(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    size, packed = sum(each.file_size for each in members), sum(each.compress_size for each in members)
    if size > LARGEST or (size > LARGE and size > packed * HIGHEST_RATIO) or len(members) > MOST_MEMBERS:
        raise Unusable(f"The archive unpacks from {packed >> 10} KiB to {size >> 20} MiB: it is refused as a zip bomb.")
    if any(each.flag_bits & ENCRYPTED for each in members):
        raise Unusable("The archive is locked by a password.")


def unpack(archive: zipfile.ZipFile, members: dict[str, str], folder: Path) -> None:
    """Write members (name → file name) into a folder of ours; their own paths are not believed. Raises Unusable."""
    for member, name in members.items():
        try:
            with archive.open(member) as source, (folder / name).open("wb") as target:
                left = archive.getinfo(member).file_size
                while block := source.read(min(1 << 20, left)):
                    target.write(block)
                    left -= len(block)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as wrong:
            raise Unusable(f"{member!r} in the zip is damaged; send it again.") from wrong
        except Exception as wrong:  # zlib.error and its like have no common ancestor
            raise Unusable(f"{member!r} in the zip cannot be unpacked.") from wrong
