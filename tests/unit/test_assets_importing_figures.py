"""How much there is of a row: never a figure of another unit, another mark, or another reading than was shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assets.domain.facilities import new_facility
from services.assets.importing import Options, Row, Understood, Unusable
from services.assets.importing.values import number
from services.assets.importing.words import NOTHING
from tests.unit.importing import CATALOGUE, LAMP, drafts, lamps, place, read, written

DATA = Path(__file__).parents[1] / "data"
MADE = DATA / "imports"


def registered(found: list[Row]) -> list[tuple[float, bool]]:
    """(measure, whether it is estimated) of each row, as the registry would have it."""
    made = [new_facility(CATALOGUE, at=datetime.now(UTC), **draft) for draft in drafts(found)]
    return [(each.measure_milli / 1000, each.measure_estimated) for each in made]


def test_a_length_alone_leaves_the_area_an_estimate(tmp_path: Path) -> None:
    understood, found = read(MADE / "road_length_only.csv", kind="carriageway")
    assert registered(found) == [(89 * 6.0, True), (93 * 6.0, True)]
    assert [each["attributes"]["length_m"] for each in drafts(found)] == [89, 93]
    assert any("length by width" in note for note in understood.notes)


def test_the_area_that_stands_there_is_the_area() -> None:
    found = read(MADE / "road_length_and_area_zh.csv", kind="carriageway")[1]
    assert registered(found) == [(6_000, False), (3_000, False)]


def test_length_by_width_is_an_area_where_nothing_else_is(tmp_path: Path) -> None:
    text = "code,lon,lat,Length (ft),Width (m)\nA,24.94,60.17,1000,5\nB,24.95,60.17,1000,\n"
    found = read(written(tmp_path, text), kind="carriageway")[1]
    assert registered(found) == [(1524, False), (pytest.approx(304.8 * 6), True)]


def test_a_length_is_no_number_of_bridges() -> None:
    understood, found = read(MADE / "bridge_length.csv", kind="bridge")
    assert registered(found) == [(1, False), (1, False)]
    assert [each["attributes"]["length_m"] for each in drafts(found)] == [123.5, 20]
    assert "measure" not in understood.mapping


@pytest.mark.parametrize("kind", ["bridge", "carriageway", "street_light"])
def test_a_length_is_nobodys_area_or_number_though_an_old_profile_says_so(tmp_path: Path, kind: str) -> None:
    text = "code,lon,lat,Length\nA,24.94,60.17,123.5\n"
    understood, found = read(written(tmp_path, text), kind=kind, mapping={"measure": "Length"})
    assert "measure" not in understood.mapping
    assert registered(found) == [(741, True) if kind == "carriageway" else (1, False)]


@pytest.mark.parametrize(
    ("heading", "cell", "kind", "measure"),
    [
        ("Area", "89 m", "carriageway", None),
        ("measure", "89 m", "carriageway", None),
        ("measure", "89 m²", "carriageway", 89),
        ("Quantity", "89", "carriageway", None),
        ("Quantity (m2)", "89", "carriageway", 89),
        ("Quantity (m)", "89", "carriageway", None),
        ("Area (m)", "89", "carriageway", None),
        ("Area sq m", "89", "carriageway", 89),
        ("Area_sq_ft", "1000", "carriageway", 92.903),
        ("面积（平方米）", "89", "carriageway", 89),
        ("Length", "89 m2", "drain_pipe", None),
        ("Area", "89", "drain_pipe", None),
        ("Length (m2)", "89", "drain_pipe", None),
        ("数量", "1", "drain_pipe", None),
        ("长度（米）", "89", "drain_pipe", 89),
        ("Länge", "89", "drain_pipe", 89),
        ("Length", "0.5 km", "drain_pipe", 500),
    ],
)
def test_a_quantity_of_another_dimension_is_no_measure(
    tmp_path: Path, heading: str, cell: str, kind: str, measure: float | None
) -> None:
    text = f"code\tgeom\t{heading}\nA\tLINESTRING (24.94 60.17, 24.95 60.17)\t{cell}\n"
    found = read(written(tmp_path, text), kind=kind)[1]
    assert drafts(found)[0].get("measure") == measure


def of_heading(folder: Path, kind: str, heading: str, cell: str) -> tuple[Understood, Row]:
    text = f"code\tgeom\t{heading}\nA\tLINESTRING (24.94 60.17, 24.95 60.17)\t{cell}\n"
    understood, (row,) = read(written(folder, text), kind=kind)
    return understood, row


@pytest.mark.parametrize(
    ("heading", "measure"),
    [
        ("面积(万㎡)", 32_500), ("面积（万平方米）", 32_500), ("面积【千平方米】", 3_250),
        ("面积(百万平方米)", 3_250_000), ("道路面积 单位：万平方米", 32_500), ("面积/hm²", 32_500),
        ("面积万㎡", 32_500), ("面积(万㎡)(含绿化)", 32_500),
        ("面积(公顷)", 32_500), ("面积（亩）", 2_166.667), ("面积(km²)", 3_250_000), ("Area (sq ft)", 0.302),
        ("Area (10³ m²)", 3_250), ("Area (thousand sq m)", 3_250), ("Area_acres", 13_152.283), ("Area, ha", 32_500),
        ("measure (ha)", 32_500), ("Area (m², GIS)", 3.25), ("Fläche [m²]", 3.25), ("면적(만㎡)", 32_500),
    ],
)  # fmt: skip
def test_an_area_is_in_the_unit_of_its_heading(tmp_path: Path, heading: str, measure: float) -> None:
    row = of_heading(tmp_path, "carriageway", heading, "3.25")[1]
    assert drafts([row])[0]["measure"] == measure
    assert [rule for rule, _ in row.repairs] == (["unit-converted"] if measure != 3.25 else [])


@pytest.mark.parametrize(
    ("heading", "measure"),
    [
        ("长度(km)", 3_250), ("管长（单位：km）", 3_250), ("长度 单位公里", 3_250), ("管长(百米)", 325),
        ("管长(万米)", 32_500), ("管长/km", 3_250), ("管长km", 3_250), ("Length (kft)", 990.6), ("Length (100 m)", 325),
        ("Length (x1000 m)", 3_250), ("Length (hm)", 325), ("Length_ft", 0.991), ("Length (yd)", 2.972),
        ("Length (mi)", 5_230.368), ("Length in km", 3_250), ("LENGTH_KM", 3_250), ("长度〔千米〕", 3_250),
        ("Length (mm)", 0.003), ("Länge [km]", 3_250), ("長度（單位：公里）", 3_250), ("延長（単位：km）", 3_250),
    ],
)  # fmt: skip
def test_a_length_is_in_the_unit_of_its_heading(tmp_path: Path, heading: str, measure: float) -> None:
    row = of_heading(tmp_path, "drain_pipe", heading, "3.25")[1]
    assert drafts([row])[0]["measure"] == measure
    assert [rule for rule, _ in row.repairs] == ["unit-converted"]


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        ("drain_pipe", "长度（里）"), ("drain_pipe", "Length (ells)"), ("drain_pipe", "Length (fathoms)"),
        ("drain_pipe", "Length (m3)"),
        ("drain_pipe", "管长(百尺)"), ("drain_pipe", "Length (000s)"), ("drain_pipe", "Length (kW)"),
        ("carriageway", "面积(万)"), ("carriageway", "面积(单位：顷)"), ("carriageway", "Area (roods)"),
        ("carriageway", "measure (roods)"), ("street_light", "灯杆高度(尺)"), ("street_light", "Pole height (W)"),
        ("street_light", "Power (MVA)"), ("street_light", "Lamps (kW)"), ("pump_station", "设计流量(桶/d)"),
    ],
)  # fmt: skip
def test_a_unit_that_is_not_known_or_of_something_else_is_said_and_never_ours(
    tmp_path: Path, kind: str, heading: str
) -> None:
    understood, row = of_heading(tmp_path, kind, heading, "3.25")
    (draft,) = drafts([row])
    assert "measure" not in draft
    assert {*draft["attributes"].values()} == {"3.25"}
    assert any(repr(heading) in note for note in understood.notes)
    mapped = {field: heading for field in ("measure", "power_w") if field != "power_w" or kind == LAMP}
    assert "measure" not in drafts(read(tmp_path / "upload", kind=kind, mapping=mapped)[1])[0]


@pytest.mark.parametrize(
    ("title", "said"), [("单位：万平方米", True), ("填报单位：市政局", False), ("units: km", True)]
)
def test_a_unit_above_the_table_is_said_not_to_be_taken(tmp_path: Path, title: str, said: bool) -> None:
    text = f"道路台账（2026年）,{title},,,\n编号,经度,纬度,面积,宽度(m)\nA,24.94,60.17,3,5\nB,24.95,60.17,4,5\n"
    understood, found = read(written(tmp_path, text), kind="carriageway")
    assert [each["measure"] for each in drafts(found)] == [3, 4]
    assert any(title in note for note in understood.notes) == said


def test_a_remark_in_brackets_is_said_to_be_no_unit(tmp_path: Path) -> None:
    understood, row = of_heading(tmp_path, "drain_pipe", "Length (surveyed)", "3.25")
    assert drafts([row])[0]["measure"] == 3.25
    assert "'Length (surveyed)': 'surveyed' is no unit, so its numbers are in the usual one." in understood.notes


def test_each_kind_of_a_mixed_file_has_its_own_measure(tmp_path: Path) -> None:
    text = "code,kind,lon,lat,Length,Area,Width\nA,drain_pipe,24.94,60.17,50,7,\nB,carriageway,24.95,60.17,60,400,\n"
    text += "C,bridge,24.96,60.17,70,800,\nD,carriageway,24.95,60.17,60,,5\n"
    found = read(written(tmp_path, text))[1]
    assert registered(found) == [(50, False), (400, False), (1, False), (300, False)]
    assert drafts(found)[2]["attributes"]["length_m"] == 70


# ------------------------------------------------------------------------------------------------ marks in numbers

LENGTHS = "code{0}lon{0}lat{0}Length\n"


def lengths(folder: Path, cells: list[str], place: tuple[str, str] = ("24.94", "60.17"), **options: Any) -> list[Any]:
    """The measures of pipes of these lengths."""
    lines = [";".join([f"P{at}", *place, cell]) for at, cell in enumerate(cells)]
    found = read(written(folder, LENGTHS.format(";") + "\n".join(lines)), kind="drain_pipe", **options)[1]
    return [row.draft and row.draft.get("measure") for row in found]


def test_thousands_are_told_by_the_column() -> None:
    understood, found = read(MADE / "pipe_thousands.csv", kind="drain_pipe")
    assert [each["measure"] for each in drafts(found)] == [1_234, 1_050, 980, 2_500.5]
    assert [each["attributes"]["diameter_mm"] for each in drafts(found)] == [1_200, 1_050, 900, 800]
    assert [rule for rule, _ in understood.repairs].count("thousands-mark") == 2


@pytest.mark.parametrize(
    ("cells", "measures"),
    [
        (["1,234", "2,500.5"], [1234, 2500.5]),
        (["1.234", "2.500,5"], [1234, 2500.5]),
        (["1.234", "2,5"], [1234, 2.5]),
        (["1,234", "2.5"], [1234, 2.5]),
        (["1,234", "0,5"], [1.234, 0.5]),
        (["1 234,5", "2\u202f500", "1\u00a0234"], [1234.5, 2500, 1234]),
        (["1'234.5", "2’500"], [1234.5, 2500]),
        (["1,234,567", "1,234"], [1_234_567, 1234]),
        (["1.234.567", "1.234"], [1_234_567, 1234]),
        (["12,34,567.8", "1,234"], [1_234_567.8, 1234]),
        (["１，２３４", "2.5"], [1234, 2.5]),
        (["1٬234٫5", "2.5"], [1234.5, 2.5]),
        (["१,२३४", "१२.५"], [1234, 12.5]),
        (["१,२३४", "2,500.5"], [1234, 2500.5]),
        (["١,٢٣٤", "١٢.٥"], [1234, 12.5]),
        (["১,২৩৪ m", "12.5 m"], [1234, 12.5]),
        (["1,234 m", "2,500.5 m"], [1234, 2500.5]),
        (["1,234 km", "2.5 km"], [1_234_000, 2500]),
    ],
)
def test_thousands_are_told_apart_as_any_country_writes_them(
    tmp_path: Path, cells: list[str], measures: list[float]
) -> None:
    assert lengths(tmp_path, cells) == measures


@pytest.mark.parametrize("cell", ["1,2,3", "12.5.2019", "1,23.4", "1.2,3.4", "1,,234"])
def test_marks_that_make_no_number_are_none(cell: str) -> None:
    assert number(cell) is None


@pytest.mark.parametrize(("place", "measure"), [(("24.9401", "60.1701"), 1234.0), (("24,9401", "60,1701"), 1.234)])
def test_thousands_are_told_by_the_files_other_numbers(tmp_path: Path, place: tuple[str, str], measure: float) -> None:
    assert lengths(tmp_path, ["1,234"], place) == [measure]
    assert lengths(tmp_path, ["1.234"], place) == [1.234 if measure > 2 else 1234.0]


@pytest.mark.parametrize("cells", [["1,234"], ["1,234", "2,500"], ["1.5", "2,5", "1,234"], ["1.234"]])
def test_a_number_that_can_be_read_in_two_ways_is_asked_about(tmp_path: Path, cells: list[str]) -> None:
    whole = "code;geom;Length\n" + "".join(
        f"{at};LINESTRING (24.94 60.17, 24.95 60.17);{cell}\n" for at, cell in enumerate(cells)
    )
    with pytest.raises(Unusable, match="two ways; say decimal"):
        read(written(tmp_path, whole), kind="drain_pipe")
    read_as = [read(written(tmp_path, whole), kind="drain_pipe", decimal=mark)[1][-1].draft for mark in ",."]
    assert {each and each["measure"] for each in read_as} == {1.234, 1234} or cells[-1] == "2,500"


def test_projected_coordinates_may_have_marks_between_thousands(tmp_path: Path) -> None:
    text = 'code,easting,northing\nA,"25,496,671","6,672,934"\nB,"25,496,671.48","6,672,934.0"\n'
    found = read(written(tmp_path, text), kind=LAMP, crs="EPSG:3879")[1]
    assert [place(row) for row in found] == [pytest.approx([24.94, 60.17], abs=0.001)] * 2


# ------------------------------------------------------------------------------------------------- guesses at places


def test_a_guess_that_leads_far_from_the_city_is_asked_about() -> None:
    with pytest.raises(Unusable, match="map longitude and latitude"):
        read(MADE / "headerless_lon_lat.tsv", kind="bridge")
    answer = {"longitude": "column 4", "latitude": "column 5"}
    found = read(MADE / "headerless_lon_lat.tsv", kind="bridge", mapping=answer)[1]
    assert place(found[0]) == [9.41116, 54.76418]


@pytest.mark.parametrize("heading", ["location", "where"])
def test_the_order_within_a_cell_is_asked_about_far_from_the_city(tmp_path: Path, heading: str) -> None:
    path = written(tmp_path, f'code,{heading}\nA,"9.4112, 54.7642"\nB,"9.4113, 54.7643"\n')
    with pytest.raises(Unusable, match="latitude_first"):
        read(path, kind=LAMP)
    assert place(read(path, kind=LAMP, latitude_first=False)[1][0]) == [9.4112, 54.7642]
    assert place(read(path, kind=LAMP, latitude_first=True)[1][0]) == [54.7642, 9.4112]


@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("lonlat", "9.41, 54.76"), ("lat_lon", "54.76, 9.41"), ("geo_point_2d", "54.76, 9.41"),
        ("经纬度", "9.41,54.76"), ("location", "9.41 E, 54.76 N"), ("location", "54.76N 9.41E"),
    ],
)  # fmt: skip
def test_what_a_heading_or_a_hemisphere_says_is_no_guess(tmp_path: Path, heading: str, cell: str) -> None:
    assert place(read(written(tmp_path, f'code,{heading}\nA,"{cell}"\n'), kind=LAMP)[1][0]) == [9.41, 54.76]


def test_a_projected_zero_is_a_place() -> None:
    options: dict[str, Any] = {"crs": "EPSG:28992", "mapping": {"longitude": "x", "latitude": "y"}}
    found = read(MADE / "projected_zero.csv", kind="manhole", **options)[1]
    assert [row.reject for row in found] == [None] * 3


def test_nowhere_is_no_place_in_a_projection_unless_the_file_lies_there(tmp_path: Path) -> None:
    text = "code,x,y\nA,0,0\nB,{0},{1}\nC,{0},{1}\n"
    options: dict[str, Any] = {"kind": LAMP, "crs": "EPSG:3879"}
    far = read(written(tmp_path, text.format(25496671.48, 6672934.0)), **options)[1]
    assert [row.reject and row.reject[0] for row in far] == ["null-island", None, None]
    near = read(written(tmp_path, text.format(120.5, 30.25)), kind=LAMP, crs="EPSG:28992")[1]
    assert [row.reject for row in near] == [None] * 3


# ------------------------------------------------------------------------------------- codes that spreadsheets broke


def workbook(folder: Path, *cells: tuple[Any, str]) -> Path:
    """Lamps with these codes, each in a cell of this number format."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["code", "lon", "lat"])
    for at, (value, shown) in enumerate(cells, 2):
        sheet.append([value, 24.94 + at / 1000, 60.17])
        sheet.cell(at, 1).number_format = shown
    book.save(folder / "codes.xlsx")
    return folder / "codes.xlsx"


