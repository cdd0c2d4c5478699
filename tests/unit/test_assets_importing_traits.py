"""Each trait of real files: how coordinates, codes, kinds, dates and units are written, and what becomes of a row."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.assets.importing import Unusable, datums
from tests.unit.importing import LAMP, collection, drafts, feature, lamps, place, point, read, written

HELSINKI = [24.94, 60.17]


def rejects(found: Any) -> list[str | None]:
    return [row.reject and row.reject[0] for row in found]


def rules(row: Any) -> list[str]:
    return [rule for rule, _ in row.repairs]


# ------------------------------------------------------------------------------------------------ where a row is


@pytest.mark.parametrize(
    "text",
    [
        "lat,lon\n60.17,24.94",
        "Latitude;Longitude\n60,17;24,94",
        "위도,경도\n60.17,24.94",
        "经度,纬度\n24.94,60.17",
        "X,Y\n24.94,60.17",
        "WGS84_LNG,WGS84_LAT\n24.94,60.17",
        "pole lat,pole lon\n60.17,24.94",
        "纬度,经度\n60°10′12″,24°56′24″",
        "lat,lon\nN 60 10.2,E 24 56.4",
        "lat,lon\n60°10.2'N,24°56.4'E",
        "lat,lon\n北纬60度10分12秒,东经24度56分24秒",
        "lat,lon\n6010.2,2456.4",
        "lat,lon\n6010.2N,02456.4E",
        'code,location\nA,"(60.17, 24.94)"',
        'code,location\nA,"Mannerheimintie 1\n(60.17, 24.94)"',
        'code,坐标\nA,"24.94,60.17"',
        "code;gps\nA;60°10.2'N 24°56.4'E",
        'code,the_geom\nA,POINT (24.94 60.17)',
        'code,wkt\nA,"SRID=4326;POINT Z (24.94 60.17 12)"',
        "code,geom\nA,0101000000713D0AD7A3F03840F6285C8FC2154E40",
        'code,shape\nA,"{""type"":""Point"",""coordinates"":[24.94,60.17]}"',
        "code,where is it\nA,POINT (24.94 60.17)",
        "A1,60.170000,24.940000",
        "A1\tx\t24.940000\t60.170000",
    ],
)  # fmt: skip
def test_a_place_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    assert [place(row) for row in lamps(written(tmp_path, text))] == [HELSINKI]


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        ("EPSG:3879", 25496671.48, 6672934.0),
        ("3067", 385711.8, 6672141.5),
        ("EPSG:3857", 2776308.1, 8437685.4),
    ],
)
def test_projected_coordinates_are_turned_into_degrees(tmp_path: Path, crs: str, x: float, y: float) -> None:
    path = written(tmp_path, f"easting,northing\n{x},{y}\n")
    (row,) = lamps(path, crs=crs)
    assert place(row) == pytest.approx(HELSINKI, abs=0.001)
    (swapped,) = lamps(written(tmp_path, f"easting,northing\n{y},{x}\n"), crs=crs)
    assert place(swapped) == place(row)


def test_projected_axes_the_wrong_way_round_are_seen_in_another_city_too(tmp_path: Path) -> None:
    taipei = "TWD97_X,TWD97_Y\n306865,2770041\n"
    understood, (row,) = read(written(tmp_path, taipei), kind=LAMP)
    assert (understood.crs, understood.swapped) == ("EPSG:3826", False)
    swapped = read(written(tmp_path, taipei.replace("306865,2770041", "2770041,306865")), kind=LAMP)[1][0]
    assert place(row) == place(swapped) == pytest.approx([121.563, 25.038], abs=0.01)


def test_projected_coordinates_without_a_name_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"crs.*EPSG:3879"):
        lamps(written(tmp_path, "x,y\n25496671.48,6672934.0\n"))


def test_a_heading_may_name_the_coordinate_system(tmp_path: Path) -> None:
    understood, (row,) = read(written(tmp_path, "X_EPSG3879,Y_EPSG3879\n25496671.48,6672934.0\n"), kind=LAMP)
    assert (understood.crs, understood.crs_found_by) == ("EPSG:3879", "a heading")
    assert place(row) == pytest.approx(HELSINKI, abs=0.001)


def test_the_crs_member_of_old_geojson_holds(tmp_path: Path) -> None:
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3879"}}
    path = written(tmp_path, collection(feature(point(25496671.48, 6672934.0)), crs=named))
    assert place(lamps(path)[0]) == pytest.approx(HELSINKI, abs=0.001)


# wgs lat, lng, gcj lat, lng, and bd lat, lng, wgs lat, lng: test vectors of github.com/googollee/eviltransform (MIT)
GCJ = [
    (31.1774276, 121.5272106, 31.17530398364597, 121.531541859215),
    (22.543847, 113.912316, 22.540796131694766, 113.9171774808363),
    (39.911954, 116.377817, 39.91334545536069, 116.38404722455657),
]
BD = [
    (29.199786, 120.019809, 29.196131605295484, 120.00877901149691),
    (29.210504, 120.036455, 29.206795749156136, 120.0253853970846),
]
METRE_DEG = 1 / 111_000


@pytest.mark.parametrize(("wgs_lat", "wgs_lon", "gcj_lat", "gcj_lon"), GCJ)
def test_gcj02_is_shifted_back(wgs_lat: float, wgs_lon: float, gcj_lat: float, gcj_lon: float) -> None:
    forward = datums.wgs_to_gcj(np.array([wgs_lon]), np.array([wgs_lat]))
    assert np.allclose(np.ravel(forward), [gcj_lon, gcj_lat], atol=1e-9)
    back = datums.to_wgs84(np.array([gcj_lon]), np.array([gcj_lat]), "GCJ-02")
    assert np.allclose(np.ravel(back), [wgs_lon, wgs_lat], atol=METRE_DEG / 100)


@pytest.mark.parametrize(("bd_lat", "bd_lon", "wgs_lat", "wgs_lon"), BD)
def test_bd09_is_shifted_back(bd_lat: float, bd_lon: float, wgs_lat: float, wgs_lon: float) -> None:
    """Within the 2 m by which the vectors' own inverse, of one step, is off."""
    back = datums.to_wgs84(np.array([bd_lon]), np.array([bd_lat]), "BD-09")
    assert np.allclose(np.ravel(back), [wgs_lon, wgs_lat], atol=2 * METRE_DEG)


