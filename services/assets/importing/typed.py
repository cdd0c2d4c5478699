"""Cells as the attributes that the catalogue types: numbers in their unit, days, choices by any of their spellings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from services.assets.domain.attributes import Attribute, Type
from services.assets.importing.values import UNITS, day, dimension_of_unit, number, quantity, unit_of
from services.assets.importing.words import ATTRIBUTES, SPELLINGS, plain

T = TypeVar("T")
WORD = re.compile(r"[^\d\s]++\s*+")


class Unfit(ValueError):
    """The cell cannot be a value of the attribute."""


def names_of(attribute: Attribute) -> list[str]:
    """Headings under which files have this attribute, the surest first."""
    return [attribute.slug, attribute.en, attribute.zh, *ATTRIBUTES.get(attribute.slug, ())]


def value_of(
    attribute: Attribute, cell: Any, heading: str, order: str, zone: str, today: date, decimal: str | None = None
) -> tuple[Any, str | None]:
    """(value, which unit it was converted from) of a cell that holds something. Raises Unfit."""
    if attribute.type in (Type.NUMBER, Type.INTEGER):
        value, unit = _number(attribute, cell, heading, decimal)
    else:
        value, unit = _raw_value(attribute, cell, order, zone, today), None
    if why := attribute.fault(value):
        raise Unfit(f"{attribute.en} {why}")
    return value, unit


def _raw_value(attribute: Attribute, cell: Any, order: str, zone: str, today: date) -> Any:
    try:
        if attribute.type is Type.DATE:
            return day(cell, order, zone, today)[0].isoformat()
        if isinstance(cell, bool) and attribute.type is Type.BOOLEAN:
            return cell
        return attribute.read(_spelt(attribute.slug, _text(cell)))
    except ValueError as wrong:
        raise Unfit(f"{attribute.en} {wrong}") from wrong


def _number(attribute: Attribute, cell: Any, heading: str, decimal: str | None) -> tuple[float, str | None]:
    """A number in the attribute's unit, which a heading or cell without a unit is taken to mean."""
    own = (attribute.unit or "").casefold()
    if own not in UNITS:
        found = number(cell, decimal)
        found = found if found is not None else number(_without_word(str(cell)), decimal)
        return _whole(_there(found, attribute, cell)), None
    if (found := number(cell, decimal)) is not None and unit_of(heading) in (None, own):
        return _whole(found), None
    metres, unit = _there(quantity(cell, heading, dimension_of_unit(own) or "", decimal), attribute, cell)
    return _whole(round(metres / UNITS[own], 4)), None if (unit or "m") == own else unit or "m"


def _without_word(text: str) -> str:
    """``150 W`` → ``150``."""
    word = WORD.match(text[::-1])
    return text[: -word.end()] if word else text


def _there(found: T | None, attribute: Attribute, cell: Any) -> T:
    if found is None:
        raise Unfit(f"{attribute.en} must be a number, not {str(cell)[:60]!r}.")
    return found


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _text(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _spelt(slug: str, text: str) -> str:
    spellings: Mapping[str, str] = SPELLINGS.get(slug, {})
    return spellings.get(plain(text), text)
