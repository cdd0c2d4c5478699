"""A file in a form, streamed to disk: it may be larger than the memory is."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request

from services.assets.use_cases.imports import ARRIVING, folder_of, lock
from shared import failpoints
from shared.errors import Invalid, Malformed, TooLarge, UnsupportedMedia
from shared.files import room
from shared.settings import Settings
from shared.workers import aside

FORM = "multipart/form-data"
LARGEST_FIELD = 200_000
MOST_PARTS = 10


class Spool:
    """A file on its way in. Closing it removes it: whoever keeps it has linked it elsewhere by then."""

    def __init__(self, folder: Path, limit: int) -> None:
        with room():
            folder.mkdir(parents=True, exist_ok=True)
            self._file = NamedTemporaryFile(dir=folder, prefix=ARRIVING)  # noqa: SIM115  closed with the request
        lock(self._file.fileno())
        self._digest = hashlib.sha256()
        self.limit, self.bytes = limit, 0
        self.path, self.seek = Path(self._file.name), self._file.seek

    def write(self, data: bytes) -> None:
        """Raises TooLarge or DiskFull."""
        self.bytes += len(data)
        if self.bytes > self.limit:
            raise TooLarge(f"The file is over {self.limit:,} bytes.")
        self._digest.update(data)
        with room():
            self._file.write(data)
        failpoints.pass_by("file-arriving")

    def settle(self) -> None:
        """Have it on the disk, where a power cut leaves it. Takes its time: not for the hub. Raises DiskFull."""
        with room():
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with suppress(OSError):  # it writes what is left: of a file that is kept, nothing is
            self._file.close()

    def described(self, name: str | None) -> dict[str, Any]:
        """In plain JSON, so that the same form again is known by it."""
        return {"name": name or "", "bytes": self.bytes, "sha256": self._digest.hexdigest()}


def receive_form(request: Request, settings: Settings) -> dict[str, Any]:
    """The form's fields; a file is described, and waits in the request's ``files`` as a Spool.

    Raises TooLarge or DiskFull.
    """
    if request.mimetype != FORM:
        raise UnsupportedMedia(f"The body is {request.mimetype}; this reads {FORM}.")
    if "chunked" in request.headers.get("Transfer-Encoding", ""):
        request.environ["wsgi.input_terminated"] = True
    request.max_content_length = settings.import_limit_bytes + 2 * LARGEST_FIELD
    with ExitStack() as unless_whole:
        fields = _parsed(request, folder_of(settings.data), settings.import_limit_bytes, unless_whole)
        unless_whole.pop_all()
    return fields


def _parsed(request: Request, folder: Path, limit: int, opened: ExitStack) -> dict[str, Any]:
    def spool(**_: Any) -> Spool:
        file = Spool(folder, limit)
        opened.callback(file.close)
        return file

    parser = FormDataParser(
        spool,  # type: ignore[arg-type]
        max_form_memory_size=LARGEST_FIELD, max_form_parts=MOST_PARTS, silent=False,
    )  # fmt: skip
    try:
        form = parser.parse(request.stream, FORM, request.content_length, request.mimetype_params)
    except RequestEntityTooLarge as wrong:
        raise TooLarge(f"The file is over {limit:,} bytes, or the form has too much beside it.") from wrong
    except ValueError as wrong:
        raise Malformed(f"The body is no form: {wrong}") from wrong
    _, texts, files = form
    request.files = ImmutableMultiDict(files)
    parts = [*texts.items(multi=True), *((name, _described(each)) for name, each in files.items(multi=True))]
    if len(dict(parts)) < len(parts):
        raise Invalid("Is given twice.", field=parts[-1][0])
    return dict(parts)


def _described(file: Any) -> dict[str, Any]:
    aside(file.stream.settle)
    failpoints.pass_by("file-arrived")
    described: dict[str, Any] = file.stream.described(file.filename)
    return described