def test_a_column_named_for_gcj02_is_shifted(tmp_path: Path) -> None:
    understood, (row,) = read(written(tmp_path, "gcj_lng,gcj_lat\n121.531541859215,31.17530398364597\n"), kind=LAMP)
    assert understood.crs == "GCJ-02"
    assert place(row) == [121.52721, 31.17743]


# --------------------------------------------------------------------------------------------- swapped, astray


def test_columns_swapped_throughout_are_put_right_and_said_once(tmp_path: Path) -> None:
    understood, found = read(written(tmp_path, "lon,lat\n" + "60.17,24.94\n60.18,24.95\n"), kind=LAMP)
    assert [place(row) for row in found] == [HELSINKI, [24.95, 60.18]]
    assert understood.swapped
    assert understood.repairs[0][0] == "swapped-lon-lat"
    assert not found[0].repairs


def test_a_row_swapped_alone_is_put_right_and_marked(tmp_path: Path) -> None:
    found = lamps(written(tmp_path, "lat,lon\n60.17,24.94\n24.95,60.18\n60.17,24.96\n"))
    assert [place(row) for row in found] == [HELSINKI, [24.95, 60.18], [24.96, 60.17]]
    assert rules(found[1]) == ["swapped-lon-lat"]


def test_swapping_is_seen_in_another_city_too(tmp_path: Path) -> None:
    rows = "".join(f"-71.1{i},42.3{i}\n" for i in range(8))
    assert place(lamps(written(tmp_path, f"lat,lon\n{rows}"))[0]) == [-71.10, 42.30]


