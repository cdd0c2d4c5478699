"""Replacing, moving and renumbering facilities, and how many were."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from services.assets.domain.rates import By
from services.assets.geojson import Geometry
from services.assets.schemas.facilities import (
    CODE,
    GEOMETRY,
    INSTALLED_ON,
    MEASURE,
    NAME,
    POSITIVE,
    REASON,
    Attributes,
)
from services.assets.schemas.words import COMMUNITY, DISTRICT, GRID, KIND, LARGE_GRID, STREET, At
from shared.fields import Code, Date, Float, Integer, Strict, String


class LifeIn(Strict):
    """Why it was done, and when."""

    reason = String(required=True, longest=500, metadata=REASON)
    at = At()


class ReplaceIn(LifeIn):
    """Another thing stands in its place; what is left out stays as it was."""

    new_code = Code(data_key="code", metadata={"description": "Its own code, if it brought one.", "example": "L-2"})
    name = String(shortest=0, longest=200, metadata=NAME)
    measure = Float(allow_none=True, validate=POSITIVE, metadata=MEASURE)
    installed_on = Date(metadata={**INSTALLED_ON, "description": "When it was installed, if not on the day of `at`."})
    attributes = Attributes()


class MoveIn(LifeIn):
    """It stands elsewhere now; areas that are not named are those of the new place."""

    geometry = Geometry(required=True, metadata=GEOMETRY)
    measure = Float(allow_none=True, validate=POSITIVE, metadata=MEASURE)
    district = String(longest=60, metadata=DISTRICT)
    street = String(allow_none=True, longest=200, metadata=STREET)
    community = String(longest=60, metadata=COMMUNITY)
    large_grid = String(longest=60, metadata=LARGE_GRID)
    grid = String(longest=60, metadata=GRID)


class RenumberIn(LifeIn):
    """It has another code now; the old one still finds it."""

    new_code = Code(required=True, data_key="code", metadata=CODE)


class LifeCountsQuery(Strict):
    """Which period, both days included."""

    first = Date(required=True, data_key="from", metadata={"description": "The first day.", "example": "2026-01-01"})
    last = Date(required=True, data_key="to", metadata={"description": "The last day.", "example": "2026-12-31"})
    by = String(
        load_default=By.DISTRICT.value,
        validate=validate.OneOf([*By]),
        metadata={"description": "What the counts are grouped by.", "example": "district"},
    )
    kind = String(longest=40, metadata={"description": "Only facilities of this kind.", "example": "street_light"})
    district = String(longest=60, metadata={"description": "Only facilities of this district.", "example": "southeast"})

    @validates_schema
    def check_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["last"] < data["first"]:
            raise ValidationError("Is before the first day.", "to")


class LifeCountOut(Strict):
    """How many facilities; each thing that happened counts once, in the period in which it happened."""

    by = String(metadata={"description": "What the counts are grouped by.", "example": "district"})
    key = String(shortest=0, metadata={"description": "Which district … ; empty: of none.", "example": "southeast"})
    kind = String(metadata=KIND)
    installed = Integer(metadata={"description": "Installed, where the day is known.", "example": 120})
    replaced = Integer(metadata={"description": "Replaced by another thing in the same place.", "example": 31})
    moved = Integer(metadata={"description": "Moved to another place.", "example": 4})
    renumbered = Integer(metadata={"description": "Given another code.", "example": 0})
    removed = Integer(metadata={"description": "Retired.", "example": 12})
