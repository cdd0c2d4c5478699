"""Cells as the attributes that the catalogue types: numbers in their unit, days, choices by any of their spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, TypeVar

from services.assets.domain.attributes import Attribute, Type
from services.assets.importing.units import are_convertible, read_unit, spelt_unit, unit_of
from services.assets.importing.values import day, number, quantity
from services.assets.importing.words import ASKED, ATTRIBUTES, SPELLINGS, by_pattern, plain, words_in

T = TypeVar("T")
SHORTEST = 2  # of our own spellings: y and 1 are no words
NEGATED = re.compile(r" (?:no|not|non|none|without) |[非无無不]")
NO_CHOICES: Mapping[str, str] = MappingProxyType({})
WORD = re.compile(r"[^\d\s]++\s*+")


class Unfit(ValueError):
    """The cell cannot be a value of the attribute."""


def names_of(attribute: Attribute) -> list[str]:
    """Headings under which files have this attribute, the surest first."""
    names = [attribute.slug, attribute.en, attribute.zh, *ATTRIBUTES.get(attribute.slug, ())]
    asked = [form.format(name) for name in names for form in ASKED] if attribute.type is Type.BOOLEAN else []
    return names + asked


def value_of(
    attribute: Attribute,
    cell: Any,
    heading: str,
    order: str,
    zone: str,
    today: date,
    decimal: str | None = None,
    choices: Mapping[str, str] = NO_CHOICES,
) -> tuple[Any, str | None]:
    """(value, which unit it was converted from) of a cell that holds something. Raises Unfit.

    ``choices``: what people say that the file's values mean.
    """
    if attribute.type in (Type.NUMBER, Type.INTEGER):
        value, unit = _number(attribute, cell, heading, decimal)
    else:
        value, unit = _raw_value(attribute, cell, order, zone, today, choices), None
    if why := attribute.fault(value):
        raise Unfit(f"{attribute.en} {why}")
    return value, unit


def _raw_value(attribute: Attribute, cell: Any, order: str, zone: str, today: date, choices: Mapping[str, str]) -> Any:
    try:
        if attribute.type is Type.DATE:
            return day(cell, order, zone, today)[0].isoformat()
        if isinstance(cell, bool) and attribute.type is Type.BOOLEAN:
            return cell
        if attribute.type is Type.CHOICE:
            return choice_of(attribute, _text(cell), choices)
        return attribute.read(_spelt(attribute.slug, _text(cell)))
    except ValueError as wrong:
        raise Unfit(f"{attribute.en} {wrong}") from wrong


def _number(attribute: Attribute, cell: Any, heading: str, decimal: str | None) -> tuple[float, str | None]:
    """A number in the attribute's unit, which a heading or cell without a unit is taken to mean."""
    if not are_convertible(heading, attribute.unit):
        raise Unfit(f"{attribute.en} cannot be read in the unit of {heading!r}.")
    own = read_unit(attribute.unit or "")
    if own is None:
        found = number(cell, decimal)
        found = found if found is not None else number(_without_word(str(cell)), decimal)
        return _whole(_there(found, attribute, cell)), None
    if (found := number(cell, decimal)) is not None and unit_of(heading) in (None, spelt_unit(attribute.unit or "")):
        return _whole(found), None
    found_in_base, unit = _there(quantity(cell, heading, own[0], decimal), attribute, cell)
    return _whole(round(found_in_base / own[1], 4)), None if read_unit(unit or own[0]) == own else unit or own[0]


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


def choice_of(attribute: Attribute, text: str, given: Mapping[str, str] = NO_CHOICES) -> Any:
    """The choice that a text means: as people say, by its name, or by the only one that is named within.

    Raises ValueError.
    """
    by_name = {plain(each): slug for each, slug in given.items()}
    if said := by_name.get(plain(text)) or by_pattern(given, text):
        return said
    try:
        return attribute.read(_spelt(attribute.slug, text))
    except ValueError:
        found = {plain(name): slug for name, slug in _names_within(attribute) if _is_within(name, words_in(text))}
        within = {slug for name, slug in found.items() if not any(name in other for other in found if other != name)}
        if len(within) != 1 or NEGATED.search(words_in(text)):
            raise
        return within.pop()


def _names_within(attribute: Attribute) -> Iterator[tuple[str, str]]:
    """Names of the choices that are long enough to be found within other words."""
    for slug, value in attribute.values.items():
        yield from ((each, slug) for each in (slug, value.en, value.zh, *value.also) if len(each) > 1)
    yield from (
        (each, slug)
        for each, slug in SPELLINGS.get(attribute.slug, {}).items()
        if len(each) > (SHORTEST if each.isascii() else 1)
    )


def _is_within(name: str, words: str) -> bool:
    bare = words_in(name).strip()
    return bare in words and (not bare.isascii() or re.search(rf"\b{bare}\b", words, re.ASCII) is not None)


def _spelt(slug: str, text: str) -> str:
    spellings: Mapping[str, str] = SPELLINGS.get(slug, {})
    return spellings.get(plain(text), text)
