"""Facilities: to register, to change, to ask for, and as they stand."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import ValidationError, validate

from services.assets.domain.facilities import Condition, LightSource, LookedAt
from services.assets.domain.standings import View
from services.assets.geojson import Geometry
from services.assets.schemas.lists import AttributesAsked
from services.assets.schemas.placed import Placed
from services.assets.schemas.words import (
    AUTHORITY,
    COMMUNITY,
    DISTRICT,
    GRID,
    KIND,
    KINDS,
    LARGE_GRID,
    MAINTAINER,
    OWNER,
    REVISION,
    STREET,
    VIEW,
    At,
)
from shared.fields import (
    CONTROL,
    Boolean,
    Code,
    Date,
    Dict,
    Float,
    Integer,
    PageQuery,
    QueryBoolean,
    Strict,
    String,
    Time,
)
from shared.lists.asking import Several, box, near
from shared.lists.spelling import all_spelt

POSITIVE = validate.Range(min=0.001, max=1e9)
ONE_CONDITION = validate.OneOf([*Condition])
LARGEST_ATTRIBUTES = 20_000

CODE = {"description": "The facility's own code, unique.", "example": "HEL-LAMP-314737872"}
NAME = {"description": "What people call it.", "example": "Lamp at the station"}
GEOMETRY = {
    "description": "A GeoJSON geometry in WGS 84, longitude first.",
    "example": {"type": "Point", "coordinates": [24.9525531, 60.1674716]},
}
MEASURE = {
    "description": "How much it is, in the unit of its kind (pieces, m, m²). Left out: reckoned from the geometry.",
    "example": 1.0,
}
ATTRIBUTES = {"description": "What else is known, by kind; width and lanes measure a road.", "example": {"lamp": "LED"}}
INSTALLED_ON = {"description": "When it was installed, as far as is known.", "example": "2014-09-30"}
REASON = {"description": "Why.", "example": "Street closed for tram works."}


def _small_and_clean(value: dict[str, Any]) -> None:
    """Attributes are anything in JSON, but no hiding place for a whole file or a control character."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > LARGEST_ATTRIBUTES:
        raise ValidationError(f"Is over {LARGEST_ATTRIBUTES} characters long.")
    if CONTROL.search(text) or "\\u00" in text:
        raise ValidationError("Holds a control character.")


