"""Files that are small and would cost much to read are refused with a word on why, before they cost it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely

from deploy.stack import ROOT
from services.assets.domain.imports import text_encoding
from services.assets.importing import Options, Unusable, datums, rows, sheets, understand, units, values
from services.assets.importing.layers import MOST_LAYERS
from tests.unit.importing import CATALOGUE, LAMP, collection, feature, point

LONG = 32_768


def read(folder: Path, content: bytes, **options: Any) -> list[Any]:
    path = folder / "upload"
    path.write_bytes(content)
    chosen = Options(**{"kind": LAMP, **options})
    understood = understand(path, "upload", chosen, CATALOGUE)
    return [row for chunk in rows(path, understood, chosen, CATALOGUE) for row in chunk]


@pytest.mark.parametrize(
    "name",
    ["idna", "punycode", "rot13", "base64", "hex", "zlib", "bz2", "uu", "quopri", "unicode_escape", "undefined",
     "raw_unicode_escape", "utf-7", "mbcs", "no such", "", "a\0b", "../utf_8", "x" * 10_000],
)  # fmt: skip
def test_what_is_no_encoding_of_texts_is_refused_by_every_reader(tmp_path: Path, name: str) -> None:
    lamps = json.dumps(collection(feature(point(24.94, 60.17)))).encode()
    for content in (b"lat,lon\n60.17,24.94\n", lamps):
        with pytest.raises(Unusable, match="encoding"):
            read(tmp_path, content, encoding=name)


def test_texts_in_every_real_encoding_are_read(tmp_path: Path) -> None:
    for name in ("GBK", "gb18030", "big5", "cp949", "shift_jis", "latin1", "windows-1252", "utf8", "utf-16", "KOI8-R"):
        assert text_encoding(name), name
        (row,) = read(tmp_path, "lat,lon,code\n60.17,24.94,A\n".encode(name), encoding=name)
        assert row.draft["code"] == "A"


NESTED = {
    "lists in a geometry": '{"type":"Feature","geometry":{"type":"Polygon","coordinates":' + "[" * 200_000,
    "objects in a property": '{"type":"Feature","properties":' + '{"a":' * 80_000,
    "with brackets in texts": '[{"a\\"[[":"\\\\","b":' + "[" * 5_000,
    "closed again": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
}


@pytest.mark.parametrize("what", NESTED)
def test_what_is_nested_deep_is_refused_before_it_is_parsed(tmp_path: Path, what: str) -> None:
    with pytest.raises(Unusable, match="deep"):
        read(tmp_path, NESTED[what].encode())


def test_brackets_and_quotes_in_texts_nest_nothing(tmp_path: Path) -> None:
    odd = "[" * 500 + '\\"[[' + "\\" * 7 + "{" * 500
    properties = {"code": "A", "note": odd, "more": "x" * 65_530 + '\\"' * 50}
    many = [feature(point(24.94, 60.17), {**properties, "code": f"A{n}", "more": "y" * n}) for n in range(50)]
    assert [each.draft["code"] for each in read(tmp_path, json.dumps(collection(*many)).encode())][:2] == ["A0", "A1"]


def package(folder: Path, *statements: str) -> bytes:
    path = folder / "lamps.gpkg"
    wkb = shapely.to_wkb(shapely.points([[24.94, 60.17]]))
    columns, names = [np.array(["A"], dtype=object)], ["code"]
    pyogrio.raw.write(path, wkb, columns, names, geometry_type="Point", crs="EPSG:4326", layer="lamps")
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return path.read_bytes()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS fid, geom FROM n, lamps"
PROGRAMS = {
    "a view that never ends": f"CREATE VIEW endless AS {ENDLESS}",
    "a computed column": "ALTER TABLE lamps ADD COLUMN big AS (hex(zeroblob(500000000)))",
    "another kind of table": "CREATE VIRTUAL TABLE words USING fts4(a)",
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_geopackage_that_holds_a_program_is_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(Unusable, match="more than tables"):
        read(tmp_path, package(tmp_path, PROGRAMS[what]))


def test_a_plain_geopackage_with_its_index_and_triggers_is_read(tmp_path: Path) -> None:
    assert [each.draft["code"] for each in read(tmp_path, package(tmp_path))] == ["A"]


def test_a_file_with_very_many_layers_is_refused_before_each_is_opened(tmp_path: Path) -> None:
    many = [
        statement.format(f"l{number}")
        for number in range(MOST_LAYERS)
        for statement in (
            "CREATE TABLE {0} (fid INTEGER PRIMARY KEY, geom POINT)",
            "INSERT INTO gpkg_contents (table_name, data_type, srs_id) VALUES ('{0}', 'features', 4326)",
            "INSERT INTO gpkg_geometry_columns VALUES ('{0}', 'geom', 'POINT', 4326, 0, 0)",
        )
    ]
    with pytest.raises(Unusable, match=f"{MOST_LAYERS + 1} layers"):
        read(tmp_path, package(tmp_path, *many))


def test_gdal_can_read_nothing_but_the_two_formats() -> None:
    ask = (
        "from services.assets.import_worker import be_careful; be_careful(10**9); import pyogrio; "
        "print(sorted(pyogrio.list_drivers()))"
    )
    said = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "['ESRI Shapefile', 'GPKG']"


def test_a_workbook_whose_styles_are_larger_than_a_workbook_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "LARGEST_TEXTS", 1_000)
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/styles.xml", "x" * 2_000)
    with pytest.raises(Unusable, match="too much text"):
        read(tmp_path, file.getvalue())


LIMITS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "columns": ("columns", lambda: (",".join(f"c{n}" for n in range(100_000)) + "\n1,2\n").encode()),
    "one line without end": ("characters", lambda: b"lat,lon\n" + b"1" * (17 << 20)),
    "one cell without end": ("breaks off", lambda: b'lat,lon\n"' + b"1\n" * (5 << 20)),
    "a quote that is never closed": ("never closed", lambda: b'lat,lon\n60.1,"24.9\n' + b"60.1,24.9\n" * 1_000),
    "a number of many digits": ("breaks off|place", lambda: b'[{"lat":60.17,"lon":' + b"9" * 1_000_000 + b"}]"),
}


@pytest.mark.parametrize("what", LIMITS)
def test_a_file_over_a_limit_is_refused_by_name(tmp_path: Path, what: str) -> None:
    why, content = LIMITS[what]
    with pytest.raises(Unusable, match=why):
        read(tmp_path, content())


def test_a_long_cell_is_no_number_no_day_and_no_place() -> None:
    for long in ("1 " * LONG, " " * LONG + "x", "9" * LONG, "1," * LONG, "N " * LONG, "1" + " " * LONG + "\n."):
        assert values.number(long) is None
        assert values.quantity(long, long) is None
        assert values.pair(long) is None
        assert values.angle(long) is None
        assert units.unit_of(long) is None
        with pytest.raises(values.Impossible):
            values.day(long, "dmy", "UTC", date(2026, 1, 1))


def test_rows_with_long_cells_are_kept_or_refused_one_by_one(tmp_path: Path) -> None:
    nasty = [" " * LONG + "x", "1" + " " * LONG + "x", "1,1" * 8_000, "(" * LONG, "a " * 9_000]
    table = "code,lat,lon,power_w,installed,owner,kind\n" + "".join(
        f'A{n},60.17,24.94,"{each}","{each}","{each}",street_light\n' for n, each in enumerate(nasty)
    )
    found = read(tmp_path, (table + "B,60.17,24.94,1,2020,x,street_light\n").encode())
    assert found[-1].draft["code"] == "B"
    assert all(each.reject[0] == "too-long" for each in found[:-1] if each.reject)


def polygon(places: Any) -> bytes:
    shape = {"type": "Polygon", "coordinates": [[*places.tolist(), places[0].tolist()]]}
    return json.dumps(collection(feature(shape))).encode()


def test_outlines_that_would_be_drawn_for_minutes_are_refused(tmp_path: Path) -> None:
    tangle = np.random.default_rng(1).random((500, 2)) * 0.01 + (24.9, 60.1)
    turn = np.linspace(0, 6.28, 120_000)
    fine = np.column_stack([np.cos(turn), np.sin(turn)]) * 0.01 + (24.9, 60.1)
    for places in (tangle, fine):
        (row,) = read(tmp_path, polygon(places), kind="carriageway")
        assert row.reject[0] == "geometry-too-large"
    bow = np.array([[24.9, 60.1], [24.91, 60.11], [24.91, 60.1], [24.9, 60.11]])
    (row,) = read(tmp_path, polygon(bow), kind="carriageway")
    assert row.repairs[0][0] == "self-intersection"


@pytest.mark.parametrize(
    "crs",
    ["+proj=longlat +nadgrids=/dev/zero +type=crs", "+proj=longlat +geoidgrids=../x", "+init=/etc/passwd:1",
     "/etc/passwd", "http://localhost/crs", "https://localhost/crs",
     "+proj=pipeline +step +proj=hgridshift +grids=/dev/zero",
     'BOUNDCRS[x,PARAMETERFILE["a","/dev/zero"]]', "x" * 100_000],
)  # fmt: skip
def test_a_coordinate_system_names_no_file_and_no_machine(crs: str) -> None:
    with pytest.raises(Unusable, match="not known"):
        datums.checked(crs)


def test_web_mercator_as_old_files_write_it_is_known() -> None:
    text = "+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +x_0=0 +y_0=0 +k=1 +units=m +nadgrids=@null +wktext"
    assert datums.is_projected(datums.checked(text))