def test_bad_places_are_refused_each_by_its_rule(tmp_path: Path) -> None:
    rows = ["60.17,24.94"] * 8 + [
        "0,0",
        "61.9,24.9",
        "95,24.9",
        "inf,24.9",
        ",24.9",
        "60.17,0",
        "N/A,24.9",
        "here,there",
        "-,-",
    ]
    found = lamps(written(tmp_path, "lat,lon\n" + "\n".join(rows)))
    assert rejects(found)[8:] == [
        "null-island", "outside-bounds", "outside-world", "not-finite", "no-geometry", "null-island", "no-geometry",
        "unreadable-place", "no-geometry",
    ]  # fmt: skip
    assert found[9].line == 11
    assert found[9].raw == {"lat": "61.9", "lon": "24.9"}


@pytest.mark.parametrize("no_fix", ["0.000004,-0.000005", "0.0,0.0", "-0.0,0.000008"])
def test_a_place_within_a_metre_of_nowhere_is_no_place(tmp_path: Path, no_fix: str) -> None:
    found = lamps(written(tmp_path, f"lat,lon\n60.17,24.94\n{no_fix}\n60.17,24.95\n"), bounds="warn")
    assert rejects(found) == [None, "null-island", None]


def test_a_place_within_a_metre_of_nowhere_is_none_in_a_projection_either(tmp_path: Path) -> None:
    rows = "lat,lon\n8437000.5,2776000.5\n0.4,0.5\n8437100.5,2776100.5\n"
    found = lamps(written(tmp_path, rows), crs="EPSG:3857", bounds="warn")
    assert rejects(found) == [None, "null-island", None]


def test_bounds_may_only_warn(tmp_path: Path) -> None:
    found = lamps(written(tmp_path, "lat,lon\n60.17,24.94\n60.17,24.95\n61.9,24.9"), bounds="warn")
    assert rejects(found) == [None] * 3
    assert rules(found[2]) == ["outside-bounds"]


def test_another_citys_file_is_taken_and_it_is_said(tmp_path: Path) -> None:
    understood, found = read(written(tmp_path, "lat,lon\n42.37,-71.11\n42.38,-71.10\n"), kind=LAMP)
    assert rejects(found) == [None, None]
    assert understood.check_bounds == "off"
    assert "elsewhere than Helsinki" in understood.notes[0]


def test_another_citys_file_is_refused_row_by_row_when_asked(tmp_path: Path) -> None:
    assert rejects(lamps(written(tmp_path, "lat,lon\n42.37,-71.11\n"), bounds="refuse")) == ["outside-bounds"]


# ------------------------------------------------------------------------------------------------- geometries


def test_geometries_are_checked_and_repaired_by_name(tmp_path: Path) -> None:
    x, y = HELSINKI
    bow = [[x, y], [x + 0.001, y + 0.001], [x + 0.001, y], [x, y + 0.001], [x, y]]
    globe = [[-179, -89], [179, -89], [179, 89], [-179, 89], [-179, -89]]
    given = [
        point(x, y, 12.5),
        {"type": "MultiPoint", "coordinates": [[x, y]]},
        {"type": "MultiLineString", "coordinates": [[[x, y], [x + 0.001, y]], [[x, y], [x, y + 0.001]]]},
        {"type": "Polygon", "coordinates": [bow]},
        {"type": "Polygon", "coordinates": [globe]},
        {"type": "Point", "coordinates": [float("nan"), y]},
        {"type": "GeometryCollection", "geometries": [point(x, y), {"type": "LineString", "coordinates": bow}]},
        {"type": "Polygon", "coordinates": [[[x, y], [x + 1, y]]]},
        {"type": "Point", "coordinates": []},
        None,
    ]  # fmt: skip
    found = lamps(written(tmp_path, collection(*map(feature, given))))
    assert [rules(row)[:1] for row in found[:4]] == [
        ["third-dimension-dropped"], ["single-part"], [], ["self-intersection"]
    ]  # fmt: skip
    assert [row.draft and row.draft["geometry"]["type"] for row in found[:4]] == [
        "Point", "Point", "MultiLineString", "MultiPolygon"
    ]  # fmt: skip
    assert rejects(found)[4:] == [
        "geometry-too-large", "not-finite", "unsupported-geometry", "unreadable-place", "no-geometry", "no-geometry",
    ]  # fmt: skip
    assert found[4].raw["geometry"]["coordinates"] == [globe]


