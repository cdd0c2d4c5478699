"""Which column says how much of a row there is: a length is the measure of what has metres as its unit, no other."""

from __future__ import annotations

from collections.abc import Mapping

from services.assets.domain.catalogue import Unit
from services.assets.importing.units import dimension_of_unit, unit_of, unknown_unit
from services.assets.importing.words import MEASURES, plain

FIELDS = ("measure", *(f"measure_{unit}" for unit in MEASURES))
LENGTH, WIDTH = "length_m", "width"  # attributes; an area can be reckoned from them
CONTRADICTORY = "?"


def dimension_of(heading: str) -> str | None:
    """``m`` or ``m2``, as the heading's unit or its words say; ``?`` where these disagree or the unit is unknown."""
    if unknown_unit(heading):
        return CONTRADICTORY
    by_unit, by_name = dimension_of_unit(unit_of(heading)), _named(heading)
    return CONTRADICTORY if by_unit and by_name and by_unit != by_name else by_unit or by_name


def _named(heading: str) -> str | None:
    text = plain(heading)
    return next((of for of, names in MEASURES.items() if any(plain(name) in text for name in names)), None)


def column_for(unit: Unit, mapping: Mapping[str, str], counts: bool) -> str | None:
    """The column with the measure of kinds of this unit. ``counts``: whether one may say how many of a counted kind."""
    if unit is Unit.COUNT:
        column = mapping.get("measure")
        return column if column and counts and dimension_of(column) is None else None
    columns = filter(None, (mapping.get("measure"), mapping.get(f"measure_{unit}")))
    return next((each for each in columns if dimension_of(each) in (None, unit)), None)


def length_column(mapping: Mapping[str, str]) -> str | None:
    """The column that is a length, whatever kind it is the measure of."""
    return next((mapping[each] for each in FIELDS if each in mapping and dimension_of(mapping[each]) == "m"), None)
