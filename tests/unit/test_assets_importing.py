"""Reading any city's file as a whole: formats, encodings, what is refused whole, and the files of real cities."""

from __future__ import annotations

import codecs
import json
import zipfile
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyogrio.raw
import pytest
import shapely

from services.assets import sample
from services.assets.importing import Options, Unusable, archives, rows, understand
from tests.unit.importing import CATALOGUE, LAMP, collection, drafts, feature, lamps, place, point, read, written

SAMPLE = Path(sample.__file__).parent
HELSINKI = [24.94, 60.17]
CHINESE = "编号,经度,纬度,道路名称\nL1,24.94,60.17,解放路\nL2,24.95,60.17,人民大街\n"
TAIWANESE = "編號,經度,緯度,道路名稱\nL1,24.94,60.17,中正路\nL2,24.95,60.17,臺北大道\n"
KOREAN = "관리번호,경도,위도,도로명\nL1,24.94,60.17,중앙대로\nL2,24.95,60.17,안산시청길\n"
GERMAN = "Kennung;Längengrad;Breite;Straße\nL1;24,94;60,17;Königstraße\nL2;24,95;60,17;Weg\n"


@pytest.mark.thorough
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
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = [["code", "lat", "lon", "name"], ["A1", "60.17", "24.94", "x, y"], ["A2", "60.18", "24.95", "z"]]
    text = end.join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in line) for line in lines)
    understood, found = read(written(tmp_path, text), kind=LAMP)
    assert understood.delimiter == delimiter
    assert [row.draft and row.draft["code"] for row in found] == ["A1", "A2"]
    assert place(found[0]) == [24.94, 60.17]


@pytest.mark.thorough
def test_a_restart_skips_rows_and_gives_the_same_ones(tmp_path: Path) -> None:
    path = written(tmp_path, "lat,lon\n" + "60.17,24.94\n" * 4_500)
    options = Options(kind=LAMP)
    understood = understand(path, "x", options, CATALOGUE)
    whole = [row for chunk in rows(path, understood, options, CATALOGUE) for row in chunk]
    rest = [row for chunk in rows(path, understood, options, CATALOGUE, skip=2_500) for row in chunk]
    assert rest == whole[2_500:]
    assert len({row.draft["code"] for row in whole if row.draft}) == 4_500


# ---------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "encoding", "streets"),
    [
        (CHINESE, "utf-8", ["解放路", "人民大街"]),
        (CHINESE, "utf-8-sig", ["解放路", "人民大街"]),
        (CHINESE, "utf-16", ["解放路", "人民大街"]),
        (CHINESE, "utf-16-le", ["解放路", "人民大街"]),
        (CHINESE, "gb18030", ["解放路", "人民大街"]),
        (CHINESE, "gbk", ["解放路", "人民大街"]),
        (TAIWANESE, "big5", ["中正路", "臺北大道"]),
        (KOREAN, "euc-kr", ["중앙대로", "안산시청길"]),
        (GERMAN, "latin-1", ["Königstraße", "Weg"]),
        (GERMAN, "cp1252", ["Königstraße", "Weg"]),
    ],
)
def test_the_encoding_is_found_out_even_of_short_text(
    tmp_path: Path, text: str, encoding: str, streets: list[str]
) -> None:
    found = lamps(written(tmp_path, text, encoding))
    assert [each["street"] for each in drafts(found)] == streets
    assert place(found[0]) == HELSINKI


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("L1,24.940000,60.170000,路灯\n", "gbk"),
        ("L1,24.940000,60.170000,中正路\n", "big5"),
        ("L1,24.940000,60.170000,가로등\n", "euc-kr"),
        ("L1,24.940000,60.170000,Käpylä\n", "cp1252"),
    ],
)
def test_a_single_row_without_a_header_tells_its_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    (draft,) = drafts(lamps(written(tmp_path, text, encoding)))
    assert draft["attributes"]["column 4"] == text.strip().split(",")[3]


def test_a_spoilt_cell_does_not_spoil_the_file(tmp_path: Path) -> None:
    text = ("lat,lon,street\n" + "60.17,24.94,Käpyläntie\n" * 30).encode() + b"60.17,24.94,K\xe4py\x00l\xe4\n"
    found = lamps(written(tmp_path, text))
    assert drafts(found)[0]["street"] == "Käpyläntie"
    assert drafts(found)[30]["street"] == "K\ufffdpy\ufffdl\ufffd"
    assert found[30].repairs[0][0] == "unreadable-characters"