def test_a_line_kind_without_extent_is_refused(tmp_path: Path) -> None:
    text = "kind,lat,lon,length\ndrain_pipe,60.17,24.94,\ndrain_pipe,60.17,24.94,12.5\n"
    found = read(written(tmp_path, text))[1]
    assert rejects(found) == ["not-measurable", None]
    assert found[1].draft is not None
    assert found[1].draft["measure"] == 12.5


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"Feature","geometry":{"type":"Point","coordinates":[24.94,60.17]},"properties":null}',
        '{"type":"Feature","geometry":{"type":"Point","coordinates":[24.94,60.17]},"properties":{"a":1}}\n' * 3,
        '\x1e{"type":"Feature","geometry":{"type":"Point","coordinates":[24.94,60.17]},"properties":{}}\n' * 2,
        '[{"type":"Feature","geometry":{"type":"Point","coordinates":[24.94,60.17]},"properties":{}}]',
        '\ufeff{"features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[24.94,60.17]}}],"type":"x"}',
    ],
)
def test_features_come_in_any_arrangement(tmp_path: Path, text: str) -> None:
    assert {tuple(place(row)) for row in lamps(written(tmp_path, text))} == {tuple(HELSINKI)}


def test_openstreetmaps_tags_name_the_kind_and_may_be_nested(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [HELSINKI, [24.95, 60.17]]}
    path = written(
        tmp_path,
        collection(
            feature(point(*HELSINKI), {"tags": {"highway": "street_lamp", "ref": "7"}}, id="node/1"),
            feature(point(*HELSINKI), {"manhole": "drain"}, id="node/2"),
            feature(line, {"highway": "residential", "lanes": "2", "name": "Katu"}, id="way/3"),
            feature(line, {"waterway": "ditch"}, id="way/4"),
            feature(point(*HELSINKI), {"amenity": "bench"}, id="node/5"),
        ),
    )
    _, found = read(path)
    lamp, manhole, road, ditch = drafts(found[:4])
    assert [each["kind"] for each in (lamp, manhole, road, ditch)] == [
        "street_light", "manhole", "carriageway", "channel"
    ]  # fmt: skip
    assert manhole["attributes"]["network"] == "storm"
    assert (road["attributes"]["class"], road["attributes"]["lanes"], road["name"]) == ("residential", 2, "Katu")
    assert rejects(found)[4] == "unknown-kind"


# -------------------------------------------------------------------------------------------------- codes, kinds


def test_codes_are_made_where_there_are_none_and_are_the_same_again(tmp_path: Path) -> None:
    path = written(tmp_path, "lat,lon\n60.17,24.94\n60.17,24.94\n60.17,24.95\n")
    codes = [each["code"] for each in drafts(lamps(path))]
    assert codes == [
        "street_light-24.940000E-60.170000N",
        "street_light-24.940000E-60.170000N-2",
        "street_light-24.950000E-60.170000N",
    ]
    assert codes == [each["code"] for each in drafts(lamps(path))]


def test_a_column_with_one_value_or_that_counts_the_rows_is_no_code(tmp_path: Path) -> None:
    zeros = "OBJECTID,lat,lon\n0,60.17,24.94\n0,60.17,24.95\n"
    counting = "id,lat,lon\n1,60.17,24.94\n2,60.17,24.95\n"
    for text in (zeros, counting):
        understood, found = read(written(tmp_path, text), kind=LAMP)
        assert "code" not in understood.mapping
        assert drafts(found)[1]["code"].startswith("street_light-")
    assert read(written(tmp_path, counting), kind=LAMP, code_column="id")[0].mapping["code"] == "id"


