"""The JSON of assets, at the HTTP edge only."""

from __future__ import annotations

import json
import math
from typing import Any

from marshmallow import ValidationError, fields, validate

from services.assets.domain.facilities import Condition
from services.assets.domain.rates import By, RateName
from services.assets.geojson import Geometry
from shared.fields import (
    CONTROL,
    Boolean,
    Code,
    Dict,
    Float,
    Integer,
    List,
    Nested,
    PageQuery,
    Strict,
    String,
    Time,
)

POSITIVE = validate.Range(min=0.001, max=1e9)
ONE_CONDITION = validate.OneOf([*Condition])
LARGEST_ATTRIBUTES = 20_000
FARTHEST_M = 2_000

CODE = {"description": "The facility's own code, unique.", "example": "HEL-LAMP-314737872"}
KIND = {"description": "A kind of the catalogue, see /kinds.", "example": "street_light"}
NAME = {"description": "What people call it.", "example": "Lamp at the station"}
GEOMETRY = {
    "description": "A GeoJSON geometry in WGS 84, longitude first.",
    "example": {"type": "Point", "coordinates": [24.9525531, 60.1674716]},
}
DISTRICT = {"description": "Its district; where none is named, the one it lies in.", "example": "southeast"}
STREET = {"description": "Its street.", "example": "Unioninkatu"}
GRID = {"description": "Its grid cell; where none is named, the one it lies in.", "example": "G-32"}
OWNER = {"description": "The unit that owns it.", "example": "City of Helsinki"}
AUTHORITY = {"description": "The competent authority.", "example": "Urban Environment Division"}
MAINTAINER = {"description": "The unit that maintains it.", "example": "Lighting Maintenance South"}
MEASURE = {
    "description": "How much it is, in the unit of its kind (pieces, m, m²). Left out: reckoned from the geometry.",
    "example": 1.0,
}
ATTRIBUTES = {"description": "What else is known, by kind; width and lanes measure a road.", "example": {"lamp": "LED"}}
AT = {"description": "When it happened, if not just now.", "example": "2026-03-01T21:35:00+02:00"}
REASON = {"description": "Why.", "example": "Street closed for tram works."}
REVISION = {"description": "Counts the changes; it is the ETag.", "example": 3}
RATE_BY = {"description": "What the rates are grouped by.", "example": "district"}