def test_titles_above_the_table_and_a_missing_header_are_seen(tmp_path: Path) -> None:
    understood, found = read(written(tmp_path, f"2023年路灯普查表,,,\n{CHINESE}"), kind=LAMP)
    assert (understood.header, understood.header_line, found[0].line) == (True, 2, 3)
    understood, found = read(written(tmp_path, "60.170000,24.940000\n60.180000,24.950000\n"), kind=LAMP)
    assert (understood.header, understood.columns) == (False, ["column 1", "column 2"])
    assert len(found) == 2


# ---------------------------------------------------------------------------------------------- other formats


def workbook(path: Path, *sheets: Any) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for number, table in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet{number}")
        for line in table:
            sheet.append(line)
    book.save(path)
    return path


def test_a_workbook_is_read_sheet_by_sheet(tmp_path: Path) -> None:
    table = [
        ["路灯普查表"],
        ["编号", "经度", "纬度", "安装日期", "功率"],
        [101, 24.94, 60.17, datetime(2019, 5, 31), 250],
        [],
        [102, 24.95, 60.17, "#N/A", None],
    ]
    path = workbook(tmp_path / "upload", [["notes"]], table, [["lat", "lon"], [60.17, 24.94]])
    understood, found = read(path, kind=LAMP)
    assert (understood.format, understood.layer, understood.layers) == (
        "xlsx",
        "Sheet2",
        ["Sheet1", "Sheet2", "Sheet3"],
    )
    assert [(row.line, draft["code"]) for row, draft in zip(found, drafts(found), strict=True)] == [
        (3, "101"),
        (5, "102"),
    ]
    assert (drafts(found)[0]["installed_on"], drafts(found)[0]["attributes"]) == (date(2019, 5, 31), {"power_w": 250})
    assert len(lamps(path, layer="Sheet3")) == 1
    with pytest.raises(Unusable, match="no sheet 'Sheet9'"):
        lamps(path, layer="Sheet9")


@pytest.mark.thorough
def test_a_million_empty_rows_cost_nothing(tmp_path: Path) -> None:
    path = workbook(tmp_path / "whole", [["lat", "lon"], [60.17, 24.94]])
    empty = "".join(f'<row r="{line}"/>' for line in range(3, 40_000))
    far = '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "upload", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name)
            target.writestr(name, text.replace(b"</sheetData>", f"{empty}{far}</sheetData>".encode()))
    assert [row.line for row in lamps(tmp_path / "upload")] == [2]


def test_a_workbook_of_formulas_without_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="formulas without values"):
        lamps(workbook(tmp_path / "upload", [["=A2", "=B2"], ["=1+1", "=2"]]))
    with pytest.raises(Unusable, match="workbook is empty"):
        lamps(workbook(tmp_path / "upload", []))


def layers(folder: Path, name: str, crs: str = "EPSG:4326", **encoding: Any) -> Path:
    path = folder / name
    places = np.array([[24.94, 60.17], [24.95, 60.17]])
    if crs != "EPSG:4326":
        places = np.array([[25496669.19, 6673014.67], [25497000.0, 6673014.67]])
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.points(places)),
        [np.array(["L1", "L2"], dtype=object), np.array(["解放路", "人民大街"], dtype=object)],
        ["编号", "路名"],
        geometry_type="Point",
        crs=crs,
        **encoding,
    )
    return path


