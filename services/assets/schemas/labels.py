"""Label sheets."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from services.assets.domain.labels import MOST_LABELS, SHEETS, USUAL
from services.assets.schemas.facilities import FacilitiesQuery
from shared.fields import CONTROL, QueryInteger, String


class Codes(fields.String):
    """Codes with commas between them, in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        codes = [code for each in str(value).split(",") if (code := each.strip())]
        if not 0 < len(codes) <= MOST_LABELS or CONTROL.search(str(value)):
            raise ValidationError(f"Are no 1 to {MOST_LABELS} codes with commas between them.")
        return list(dict.fromkeys(codes))


class LabelsQuery(FacilitiesQuery):
    """Labels of which facilities, on which paper."""

    limit = QueryInteger(
        load_default=MOST_LABELS, validate=validate.Range(1, MOST_LABELS), metadata={"description": "Most labels."}
    )
    codes = Codes(metadata={"description": "Those with these codes, instead of a search.", "example": "L-1,L-2"})
    sheet = String(
        load_default=USUAL,
        validate=validate.OneOf(SHEETS),
        metadata={"description": "Paper with precut labels: columns x rows-width x height in mm.", "example": USUAL},
    )
    columns = QueryInteger(
        validate=validate.Range(1, 6), metadata={"description": "Plain paper: labels side by side.", "example": 4}
    )
    rows = QueryInteger(
        validate=validate.Range(1, 16), metadata={"description": "Plain paper: labels one below the other."}
    )

    @validates_schema
    def check_division(self, data: dict[str, Any], **_: Any) -> None:
        if ("columns" in data) != ("rows" in data):
            raise ValidationError("Give both columns and rows, or neither.", "rows")
