"""The sample city: Helsinki's centre out of OpenStreetMap, with areas that we drew (see README.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from services.assets.domain.areas import Level
from services.assets.tables import facilities
from services.assets.use_cases import add_areas, register_facilities
from shared.db import Database

HERE = Path(__file__).parent
WHO = "sample"
AT_ONCE = 500

OWNER = "City of Helsinki (sample)"
UNITS = {  # kind → (competent authority, maintainer)
    "street_light": ("Street Lighting Authority", "Lighting Maintenance Centre"),
    "carriageway": ("Street and Traffic Authority", "Road Maintenance Centre"),
    "footway": ("Street and Traffic Authority", "Road Maintenance Centre"),
    "bridge": ("Street and Traffic Authority", "Bridge Maintenance"),
    "manhole": ("Water Services Authority", "Water and Sewer Maintenance"),
    "drain_pipe": ("Water Services Authority", "Water and Sewer Maintenance"),
}
CODES = {
    "street_light": "LAMP",
    "carriageway": "ROAD",
    "footway": "FOOT",
    "bridge": "BRIDGE",
    "manhole": "MANHOLE",
    "drain_pipe": "DRAIN",
}
NETWORKS = {
    "drain": "storm",
    "water": "water",
    "heat": "heat",
    "gas": "gas",
    "telecom": "telecom",
    "sewage": "sewage",
    "power": "power",
}
NUMBERS = ("width", "lanes")


def load_sample(db: Database) -> int:
    """Register the sample city's areas and facilities that are not there yet, or none; returns how many facilities."""
    with db.begin() as session:
        add_areas(session, level=Level.DISTRICT, drafts=[_area(each) for each in features("districts")], who=WHO)
        add_areas(session, level=Level.GRID, drafts=[_area(each) for each in features("grid_cells")], who=WHO)
        known = set(session.scalars(select(facilities.c.code)))
        new = [draft for draft in drafts() if draft["code"] not in known]
        return sum(
            len(register_facilities(session, new[start : start + AT_ONCE], who=WHO))
            for start in range(0, len(new), AT_ONCE)
        )


def drafts() -> Iterator[dict[str, Any]]:
    """Every facility of the sample, as ``register_facilities`` takes it."""
    for name in ("lamps", "manholes", "roads", "drains"):
        for feature in features(name):
            yield _draft(name, feature)


def features(name: str) -> Iterable[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((HERE / f"{name}.geojson").read_text(encoding="utf-8"))["features"]
    return found


def _area(feature: dict[str, Any]) -> dict[str, Any]:
    return {"code": feature["id"], "geometry": feature["geometry"], **feature["properties"]}


def _draft(name: str, feature: dict[str, Any]) -> dict[str, Any]:
    tags = dict(feature["properties"])
    kind = {"lamps": "street_light", "manholes": "manhole", "drains": "drain_pipe"}.get(name) or tags.pop("osm_kind")
    authority, maintainer = UNITS[kind]
    return {
        "code": f"HEL-{CODES[kind]}-{feature['id'].partition('/')[2]}",
        "kind": kind,
        "name": tags.get("name", ""),
        "street": tags.pop("name", None),
        "geometry": feature["geometry"],
        "owner": OWNER,
        "authority": authority,
        "maintainer": maintainer,
        "attributes": _attributes(kind, tags) | {"osm": feature["id"]},
    }


def _attributes(kind: str, tags: dict[str, str]) -> dict[str, Any]:
    """OSM's tags by our names: a road's class, a manhole's network, widths and lanes as numbers."""
    found: dict[str, Any] = {key: float(value) if key in NUMBERS else value for key, value in tags.items()}
    if "highway" in found:
        found["class"] = found.pop("highway")
    if kind == "manhole":
        found["network"] = NETWORKS.get(tags["manhole"], "unknown")
    return found