def _small_and_clean(value: dict[str, Any]) -> None:
    """Attributes are anything in JSON, but no hiding place for a whole file or a control character."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > LARGEST_ATTRIBUTES:
        raise ValidationError(f"Is over {LARGEST_ATTRIBUTES} characters long.")
    if CONTROL.search(text) or "\\u00" in text:
        raise ValidationError("Holds a control character.")


def Attributes(**kwargs: Any) -> Dict:
    return Dict(keys=String(longest=100), validate=_small_and_clean, metadata=ATTRIBUTES, **kwargs)


class FacilityIn(Strict):
    """A facility to register; its code is the natural key."""

    code = Code(required=True, metadata=CODE)
    kind = String(required=True, longest=40, metadata=KIND)
    name = String(load_default="", shortest=0, longest=200, metadata=NAME)
    geometry = Geometry(required=True, metadata=GEOMETRY)
    district = String(allow_none=True, longest=60, metadata=DISTRICT)
    street = String(allow_none=True, longest=200, metadata=STREET)
    grid = String(allow_none=True, longest=60, metadata=GRID)
    owner = String(allow_none=True, longest=100, metadata=OWNER)
    authority = String(allow_none=True, longest=100, metadata=AUTHORITY)
    maintainer = String(allow_none=True, longest=100, metadata=MAINTAINER)
    measure = Float(allow_none=True, validate=POSITIVE, metadata=MEASURE)
    attributes = Attributes(load_default=dict)
    at = Time(metadata=AT)


class FacilityChangeIn(Strict):
    """What to change of a facility; what is left out stays."""

    name = String(shortest=0, longest=200, metadata=NAME)
    geometry = Geometry(metadata=GEOMETRY)
    district = String(allow_none=True, longest=60, metadata=DISTRICT)
    street = String(allow_none=True, longest=200, metadata=STREET)
    grid = String(allow_none=True, longest=60, metadata=GRID)
    owner = String(allow_none=True, longest=100, metadata=OWNER)
    authority = String(allow_none=True, longest=100, metadata=AUTHORITY)
    maintainer = String(allow_none=True, longest=100, metadata=MAINTAINER)
    measure = Float(allow_none=True, validate=POSITIVE, metadata=MEASURE)
    attributes = Attributes()
    at = Time(metadata=AT)


class ReasonIn(Strict):
    """Why a facility leaves service, or the registry."""

    reason = String(required=True, longest=500, metadata=REASON)
    at = Time(metadata=AT)


class ReturnIn(Strict):
    """A facility comes back into service."""

    reason = String(longest=500, metadata=REASON)
    at = Time(metadata=AT)


class FacilityOut(Strict):
    """A facility as it stands."""

    code = String(metadata=CODE)
    kind = String(metadata=KIND)
    name = String(shortest=0, metadata=NAME)
    geometry = Geometry(metadata=GEOMETRY)
    district = String(allow_none=True, metadata=DISTRICT)
    street = String(allow_none=True, metadata=STREET)
    grid = String(allow_none=True, metadata=GRID)
    owner = String(allow_none=True, metadata=OWNER)
    authority = String(allow_none=True, metadata=AUTHORITY)
    maintainer = String(allow_none=True, metadata=MAINTAINER)
    measure = Float(metadata=MEASURE)
    unit = String(metadata={"description": "What the measure counts: count, m or m2.", "example": "count"})
    measure_estimated = Boolean(
        metadata={"description": "Whether the area comes from an assumed width.", "example": False}
    )
    condition = String(validate=ONE_CONDITION, metadata={"description": "Its condition.", "example": "intact"})
    defective = Float(
        metadata={"description": "How much of it open defects take, never more than the measure.", "example": 0.0}
    )
    out_of_service_reason = String(allow_none=True, metadata={"description": "Why it is out of service."})
    last_look_at = Time(
        allow_none=True, metadata={"description": "A lamp: the latest look that counts in the sampled light-on rate."}
    )
    last_look_lit = Boolean(allow_none=True, metadata={"description": "Whether it was lit then."})
    attributes = Dict(keys=String(), metadata=ATTRIBUTES)
    registered_at = Time(metadata={"description": "When it came into the registry."})
    changed_at = Time(metadata={"description": "When it was last changed."})
    revision = Integer(metadata=REVISION)


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


def _right_way_round(box: tuple[float, ...]) -> None:
    if box[0] > box[2] or box[1] > box[3]:
        raise ValidationError("Is west,south,east,north: the smaller one first.")


class FacilitiesQuery(PageQuery):
    """Which facilities. Retired ones are left out unless the condition asks for them."""

    kind = String(longest=40, metadata=KIND)
    district = String(longest=60, metadata=DISTRICT)
    grid = String(longest=60, metadata=GRID)
    maintainer = String(longest=100, metadata=MAINTAINER)
    condition = String(validate=ONE_CONDITION, metadata={"description": "Its condition.", "example": "defective"})
    bbox = Numbers(
        names="west,south,east,north",
        low=[-180, -90, -180, -90],
        high=[180, 90, 180, 90],
        validate=_right_way_round,
        metadata={"description": "A box, west,south,east,north in degrees.", "example": "24.94,60.166,24.95,60.17"},
    )
    near = Numbers(
        names="lon,lat,metres",
        low=[-180, -90, 0],
        high=[180, 90, FARTHEST_M],
        metadata={
            "description": "Within so many metres (at most 2,000) of a place, nearest first, on one page.",
            "example": "24.9414,60.1699,100",
        },
    )
    q = String(longest=100, metadata={"description": "Part of a code, name or street.", "example": "Union"})


class DeedOut(Strict):
    """One entry in the life of a facility."""

    what = String(metadata={"description": "What was done.", "example": "put_out_of_service"})
    who = String(metadata={"description": "The account or service that did it.", "example": "workorders"})
    details = Dict(keys=String(), metadata={"description": "What belongs to it.", "example": {"reason": "tram works"}})
    happened_at = Time(metadata={"description": "When it happened."})
    recorded_at = Time(metadata={"description": "When we knew."})


class AreaIn(Strict):
    """A district or grid cell to draw; its code is the natural key."""

    code = Code(
        required=True, validate=validate.Length(max=60), metadata={"description": "Its code.", "example": "G-32"}
    )
    name = String(load_default="", shortest=0, longest=200, metadata={"description": "Its name.", "example": "Harbour"})
    geometry = Geometry(
        required=True,
        metadata={
            "description": "A GeoJSON Polygon or MultiPolygon in WGS 84.",
            "example": {"type": "Polygon", "coordinates": [[[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.1]]]},
        },
    )


class GridCellIn(AreaIn):
    district = String(
        allow_none=True, longest=60, metadata={"description": "The district of it.", "example": "southeast"}
    )


class AreaOut(Strict):
    """A district or grid cell."""

    code = String(metadata={"description": "Its code.", "example": "G-32"})
    name = String(metadata={"description": "Its name.", "example": "Harbour"})
    district = String(allow_none=True, metadata={"description": "The district of a grid cell.", "example": "southeast"})
    geometry = Geometry(metadata={"description": "Its polygon."})
    revision = Integer(metadata=REVISION)


class CategoryOut(Strict):
    """A category of defects."""

    slug = String(metadata={"description": "Its name in the API.", "example": "lamp_out"})
    en = String(metadata={"description": "Its English name.", "example": "Lamp out"})
    zh = String(metadata={"description": "Its Chinese name.", "example": "灯不亮"})
    severity = String(metadata={"description": "Its usual severity.", "example": "normal"})
    breaks_function = Boolean(metadata={"description": "Whether it leaves the intact rate.", "example": True})


class KindOut(Strict):
    """A kind of facility."""

    slug = String(metadata={"description": "Its name in the API.", "example": "street_light"})
    group = String(metadata={"description": "Its group.", "example": "lighting"})
    unit = String(metadata={"description": "How it is measured: count, m or m2.", "example": "count"})
    en = String(metadata={"description": "Its English name.", "example": "Street light"})
    zh = String(metadata={"description": "Its Chinese name.", "example": "路灯"})
    weight = Float(metadata={"description": "Its part in the composite intact rate.", "example": 3.0})
    lamp = Boolean(metadata={"description": "Whether it counts in the light-on rate.", "example": True})
    categories = List(Nested(CategoryOut), metadata={"description": "The defects that it can have."})


class RatesQuery(Strict):
    """Which rates."""

    by = String(load_default=By.DISTRICT.value, validate=validate.OneOf([*By]), metadata=RATE_BY)
    rate = String(
        validate=validate.OneOf([*RateName]), metadata={"description": "Only this rate.", "example": "intact"}
    )
    kind = String(longest=40, metadata={"description": "Only facilities of this kind.", "example": "street_light"})
    district = String(longest=60, metadata={"description": "Only facilities of this district.", "example": "southeast"})
    date = fields.Date(metadata={"description": "The city's present day; past days are not kept yet."})


class DefinitionOut(Strict):
    en = String(metadata={"description": "The definition in English."})
    zh = String(metadata={"description": "The definition in Chinese."})


class LeftOutOut(Strict):
    """What stands beside a rate, because it is in neither of its terms."""

    facilities = Integer(metadata={"description": "How many facilities are out of service.", "example": 2})
    quantity = Float(metadata={"description": "How much that is, in the rate's unit.", "example": 2.0})
    reasons = Dict(keys=String(), values=Integer(), metadata={"description": "Why, and how many each."})


class RateOut(Strict):
    """One rate. The ratio is null when the denominator is zero."""

    rate = String(validate=validate.OneOf([*RateName]), metadata={"description": "Which rate.", "example": "intact"})
    by = String(validate=validate.OneOf([*By]), metadata=RATE_BY)
    key = String(
        shortest=0, metadata={"description": "Which district, kind … ; empty: of none.", "example": "southeast"}
    )
    kind = String(
        allow_none=True, metadata={"description": "The kind; null: composite of several kinds.", "example": "manhole"}
    )
    ratio = Float(allow_none=True, metadata={"description": "0 to 1.", "example": 0.98})
    numerator = Float(metadata={"description": "In the unit.", "example": 98.0})
    denominator = Float(metadata={"description": "In the unit.", "example": 100.0})
    unit = String(shortest=0, metadata={"description": "count, m, m2, or weight (composite).", "example": "count"})
    definition = Nested(DefinitionOut, metadata={"description": "How it is reckoned."})
    window_days = Integer(
        allow_none=True, metadata={"description": "How far back it looks; null: as things stand now.", "example": 30}
    )
    weights = Dict(
        keys=String(), values=Float(), allow_none=True, metadata={"description": "A composite's weights by kind."}
    )
    out_of_service = Nested(LeftOutOut, metadata={"description": "What the rate leaves out."})
