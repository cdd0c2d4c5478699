"""The columns of a file of facilities: as exports write it, and as imports know such a file again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

COLUMNS = (
    "code", "kind", "name", "longitude", "latitude", "district", "street", "community", "large_grid", "grid",
    "owner", "authority", "maintainer", "measure", "estimated_measure", "unit", "condition", "out_of_service_reason",
    "installed_on", "retired_on", "attributes", "source", "registered_at", "changed_at",
)  # fmt: skip
GEOMETRY = "geometry"  # well-known text, the last column of a table
CODE, MEASURE, ATTRIBUTES, SOURCE = "code", "measure", "attributes", "source"
# What the registry says itself, and what was estimated: taken for a measure it would no longer be an estimate.
ONLY_SHOWN = frozenset({
    "kind", "longitude", "latitude", "large_grid", "estimated_measure", "unit", "condition", "out_of_service_reason",
    "retired_on", "registered_at", "changed_at", "id",
})  # fmt: skip
OUR_MARK = frozenset({"code", "kind", ATTRIBUTES, SOURCE, "estimated_measure", "registered_at", "changed_at"})


NOTED = ("line", "rule", "reason")  # what a table of refused or repaired rows adds to their own columns


def are_noted(columns: Sequence[str]) -> bool:
    """Whether these are the columns of rows that an import refused or repaired, perhaps mended since."""
    return tuple(columns[-len(NOTED) :]) == NOTED


def are_ours(columns: Iterable[str]) -> bool:
    """Whether these are the columns of an export, whatever somebody removed of the others since."""
    return set(columns) >= OUR_MARK
