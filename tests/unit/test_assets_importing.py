"""Reading any city's file: what is understood, what becomes of each row, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.assets import sample
from services.assets.domain.catalogue import the_catalogue
from services.assets.importing import Options, Row, Understood, rows, understand

CATALOGUE = the_catalogue()
LAMP = "street_light"
SAMPLE = Path(sample.__file__).parent


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Write a file and give its path."""

    def write(content: str | bytes | dict[str, Any], encoding: str = "utf-8") -> Path:
        path = tmp_path / "upload"
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def read(path: Path, name: str = "upload", **options: Any) -> tuple[Understood, list[Row]]:
    """What was understood of a file, and all its rows."""
    given = Options(**options)
    understood = understand(path, name, given, CATALOGUE)
    assert Understood.from_json(json.loads(json.dumps(understood.as_json()))) == understood
    return understood, [row for chunk in rows(path, understood, given, CATALOGUE) for row in chunk]


def lamps(path: Path, **options: Any) -> list[Row]:
    return read(path, kind=LAMP, **options)[1]


def place(row: Row) -> list[float]:
    assert row.draft is not None, row.reject
    return [round(each, 5) for each in row.draft["geometry"]["coordinates"]]


def collection(*features: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **members}


def feature(geometry: dict[str, Any] | None, properties: Any = None, **members: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties, **members}


def point(x: float, y: float, *z: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y, *z]}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("lamps", {"street_light": 586}),
        ("manholes", {"manhole": 397}),
        ("roads", {"carriageway": 922, "footway": 1117, "bridge": 5}),
        ("drains", {"drain_pipe": 3}),
    ],
)
def test_the_sample_city_is_read_as_it_is(name: str, kinds: dict[str, int]) -> None:
    understood, found = read(SAMPLE / f"{name}.geojson", kind=LAMP if name == "lamps" else None)
    assert Counter(row.draft["kind"] for row in found if row.draft) == kinds
    assert understood.check_bounds == "refuse"
    assert found[0].draft is not None
    assert found[0].draft["code"].startswith(("node-", "way-"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_delimiter_is_found_out(file: Any, delimiter: str, end: str) -> None:
    lines = [["code", "lat", "lon", "name"], ["A1", "60.17", "24.94", "x, y"], ["A2", "60.18", "24.95", "z"]]
    text = end.join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in line) for line in lines)
    understood, found = read(file(text), kind=LAMP)
    assert understood.delimiter == delimiter
    assert [row.draft and row.draft["code"] for row in found] == ["A1", "A2"]
    assert place(found[0]) == [24.94, 60.17]


def test_a_restart_skips_rows_and_gives_the_same_ones(file: Any) -> None:
    path = file("lat,lon\n" + "60.17,24.94\n" * 4_500)
    options = Options(kind=LAMP)
    understood = understand(path, "x", options, CATALOGUE)
    whole = [row for chunk in rows(path, understood, options, CATALOGUE) for row in chunk]
    rest = [row for chunk in rows(path, understood, options, CATALOGUE, skip=2_500) for row in chunk]
    assert rest == whole[2_500:]
    assert len({row.draft["code"] for row in whole if row.draft}) == 4_500
