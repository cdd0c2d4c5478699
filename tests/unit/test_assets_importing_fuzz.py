"""Whatever bytes arrive, reading them ends in rows or in one clear refusal."""

from __future__ import annotations

import json
import tempfile
import zipfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyogrio.raw
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assets.domain.attributes import check_attributes
from services.assets.domain.facilities import new_facility
from services.assets.importing import CHUNK, Options, Unusable, rows, understand
from services.assets.importing.rules import REFUSED, REPAIRED
from tests.unit.importing import CATALOGUE, LAMP, collection, feature, point

pytestmark = pytest.mark.thorough


def swallow(content: bytes, options: Options) -> None:
    """Read to the end; only Unusable may come out, and each row is a draft or a refusal by a known rule."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(content)
        try:
            understood = understand(path, "upload", options, CATALOGUE)
            for chunk in rows(path, understood, options, CATALOGUE):
                assert len(chunk) <= CHUNK
                for row in chunk:
                    assert (row.draft is None) == (row.reject is not None)
                    assert row.reject is None or row.reject[0] in REFUSED
                    assert all(rule in REPAIRED for rule, _ in row.repairs)
                    assert not row.draft or registered(row.draft)
                    assert "\\u0000" not in json.dumps([row.raw, (row.draft or {}).get("attributes")], default=str)
        except Unusable:
            return


def registered(draft: dict[str, Any]) -> bool:
    """Whether the registry takes the draft; raises its refusal."""
    new_facility(CATALOGUE, at=datetime.now(UTC), **draft)
    check_attributes(CATALOGUE.attributes_of(draft["kind"]), draft["attributes"])
    return True


@cache
def good_files() -> list[bytes]:
    """One file of each format."""
    line = {"type": "LineString", "coordinates": [[24.94, 60.17], [24.95, 60.17]]}
    texts = [
        "编号,经度,纬度,类型\nL1,24.94,60.17,路灯\nL2,24.95,60.17,井盖\n".encode("gb18030"),
        b'code;place\r\nA;"(60.17, 24.94)"\r\nB;POINT (24.94 60.17)\r\n',
        "\ufeffcode\tgeom\nA\t{\"type\":\"Point\",\"coordinates\":[24.94,60.17]}\n".encode("utf-16"),
        json.dumps(collection(feature(point(24.94, 60.17, 3)), feature(line, {"tags": {"b": 1}}))).encode(),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return [*texts, _workbook(Path(folder) / "a.xlsx"), _package(Path(folder) / "a.gpkg"), _shapes(Path(folder))]


def _workbook(path: Path) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for line in (["code", "lat", "lon"], ["A", 60.17, 24.94]):
        book.active.append(line)
    book.save(path)
    return path.read_bytes()


def _package(path: Path) -> bytes:
    wkb = shapely.to_wkb(shapely.points([[24.94, 60.17]]))
    columns, names = [np.array(["A"], dtype=object)], ["code"]
    pyogrio.raw.write(path, wkb, columns, names, geometry_type="Point", crs="EPSG:4326")
    return path.read_bytes()


def _shapes(folder: Path) -> bytes:
    _package(folder / "lamps.shp")
    with zipfile.ZipFile(folder / "lamps.zip", "w") as archive:
        for part in folder.glob("lamps.*"):
            if part.suffix != ".zip":
                archive.write(part, part.name)
    return (folder / "lamps.zip").read_bytes()


PLACES = st.sampled_from(["60.17", "24.94", "60,17", "60°10'N", "24°E", "(60.17 24.94)", "1e999", "-0"])
KEYS = ["code", "tags", "name", "kind", "lat", "power_w", "lamp_type", "installed", "owner", "length"]


@settings(max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")),
        st.lists(st.lists(st.text(max_size=8) | PLACES, min_size=2, max_size=4), max_size=8).map(
            lambda table: "\n".join(",".join(cells) for cells in [["lat", "lon", "code"], *table]).encode(
                "utf-8", "replace"
            )
        ),
    )
)
def test_arbitrary_bytes_are_read_or_refused(content: bytes) -> None:
    swallow(content, Options(kind=LAMP))


@settings(max_examples=60)
@given(st.integers(0, 6), st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
def test_cut_and_spoilt_files_are_read_or_refused(which: int, cut: float, spoilt: list[tuple[float, int]]) -> None:
    content = bytearray(good_files()[which])
    for where, byte in spoilt:
        content[int(where * (len(content) - 1))] = byte
    swallow(bytes(content[: max(1, int(cut * len(content)))]) if cut > 0.5 else bytes(content), Options(kind=LAMP))


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.just("Feature")},
            optional={
                "id": values,
                "properties": values | st.dictionaries(st.sampled_from(KEYS), values),
                "geometry": values
                | st.fixed_dictionaries(
                    {"type": st.sampled_from(["Point", "LineString", "Polygon", "MultiPoint", "GeometryCollection"])},
                    optional={"coordinates": values, "geometries": values},
                )
                | st.builds(point, st.floats(24, 26), st.floats(59, 61)),
            },
        ),
        max_size=5,
    )
)
def test_arbitrary_features_are_read_or_refused(features: list[dict[str, object]]) -> None:
    swallow(json.dumps(collection(*features)).encode(), Options(kind=LAMP))
