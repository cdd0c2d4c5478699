"""Attributes of facilities: typed by the catalogue, with units and allowed values. What it does not name is free."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from shared.errors import Invalid


class WrongAttribute(Invalid):
    """An attribute does not fit what the catalogue says of it."""

    slug = "wrong-attribute"
    zh = "属性值与目录不符"


class Type(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    CHOICE = "choice"


@dataclass(frozen=True, kw_only=True)
class Value:
    """One of the allowed values of a choice. ``also``: other spellings that files use."""

    en: str
    zh: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """What the catalogue says of an attribute. ``least`` and ``most`` bound a number, in ``unit``."""

    slug: str
    en: str
    zh: str
    type: Type
    unit: str | None = None
    least: float | None = None
    most: float | None = None
    values: Mapping[str, Value] = field(default_factory=dict)

    def fault(self, value: Any) -> str | None:
        """Why a value does not fit, or None. Null fits: it says that nobody knows."""
        if value is None:
            return None
        if not FITS[self.type](value):
            return f"must be {NAMED[self.type]}, not {value!r}."
        if self.type is Type.CHOICE and value not in self.values:
            return f"must be one of {', '.join(self.values)}, not {value!r}."
        return self._out_of_bounds(value) if self.type in (Type.INTEGER, Type.NUMBER) else None

    def _out_of_bounds(self, value: float) -> str | None:
        unit = f" {self.unit}" if self.unit else ""
        if self.least is not None and value < self.least:
            return f"must be at least {self.least:g}{unit}, not {value:g}."
        if self.most is not None and value > self.most:
            return f"must be at most {self.most:g}{unit}, not {value:g}."
        return None

    def read(self, text: str) -> Any:
        """A value as a file spells it. Raises ValueError when it cannot be one of this attribute."""
        value = self._spelt(text) if self.type is Type.CHOICE else READS[self.type](text.strip())
        if why := self.fault(value):
            raise ValueError(why)
        return value

    def _spelt(self, text: str) -> str | None:
        wanted = _plain(text)
        for slug, value in self.values.items():
            if wanted in map(_plain, (slug, value.en, value.zh, *value.also)):
                return slug
        raise ValueError(f"must be one of {', '.join(self.values)}, not {text!r}.")


def known_as(name: str) -> str:
    """As what the kinds that have an attribute are known; a name may be longer than an index takes."""
    return name[:100]


def check_attributes(known: Mapping[str, Attribute], given: Mapping[str, Any]) -> None:
    """Raises WrongAttribute, which names the field, for the first known attribute whose value does not fit."""
    for name, value in given.items():
        if name in known and (why := known[name].fault(value)):
            raise WrongAttribute(f"{known[name].en} {why}", field=f"attributes.{name}")


NAMED = {
    Type.TEXT: "text",
    Type.INTEGER: "a whole number",
    Type.NUMBER: "a number",
    Type.BOOLEAN: "true or false",
    Type.DATE: "a date such as 2019-05-31",
    Type.CHOICE: "text",
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_date(value: Any) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value) and date.fromisoformat(value))
    except (TypeError, ValueError):
        return False


FITS: Mapping[Type, Callable[[Any], bool]] = {
    Type.TEXT: lambda value: isinstance(value, str),
    Type.INTEGER: lambda value: _is_number(value) and value == int(value),
    Type.NUMBER: _is_number,
    Type.BOOLEAN: lambda value: isinstance(value, bool),
    Type.DATE: _is_date,
    Type.CHOICE: lambda value: isinstance(value, str),
}
TRUE = {"true", "yes", "y", "1", "t", "是", "有"}
FALSE = {"false", "no", "n", "0", "f", "否", "无"}


def _read_boolean(text: str) -> bool:
    if (plain := text.lower()) in TRUE | FALSE:
        return plain in TRUE
    raise ValueError(f"must be true or false, not {text!r}.")


def _read_integer(text: str) -> int:
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"must be a whole number, not {text!r}.")
    return int(number)


def _read_date(text: str) -> str:
    return re.sub(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})$", lambda at: f"{at[1]}-{at[2]:0>2}-{at[3]:0>2}", text)


READS: Mapping[Type, Callable[[str], Any]] = {
    Type.TEXT: str,
    Type.INTEGER: _read_integer,
    Type.NUMBER: float,
    Type.BOOLEAN: _read_boolean,
    Type.DATE: _read_date,
}


def _plain(text: str) -> str:
    """Spellings differ in case, spaces, dashes and underscores."""
    return re.sub(r"[\s_-]+", "", text).casefold()