class _Attributes(Dict):
    """In one spelling, as imports have them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return all_spelt(super()._deserialize(value, attr, data, **kwargs))  # type: ignore[no-untyped-call]


def Attributes(**kwargs: Any) -> Dict:
    return _Attributes(keys=String(longest=100), validate=_small_and_clean, metadata=ATTRIBUTES, **kwargs)


class FacilityIn(Strict):
    """A facility to register; its code is the natural key."""

    code = Code(required=True, metadata=CODE)
    kind = String(required=True, longest=40, metadata=KIND)
    name = String(load_default="", shortest=0, longest=200, metadata=NAME)
    geometry = Geometry(required=True, metadata=GEOMETRY)
    district = String(allow_none=True, longest=60, metadata=DISTRICT)
    street = String(allow_none=True, longest=200, metadata=STREET)
    community = String(allow_none=True, longest=60, metadata=COMMUNITY)
    large_grid = String(allow_none=True, longest=60, metadata=LARGE_GRID)
    grid = String(allow_none=True, longest=60, metadata=GRID)
    owner = String(allow_none=True, longest=100, metadata=OWNER)
    authority = String(allow_none=True, longest=100, metadata=AUTHORITY)
    maintainer = String(allow_none=True, longest=100, metadata=MAINTAINER)
    measure = Float(allow_none=True, validate=POSITIVE, metadata=MEASURE)
    installed_on = Date(allow_none=True, metadata=INSTALLED_ON)
    attributes = Attributes(load_default=dict)
    at = At()


class FacilityChangeIn(Strict):
    """What to change of a facility; what is left out stays."""

    name = String(shortest=0, longest=200, metadata=NAME)
    geometry = Geometry(metadata=GEOMETRY)
    district = String(allow_none=True, longest=60, metadata=DISTRICT)
    street = String(allow_none=True, longest=200, metadata=STREET)
    community = String(allow_none=True, longest=60, metadata=COMMUNITY)
    large_grid = String(allow_none=True, longest=60, metadata=LARGE_GRID)
    grid = String(allow_none=True, longest=60, metadata=GRID)
    owner = String(allow_none=True, longest=100, metadata=OWNER)
    authority = String(allow_none=True, longest=100, metadata=AUTHORITY)
    maintainer = String(allow_none=True, longest=100, metadata=MAINTAINER)
    measure = Float(allow_none=True, validate=POSITIVE, metadata=MEASURE)
    installed_on = Date(allow_none=True, metadata=INSTALLED_ON)
    attributes = Attributes()
    at = At()


class ReasonIn(Strict):
    """Why a facility leaves service, or the registry."""

    reason = String(required=True, longest=500, metadata=REASON)
    at = At()


class ReturnIn(Strict):
    """A facility comes back into service."""

    reason = String(longest=500, metadata=REASON)
    at = At()


class FacilityOut(Strict):
    """A facility as it stands."""

    code = String(metadata=CODE)
    kind = String(metadata=KIND)
    name = String(shortest=0, metadata=NAME)
    geometry = Geometry(metadata=GEOMETRY)
    district = String(allow_none=True, metadata=DISTRICT)
    street = String(allow_none=True, metadata=STREET)
    community = String(allow_none=True, metadata=COMMUNITY)
    large_grid = String(allow_none=True, metadata=LARGE_GRID)
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
    installed_on = Date(allow_none=True, metadata=INSTALLED_ON)
    retired_on = Date(allow_none=True, metadata={"description": "When it was removed.", "example": "2026-01-15"})
    source = String(allow_none=True, metadata={"description": "The series of imports it came with, if it did."})
    registered_at = Time(metadata={"description": "When it came into the registry."})
    changed_at = Time(metadata={"description": "When it was last changed."})
    revision = Integer(metadata=REVISION)


class FacilitiesAsked(Placed):
    """Which facilities. Retired ones are left out unless the condition asks for them.

    An area or unit that is left empty asks for those of none.
    """

    code = String(longest=100, metadata={"description": "How its code begins.", "example": "HEL-LAMP"})
    q = String(longest=100, metadata={"description": "Part of a code, name or street.", "example": "Union"})
    kind = Several(String(longest=40), metadata=KINDS)
    condition = Several(
        String(validate=ONE_CONDITION),
        metadata={"description": "Its condition; several with commas between.", "example": "defective"},
    )
    attributes = AttributesAsked(
        metadata={
            "description": "What it has, name:value with commas between; as a JSON object where values hold commas.",
            "example": "network:storm,depth_m:2.5",
        }
    )
    source = String(longest=100, metadata={"description": "The series of imports it came with.", "example": "census"})
    light_source = Several(
        String(validate=validate.OneOf([*LightSource])),
        metadata={"description": "Of lamps: led, other, unknown; several with commas between.", "example": "led"},
    )
    last_look = Several(
        String(validate=validate.OneOf([*LookedAt])),
        metadata={
            "description": "Lamps seen so at the look that counts; both with a comma.",
            "example": "dark",
        },
    )
    naming_nothing = QueryBoolean(
        metadata={
            "description": "Whether an area that they name is none, of a level that is drawn.",
            "example": True,
        }
    )
    installed_from = Date(metadata={"description": "Installed on this day or later.", "example": "2014-01-01"})
    installed_to = Date(metadata={"description": "Installed on this day or before.", "example": "2014-12-31"})
    bbox = box()
    near = near("Within so many metres (at most 2,000) of a place, nearest first, on one page.")


class FacilitiesQuery(FacilitiesAsked, PageQuery):
    """A page of them."""

    as_of = Date(metadata={"description": "As they stood at the end of this day of the city.", "example": "2026-01-15"})
    view = String(load_default=View.KNOWN.value, validate=validate.OneOf([*View]), metadata=VIEW)


class DeedOut(Strict):
    """One entry in the life of a facility."""

    what = String(metadata={"description": "What was done.", "example": "put_out_of_service"})
    who = String(
        allow_none=True,
        metadata={"description": "The account or service that did it, for staff to know.", "example": "workorders"},
    )
    details = Dict(keys=String(), metadata={"description": "What belongs to it.", "example": {"reason": "tram works"}})
    happened_at = Time(metadata={"description": "When it happened."})
    recorded_at = Time(metadata={"description": "When we knew."})