def test_texts_of_merged_cells_count_for_each_of_their_rows_and_numbers_for_the_first(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["区路灯台账"])
    sheet.append(["code", "lon", "lat", "路名", "功率", "安装日期"])
    for at in range(7):
        first = at in (0, 3)
        street = ("人民路" if at == 0 else "解放路") if first else None
        sheet.append([f"L-{at}", 24.94 + at / 1000, 60.17, street, 900 if first else None, datetime(2019, 5, 1)])
    for cells in ("A1:F1", "D3:D5", "D6:D8", "E3:E5", "F3:F4"):
        sheet.merge_cells(cells)
    book.save(tmp_path / "merged.xlsx")
    understood, found = read(tmp_path / "merged.xlsx", kind=LAMP)
    assert [each.get("street") for each in drafts(found)] == ["人民路"] * 3 + ["解放路"] * 3 + [None]
    assert [each["attributes"].get("power_w") for each in drafts(found)] == [900, None, None, 900, None, None, None]
    assert {str(each["installed_on"]) for each in drafts(found)} == {"2019-05-01"}
    assert any("merged over rows in '路名', '功率', '安装日期'" in note for note in understood.notes)


@pytest.mark.parametrize(
    ("value", "shown", "code"),
    [
        (71200, "0000000", "0071200"),
        (71200, "000-0000", "007-1200"),
        (71200, "000\\-0000;-000\\-0000", "007-1200"),
        (71200, '"L-"0', "L-71200"),
        (71200, '"A"000000', "A071200"),
        (71200, "00", "71200"),
        (71200.0, "0000000", "0071200"),
        (71200, "0", "71200"),
        (71200, "General", "71200"),
        (71200, "#,##0", "71200"),
        ("0071200", "@", "0071200"),
        (71200, "@", "71200"),
        (71200, "[$-804]0000000", "0071200"),
        (71200, "[Red]0000000", "0071200"),
        (71200, "[红色]0000000", "0071200"),
        (71200, "0000000_ ", "0071200"),
        (71200, "* 0000000", "0071200"),
        (71200, "[>100]0000000;000", "0071200"),
        (7, "[>100]0000000;000", "007"),
        (2, '[=1]"A"0;[=2]"B"0;0000', "B2"),
        (71200, "0000000;-0000000", "0071200"),
        (0, "0000000;-0000000", "0000000"),
        (-71200, "0000000", "-0071200"),
        (71200, "0000000;;;@", "0071200"),
        (71200, '"L"0000000', "L0071200"),
        (71200, "[$L-409]0", "L71200"),
        (71200, "00-00000", "00-71200"),
        (71200, "#-0000", "7-1200"),
        (71200, "##0000000", "0071200"),
    ],
)
def test_a_code_is_read_as_its_cell_shows_it(tmp_path: Path, value: Any, shown: str, code: str) -> None:
    assert drafts(lamps(workbook(tmp_path, (value, shown))))[0]["code"] == code


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (71200, "00000.0"), (71200, "0,000,000"), (71200, "[DBNum1]0"), (71200, "[DBNum2][$-804]General"),
        (71200, "L0000000"),
        (71200.5, "0000000"), (-5, "[>100]0000000;000"), (46024, "d-mmm"), (46024, "yyyy-mm-dd"), (71200, '"L-"#,##0'),
    ],
)  # fmt: skip
def test_a_code_is_refused_where_its_cell_shows_what_we_cannot_tell(tmp_path: Path, value: Any, shown: str) -> None:
    (row,) = lamps(workbook(tmp_path, (value, shown)), code_column="code")
    assert (row.reject or ("",))[0] == "spoilt-code"
    assert {type(each) for each in row.raw.values()} <= {int, float, str}


