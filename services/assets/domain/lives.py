"""What bureaus report of the lives of facilities: how many were installed, replaced, moved, renumbered, removed."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import NotFound


class NotYetKnown(NotFound):
    """The facility came into the registry after that day."""

    slug = "not-yet-known"
    zh = "该日设施尚未登记"


# The deeds of the life history that are counted, and what a report calls them.
COUNTED = {
    "installed": "installed",
    "replaced": "replaced",
    "moved": "moved",
    "renumbered": "renumbered",
    "retired": "removed",
}


@dataclass(frozen=True, kw_only=True)
class LifeCount:
    """How many facilities of a kind, under one key of ``by``, in a period."""

    by: str
    key: str
    kind: str
    installed: int = 0
    replaced: int = 0
    moved: int = 0
    renumbered: int = 0
    removed: int = 0
