"""Files that cities publish, as they are: every row is counted and explained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.assets.importing.rules import REFUSED, REPAIRED
from tests.unit.importing import LAMP, drafts, read

pytestmark = pytest.mark.thorough
DATA = Path(__file__).parents[1] / "data"
PAGE = Path(__file__).parents[2] / "docs" / "importing.md"


@pytest.mark.parametrize(
    ("name", "options", "kinds", "refused"),
    [
        ("cambridge_ma_streetlights", {"kind": LAMP}, {LAMP: 6_117}, {}),
        ("cambridge_ma_streetlights_notcity", {"kind": LAMP}, {LAMP: 1_590}, {}),
        ("vt_Barre_PointFeatures", {}, {"manhole": 1_244, "inlet": 2}, {}),
        ("vt_Montpelier_PointFeatures", {}, {"manhole": 997, "inlet": 50, "outfall": 6}, {"unknown-kind": 6}),
        ("vt_Barre_LinearFeatures", {}, {"drain_pipe": 1_120}, {}),
        ("vt_Montpelier_LinearFeatures", {}, {"drain_pipe": 1_133}, {}),
        ("cambridge_ma_drainage", {}, {"box_culvert": 111, "channel": 14, "drain_pipe": 12}, {}),
    ],
)
def test_each_file_is_read_as_it_is(
    name: str, options: dict[str, Any], kinds: dict[str, int], refused: dict[str, int]
) -> None:
    understood, found = read(DATA / f"{name}.geojson", name, **options)
    assert Counter(row.draft["kind"] for row in found if row.draft) == kinds
    assert Counter(row.reject[0] for row in found if row.reject) == refused
    assert len({row.draft["code"] for row in found if row.draft}) == sum(kinds.values())
    assert understood.rows_total == len(found)


def test_cambridges_lights_keep_what_is_known_and_leave_out_what_is_not() -> None:
    understood, found = read(DATA / "cambridge_ma_streetlights.geojson", kind=LAMP)
    assert understood.mapping["code"] == "PoleID"
    assert understood.left_out == ["id"]
    known = [each["attributes"] for each in drafts(found)]
    assert sum("FixtureType" not in each for each in known) == 1_278 + 26 + 1  # absent, "`" and "?"
    assert sum(each.get("FixtureType") == "A2 / A3" for each in known) == 15
    assert Counter(each.get("lamps") for each in known) == {1: 5_825, 2: 185, None: 98, 0: 4, 4: 4, 3: 1}
    assert sum(each.get("lamp_type") == "led" for each in known) == 5_949


def test_vermonts_networks_are_the_catalogues_and_its_ids_no_codes() -> None:
    understood, found = read(DATA / "vt_Montpelier_PointFeatures.geojson", kind="manhole", kind_column="Type")
    assert "code" not in understood.mapping
    assert Counter(each["attributes"]["network"] for each in drafts(found)) == {"sewage": 976, "combined": 83}
    assert sum(rule == "kind-assumed" for row in found for rule, _ in row.repairs) == 6


def test_the_page_explains_every_rule() -> None:
    page = PAGE.read_text(encoding="utf-8")
    tables = [page.partition(heading)[2].partition("\n## ")[0] for heading in ("\n## Refused", "\n## Repaired")]
    for table, rules in zip(tables, (REFUSED, REPAIRED), strict=True):
        shown = dict(line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `"))
        assert shown == {f"`{rule}`": text for rule, text in rules.items()}