@pytest.mark.parametrize("shown", ["00000.0", "[DBNum1]0", "0000000_ "])
def test_a_quantity_is_its_number_whatever_its_cell_shows(tmp_path: Path, shown: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["code", "lon", "lat", "power (W)"], ["A", 24.94, 60.17, 150], ["B", 24.95, 60.17, 70]):
        sheet.append(row)
    sheet["D2"].number_format = shown
    book.save(tmp_path / "lamps.xlsx")
    assert [each["attributes"]["power_w"] for each in drafts(lamps(tmp_path / "lamps.xlsx"))] == [150, 70]


def test_a_formula_that_is_a_text_is_that_text_in_every_column(tmp_path: Path) -> None:
    text = 'code,lon,lat,="note",name\n="0071200",="24.94",60.17,="a ""b""",x="1"\n"=""0071201""",24.95,60.17,,\n'
    understood, found = read(written(tmp_path, text), kind=LAMP)
    assert [each["code"] for each in drafts(found)] == ["0071200", "0071201"]
    assert (place(found[0]), drafts(found)[0]["attributes"]["note"]) == ([24.94, 60.17], 'a "b"')
    assert drafts(found)[0]["name"] == 'x="1"'
    assert [rule for rule, _ in understood.repairs] == ["spreadsheet-text"]
    plain = read(written(tmp_path, 'code,lon,lat,name\nA,24.94,60.17,<a b="c">\nB,24.95,60.17,\n'), kind=LAMP)[0]
    assert plain.repairs == []


