"""A large city made of the sample: its lamps, manholes, roads and drains, strewn over 20 × 20 km, under Chinese names.

The same number makes the same city. Rows go in by COPY, past the service, as an import's result would stand there.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Engine, Table, text
from sqlalchemy.dialects.postgresql import insert

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Facility, new_facility
from services.assets.domain.searching import searchable
from services.assets.sample import drafts
from services.assets.tables import attribute_kinds, facilities, facility_cells
from shared.db import as_json

SIDE = 400  # cells of 0.001 degrees on a side of the city: 44 km from south to north, 22 km from west to east
AT_ONCE = 20_000
WEIGHTS = {  # kind → (kind of the sample that lends its shape, share in percent, the kind's part of a code)
    "manhole": ("manhole", 46, "0101"),
    "street_light": ("street_light", 27, "0201"),
    "inlet": ("manhole", 10, "0102"),
    "drain_pipe": ("footway", 6, "0103"),
    "footway": ("footway", 6, "0301"),
    "carriageway": ("carriageway", 4, "0302"),
    "landscape_light": ("street_light", 0.9, "0202"),
    "bridge": ("bridge", 0.1, "0303"),
}
ONE, TWO = "中东西南北新长江和平人民解放建设文化", "山河湖海阳安宁华兴光明德福泰康"
STREETS = [f"{one}{two}{end}" for one in ONE for two in TWO for end in ("路", "街", "巷", "大道")]
UNITS = ("Street Lighting", "Road Maintenance", "Water Services", "Sewer Works")
MATERIALS = ("ductile_iron", "concrete", "composite", "cast_iron")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_ID = 1_000_000  # above those of the sample


@dataclass(frozen=True)
class Shape:
    """A facility of the sample as a kind of the city would have it; the cells that it touches if it is no point."""

    facility: Facility
    cells: list[int]


@cache
def shapes() -> dict[str, list[Shape]]:
    """What each kind of the city may look like."""
    geometries: dict[str, list[Any]] = {}
    for draft in drafts():
        geometries.setdefault(draft["kind"], []).append(draft["geometry"])
    return {kind: [_shape(kind, each) for each in geometries[like]] for kind, (like, _, _) in WEIGHTS.items()}


def _shape(kind: str, geometry: dict[str, Any]) -> Shape:
    facility = new_facility(the_catalogue(), code="x", kind=kind, geometry=geometry, at=NOW, owner="City of Helsinki")
    extended = facility.west < facility.east or facility.south < facility.north
    return Shape(facility, sorted(geo.cells_of(geometry)) if extended else [])


def facilities_of_the_city(first: int, past: int) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Facilities number ``first`` to ``past`` as rows, each with the cells it touches."""
    rng = random.Random(first)
    known, weights = shapes(), [each[1] for each in WEIGHTS.values()]
    kinds = rng.choices(list(WEIGHTS), weights, k=past - first)
    for number, kind in zip(range(first, past), kinds, strict=True):
        yield _strewn(rng, number, kind, rng.choice(known[kind]))