def test_bad_and_double_codes_are_refused_or_cleaned(tmp_path: Path) -> None:
    codes = ["L1", "L2", "L1", "imports", "A/7", "L" * 101, "", "L3", "L4", "L5", "L6", "L7"]
    found = lamps(written(tmp_path, "code,lat,lon\n" + "\n".join(f"{each},60.17,24.94" for each in codes)))
    assert rejects(found)[:7] == [None, None, "duplicate-code", "bad-code", None, "bad-code", None]
    assert "line 2" in found[2].reject[1] if found[2].reject else False
    assert found[4].draft is not None
    assert (found[4].draft["code"], rules(found[4])) == ("A-7", ["code-cleaned"])
    assert rules(found[6]) == ["code-generated"]


def test_kinds_come_from_a_column_by_any_name(tmp_path: Path) -> None:
    values = ["street_light", "Street light", "路灯", "检查井", "井盖", "雨水箅子", "Combined Sewer Manhole", "UFO"]
    found = read(written(tmp_path, "类型,lat,lon\n" + "\n".join(f"{each},60.17,24.94" for each in values)))[1]
    assert [row.draft and row.draft["kind"] for row in found] == [
        *["street_light"] * 3, "manhole", "manhole", "inlet", "manhole", None
    ]  # fmt: skip
    assert rejects(found)[-1] == "unknown-kind"


def test_a_given_kind_stands_in_where_the_column_says_none(tmp_path: Path) -> None:
    path = written(tmp_path, "art,lat,lon\nA,60.17,24.94\nB,60.17,24.95\n")
    found = read(path, kind="manhole", kind_column="art", kinds={"A": "street_light"})[1]
    assert [each["kind"] for each in drafts(found)] == ["street_light", "manhole"]
    assert rules(found[1])[0] == "kind-assumed"


def test_a_file_that_names_no_kind_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"give the kind.*sounds like street_light"):
        read(written(tmp_path, "lat,lon\n60.17,24.94\n"), "street_lights.csv")
    with pytest.raises(Unusable, match="There is no kind 'lamp'"):
        read(written(tmp_path, "lat,lon\n60.17,24.94\n"), kind="lamp")


# -------------------------------------------------------------------------------------------------- values


def test_fields_and_attributes_are_mapped_and_nothing_is_nothing(tmp_path: Path) -> None:
    text = (
        "编号,经度,纬度,道路名称,权属单位,养护单位,光源类型,功率(W),灯杆高度(ft),备注\n"
        "LD-1,24.94,60.17,解放路,市政局,N/A,高压钠灯,250,30,-\n"
        "LD-2,24.95,60.17,NULL,null,NA,荧火虫,很多,9 m,已换\n"
    )
    one, other = lamps(written(tmp_path, text))
    first, second = drafts([one, other])
    assert (first["code"], first["street"], first["owner"]) == ("LD-1", "解放路", "市政局")
    assert first["attributes"] == {"lamp_type": "sodium", "power_w": 250, "pole_height_m": 9.144}
    assert rules(one) == ["unit-converted"]
    assert second["attributes"] == {"光源类型": "荧火虫", "功率(W)": "很多", "pole_height_m": 9, "备注": "已换"}
    assert not {"street", "owner", "maintainer"} & second.keys()
    assert rules(other) == ["junk-value", "junk-value"]


