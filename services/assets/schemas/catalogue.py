"""The kinds of the catalogue."""

from __future__ import annotations

from shared.fields import Boolean, Float, List, Nested, Strict, String


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