def _strewn(rng: random.Random, number: int, kind: str, shape: Shape) -> tuple[dict[str, Any], list[int]]:
    """Moved by whole cells, so that it touches as many as before."""
    column, row = rng.randrange(SIDE), rng.randrange(SIDE)
    east, north = (column - SIDE // 2) * geo.CELL_DEG, (row - SIDE // 2) * geo.CELL_DEG
    moved = {name: getattr(shape.facility, name) + by for name, by in
             (("longitude", east), ("west", east), ("east", east),
              ("latitude", north), ("south", north), ("north", north))}  # fmt: skip
    district = f"D-{1 + column * 4 // SIDE + 4 * (row * 3 // SIDE):02}"
    code = f"3205{district[2:]}{WEIGHTS[kind][2]}{number:08}"
    name = f"{rng.choice(ONE)}{rng.choice(TWO)}{number % 97}号" if number % 3 == 0 else ""
    street = STREETS[(column * 7 + row // 20) % len(STREETS)]
    cells = [each + (row - SIDE // 2) * geo.CELLS_ROUND + column - SIDE // 2 for each in shape.cells]
    return vars(shape.facility) | moved | {
        "id": number + FIRST_ID,
        "code": code,
        "name": name,
        "street": street,
        "search": searchable(code, name, street),
        "quadkey": geo.quadkey(moved["longitude"], moved["latitude"]),
        "geometry": _moved(shape.facility.geometry, east, north),
        "district": district,
        "community": f"C-{district[2:]}-{column // 25}",
        "large_grid": f"LG-{district[2:]}",
        "grid": f"G-{column // 25:02}-{row // 25:02}",
        "authority": UNITS[number % 4],
        "maintainer": f"{UNITS[number % 4]} {district[-1]}",
        "installed_on": date(1990, 1, 1) + timedelta(days=rng.randrange(12_000)),
        "attributes": _attributes(rng, kind),
    }, cells  # fmt: skip


def _moved(geometry: dict[str, Any], east: float, north: float) -> dict[str, Any]:
    def each(coordinates: Any) -> Any:
        if isinstance(coordinates[0], float):
            return [round(coordinates[0] + east, 7), round(coordinates[1] + north, 7)]
        return [each(part) for part in coordinates]

    return {"type": geometry["type"], "coordinates": each(geometry["coordinates"])}


def _attributes(rng: random.Random, kind: str) -> dict[str, Any]:
    match kind:
        case "manhole":
            return {
                "network": rng.choice(("storm", "sewage", "combined", "power")),
                "cover_material": rng.choices(MATERIALS, (70, 20, 9, 1))[0],
                "depth_m": rng.randrange(1, 200) / 10,
            }
        case "street_light" | "landscape_light":
            return {"lamp_type": rng.choice(("led", "sodium")), "power_w": rng.choice((40, 60, 90, 150, 250))}
        case "carriageway" | "footway":
            return {"width": rng.randrange(20, 120) / 10, "surface": rng.choice(("asphalt", "paving_stones"))}
    return {"survey": f"s{rng.randrange(5_000)}"}


def build(engine: Engine, first: int, past: int) -> None:
    """Put these facilities into the tables, then let the database look at them as autovacuum would."""
    city = facilities_of_the_city(first, past)
    names = [column.name for column in facilities.c]
    with without_indexes(engine):
        while batch := list(islice(city, AT_ONCE)):
            copy(engine, facilities, names, ([each[name] for name in names] for each, _ in batch))
            cells = ((cell, each["id"]) for each, touched in batch for cell in touched)
            copy(engine, facility_cells, ["cell", "facility_id"], cells)
    pairs = [{"name": name, "kind": kind} for kind in WEIGHTS for name in _attributes(random.Random(1), kind)]
    with engine.begin() as connection:
        connection.execute(insert(attribute_kinds).values(pairs).on_conflict_do_nothing())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE facilities, facility_cells"))


@contextmanager
def without_indexes(engine: Engine) -> Iterator[None]:
    """Made afterwards, indexes cost a quarter of what it takes to keep them row by row."""
    indexes = facilities.indexes | facility_cells.indexes
    for index in indexes:
        index.drop(engine)
    yield
    for index in indexes:
        index.create(engine)


def copy(engine: Engine, table: Table, names: list[str], rows: Any) -> None:
    lines = "".join("\t".join(map(_cell, row)) + "\n" for row in rows)
    connection = engine.raw_connection()
    cursor: Any = connection.cursor()
    cursor.copy_expert(f"COPY {table.name} ({', '.join(names)}) FROM STDIN", io.StringIO(lines))
    connection.commit()
    connection.close()


def _cell(value: Any) -> str:
    if value is None:
        return "\\N"
    plain = as_json(value).decode() if isinstance(value, dict) else str(value)
    return plain.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