@pytest.mark.parametrize(
    ("text", "expected", "repairs"),
    [
        ("2019-05-31", date(2019, 5, 31), []),
        ("2019/5/31 08:00", date(2019, 5, 31), []),
        ("20190531", date(2019, 5, 31), []),
        ("2019年5月31日", date(2019, 5, 31), []),
        ("31.5.2019", date(2019, 5, 31), []),
        ("2019-05-31T23:30:00Z", date(2019, 6, 1), []),
        ("2019-05-31T23:30:00", date(2019, 5, 31), []),
        ("43616", date(2019, 5, 31), ["date-assumed"]),
        ("4/15", date(2015, 4, 1), ["date-assumed"]),
        ("2019", date(2019, 1, 1), ["date-assumed"]),
        ("2019-02-30", None, ["impossible-date"]),
        ("2919-02-03", None, ["impossible-date"]),
        ("soon", None, ["impossible-date"]),
        ("N/A", None, []),
    ],
)
def test_dates_are_read_or_kept_as_text(tmp_path: Path, text: str, expected: date | None, repairs: list[str]) -> None:
    (row,) = lamps(written(tmp_path, f"code,lat,lon,安装日期\nA,60.17,24.94,{text}\n"))
    (draft,) = drafts([row])
    assert draft.get("installed_on") == expected
    assert rules(row) == repairs
    assert draft["attributes"].get("安装日期") == (text if repairs == ["impossible-date"] else None)


def test_month_first_is_seen_from_the_whole_column(tmp_path: Path) -> None:
    text = "code,lat,lon,installed\nA,60.17,24.94,4/5/2019\nB,60.17,24.94,4/25/2019\n"
    assert [each["installed_on"] for each in drafts(lamps(written(tmp_path, text)))] == [
        date(2019, 4, 5), date(2019, 4, 25)
    ]  # fmt: skip


def test_absent_keys_are_nothing_and_late_ones_are_kept(tmp_path: Path) -> None:
    several = [
        feature(point(*HELSINKI), {"PoleID": f"P{i}", "n": i} if i % 2 else {"PoleID": f"P{i}"}) for i in range(4)
    ]
    found = drafts(lamps(written(tmp_path, collection(*several))))
    assert [each["attributes"] for each in found] == [{}, {"n": 1}, {}, {"n": 3}]


@pytest.mark.parametrize(
    "properties",
    [
        {"37.280718": 37.28, "126.825285": 126.8},
        {
            "OBJECTID": 1,
            "Sewage": "Sewage",
            "Existing": "Existing",
            "None": "",
            "9/10/2020": "Fri, 01 Oct 1999",
            "a": 1,
        },
        {"code": "A", "Sewage": "Sewage", "existing": "Existing", "note": "x"},
        {"code": "A", "name": "x", "2020-09-10": "2021-01-01", "note": "y", "owner": "z"},
        {"code": "A", "name": "x", "2020年9月10日": "2021", "note": "y", "owner": "z"},
        {"code": "A", "name": "x", "owner": "y", "44.97": 44.97},
        {"code": "A", "name": "x", "owner": "y", "110105": "110105"},
        {"code": "A", "name": "x", "owner": "y", "POINT (24.9 60.1)": 1},
        {"1": "a", "2": "b", "name": "c"},
    ],
)
def test_a_file_whose_names_are_data_is_asked_about(tmp_path: Path, properties: dict[str, Any]) -> None:
    path = written(tmp_path, collection(*[feature(point(*HELSINKI), properties) for _ in range(3)]))
    with pytest.raises(Unusable, match="look like a row of data"):
        read(path, kind=LAMP)
    assert len(drafts(read(path, kind=LAMP, header=True)[1])) >= 1


@pytest.mark.parametrize(
    "properties",
    [
        {"code": "A", "2019": 3, "2020": 4, "lamp": "LED"},
        {"code": "A", "bridge": "bridge", "kind": "x"},
        {"code": "A", "1st floor": 3, "12 V": 4, "note": "x", "owner": "y"},
        {},
    ],
)
def test_names_with_numbers_are_names(tmp_path: Path, properties: dict[str, Any]) -> None:
    assert len(read(written(tmp_path, collection(feature(point(*HELSINKI), properties))), kind=LAMP)[1]) == 1


def test_a_table_whose_first_line_is_a_row_is_asked_about(tmp_path: Path) -> None:
    path = written(tmp_path, "A1,North,Main St,LED,City,24.9401,60.1701\nA2,South,High St,LED,Port,24.9412,60.1711\n")
    with pytest.raises(Unusable, match="false if the first line is a row"):
        read(path, kind=LAMP)
    assert [place(each) for each in read(path, kind=LAMP, header=False)[1]] == [[24.9401, 60.1701], [24.9412, 60.1711]]