def test_an_apostrophe_before_a_code_is_none_of_it(tmp_path: Path) -> None:
    text = "code,lon,lat\n'0071201,24.94,60.17\n's-Hof 1,24.95,60.17\n'A-7,24.96,60.17\n"
    found = lamps(written(tmp_path, text))
    assert [each["code"] for each in drafts(found)] == ["0071201", "'s-Hof 1", "A-7"]
    assert [[rule for rule, _ in row.repairs] for row in found] == [["code-cleaned"], [], ["code-cleaned"]]


@pytest.mark.parametrize("code", ["2-Jan", "02-Jan-26", "Jan-02", "1月2日", "2026/1/2", "4.4E15", "44E+14", "４.4E+15"])
def test_a_day_or_power_made_of_a_code_is_none(tmp_path: Path, code: str) -> None:
    found = lamps(written(tmp_path, f"code;lon;lat\n{code};24.94;60.17\nMAR-12;24.95;60.17\n"))
    assert [row.reject and row.reject[0] for row in found] == ["spoilt-code", None]


def test_whole_numbers_with_a_fraction_are_asked_about_as_codes(tmp_path: Path) -> None:
    path = written(tmp_path, "code,lon,lat\n71200.0,24.94,60.17\n71201,24.95,60.17\n")
    with pytest.raises(Unusable, match=r"71200\.0"):
        lamps(path)
    assert drafts(lamps(path, code_column="code"))[0]["code"] == "71200.0"
    sections = written(tmp_path, "code,lon,lat\n12.0,24.94,60.17\n12.1,24.95,60.17\n")
    assert drafts(lamps(sections))[0]["code"] == "12.0"


