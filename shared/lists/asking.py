"""What may be asked in a query string: several values, numbers, a box, nearness, a time or a day."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from marshmallow import ValidationError, fields, validate

from shared.fields import Date, Time

MOST_VALUES = 50
FARTHEST_M = 2_000
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Several(fields.String):
    """Values with commas between them; each is read by ``each``."""

    def __init__(self, each: fields.Field[Any], **kwargs: Any) -> None:
        if any(isinstance(check, validate.Length) and check.min == 0 for check in each.validators):
            kwargs["metadata"] = {"minLength": 0} | kwargs.get("metadata", {})  # it may be left empty, says OpenAPI
        super().__init__(**kwargs)
        self.each = each

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        texts = str(value).split(",")
        if len(texts) > MOST_VALUES:
            raise ValidationError(f"Has over {MOST_VALUES} values.")
        return [self.each.deserialize(text) for text in texts]


class Numbers(fields.String):
    """A fixed count of numbers with commas between them."""

    def __init__(self, *, names: str, low: list[float], high: list[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names, self.low, self.high = names, low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        texts = [each.strip() for each in str(value).split(",")]
        if len(texts) != len(self.low) or not all(map(NUMBER.fullmatch, texts)):
            raise ValidationError(f"Is no {self.names}.")
        numbers = tuple(map(float, texts))
        if any(not low <= each <= high for each, low, high in zip(numbers, self.low, self.high, strict=True)):
            raise ValidationError(f"Is out of bounds: {self.names} within {self.low} to {self.high}.")
        return numbers


class Number(Numbers):
    """One number."""

    def __init__(self, *, low: float, high: float, **kwargs: Any) -> None:
        super().__init__(names="number", low=[low], high=[high], **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs)[0]


class Moment(fields.String):
    """A time in RFC 3339, or a day of the city, which is a ``date``.

    In a query string a plus sign means a blank: the one of an offset is taken as it was meant.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = str(value)
        if DAY.fullmatch(text):
            day: date = Date().deserialize(text)
            return day
        at: datetime = Time().deserialize(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
        return at


def box() -> Numbers:
    return Numbers(
        names="west,south,east,north",
        low=[-180, -90, -180, -90],
        high=[180, 90, 180, 90],
        validate=_right_way_round,
        metadata={"description": "A box, west,south,east,north in degrees.", "example": "24.94,60.166,24.95,60.17"},
    )


def _right_way_round(box: tuple[float, ...]) -> None:
    if box[0] > box[2] or box[1] > box[3]:
        raise ValidationError("Is west,south,east,north: the smaller one first.")


def near(description: str) -> Numbers:
    return Numbers(
        names="lon,lat,metres",
        low=[-180, -90, 0],
        high=[180, 90, FARTHEST_M],
        metadata={"description": description, "example": "24.9414,60.1699,100"},
    )
