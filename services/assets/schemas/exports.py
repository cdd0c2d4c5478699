"""Which facilities to export, and as what."""

from __future__ import annotations

from marshmallow import validate

from services.assets.exporting import Format
from services.assets.schemas.facilities import FacilitiesAsked
from shared.fields import String


class ExportQuery(FacilitiesAsked):
    """All that a search finds, as a file."""

    format = String(
        load_default=Format.CSV.value,
        validate=validate.OneOf([*Format]),
        metadata={"description": "csv, xlsx (at most 100,000 rows), geojson or gpkg (GeoPackage).", "example": "csv"},
    )