def test_formats_of_quantities_make_no_codes_of_them(tmp_path: Path) -> None:
    cells = [(5, "0.00"), (6, '0" m"'), (7, "0%"), (8, "#,##0"), (9, "0.00E+00"), (10, '"€"#,##0')]
    assert [each["code"] for each in drafts(lamps(workbook(tmp_path, *cells)))] == ["5", "6", "7", "8", "9", "10"]


def test_a_number_that_holds_no_more_than_15_digits_is_no_longer_code(tmp_path: Path) -> None:
    cells = [(440100000000001000, "0"), (4.401e15, "General"), (123456789012345, "0"), ("440106001001000123", "@")]
    found = lamps(workbook(tmp_path, *cells))
    assert [row.reject and row.reject[0] for row in found] == ["spoilt-code", "spoilt-code", None, None]


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("4.40100E+15", "spoilt-code"), ("4,40100E+15", "spoilt-code"), ("1E+15", "spoilt-code"), ("12E5", None),
        ("440106001001000123", None), ("3E+1", None),
    ],
)  # fmt: skip
def test_scientific_notation_is_no_code(tmp_path: Path, code: str, rule: str | None) -> None:
    found = lamps(written(tmp_path, f"code;lon;lat\n{code};24.94;60.17\nB;24.95;60.17\n"))
    assert [row.reject and row.reject[0] for row in found] == [rule, None]


def test_codes_that_were_rounded_in_a_text_file_are_asked_about(tmp_path: Path) -> None:
    path = written(tmp_path, "code,lon,lat\n440106001001001000,24.94,60.17\n440106001001002000,24.95,60.17\n")
    with pytest.raises(Unusable, match="rounded"):
        lamps(path)
    assert drafts(lamps(path, code_column="code"))[0]["code"] == "440106001001001000"


# --------------------------------------------------------------------------------------------- confirming a proposal


def confirmed(understood: Understood, options: Options) -> Options:
    """What a person sends who agrees to all that a dry run showed."""
    said = {name: getattr(understood, name) for name in ("mapping", "kind_column", "encoding", "delimiter", "header")}
    return replace(options, crs=understood.crs, layer=understood.layer, **said)


def shown(path: Path, options: Options) -> tuple[Understood, Any]:
    understood, found = read(path, **options.as_json())
    return understood, [(row.line, row.draft, row.reject, row.repairs) for row in found]


def agrees(path: Path, options: Options) -> None:
    try:
        understood, before = shown(path, options)
    except Unusable:
        return
    assert shown(path, confirmed(understood, options))[1] == before
    assert shown(path, replace(options, mapping=understood.mapping))[1] == before


@pytest.mark.parametrize("path", sorted(MADE.iterdir()), ids=lambda path: str(path.name))
@pytest.mark.parametrize("kind", [None, LAMP, "bridge", "carriageway", "drain_pipe", "manhole"])
def test_confirming_what_was_shown_changes_nothing(path: Path, kind: str | None) -> None:
    agrees(path, Options(kind=kind))


