"""The kinds of the catalogue."""

from __future__ import annotations

from marshmallow import validate

from services.assets.domain.attributes import Type
from shared.fields import Boolean, Dict, Float, Integer, List, Nested, Strict, String, Time


class CategoryOut(Strict):
    """A category of defects."""

    slug = String(metadata={"description": "Its name in the API.", "example": "lamp_out"})
    en = String(metadata={"description": "Its English name.", "example": "Lamp out"})
    zh = String(metadata={"description": "Its Chinese name.", "example": "灯不亮"})
    severity = String(metadata={"description": "Its usual severity.", "example": "normal"})
    breaks_function = Boolean(metadata={"description": "Whether it leaves the intact rate.", "example": True})


class ValueOut(Strict):
    """One of the values that a choice allows."""

    slug = String(metadata={"description": "The value.", "example": "led"})
    en = String(metadata={"description": "Its English name.", "example": "LED"})
    zh = String(metadata={"description": "Its Chinese name.", "example": "LED灯"})


class AttributeOut(Strict):
    """An attribute that facilities of a kind may have."""

    slug = String(metadata={"description": "Its name in the API.", "example": "lamp_type"})
    en = String(metadata={"description": "Its English name.", "example": "Lamp type"})
    zh = String(metadata={"description": "Its Chinese name.", "example": "光源类型"})
    type = String(validate=validate.OneOf([*Type]), metadata={"description": "Its type.", "example": "choice"})
    unit = String(allow_none=True, metadata={"description": "The unit of a number.", "example": "W"})
    least = Float(allow_none=True, metadata={"description": "A number's least value.", "example": 0.0})
    most = Float(allow_none=True, metadata={"description": "A number's greatest value.", "example": 100.0})
    values = List(Nested(ValueOut), metadata={"description": "What a choice allows."})


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
    attributes = List(Nested(AttributeOut), metadata={"description": "What is known of such a facility, typed."})


class RefusedOut(Strict):
    """Why the catalogue file as it is now was refused."""

    file = String(metadata={"description": "The file.", "example": "catalogue.toml"})
    line = Integer(metadata={"description": "The line of the mistake; 0 where it has none.", "example": 118})
    key = String(shortest=0, metadata={"description": "The key at fault.", "example": "kinds.manhole.unit"})
    reason = String(metadata={"description": "What is wrong.", "example": "must be one of count, m, m2, not 'ft2'."})


class CatalogueOut(Strict):
    """The newest edition of the catalogue, which every service runs on or soon will."""

    name = String(metadata={"description": "Its name.", "example": "catalogue"})
    revision = Integer(metadata={"description": "Counts the editions; it is the ETag.", "example": 3})
    published_at = Time(metadata={"description": "When it was published."})
    refused = Nested(
        RefusedOut,
        allow_none=True,
        metadata={"description": "Why the file of the answering replica is not this edition; null: nothing is wrong."},
    )
    catalogue = Dict(keys=String(), metadata={"description": "All of it: city, kinds, categories, limits, lighting."})
