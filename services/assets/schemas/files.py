"""One facility's file."""

from __future__ import annotations

from marshmallow import fields, validate

from services.assets.domain.facilities import Condition
from services.assets.geojson import Geometry
from services.assets.schemas.documents import DocumentOut
from services.assets.schemas.facilities import CODE, GEOMETRY, INSTALLED_ON, MEASURE, NAME, DeedOut
from services.assets.schemas.words import COMMUNITY, DISTRICT, GRID, LARGE_GRID, REVISION, STREET
from shared.fields import UUID, Boolean, Date, Dict, Float, Integer, List, Nested, Strict, String, Time

AS_OF = {"description": "As it was known when this day ended; left out: now.", "example": "2026-03-31"}
CATEGORY = {"description": "A category of the catalogue.", "example": "lamp_out"}
SEVERITY = {"description": "normal, serious or emergency.", "example": "normal"}
FINDING = {"description": "The finding that it came from."}


class FileQuery(Strict):
    """Now, or on a past day."""

    as_of = Date(metadata=AS_OF)


class KindNameOut(Strict):
    slug = String(metadata={"description": "Its name in the API.", "example": "street_light"})
    en = String(allow_none=True, metadata={"description": "Its English name.", "example": "Street light"})
    zh = String(allow_none=True, metadata={"description": "Its Chinese name.", "example": "路灯"})


class AttributeValueOut(Strict):
    """An attribute with the names that the catalogue gives; null where it names none."""

    slug = String(metadata={"description": "Its name in the API.", "example": "light_source"})
    en = String(allow_none=True, metadata={"description": "Its English name.", "example": "Light source"})
    zh = String(allow_none=True, metadata={"description": "Its Chinese name.", "example": "光源"})
    value = fields.Raw(metadata={"description": "Its value.", "example": "led"})
    value_en = String(allow_none=True, metadata={"description": "A choice: its English name.", "example": "LED"})
    value_zh = String(allow_none=True, metadata={"description": "A choice: its Chinese name.", "example": "LED灯"})
    unit = String(allow_none=True, metadata={"description": "A number: its unit.", "example": "W"})


class UnitNameOut(Strict):
    """A unit, with its names where it is registered (/units)."""

    code = String(metadata={"description": "As the facility names it.", "example": "City of Helsinki"})
    name = String(allow_none=True, metadata={"description": "Its name.", "example": "City of Helsinki"})
    name_zh = String(allow_none=True, metadata={"description": "Its Chinese name.", "example": "赫尔辛基市"})


class DefectEntryOut(Strict):
    """A defect, from the finding that reported it to its end."""

    finding_id = UUID(metadata=FINDING)
    category = String(metadata=CATEGORY)
    severity = String(metadata=SEVERITY)
    source = String(metadata={"description": "Who found it.", "example": "patrol"})
    summary = String(shortest=0, metadata={"description": "What staff wrote.", "example": "Dark since the storm."})
    photos = List(String(), metadata={"description": "SHA-256 of its photos."})
    quantity = Float(allow_none=True, metadata={"description": "As reported, in the facility's unit.", "example": 2.5})
    breaks_function = Boolean(metadata={"description": "Whether it leaves the intact rate.", "example": True})
    open = Boolean(metadata={"description": "Whether it stands.", "example": False})
    restored_reason = String(allow_none=True, metadata={"description": "repaired, unfounded …", "example": "repaired"})
    restored_at = Time(allow_none=True, metadata={"description": "When it was gone."})
    reported_at = Time(metadata={"description": "When it was reported."})
    confirmed_at = Time(metadata={"description": "When it was confirmed."})


class OrderEntryOut(Strict):
    """A work order, as workorders last told of it: what a crew does in between is shown there."""

    number = String(metadata={"description": "Its number.", "example": "W-2026-000017"})
    state = String(metadata={"description": "Its state.", "example": "closed"})
    category = String(metadata=CATEGORY)
    severity = String(metadata=SEVERITY)
    finding_id = UUID(allow_none=True, metadata=FINDING)
    alert_id = UUID(allow_none=True, metadata={"description": "The alert that it came from."})
    crew = String(allow_none=True, metadata={"description": "Whose it is.", "example": "kluuvi-lights"})
    rework_count = Integer(metadata={"description": "How often a check failed.", "example": 0})
    registered_at = Time(metadata={"description": "When it was opened."})
    due_at = Time(metadata={"description": "When it must be disposed."})
    happened_at = Time(metadata={"description": "Since when it stands so."})


class LookOut(Strict):
    """A look at a lamp."""

    source = String(
        metadata={
            "description": "The check, or the order whose check passed; for some only which of the two it was.",
            "example": "check/9b1c…",
        }
    )
    looked_at = Time(metadata={"description": "When."})
    lit = Boolean(metadata={"description": "Whether it was lit.", "example": True})
    within_lighting_hours = Boolean(
        metadata={"description": "Whether it counts in the light-on rate.", "example": True}
    )


class FileOut(Strict):
    """Everything about one facility: its lists hold the newest first, at most 500 each."""

    code = String(metadata=CODE)
    former_codes = List(String(), metadata={"description": "Codes that it had; they still find it."})
    as_of = Date(allow_none=True, metadata=AS_OF)
    kind = Nested(KindNameOut, metadata={"description": "Its kind."})
    name = String(shortest=0, metadata=NAME)
    geometry = Geometry(metadata=GEOMETRY)
    district = String(allow_none=True, metadata=DISTRICT)
    street = String(allow_none=True, metadata=STREET)
    community = String(allow_none=True, metadata=COMMUNITY)
    large_grid = String(allow_none=True, metadata=LARGE_GRID)
    grid = String(allow_none=True, metadata=GRID)
    units = Dict(
        keys=String(),
        values=Nested(UnitNameOut),
        metadata={"description": "owner, authority and maintainer, where it names them."},
    )
    measure = Float(metadata=MEASURE)
    unit = String(metadata={"description": "What the measure counts: count, m or m2.", "example": "count"})
    measure_estimated = Boolean(metadata={"description": "Whether it comes from an assumed width.", "example": False})
    attributes = List(
        Nested(AttributeValueOut), metadata={"description": "What else is known, in the words of /kinds."}
    )
    condition = String(
        validate=validate.OneOf([*Condition]), metadata={"description": "Its condition.", "example": "intact"}
    )
    defective = Float(metadata={"description": "How much of it open defects take.", "example": 0.0})
    out_of_service_reason = String(allow_none=True, metadata={"description": "Why it is out of service."})
    installed_on = Date(allow_none=True, metadata=INSTALLED_ON)
    retired_on = Date(allow_none=True, metadata={"description": "When it was removed.", "example": "2026-01-15"})
    registered_at = Time(metadata={"description": "When it came into the registry."})
    documents = List(Nested(DocumentOut), metadata={"description": "Photos and documents."})
    defects = List(Nested(DefectEntryOut), metadata={"description": "Open and past defects, and who found them."})
    orders = List(Nested(OrderEntryOut), metadata={"description": "Work orders about it."})
    looks = List(Nested(LookOut), metadata={"description": "Looks at the lamp, by patrols and checks."})
    history = List(Nested(DeedOut), metadata={"description": "Its life: who did what, and when; /history has all."})
    left_out = Dict(keys=String(), values=Integer(), metadata={"description": "Older entries of a list that is full."})
    revision = Integer(metadata=REVISION)