@pytest.mark.thorough
@pytest.mark.parametrize("path", sorted(DATA.glob("*.geojson")), ids=lambda path: str(path.name))
def test_confirming_what_was_shown_of_a_citys_file_changes_nothing(path: Path) -> None:
    agrees(path, Options(kind=LAMP if "streetlights" in path.name else None))


HEADINGS = [
    "code", "id", "Pole ID", "no", "name", "street", "road", "Length", "Length (m)", "长度", "Area", "面积(m2)",
    "measure", "Quantity", "Width", "宽度(m)", "lanes", "class", "kind", "type", "diameter", "installed", "power",
    "height", "attributes", "source", "x", "y",
]  # fmt: skip
CELLS = st.sampled_from(
    ["1", "2", "3", "12.5", "1,234", "1.234", "0", "", "N/A", "89 m", "5 m2", "30 ft", "bridge", "manhole",
     "drain_pipe", "carriageway", "车行道", "A-1", "B/2", "0012", "2019-05-01", "4/5/2019", "4.4E+15", "led"]
)  # fmt: skip
PLACES = st.sampled_from(
    [
        ("60.17", "24.94"),
        ("24.95", "60.18"),
        ("0", "0"),
        ("60,1712", "24,9412"),
        ("6010.2", "2456.4"),
        ("48.85", "2.35"),
    ]
)


@pytest.mark.thorough
@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(HEADINGS), max_size=7, unique=True),
    st.lists(st.tuples(PLACES, st.lists(CELLS, min_size=7, max_size=7)), min_size=1, max_size=5),
    st.sampled_from([None, LAMP, "bridge", "carriageway", "drain_pipe"]),
    st.sampled_from(["lat;lon", "Y;X", "column a;column b"]),
)
def test_confirming_what_was_shown_changes_nothing_whatever_the_file(
    tmp_path_factory: pytest.TempPathFactory, headings: list[str], rows: list[Any], kind: str | None, place: str
) -> None:
    lines = [";".join([place, *headings])]
    lines += [";".join([*where, *cells[: len(headings)]]) for where, cells in rows]
    agrees(written(tmp_path_factory.mktemp("confirm"), "\n".join(lines)), Options(kind=kind))


# ------------------------------------------------------------------------------------------- choices, headings, units


def test_choices_and_feet_are_read_by_default_and_nothing_is_nothing() -> None:
    found = drafts(lamps(MADE / "choices_and_feet.csv"))
    assert [each["attributes"] for each in found] == [
        {"lamp_type": "sodium", "power_w": 150, "pole_height_m": 9.144},
        {"lamp_type": "led", "power_w": 70, "pole_height_m": 4.8768},
        {},
    ]


@pytest.mark.parametrize(
    ("cell", "choice"),
    [
        ("HPS-High Pressure Sodium", "sodium"),
        ("LED-Light Emitting Diode", "led"),
        ("MH - Metal Halide 150W", "metal_halide"),
        ("Mercury Vapor", "mercury"),
        ("高压钠灯(250W)", "sodium"),
        ("LED路灯", "led"),
        ("Incandescent", "other"),
        ("LED / sodium", None),
        ("non LED", None),
        ("非LED", None),
        ("ledge", None),
        ("Plasma", None),
    ],
)
def test_a_choice_is_the_only_one_that_a_cell_names(tmp_path: Path, cell: str, choice: str | None) -> None:
    text = f"code\tlon\tlat\tLight source\nA\t24.94\t60.17\t{cell}\n"
    understood, (row,) = read(written(tmp_path, text), kind=LAMP)
    assert understood.choices_found == {"lamp_type": {cell: choice}}
    assert (row.draft or {})["attributes"] == ({"lamp_type": choice} if choice else {"Light source": cell})
    assert [rule for rule, _ in row.repairs] == ([] if choice else ["junk-value"])


def test_choices_and_kinds_are_mapped_by_hand_with_patterns(tmp_path: Path) -> None:
    text = "code,lon,lat,Art,Lampe\nA,24.94,60.17,MH-12,Typ 7\nB,24.95,60.17,SL 3,Typ 8a\nC,24.96,60.17,SLX,NAV\n"
    options: dict[str, Any] = {
        "kind_column": "Art",
        "kinds": {"MH*": "manhole", "SL*": "street_light", "SL?": "landscape_light"},
        "mapping": {"lamp_type": "Lampe"},
        "choices": {"lamp_type": {"NAV": "sodium", "typ *": "led", "Typ 8?": "mercury"}},
    }
    found = drafts(read(written(tmp_path, text), **options)[1])
    assert [each["kind"] for each in found] == ["manhole", "street_light", "landscape_light"]
    assert [each["attributes"].get("lamp_type") for each in found] == [None, "mercury", "sodium"]
    with pytest.raises(Unusable, match="'lamp_type' has no choice 'natrium'; there are fluorescent"):
        lamps(written(tmp_path, text), choices={"lamp_type": {"NAV": "natrium"}})


