"""The JSON and the form of imports."""

from __future__ import annotations

from typing import Any

import msgspec
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.assets.domain.imports import Retiring
from services.assets.schemas.words import DISTRICT, KIND, REVISION
from shared.fields import UUID, Boolean, Dict, Float, Integer, List, Nested, Strict, String, Time

STATES = ("running", "done", "failed")
TARGETS = ("facilities",)
COLUMN = {"description": "The heading of a column of the file.", "example": "PoleID"}


class Texts(Dict):
    """Texts by name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=String(longest=200), values=String(shortest=0, longest=500), **kwargs)
        self.validators.append(validate.Length(max=500))


class RetireMissing(fields.Field[str]):
    """false, true, or "all"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value is False or value is True:
            return Retiring.MISSING.value if value else Retiring.NO.value
        if value == Retiring.ALL.value:
            return Retiring.ALL.value
        raise ValidationError('Is none of false, true, "all".')

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return {Retiring.NO: False, Retiring.MISSING: True}.get(value, value)


class OptionsIn(Strict):
    """How to read a file and what to do with it. What is left out is found out."""

    kind = String(longest=40, metadata=KIND | {"description": "The kind of every row, see /kinds."})
    kind_column = String(longest=200, metadata={"description": "The column that names the kind.", "example": "type"})
    kinds = Texts(
        metadata={
            "description": "What the kind column says → the kind; * stands for anything.",
            "example": {"MH": "manhole"},
        }
    )
    choices = Dict(
        keys=String(longest=100),
        values=Texts(),
        metadata={
            "description": "Attribute → what its column says → the choice of the catalogue; * stands for anything.",
            "example": {"lamp_type": {"HPS*": "sodium"}},
        },
    )
    mapping = Texts(
        metadata={
            "description": "Field → column. Fields: code, name, longitude, latitude, place, street, district, owner …, "
            "or an attribute; an empty column leaves the field out.",
            "example": {"code": "PoleID", "lamp": "FixtureType"},
        }
    )
    code_column = String(longest=200, metadata={"description": "The column with the codes.", "example": "PoleID"})
    crs = String(
        longest=2_000, metadata={"description": "A CRS that PROJ knows, GCJ-02 or BD-09.", "example": "EPSG:4326"}
    )
    encoding = String(longest=40, metadata={"description": "The text's encoding.", "example": "gb18030"})
    delimiter = String(longest=1, metadata={"description": "What stands between cells.", "example": ";"})
    header = Boolean(
        metadata={
            "description": "Whether the first line holds headings; of features, that names of properties are names.",
            "example": True,
        }
    )
    layer = String(longest=200, metadata={"description": "The layer of a GeoPackage, the sheet of a workbook."})
    district = String(longest=60, metadata=DISTRICT)
    defaults = Texts(metadata={"description": "Field → value where a row says nothing.", "example": {"owner": "City"}})
    bounds = String(
        validate=validate.OneOf(["refuse", "warn"]),
        metadata={"description": "What happens to rows outside the city's bounds.", "example": "refuse"},
    )
    latitude_first = Boolean(
        metadata={"description": "Of places in one cell, whether the latitude comes first.", "example": True}
    )
    decimal = String(
        validate=validate.OneOf([".", ","]),
        metadata={"description": "The mark before fractions, where 1,234 may be either number.", "example": "."},
    )
    unknown_areas = String(
        validate=validate.OneOf(["refuse", "locate"]),
        metadata={
            "description": "Rows that name a district, community or grid cell which is none, where any is drawn: "
            "refuse them, or take the area in which they lie.",
            "example": "locate",
        },
    )
    source = String(
        longest=100,
        metadata={
            "description": "The series that the file continues: who is in the series and not in the file is missing. "
            "Left out: the kind, and the district where one is named.",
            "example": "street_light",
        },
    )
    target = String(
        validate=validate.OneOf(TARGETS),
        metadata={"description": "What the rows become.", "example": "facilities"},
    )
    dry_run = Boolean(metadata={"description": "Only say what was understood and what would be done.", "example": True})
    retire_missing = RetireMissing(
        metadata={
            "description": "Retire the facilities of the series that the file does not hold; beyond half of them only "
            'with "all".',
            "example": False,
            "enum": [False, True, "all"],
        },
    )

    new_codes = Boolean(
        metadata={
            "description": "That new codes on the spots of registered facilities are other things; otherwise a file "
            "of such is refused.",
            "example": False,
        }
    )
    moves_far = Boolean(
        metadata={
            "description": "That most facilities of the file were moved by over a kilometre; otherwise it is refused.",
            "example": False,
        }
    )

    @validates_schema
    def _one_or_the_other(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("mapping", {}).get("code") and data.get("code_column"):
            raise ValidationError("Is named in mapping already.", "code_column")


class JsonText(Nested):
    """An object as JSON text, in a field of a form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as wrong:
            raise ValidationError(f"Is no JSON: {wrong}") from wrong
        return super()._deserialize(value, attr, data, partial, **kwargs)


class File(fields.Field[dict[str, Any]]):
    """A file of the form, as ``receive_form`` describes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Is no file: give it a file name.")
        if not value["bytes"]:
            raise ValidationError("Is empty.")
        return {**value, "name": String(longest=300).deserialize(value["name"].replace("\\", "/").rpartition("/")[2])}


class ImportIn(Strict):
    """A file to import."""

    id = UUID(metadata={"description": "Made by the client, so that sending it again has no second effect."})
    file = File(required=True, metadata={"type": "string", "format": "binary", "description": "The file."})
    options = JsonText(OptionsIn, metadata={"description": "How to read it, as JSON."})
    profile = String(longest=100, metadata={"description": "A saved profile; options given beside it come first."})


class ProfileIn(Strict):
    """How to read the files of one kind, to be named instead of options."""

    options = Nested(OptionsIn, required=True, metadata={"description": "As in an import."})


class ProfileOut(Strict):
    """A saved profile."""

    name = String(metadata={"description": "Its name.", "example": "lamps of the lighting office"})
    options = Dict(keys=String(), metadata={"description": "As they were saved.", "example": {"kind": "street_light"}})
    revision = Integer(metadata=REVISION)


class ProblemOut(Schema):
    """Why an import failed: an RFC 9457 problem."""

    type = String(metadata={"example": "urn:waywarden:problem:unusable-file"})
    title = String(metadata={"example": "The file makes no sense as a whole."})
    status = Integer(metadata={"example": 422})
    detail = String(metadata={"example": "Line 3: there is no column for the place."})


def _count(what: str, example: int) -> Integer:
    return Integer(metadata={"description": what, "example": example})


class ImportOut(Strict):
    """An import: what was understood, how far it is, what came of it."""

    id = UUID(metadata={"description": "Its id."})
    state = String(
        validate=validate.OneOf(STATES), metadata={"description": "Waiting counts as running.", "example": "done"}
    )
    dry_run = Boolean(metadata={"description": "Whether nothing is changed.", "example": False})
    file_name = String(metadata={"description": "What the file was called.", "example": "lamps.csv"})
    bytes = _count("How large the file is.", 4096)
    source = String(metadata={"description": "The series that it continues.", "example": "street_light"})
    options = Dict(keys=String(), metadata={"description": "As they were given.", "example": {"kind": "street_light"}})
    understood = Dict(
        keys=String(),
        allow_none=True,
        metadata={"description": "Format, encoding, columns, mapping, CRS …: send back what is right as options."},
    )
    sample = List(Dict(keys=String()), metadata={"description": "The first rows, as they would be registered."})
    progress = Float(
        allow_none=True, metadata={"description": "0 to 1; null where the number of rows is not known.", "example": 1.0}
    )
    rows_total = Integer(allow_none=True, metadata={"description": "Rows, about.", "example": 6117})
    rows = _count("Rows taken so far.", 6117)
    created = _count("Facilities that are new.", 6000)
    updated = _count("Facilities of which something is new.", 10)
    unchanged = _count("Facilities that stay as they are.", 100)
    rejected = _count("Rows that were refused: see rejects.csv.", 7)
    repaired = _count("Rows that were taken after a repair: see repairs.csv.", 3)
    missing = Integer(
        allow_none=True,
        metadata={"description": "Facilities of the series that the file does not hold; null until it is done."},
    )
    retired = _count("Of the missing ones, retired because that was asked for.", 0)
    rules = Dict(
        keys=String(),
        values=Integer(),
        metadata={"description": "Rows that each rule refused or repaired.", "example": {"null-island": 7}},
    )
    error = Nested(ProblemOut, allow_none=True, metadata={"description": "Why it failed."})
    who = String(metadata={"description": "Who sent it.", "example": "operator"})
    created_at = Time(metadata={"description": "When it was sent."})
    started_at = Time(allow_none=True, metadata={"description": "When it was begun."})
    finished_at = Time(allow_none=True, metadata={"description": "When it was done, or failed."})
