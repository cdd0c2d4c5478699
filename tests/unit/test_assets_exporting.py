"""Facilities as files: cells that no spreadsheet takes for a formula, numbers that stay numbers."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyogrio
import pytest
from eventlet.semaphore import Semaphore
from openpyxl import load_workbook

from services.assets.domain.columns import COLUMNS
from services.assets.exporting import WRITE, Format
from services.assets.schemas.noted_rows import _line
from shared.db import Database
from shared.errors import TooMany
from shared.lists import exports
from shared.lists.cells import armed, defused, harmless
from tests.unit.importing import drafts, read
from tests.unit.importing import written as file_of

MANHOLE: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "code": "=1+1",
    "kind": "manhole",
    "name": "井盖",
    "longitude": -72.50313340899999,
    "latitude": 44.20356262000007,
    "geometry": {"type": "Point", "coordinates": [-72.50313340899999, 44.20356262000007]},
    "measure_milli": 1000,
    "measure_estimated": False,
    "unit": "count",
    "attributes": {"depth_m": 2.5, "note": "+x"},
    "installed_on": date(2020, 5, 1),
    "registered_at": datetime(2026, 1, 1, tzinfo=UTC),
    "changed_at": datetime(2026, 1, 1, tzinfo=UTC),
}
ROAD = MANHOLE | {
    "code": "R-1",
    "kind": "footway",
    "geometry": {"type": "LineString", "coordinates": [[24.1, 60.1], [24.123456789, 60.2]]},
    "measure_milli": 12_500,
    "measure_estimated": True,
    "attributes": {},
}


def written(kind: Format, *sources: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    WRITE[kind](sources, file)
    return file.getvalue()


def read_csv(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\r\n=1", "\nx", "\tx", " =1", "\u00a0=1", "\u3000＝1",
    "＝1+1", "＋1", "－1", "＠SUM(A1)", "\ufeff=1", "\u200b=1", " \u200b \t@x", "'=1", "''＝1", "' =1",
    "\u00ad=1", "\u061c=1", "\u180e=1", "\u2061=1", "\u3164=1", "\ufe0f=1", "\u115f\u1160=1", "\uffa0=1", "\u2800=1",
    "\u034f=1", "\u20dd=1", "\u2028=1", "\U000e0020=1", "\u00ad\u2061＝1", "'\u00ad=1", "﹦1", "﹢1",
    "﹣1", "﹫1", "⁼1", "⁺1", "₊1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_looks_like_a_formula_is_defused(text: str) -> None:
    assert defused(text) == f"'{text}"
    assert harmless(f"{text}x") == f"'{text}x"
    assert armed(defused(text)) == text
    assert defused(-1.5) == -1.5
    assert defused("1=1") == "1=1"


@pytest.mark.parametrize("text", ["-1.5", "+358", "-1,5", "-1e-5", "O'Neil", "'s Hage", "a = b", "1-2", "路灯", ""])
def test_a_number_or_a_name_stays_what_it_is(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("kind", [Format.CSV, Format.XLSX])
@pytest.mark.parametrize("text", FORMULAS)
def test_no_export_holds_a_cell_that_runs(kind: Format, text: str) -> None:
    body = written(kind, MANHOLE | {"name": text, "code": text, "street": text})
    if kind is Format.CSV:
        (cells,) = read_csv(body)
    else:
        sheet = load_workbook(io.BytesIO(body)).worksheets[0]
        heading, row = list(sheet.iter_rows())
        assert all(each.data_type != "f" for each in row)
        cells = {str(name.value): str(cell.value) for name, cell in zip(heading, row, strict=True)}
    for name in ("name", "code", "street"):
        assert cells[name][0] == "'"


TEXTS = [
    *FORMULAS, "''=a", "  Lamp", "Lamp  ", "a\tb", "a\nb", "a\r\nb", "a\rb", "\nx", "a  b", "a\u00a0b", "a\u2028b",
    "a\x85b", "\u3000x", "-", "None", "N/A", "无", "nan", "#REF!", "\\n", "'", "''", "'a", "+358", "1.0", "007",
    "1E+10", "true", "_x000D_", "_x000d_a\r", "{}", "[1]", '"q"', "a,b;c\t", "Hä",
]  # fmt: skip


@pytest.mark.parametrize("kind", list(Format))
def test_an_export_comes_back_to_the_letter(tmp_path: Path, kind: Format) -> None:
    """Whatever people register by hand; codes hold no blanks at their ends."""
    path = tmp_path / "export"
    named = ("name", "street", "owner", "source")
    sources = [
        MANHOLE | dict.fromkeys(named, text) | {"code": f"X-{at}", "attributes": {"note": text}}
        for at, text in enumerate(TEXTS)
    ]
    path.write_bytes(written(kind, *sources))
    found = drafts(read(path)[1])
    for text, draft in zip(TEXTS, found, strict=True):
        assert [draft[name] for name in named] == [text] * len(named)
        assert draft["attributes"] == {"note": text}


@pytest.mark.parametrize("kind", list(Format))
@pytest.mark.parametrize("code", ["=1+1", "'=1", "-", "none", "无", "@1"])
def test_a_code_comes_back_whatever_it_looks_like(tmp_path: Path, kind: Format, code: str) -> None:
    path = tmp_path / "export"
    path.write_bytes(written(kind, MANHOLE | {"code": code}))
    assert [each["code"] for each in drafts(read(path)[1])] == [code]


def test_refused_rows_come_back_as_they_came_and_without_what_was_said_of_them(tmp_path: Path) -> None:
    columns = ["code", "lon", "lat", "note"]
    cells = ["=L", "24.95", "60.17", "'=a"]
    lines = [_line([*columns, "line", "rule", "reason"]), _line([*cells, 7, "null-island", "A coordinate is 0."])]
    first = read(file_of(tmp_path, ",".join(columns) + "\n" + ",".join(cells)), kind="manhole")[1]
    again = read(file_of(tmp_path, "".join(lines)), kind="manhole")[1]
    assert drafts(again) == drafts(first)


def test_csv_opens_in_excel_and_keeps_numbers_and_every_digit_of_a_place() -> None:
    body = written(Format.CSV, MANHOLE, ROAD)
    assert body.startswith(b"\xef\xbb\xbf")
    manhole, road = read_csv(body)
    assert (manhole["code"], manhole["name"], manhole["longitude"]) == ("'=1+1", "井盖", "-72.50313340899999")
    assert manhole["geometry"] == "POINT (-72.50313340899999 44.20356262000007)"
    assert json.loads(manhole["attributes"]) == MANHOLE["attributes"]
    assert road["geometry"] == "LINESTRING (24.1 60.1, 24.123456789 60.2)"


def test_an_estimate_is_no_measure() -> None:
    manhole, road = read_csv(written(Format.CSV, MANHOLE, ROAD))
    assert (manhole["measure"], manhole["estimated_measure"]) == ("1.0", "")
    assert (road["measure"], road["estimated_measure"]) == ("", "12.5")


def test_a_workbook_holds_text_where_a_formula_might_stand() -> None:
    sheet = load_workbook(io.BytesIO(written(Format.XLSX, MANHOLE))).worksheets[0]
    row = dict(zip([cell.value for cell in sheet[1]], sheet[2], strict=True))
    assert (row["code"].value, row["code"].data_type) == ("'=1+1", "s")
    assert (row["longitude"].value, row["longitude"].data_type) == (-72.50313340899999, "n")


@pytest.mark.parametrize("kind", [Format.GEOJSON, Format.GEOPACKAGE])
def test_files_of_maps_can_be_read_and_may_be_empty(kind: Format, tmp_path: Path) -> None:
    for sources in ((MANHOLE, ROAD), ()):
        path = tmp_path / f"{len(sources)}.{kind}"
        path.write_bytes(written(kind, *sources))
        assert pyogrio.read_info(path)["features"] == len(sources)


@pytest.mark.parametrize("kind", [Format.CSV, Format.XLSX])
def test_a_table_without_rows_has_its_heading(kind: Format) -> None:
    body = written(kind)
    heading = [cell.value for cell in load_workbook(io.BytesIO(body)).worksheets[0][1]] if kind == Format.XLSX else (
        body.decode("utf-8-sig").strip().split(",")
    )  # fmt: skip
    assert heading == [*COLUMNS, "geometry"]


def test_only_so_many_exports_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_places", Semaphore(0))
    monkeypatch.setattr(exports, "WAIT_S", 0.01)
    with pytest.raises(TooMany):
        exports.Export("services.assets.exports", Database("sqlite://"), {})