def test_defaults_and_the_district_fill_what_a_row_does_not_say(tmp_path: Path) -> None:
    path = written(tmp_path, "lat,lon,owner\n60.17,24.94,\n60.17,24.95,Port\n")
    found = drafts(lamps(path, district="south", defaults={"owner": "City"}))
    assert [(each["district"], each["owner"]) for each in found] == [("south", "City"), ("south", "Port")]


def test_a_mapping_given_by_hand_comes_first(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,lat,lon,name\nX,Y,60.17,24.94,Z\n")
    (draft,) = drafts(lamps(path, mapping={"code": "a", "street": "b", "name": ""}))
    assert (draft["code"], draft["street"], draft["attributes"]) == ("X", "Y", {"name": "Z"})
    with pytest.raises(Unusable, match="There is no column 'c'"):
        lamps(path, mapping={"code": "c"})


def test_texts_too_long_are_cut_and_kept_whole(tmp_path: Path) -> None:
    (row,) = lamps(written(tmp_path, f"lat,lon,owner\n60.17,24.94,{'x' * 150}\n"))
    (draft,) = drafts([row])
    assert (len(draft["owner"]), len(draft["attributes"]["owner"]), rules(row)) == (100, 150, ["text-cut"])


def test_slipped_and_short_rows(tmp_path: Path) -> None:
    text = "lat,lon,owner,name\n60.17,24.94,City,A\n60.17,24.95\n60.17,24.95,City,B,C,D\n\n60.17,24.96,,\n"
    found = lamps(written(tmp_path, text))
    assert rejects(found) == [None, None, "ragged-row", None]
    assert [row.line for row in found] == [2, 3, 4, 6]
    assert found[2].raw["…"] == ["C", "D"]


def test_every_rule_is_in_the_table(tmp_path: Path) -> None:
    from services.assets.importing.rules import REFUSED, REPAIRED

    source = "".join(path.read_text("utf-8") for path in Path("services/assets/importing").glob("*.py"))
    for rule in (*REFUSED, *REPAIRED):
        assert source.count(f'"{rule}"') > 1, rule
    assert json.dumps(Counter(REFUSED.values()).most_common(1)[0][1]) == "1"


def test_of_a_file_that_lies_in_the_city_in_part_swapped_rows_are_refused_and_far_ones_counted(tmp_path: Path) -> None:
    here = [(24.94 + n / 1000, 60.17) for n in range(4)]
    swapped = [(60.17, 24.95 + n / 1000) for n in range(3)]
    far = [(25.94, 60.17), (31.2, 30.0), (121.4, 31.2), (249615, 60.1)]
    rows = "".join(f"L{n},{lon},{lat}\n" for n, (lon, lat) in enumerate(here + swapped + far))
    understood, found = read(written(tmp_path, "code,lon,lat\n" + rows), kind=LAMP)
    assert [row.reject and row.reject[0] for row in found] == [None] * 4 + ["swapped-lon-lat"] * 3 + [None] * 3 + [
        "outside-world"
    ]
    assert [row.repairs for row in found if row.draft] == [()] * 7
    assert "first 11 rows 3 lie in Helsinki only with" in understood.notes[0]
    assert "first 11 rows 4 lie in Helsinki and 3 far from it, by 38 to 7,369 km" in understood.notes[1]
    refused = read(written(tmp_path, "code,lon,lat\n" + rows), kind=LAMP, bounds="refuse")[1]
    assert [row.reject and row.reject[0] for row in refused[-4:-1]] == ["outside-bounds"] * 3


def test_a_few_swapped_rows_of_a_file_that_lies_elsewhere_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"L{n},{121.4 + n / 1000},31.2\n" for n in range(5)) + "X,60.17,24.95\n"
    found = read(written(tmp_path, "code,lon,lat\n" + rows), kind=LAMP)[1]
    assert [row.reject and row.reject[0] for row in found] == [None] * 5 + ["swapped-lon-lat"]
