"""Districts and grid cells: to draw, and as drawn."""

from __future__ import annotations

from marshmallow import validate

from services.assets.geojson import Geometry
from services.assets.schemas.words import REVISION
from shared.fields import Code, Integer, Strict, String


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