def zipped(folder: Path, *parts: Path) -> Path:
    with zipfile.ZipFile(folder / "upload", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            archive.write(part, f"data/{part.name}")
    return folder / "upload"


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
@pytest.mark.parametrize("with_cpg", [True, False])
def test_a_zipped_shapefile_is_read_in_its_encoding_and_system(tmp_path: Path, encoding: str, with_cpg: bool) -> None:
    layers(tmp_path, "lamps.shp", "EPSG:3879", encoding=encoding)
    parts = [each for each in tmp_path.glob("lamps.*") if with_cpg or each.suffix != ".cpg"]
    understood, found = read(zipped(tmp_path, *parts), "lamps.zip", kind=LAMP)
    assert (understood.format, understood.crs, understood.crs_found_by) == ("shapefile", "EPSG:3879", "the file")
    assert [(each["code"], each["street"]) for each in drafts(found)] == [("L1", "解放路"), ("L2", "人民大街")]
    assert place(found[0]) == pytest.approx(HELSINKI, abs=1e-4)


def test_a_column_name_cut_within_a_character_is_read(tmp_path: Path) -> None:
    layers(tmp_path, "lamps.shp", encoding="utf-8")
    table = tmp_path / "lamps.dbf"
    name, cut = "路名".encode().ljust(10, b"\0"), "道路名称".encode()[:10]
    table.write_bytes(table.read_bytes().replace(name, cut, 1))
    understood, _ = read(zipped(tmp_path, *tmp_path.glob("lamps.*")), kind=LAMP)
    assert understood.columns == ["编号", "道路名"]


def test_several_layers_are_listed_and_one_is_chosen(tmp_path: Path) -> None:
    for name in ("lamps.shp", "old.shp"):
        layers(tmp_path, name, encoding="utf-8")
    path = zipped(tmp_path, *tmp_path.glob("*.*"))
    understood, _ = read(path, kind=LAMP, layer="old")
    assert (understood.layer, understood.layers) == ("old", ["lamps", "old"])
    with pytest.raises(Unusable, match="no layer 'new'"):
        lamps(path, layer="new")
    with pytest.raises(Unusable, match=r"lacks lamps\.shx"):
        lamps(zipped(tmp_path, tmp_path / "lamps.shp", tmp_path / "lamps.dbf"))


def test_a_geopackage_is_read_whatever_its_name(tmp_path: Path) -> None:
    layers(tmp_path, "x.gpkg").rename(tmp_path / "upload")
    understood, found = read(tmp_path / "upload", "data.xlsx", kind=LAMP)
    assert (understood.format, understood.layer) == ("geopackage", "x")
    assert [each["code"] for each in drafts(found)] == ["L1", "L2"]


# ---------------------------------------------------------------------------------------------- refused whole

LAMPS_JSON = json.dumps(collection(*[feature(point(24.94, 60.17), {"n": n}) for n in range(50)])).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b",", "no rows"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (codecs.BOM_UTF16_LE, "empty"),
        (b"%PDF-1.4 ...", "PDF"),
        (b"\xd0\xcf\x11\xe0 old", "XLS"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "web page or XML"),
        (bytes(range(256)) * 40, "binary"),
        (b"PK\x03\x04 no zip at all", "damaged"),
        (b"SQLite format 3\0" + b"\0" * 84, "no GeoPackage"),
        (LAMPS_JSON[:1_000], "breaks off"),
        (LAMPS_JSON[:-2], "breaks off"),
        (b'{"rows": [1, 2]}', "No column says where"),
        (b'{"type":"FeatureCollection","features":[]}', "no features"),
        (b"lat,lon\n", "no rows"),
        (b"lat,lon\nnorth,east\n", "No column says where"),
        (b"code,name\nA,B\n", "No column says where"),
        (b'lat,lon,name\n60.17,24.94,"' + b"x" * (5 << 20), "quote"),
        (b"just some words", "no rows"),
        (b'lat,lon,name\n60.17,24.94,"A\n60.17,24.95,B\n60.17,24.96,C\n', "Line 2: A quote"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_whole(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        lamps(written(tmp_path, content))


def test_a_cut_workbook_is_refused(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "upload", [["lat", "lon"], [60.17, 24.94]]).read_bytes()
    with pytest.raises(Unusable, match="damaged"):
        lamps(written(tmp_path, whole[: len(whole) // 2]))


def test_a_zip_bomb_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGE", 1 << 20)
    with zipfile.ZipFile(tmp_path / "upload", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"\0" * (archives.LARGE + 1))
    with pytest.raises(Unusable, match="zip bomb"):
        lamps(tmp_path / "upload")


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "lat,lon\n60.17,24.94\n")
    for options in (
        {"crs": "EPSG:0"},
        {"encoding": "klingon"},
        {"delimiter": "ab"},
        {"bounds": "maybe"},
        {"mapping": {"x": "lat"}},
    ):
        with pytest.raises(Unusable):
            lamps(path, **options)
