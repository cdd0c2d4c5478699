"""Strict marshmallow fields: ``"5"`` is no number, ``5.7`` no integer, a time without offset no time.

Query strings carry text only, so that they have fields of their own (``Query…``).
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from shared.lists.spelling import is_all_seen
from shared.workers import give_way

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
RESERVED_CODES = ("imports", "export")
LARGEST_INTEGER = 2**63 - 1

METRE_DEG = 1 / 111_195
NO_FIX = "0, 0 is no place: the device had no fix. Leave the place out where it may be left out, or say it."
MOST_ITEMS, MOST_WRONG = 1_000, 100

Nested = fields.Nested
Dict = fields.Dict


class List(fields.List[Any]):
    """A list of MOST_ITEMS unless a Length says otherwise: a longer one is refused before its items are looked at.

    Beyond MOST_WRONG items the other ones are not looked at any more: each costs time, and nobody reads it.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        for check in [each for each in self.validators if isinstance(each, validate.Length)] or [AT_MOST]:
            check(value)
        loaded, wrong = [], {}
        for at, each in enumerate(value):
            try:
                loaded.append(self.inner.deserialize(each, **kwargs))
            except ValidationError as error:
                wrong[at] = error.messages
            if len(wrong) >= MOST_WRONG:
                break
            if at % MOST_ITEMS == MOST_ITEMS - 1:
                give_way()
        if wrong:
            raise ValidationError(wrong)
        return loaded


AT_MOST = validate.Length(max=MOST_ITEMS)


class Strict(Schema):
    """A body: what it does not name is an error."""

    class Meta:
        unknown = RAISE
        ordered = True


class String(fields.String):
    """Text without control characters, 1 to ``longest`` characters unless said otherwise."""

    def __init__(self, *, shortest: int = 1, longest: int = 2_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(validate.Length(shortest, longest))
        self.validators.append(_printable)


def _printable(text: str) -> None:
    if CONTROL.search(text):
        raise ValidationError("Holds a control character.")


class Code(String):
    """A code that a city gives: unique text without ``/`` that is no reserved word."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=100, **kwargs)
        self.validators.append(_no_reserved_word)
        self.validators.append(validate.Regexp(r"^[^/\x00-\x1f\x7f]+\Z", error="Holds a '/' or a control character."))


def _no_reserved_word(code: str) -> None:
    if code in RESERVED_CODES or code in (".", "..") or code != code.strip():
        raise ValidationError("Is a reserved word, or begins or ends with a space.")
    if not is_all_seen(code):
        raise ValidationError("Holds a character that is not seen.")


class Integer(fields.Integer):
    """A whole JSON number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        if abs(value) > LARGEST_INTEGER:
            raise ValidationError("Is too large.")
        return value


class Float(fields.Float):
    """A finite JSON number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in (int, float) or abs(value) > 1e300 or not math.isfinite(value):
            raise self.make_error("invalid")
        return float(value)


class Boolean(fields.Boolean):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.make_error("invalid")
        return value


class Time(fields.AwareDateTime):
    """RFC 3339 with an offset."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", value):
            raise ValidationError("Is no time in RFC 3339, such as 2026-03-01T21:30:00+02:00.")
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is None:
                raise ValidationError("Has no offset, such as +02:00 or Z.")
            at.timestamp()
        except (ValueError, OverflowError) as wrong:
            raise ValidationError("Is no time in RFC 3339, such as 2026-03-01T21:30:00+02:00.") from wrong
        if not 1900 <= at.year <= 9000:
            raise ValidationError("Is no time that we can keep.")
        return at


class Date(fields.Date):
    """A day, such as 2026-03-01."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or not re.fullmatch(r"(19|[2-8]\d)\d\d-\d\d-\d\d", value):
            raise ValidationError("Is no day such as 2026-03-01.")
        day: date = super()._deserialize(value, attr, data, **kwargs)
        return day


class UUID(fields.UUID):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or len(value) != 36:
            raise self.make_error("invalid_uuid")
        return super()._deserialize(value, attr, data, **kwargs)


class Sha256(fields.String):
    """The hash of a file, 64 hexadecimal digits in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Regexp(r"^[0-9a-f]{64}\Z", error="Is no SHA-256 in lower case."), **kwargs)


def no_fix(lon: float, lat: float) -> bool:
    """Whether a place is 0, 0, to a metre: what a device says that does not know where it is."""
    return math.hypot(lon, lat) <= METRE_DEG


class LonLat(Strict):
    """A place in WGS 84, in degrees."""

    lon = Float(required=True, validate=validate.Range(-180, 180), metadata={"example": 24.9414})
    lat = Float(required=True, validate=validate.Range(-90, 90), metadata={"example": 60.1699})

    @validates_schema
    def is_somewhere(self, data: dict[str, Any], **_: Any) -> None:
        if no_fix(data["lon"], data["lat"]):
            raise ValidationError(NO_FIX, "lon")


def Location(**kwargs: Any) -> fields.Nested:
    return fields.Nested(LonLat, **kwargs)


class QueryInteger(fields.Integer):
    """A whole number in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", str(value)):
            raise self.make_error("invalid")
        return int(value)


class QueryBoolean(fields.Boolean):
    """``true`` or ``false`` in a query string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(truthy={"true"}, falsy={"false"}, **kwargs)


class PageQuery(Strict):
    """What every list takes."""

    limit = QueryInteger(
        load_default=100, validate=validate.Range(1, 1_000), metadata={"description": "Most items to answer."}
    )
    cursor = String(load_default=None, longest=500, metadata={"description": "``next`` of the page before."})
