"""Areas of all levels: to draw, to change, and as drawn."""

from __future__ import annotations

from typing import Any

from marshmallow import validate

from services.assets.geojson import Geometry
from services.assets.schemas.imports import File, JsonText, Texts
from services.assets.schemas.words import REVISION
from shared.fields import Boolean, Code, Dict, Integer, List, Nested, PageQuery, QueryBoolean, Strict, String

CODE = {"description": "Its code, unique among areas of its level.", "example": "G-32"}
NAME = {"description": "Its name.", "example": "Harbour"}
DISTRICT = {"description": "The code of its district.", "example": "southeast"}
PARENT = {"description": "The code of the larger area that holds it: of a grid cell its large one.", "example": "LG-3"}
POLYGON = {
    "description": "A GeoJSON Polygon or MultiPolygon in WGS 84.",
    "example": {"type": "Polygon", "coordinates": [[[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.1]]]},
}
PERSON = {"description": "Who is responsible for it, by name; citizens are not told.", "example": "Li Na"}
PHONE = {"description": "That person's telephone.", "example": "+86 512 5550 1234"}


def Area(metadata: dict[str, Any]) -> String:
    return String(allow_none=True, longest=60, metadata=metadata)


class AreaIn(Strict):
    """An area to draw; its code is the natural key."""

    code = Code(required=True, validate=validate.Length(max=60), metadata=CODE)
    name = String(load_default="", shortest=0, longest=200, metadata=NAME)
    geometry = Geometry(required=True, metadata=POLYGON)
    district = Area(DISTRICT)
    parent = Area(PARENT)
    responsible_name = String(allow_none=True, longest=100, metadata=PERSON)
    responsible_phone = String(allow_none=True, longest=40, metadata=PHONE)


class AreaChangeIn(Strict):
    """What to change of an area; what is left out stays."""

    name = String(shortest=0, longest=200, metadata=NAME)
    geometry = Geometry(metadata=POLYGON)
    district = Area(DISTRICT)
    parent = Area(PARENT)
    responsible_name = String(allow_none=True, longest=100, metadata=PERSON)
    responsible_phone = String(allow_none=True, longest=40, metadata=PHONE)


class AreasQuery(PageQuery):
    """Which areas of the level."""

    district = String(longest=60, metadata={"description": "Only those of this district.", "example": "southeast"})
    parent = String(longest=60, metadata={"description": "Only those of this larger area.", "example": "LG-3"})
    naming_nothing = QueryBoolean(
        metadata={
            "description": "Whether the district or parent that they name is none that is drawn.",
            "example": True,
        }
    )


class AreaOut(Strict):
    """An area as drawn."""

    code = String(metadata=CODE)
    name = String(metadata=NAME)
    geometry = Geometry(metadata=POLYGON)
    district = String(allow_none=True, metadata=DISTRICT)
    parent = String(allow_none=True, metadata=PARENT)
    responsible_name = String(allow_none=True, metadata=PERSON)
    responsible_phone = String(allow_none=True, metadata=PHONE)
    revision = Integer(metadata=REVISION)


class AreaOptionsIn(Strict):
    """How to read a file of areas. What is left out is found out."""

    mapping = Texts(
        metadata={
            "description": "Field → column. Fields: code, name, district, parent, responsible_name, "
            "responsible_phone, place.",
            "example": {"code": "GRID_ID", "responsible_name": "责任人"},
        }
    )
    code_column = String(longest=200, metadata={"description": "The column with the codes.", "example": "GRID_ID"})
    crs = String(
        longest=2_000, metadata={"description": "A CRS that PROJ knows, GCJ-02 or BD-09.", "example": "EPSG:4326"}
    )
    encoding = String(longest=40, metadata={"description": "The text's encoding.", "example": "gb18030"})
    layer = String(longest=200, metadata={"description": "The layer of a GeoPackage, the sheet of a workbook."})
    district = String(longest=60, metadata=DISTRICT)
    dry_run = Boolean(metadata={"description": "Only say what was understood and what would be done.", "example": True})


class AreaFileIn(Strict):
    """A file of areas: GeoJSON, zipped shapefile, GeoPackage, or a table with polygons in a cell."""

    file = File(required=True, metadata={"type": "string", "format": "binary", "description": "The file."})
    options = JsonText(AreaOptionsIn, load_default=dict, metadata={"description": "How to read it, as JSON."})


class RefusedRowOut(Strict):
    """A row that says nothing usable."""

    line = Integer(metadata={"description": "Its line, row or number in the file.", "example": 17})
    rule = String(metadata={"description": "The rule that it breaks.", "example": "no-polygon"})
    reason = String(metadata={"description": "What is wrong.", "example": "Give a Polygon with an area."})


class AreaFileOut(Strict):
    """What came of a file of areas."""

    created = Integer(metadata={"description": "Areas that are new.", "example": 11})
    updated = Integer(metadata={"description": "Areas that changed.", "example": 0})
    unchanged = Integer(metadata={"description": "Areas that are as the file says.", "example": 239})
    rejected = Integer(metadata={"description": "Rows that were refused.", "example": 1})
    repaired = Integer(metadata={"description": "Rows that were repaired, such as polygons that crossed themselves."})
    rejects = List(Nested(RefusedRowOut), metadata={"description": "The first thousand of the refused rows."})
    understood = Dict(keys=String(), metadata={"description": "How the file was read."})
    dry_run = Boolean(metadata={"description": "Whether nothing was changed, as was asked.", "example": False})
