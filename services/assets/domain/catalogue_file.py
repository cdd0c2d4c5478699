"""The catalogue's file on disk: when it has changed, and what it says."""

from __future__ import annotations

from pathlib import Path

from services.assets.domain.sections import CatalogueError

Signature = tuple[int, int, int] | None  # inode, size, time of the last change; None: there is no file


class CatalogueFile:
    """A file that is looked at again and again.

    A change counts once the file looks the same twice in a row: an editor that is in the middle of writing must not
    publish half a catalogue, which may well be a valid one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taken: object = "never"
        self._last: object = "never"

    def text(self) -> str:
        """Raises CatalogueError when it cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as wrong:
            line = self.path.read_bytes()[: wrong.start].count(b"\n") + 1
            raise CatalogueError(self.path.name, line, "", "is no UTF-8 text.") from wrong
        except OSError as wrong:
            raise CatalogueError(self.path.name, 0, "", f"cannot be read: {wrong.strerror}.") from wrong

    def changed(self) -> bool:
        """Whether it is another one than what was taken, and settled. The first look needs no second."""
        now = self._signature()
        settled = now == self._last or self._last == "never"
        self._last = now
        return settled and now != self._taken

    def taken(self) -> None:
        """What was seen last has been dealt with, whether it was good or not."""
        self._taken = self._last

    def _signature(self) -> Signature:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
