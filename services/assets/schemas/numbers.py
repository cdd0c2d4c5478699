"""Numbers with commas between them."""

from __future__ import annotations

import math
from typing import Any

from marshmallow import ValidationError, fields


class Numbers(fields.String):
    """A fixed count of numbers with commas between them, in a query string."""

    def __init__(self, *, names: str, low: list[float], high: list[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names, self.low, self.high = names, low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            numbers = tuple(float(each) for each in str(value).split(","))
        except ValueError as wrong:
            raise ValidationError(f"Is no {self.names}.") from wrong
        if len(numbers) != len(self.low) or not all(map(math.isfinite, numbers)):
            raise ValidationError(f"Is no {self.names}.")
        if any(not low <= each <= high for each, low, high in zip(numbers, self.low, self.high, strict=True)):
            raise ValidationError(f"Is out of bounds: {self.names} within {self.low} to {self.high}.")
        return numbers


class Number(Numbers):
    """One number in a query string."""

    def __init__(self, *, low: float, high: float, **kwargs: Any) -> None:
        super().__init__(names="number", low=[low], high=[high], **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs)[0]