@pytest.mark.parametrize(
    ("heading", "cell", "attribute", "value"),
    [
        ("WATTAGE1", "150", "power_w", 150),
        ("POTENCIA (W)", "150", "power_w", 150),
        ("Power (kW)", "0.15", "power_w", 150),
        ("Power", "0.15 kW", "power_w", 150),
        ("POLEHEIGHT_DESC", "30 ft", "pole_height_m", 9.144),
        ("Pole height", "30 ft.", "pole_height_m", 9.144),
        ("Pole height", "30' 6\"", "pole_height_m", 9.2964),
        ("Pole height", "30 feet", "pole_height_m", 9.144),
        ("Pole height (ft)", "30", "pole_height_m", 9.144),
        ("Altura (m)", "9", "pole_height_m", 9),
        ("灯杆高度（分米）", "90", "pole_height_m", 9),
        ("灯杆高度/cm", "900", "pole_height_m", 9),
        ("功率(千瓦)", "0.15", "power_w", 150),
        ("功率（单位：kW）", "0.15", "power_w", 150),
        ("Lamps (pcs)", "2", "lamps", 2),
        ("LIGHTTYPE_DESC", "LED", "lamp_type", "led"),
        ("Luminaire Type", "LED", "lamp_type", "led"),
        ("LampType_1", "LED", "lamp_type", "led"),
    ],
)
def test_headings_of_programs_and_countries_are_understood(
    tmp_path: Path, heading: str, cell: str, attribute: str, value: Any
) -> None:
    text = f"code\tlon\tlat\t{heading}\nA\t24.94\t60.17\t{cell}\n"
    assert drafts(lamps(written(tmp_path, text)))[0]["attributes"] == {attribute: value}


@pytest.mark.parametrize(
    ("kind", "heading", "attribute", "value"),
    [
        ("drain_pipe", "管径(cm)", "diameter_mm", 30), ("drain_pipe", "管径(DN)", "diameter_mm", 3),
        ("drain_pipe", "Diameter (in)", "diameter_mm", 76.2), ("drain_pipe", "坡度(%)", "slope_permille", 30),
        ("manhole", "井深(cm)", "depth_m", 0.03), ("pump_station", "设计流量(L/s)", "capacity_m3_h", 10.8),
        ("pump_station", "设计流量(万m³/d)", "capacity_m3_h", 1250),
        ("pump_station", "capacity_m3_h", "capacity_m3_h", 3),
    ],
)  # fmt: skip
def test_attributes_are_turned_into_the_catalogues_unit(
    tmp_path: Path, kind: str, heading: str, attribute: str, value: float
) -> None:
    row = of_heading(tmp_path, kind, heading, "3")[1]
    assert drafts([row])[0]["attributes"] == {attribute: value}


def test_of_a_code_and_what_it_means_the_meaning_is_taken(tmp_path: Path) -> None:
    text = "code,lon,lat,POLEHEIGHT,POLEHEIGHT_DESC\nA,24.94,60.17,3,30 ft\n"
    assert drafts(lamps(written(tmp_path, text)))[0]["attributes"] == {"pole_height_m": 9.144, "POLEHEIGHT": "3"}


@pytest.mark.parametrize("mapping", [{"lat": "a", "lon": "b"}, {"latitude": "a", "lon": "b"}, {"location": "c"}])
def test_places_are_mapped_by_their_short_names_too(tmp_path: Path, mapping: dict[str, str]) -> None:
    text = 'code,a,b,c\nA,60.17,24.94,"60.17, 24.94"\n'
    understood, (row,) = read(written(tmp_path, text), kind=LAMP, mapping=mapping)
    assert place(row) == [24.94, 60.17]
    assert {"latitude", "longitude"} <= understood.mapping.keys() or "place" in understood.mapping


CODES_OF_THINGS = {
    "drain_pipe": ["管段编号", "管道编号", "管线编码", "Pipe ID", "PipeID", "PIPE_NO", "Segment ID", "设施代码"],
    "bridge": ["Bridge No", "Bridge No.", "桥梁代码", "BRIDGE_ID", "Structure Number", "桥梁号码"],
    "street_light": ["Pole Number", "Lamp ID", "路灯编码", "灯杆编号", "路灯杆号", "Pole Code", "杆件编号", "资产编码"],
    "manhole": ["检查井编号", "窨井编号", "Manhole ID", "MH_ID", "井号", "设施代码", "检查井标识码"],
    "carriageway": ["道路编号", "路段编码", "Road ID", "Segment No"],
    "lighting_cabinet": ["控制箱编号", "Cabinet No", "配电箱编号"],
    "pump_station": ["泵站编号", "Pump Station ID"],
}


@pytest.mark.parametrize(("kind", "heading"), [(kind, each) for kind, some in CODES_OF_THINGS.items() for each in some])
def test_the_number_of_a_thing_is_its_code(tmp_path: Path, kind: str, heading: str) -> None:
    text = f"{heading},lon,lat,area,length\nA-17,24.94,60.17,5,5\nA-18,24.95,60.17,5,5\n"
    understood, found = read(written(tmp_path, text), kind=kind)
    assert [each["code"] for each in drafts(found)] == ["A-17", "A-18"]
    assert understood.mapping["code"] == heading


@pytest.mark.parametrize(
    ("kind", "headings", "code"),
    [
        ("manhole", "区划代码,检查井编号", "检查井编号"), ("street_light", "路灯杆号,设施编码", "设施编码"),
        ("street_light", "路灯杆号,Pole ID", "Pole ID"), ("street_light", "道路编号,编号", "编号"),
        ("drain_pipe", "起点井编号,终点井编号,管段编号", "管段编号"), ("drain_pipe", "id,Pipe No", "Pipe No"),
        ("street_light", "控制箱编号,路灯编号", "路灯编号"), ("street_light", "控制箱编号,道路编号", None),
        ("street_light", "Pole code,code", "code"),
    ],
)  # fmt: skip
def test_of_several_codes_the_one_of_the_thing_itself_is_taken(
    tmp_path: Path, kind: str, headings: str, code: str | None
) -> None:
    cells = [",".join(f"X{at}{row}7" for at in range(headings.count(",") + 1)) for row in (3, 4)]
    text = f"{headings},lon,lat,length\n{cells[0]},24.94,60.17,5\n{cells[1]},24.95,60.17,5\n"
    assert read(written(tmp_path, text), kind=kind)[0].mapping.get("code") == code


