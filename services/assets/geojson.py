"""GeoJSON geometries in a request's body."""

from __future__ import annotations

import math
from typing import Any

from marshmallow import ValidationError, fields

from shared.fields import NO_FIX, no_fix

DEPTH = {"Point": 0, "LineString": 1, "MultiPoint": 1, "Polygon": 2, "MultiLineString": 2, "MultiPolygon": 3}
FEWEST = {"LineString": 2, "MultiLineString": 2, "Polygon": 4, "MultiPolygon": 4}
MOST_POSITIONS = 50_000


class Geometry(fields.Field[dict[str, Any]]):
    """A GeoJSON geometry (RFC 7946) in WGS 84, longitude first; a third coordinate is dropped."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if (
            not isinstance(value, dict)
            or not isinstance(value.get("type"), str)
            or value["type"] not in DEPTH
            or set(value) - {"type", "coordinates", "bbox"}
        ):
            raise ValidationError("Is no GeoJSON geometry of a known type.")
        count = [0]
        shape = _positions(value.get("coordinates"), DEPTH[value["type"]], FEWEST.get(value["type"], 1), count)
        if value["type"].endswith("Polygon"):
            rings = shape if value["type"] == "Polygon" else [ring for polygon in shape for ring in polygon]
            if any(ring[0] != ring[-1] for ring in rings):
                raise ValidationError("Has a ring that does not close.")
        return {"type": value["type"], "coordinates": shape}


def _positions(value: Any, depth: int, fewest: int, count: list[int]) -> Any:
    if not isinstance(value, list) or not value:
        raise ValidationError("Lacks coordinates.")
    if depth:
        if depth == 1 and len(value) < fewest:
            raise ValidationError(f"Has a line of under {fewest} positions.")
        return [_positions(each, depth - 1, fewest, count) for each in value]
    count[0] += 1
    if count[0] > MOST_POSITIONS:
        raise ValidationError(f"Has over {MOST_POSITIONS} positions.")
    if len(value) not in (2, 3) or any(type(n) not in (int, float) or not math.isfinite(n) for n in value):
        raise ValidationError("Has a position that is not two or three finite numbers.")
    if not (-180 <= value[0] <= 180 and -90 <= value[1] <= 90):
        raise ValidationError("Has a position outside longitude ±180, latitude ±90.")
    if no_fix(value[0], value[1]):
        raise ValidationError(NO_FIX)
    return [float(value[0]), float(value[1])]
