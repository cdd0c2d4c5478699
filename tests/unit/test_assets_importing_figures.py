"""How much there is of a row: never a figure of another unit, another mark, or another reading than was shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assets.domain.facilities import new_facility
from services.assets.importing import Options, Row, Understood, Unusable
from tests.unit.importing import CATALOGUE, LAMP, drafts, read, written

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


def test_each_kind_of_a_mixed_file_has_its_own_measure(tmp_path: Path) -> None:
    text = "code,kind,lon,lat,Length,Area,Width\nA,drain_pipe,24.94,60.17,50,7,\nB,carriageway,24.95,60.17,60,400,\n"
    text += "C,bridge,24.96,60.17,70,800,\nD,carriageway,24.95,60.17,60,,5\n"
    found = read(written(tmp_path, text))[1]
    assert registered(found) == [(50, False), (400, False), (1, False), (300, False)]
    assert drafts(found)[2]["attributes"]["length_m"] == 70


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