@pytest.mark.parametrize("cells", [("North", "South"), ("B-1", "B-1"), ("1 of the long texts " * 3, "b 2 " * 20)])
def test_what_is_not_different_or_looks_like_no_code_is_none(tmp_path: Path, cells: tuple[str, str]) -> None:
    text = f"Segment ID,lon,lat,length\n{cells[0]},24.94,60.17,5\n{cells[1]},24.95,60.17,5\n"
    assert "code" not in read(written(tmp_path, text), kind="drain_pipe")[0].mapping


WELLS = {
    "雨水井": "storm", "污水井": "sewage", "电力井": "power", "通信井": "telecom", "弱电井": "telecom", "燃气井": "gas",
    "热力井": "heat", "自来水井": "water", "雨污合流井": "combined", "检查井": None, "Storm Sewer Manhole": "storm",
    "Storm Water Manhole": "storm", "Combined Sewer Manhole": "combined", "Sanitary Manhole": "sewage",
}  # fmt: skip


@pytest.mark.parametrize("heading", ["类型", "井类型", "Type"])
def test_a_wells_type_says_its_network(tmp_path: Path, heading: str) -> None:
    rows = [f"W-{at},{24.94 + at / 1000:.4f},60.17,{each}\n" for at, each in enumerate(WELLS)]
    understood, found = read(written(tmp_path, f"编号,经度,纬度,{heading}\n{''.join(rows)}"), kind="manhole")
    assert [each["attributes"].get("network") for each in drafts(found)] == [*WELLS.values()]
    assert understood.mapping["network"] == heading


def test_the_column_of_kinds_says_the_network_too(tmp_path: Path) -> None:
    kinds = {
        "雨水井": "storm",
        "污水井": "sewage",
        "电力井": "power",
        "雨水箅子": "storm",
        "污水管": "sewage",
        "检查井": None,
    }
    rows = [f"W-{at},{24.94 + at / 1000:.4f},60.17,{each},5\n" for at, each in enumerate(kinds)]
    found = read(written(tmp_path, f"编号,经度,纬度,类型,长度\n{''.join(rows)}"), kind="manhole", kind_column="类型")[1]
    assert [each["attributes"].get("network") for each in drafts(found)] == [*kinds.values()]


@pytest.mark.parametrize(
    ("heading", "cells", "answers"),
    [
        ("是否安装防坠网", "有无是否", [True, False, True, False]),
        ("有无防坠网", "有无无有", [True, False, False, True]),
        ("防坠网安装情况", ["已安装", "未安装", "无", "有"], [True, False, False, True]),
        ("Has safety net", ["yes", "none", "no", ""], [True, False, False, None]),
    ],
)  # fmt: skip
def test_a_question_in_a_heading_is_answered_by_no(
    tmp_path: Path, heading: str, cells: Any, answers: list[bool | None]
) -> None:
    rows = [f"W-{at},{24.94 + at / 1000:.4f},60.17,{each}\n" for at, each in enumerate(cells)]
    found = read(written(tmp_path, f"编号,经度,纬度,{heading}\n{''.join(rows)}"), kind="manhole")[1]
    assert [each["attributes"].get("anti_fall_net") for each in drafts(found)] == answers


def test_nothing_is_an_answer_where_the_others_say_yes(tmp_path: Path) -> None:
    text = "编号,经度,纬度,爬梯,备注\nA,24.94,60.17,有,无\nB,24.95,60.17,无,破损\nC,24.96,60.17,,无\n"
    found = drafts(read(written(tmp_path, text), kind="manhole")[1])
    assert [each["attributes"] for each in found] == [{"爬梯": "有"}, {"爬梯": "无", "备注": "破损"}, {}]


def test_no_net_is_no_net_and_not_nothing(tmp_path: Path) -> None:
    text = "编号,经度,纬度,有无防坠网\nA,24.94,60.17,有\nB,24.95,60.17,无\nC,24.96,60.17,\n"
    found = drafts(read(written(tmp_path, text), kind="manhole")[1])
    assert [each["attributes"].get("anti_fall_net") for each in found] == [True, False, None]


def test_the_page_lists_every_text_that_means_nothing() -> None:
    page = (Path(__file__).parents[2] / "docs" / "importing.md").read_text()
    listed = page[page.index("- **Nothing**") : page.index("- **Days**")].casefold()
    assert [text for text in NOTHING if text and f"`{text}`" not in listed and f"`` {text} ``" not in listed] == []


def test_chinese_wells_are_kinds_and_a_division_code_is_a_district_or_a_code(tmp_path: Path) -> None:
    text = "标识码,类型,区划代码,经度,纬度\n" + "".join(
        f"L{at},{kind},110105,24.94{at},60.17\n"
        for at, kind in enumerate(["雨水井", "电力井", "污水井", "通信井", "井盖"])
    )
    understood, found = read(written(tmp_path, text))
    assert [each["kind"] for each in drafts(found)] == ["inlet", *["manhole"] * 4]
    assert {each["district"] for each in drafts(found)} == {"110105"}
    assert (understood.kind_column, understood.mapping["code"]) == ("类型", "标识码")
    areas = "区划代码,名称,经度,纬度\n110101,东城区,24.94,60.17\n110102,西城区,24.95,60.17\n"
    assert [each["code"] for each in drafts(lamps(written(tmp_path, areas)))] == ["110101", "110102"]
