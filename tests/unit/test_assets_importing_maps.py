"""Files of other programs: read where they say where things are, else refused with a word on what to send instead."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from services.assets.importing import Unusable
from services.assets.importing.datums import fitting
from tests.unit.importing import CATALOGUE, LAMP, drafts, lamps, place, read, written

KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder>
<Placemark id="a"><name>L-1</name><description>at the corner</description>
<ExtendedData><Data name="Watts"><value>70</value></Data></ExtendedData>
<Point><coordinates>24.9401,60.1701,12</coordinates></Point></Placemark>
<Placemark><name>R-1</name>
<ExtendedData><SchemaData><SimpleData name="Watts">80</SimpleData></SchemaData></ExtendedData>
<MultiGeometry><LineString><coordinates>24.94,60.17 24.95,60.17
</coordinates></LineString></MultiGeometry></Placemark>
<Placemark><name>P-1</name><Polygon><outerBoundaryIs><LinearRing><coordinates>
24.94,60.17 24.95,60.17 24.95,60.18 24.94,60.17</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>nowhere</name></Placemark>
</Folder></Document></kml>"""
GPX = """<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">
<wpt lat="60.1701" lon="24.9401"><ele>3</ele><name>L-1</name><desc>lamp</desc></wpt>
<trk><name>T-1</name><trkseg><trkpt lat="60.17" lon="24.94"/><trkpt lat="60.17" lon="24.95"/></trkseg></trk>
</gpx>"""
OSM = """<?xml version='1.0'?><osm version="0.6">
<node id="1" lat="60.17" lon="24.94"/><node id="2" lat="60.17" lon="24.95"/><node id="4" lat="60.18" lon="24.95"/>
<node id="3" lat="60.1701" lon="24.9401"><tag k="highway" v="street_lamp"/><tag k="ref" v="L-1"/></node>
<way id="7"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/><tag k="width" v="6"/></way>
</osm>"""
OVERPASS: dict[str, Any] = {
    "version": 0.6,
    "elements": [
        {"type": "way", "id": 7, "nodes": [1, 2], "tags": {"highway": "residential", "width": "6"}},
        {"type": "way", "id": 8, "tags": {"waterway": "drain"}, "geometry": [
            {"lat": 60.17, "lon": 24.94}, {"lat": 60.171, "lon": 24.94}]},
        {"type": "node", "id": 1, "lat": 60.17, "lon": 24.94},
        {"type": "node", "id": 2, "lat": 60.17, "lon": 24.95},
        {"type": "node", "id": 3, "lat": 60.1701, "lon": 24.9401, "tags": {"highway": "street_lamp", "ref": "L-1"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "empty",
    ["<Point/>", "<Point><coordinates> </coordinates></Point>", "<LineString/>", "<Polygon/>", "<MultiGeometry/>"],
)
def test_what_kml_draws_nowhere_is_a_row_that_says_not_where(tmp_path: Path, empty: str) -> None:
    drawn = KML.replace("<name>nowhere</name>", f"<name>nowhere</name>{empty}")
    _, found = read(written(tmp_path, drawn), kind="street_light", mapping={"code": "name"})
    assert [bool(row.draft) for row in found] == [True, True, True, False]
    assert found[3].reject == ("no-geometry", "The row does not say where it is.")


@pytest.mark.parametrize(
    "element",
    [
        {"type": "node", "id": 1, "lat": 60.17, "tags": {"highway": "street_lamp"}},
        {"type": "node", "lon": 24.94, "lat": 60.17, "tags": {"highway": "street_lamp"}},
        {"type": "node", "id": 1, "lon": "east", "lat": 60.17, "tags": {"highway": "street_lamp"}},
        {"type": "way", "id": 1, "nodes": 5, "tags": {"highway": "residential"}},
        {"type": "way", "id": 1, "geometry": [{"lat": 60.17}], "tags": {"highway": "residential"}},
        {"type": "relation", "id": 1, "center": {"lat": 60.17}, "tags": {"highway": "residential"}},
    ],
)
def test_an_element_of_openstreetmap_that_makes_no_sense_is_shown(tmp_path: Path, element: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match=r"makes no sense: \{'type'"):
        read(written(tmp_path, json.dumps({"version": 0.6, "elements": [element]})), kind="street_light")


def test_kml_is_read_with_its_data(tmp_path: Path) -> None:
    understood, found = read(written(tmp_path, KML), kind="street_light", mapping={"code": "name"})
    assert (understood.format, understood.columns) == ("kml", ["name", "description", "Watts"])
    assert place(found[0]) == [24.9401, 60.1701]
    assert [row.draft and row.draft["geometry"]["type"] for row in found] == ["Point", "LineString", "Polygon", None]
    assert [row.draft["code"] for row in found if row.draft] == ["L-1", "R-1", "P-1"]
    assert [row.draft["attributes"].get("power_w") for row in found if row.draft] == [70, 80, None]
    assert found[3].reject == ("no-geometry", "The row does not say where it is.")


def test_kmz_is_kml_in_a_zip(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("doc.kml", KML)
    assert place(lamps(written(tmp_path, packed.getvalue()))[0]) == [24.9401, 60.1701]


def test_gpx_is_read_as_points_and_lines(tmp_path: Path) -> None:
    understood, found = read(written(tmp_path, GPX), kind="street_light", mapping={"code": "name"})
    assert understood.format == "gpx"
    assert place(found[0]) == [24.9401, 60.1701]
    assert [each["geometry"]["type"] for each in drafts(found)] == ["Point", "LineString"]


@pytest.mark.parametrize("content", [OSM, OVERPASS])
def test_openstreetmap_is_read_with_the_places_of_its_nodes(tmp_path: Path, content: Any) -> None:
    found = {each["kind"]: each for each in drafts(read(written(tmp_path, content))[1])}
    assert found["street_light"]["geometry"]["coordinates"] == [24.9401, 60.1701]
    assert found["carriageway"]["geometry"]["coordinates"] == [[24.94, 60.17], [24.95, 60.17]]
    assert found["carriageway"]["attributes"]["width"] == 6
    assert ("drain_pipe" in found) == (content is OVERPASS)


def test_ways_without_the_places_of_their_nodes_say_how_to_get_them(tmp_path: Path) -> None:
    elements = [{"type": "way", "id": 7, "nodes": [1, 2], "tags": {"highway": "residential"}}]
    with pytest.raises(Unusable, match="out geom"):
        read(written(tmp_path, {"elements": elements}))


def test_xml_that_defines_words_is_refused_and_what_breaks_off_too(tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a "aaaa">]><kml><Placemark/></kml>'
    for content, why in ((bomb, "defines words"), (KML[:600], "breaks off"), (OSM[:-40], "breaks off")):
        with pytest.raises(Unusable, match=why):
            lamps(written(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[TITLE]\n;;Project\n\n[OPTIONS]\nFLOW_UNITS CFS\n", "model of SWMM"),
        ("  0\nSECTION\n  2\nHEADER\n", "DXF"),
        ("<html><body>Error</body></html>", "web page"),
        ("<!DOCTYPE html>\n<html></html>", "web page"),
        ('<?xml version="1.0"?>\n<wfs:FeatureCollection xmlns:wfs="x"></wfs:FeatureCollection>', "GML"),
        ("<osmChange></osmChange>", "changes of OpenStreetMap"),
        ("<LandXML></LandXML>", "LandXML"),
        ("<svg></svg>", r"no map known here \(svg\): send KML"),
        (b"AC1027\0\0", "DWG"),
        (b"PAR1\0\0", "Parquet"),
        (b"\0\0\0\x0d\x0a\x09OSMHeader", "PBF"),
    ],
)
def test_what_cannot_be_read_says_what_to_send_instead(tmp_path: Path, content: Any, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        lamps(written(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "why"),
    [("content.xml", "OpenDocument"), ("xl/workbook.bin", "XLSB"), ("a.gdb/a1.gdbtable", "geodatabase")],
)
def test_a_zip_of_another_program_says_what_to_send_instead(tmp_path: Path, name: str, why: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(Unusable, match=why):
        lamps(written(tmp_path, packed.getvalue()))


@pytest.mark.parametrize("heading", ["[Pole ID],[Lon],[Lat]", "{Pole ID},{Lon},{Lat}", "[Code],lon,lat", "[1],lon,lat"])
def test_headings_in_brackets_are_headings(tmp_path: Path, heading: str) -> None:
    path = written(tmp_path, f"{heading}\nP1,24.9401,60.1701\nP2,24.9412,60.1711\n")
    assert [place(each) for each in lamps(path)] == [[24.9401, 60.1701], [24.9412, 60.1711]]


@pytest.mark.parametrize(
    ("x", "y", "system"),
    [(25_496_000, 6_672_000, "EPSG:3879"), (6_672_000, 25_496_000, "EPSG:3879"), (385_000, 6_672_000, "EPSG:3067")],
)
def test_the_citys_own_system_is_proposed_before_those_of_larger_areas(
    tmp_path: Path, x: int, y: int, system: str
) -> None:
    assert fitting(x, y, CATALOGUE.city.bounds)[0][0] == system
    text = f"code,x,y\nA,{x},{y}\nB,{x + 50},{y + 60}\n"
    with pytest.raises(Unusable, match=system):
        read(written(tmp_path, text), kind=LAMP)


def test_an_answer_of_overpass_that_was_cut_says_so(tmp_path: Path) -> None:
    node = {"type": "node", "id": 1, "lat": 60.17, "lon": 24.94, "tags": {"highway": "street_lamp"}}
    remark = "runtime error: Query timed out in query at line 3 after 26 seconds."
    with pytest.raises(Unusable, match="not whole: runtime error"):
        read(written(tmp_path, {"elements": [node], "remark": remark}), kind=LAMP)
    assert read(written(tmp_path, {"elements": [node], "remark": "42 of 42"}), kind=LAMP)[1]
