"""The audit trail: who signed in, was refused, read what names people, took data out, or changed who may do what.

It holds who, when, from where, on what and how it ended: never the data itself. deploy/audit.py keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from shared import clock, logs
from shared.errors import Forbidden, NotFound, TooMany, Unauthenticated

Sort = Literal["sign-in", "read", "export", "change"]
REFUSALS = (Unauthenticated, Forbidden, TooMany)


class Trail(Protocol):
    """Where entries are kept."""

    def write(self, entry: dict[str, Any]) -> None: ...


class Entry:
    """One request, as far as the trail may need it. Used in a ``with``: it is written at the end, if it counts.

    ``sort`` is what a success of this route is; None: only refusals count. ``account`` is whom it is about, ``on``
    what: a route that knows better than its token and its path may set them.
    """

    def __init__(self, trail: Trail | None, sort: Sort | None, on: Mapping[str, Any], **about: Any) -> None:
        self.trail, self.sort, self.on, self.about = trail, sort, dict(on), about
        self.account: str | None = None
        self.role: str | None = None

    def __enter__(self) -> Entry:
        return self

    def __exit__(self, _: object, raised: object, __: object) -> None:
        if self.trail is None:
            return
        if isinstance(raised, REFUSALS) or (isinstance(raised, NotFound) and raised.foreign):
            reason = "foreign" if isinstance(raised, NotFound) else raised.slug
            self._write("refused", reason, self.trail)
        elif raised is None and self.sort:
            self._write("done", None, self.trail)

    def _write(self, outcome: str, reason: str | None, trail: Trail) -> None:
        who = {"at": clock.now().isoformat(), "account": self.account, "role": self.role}
        what = {"sort": self.sort, "outcome": outcome, "reason": reason, "on": self.on, "request_id": logs.request_id()}
        trail.write(who | what | self.about)
