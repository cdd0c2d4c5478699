"""Facilities: codes, measures, conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.assets import tables  # noqa: F401  facilities are mapped in production, so they are here
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import (
    MOVES,
    Action,
    BadCode,
    Condition,
    Facility,
    IllegalChange,
    NotMeasurable,
    UnknownKind,
    checked_code,
    new_facility,
    taken_milli,
    under_defects,
)

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
POINT = {"type": "Point", "coordinates": [24.94, 60.17]}
ROAD = {"type": "LineString", "coordinates": [[24.94, 60.17], [24.94, 60.171]]}  # 111.4 m


def a_facility(**described: Any) -> Facility:
    described = {"code": "L-1", "kind": "street_light", "geometry": POINT} | described
    return new_facility(the_catalogue(), at=NOW, **described)


@pytest.mark.parametrize("code", ["3205080101000001", "路灯-7", "A B", "a.b", "lamp#1?", "💡"])
def test_any_unique_text_is_a_code(code: str) -> None:
    assert checked_code(code) == code


@pytest.mark.parametrize("code", ["", "a/b", "imports", "export", "a\x00b", "a\nb", " a", ".", "..", "x" * 101])
def test_a_code_must_fit_an_address(code: str) -> None:
    with pytest.raises(BadCode):
        checked_code(code)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UnknownKind) as refused:
        a_facility(kind="lamp_post")
    assert refused.value.field == "kind"


def test_a_lamp_counts_one() -> None:
    assert a_facility().measure == 1
    assert a_facility().unit == "count"


def test_a_pipe_is_as_long_as_its_line() -> None:
    assert a_facility(kind="drain_pipe", geometry=ROAD).measure == pytest.approx(111.4, abs=0.1)


def test_a_road_with_a_width_has_its_area() -> None:
    road = a_facility(kind="carriageway", geometry=ROAD, attributes={"width": 8, "lanes": 2})
    assert road.measure == pytest.approx(111.4 * 8, abs=1)
    assert not road.measure_estimated


def test_a_road_without_a_width_is_estimated_by_its_lanes_and_says_so() -> None:
    road = a_facility(kind="carriageway", geometry=ROAD, attributes={"lanes": "2", "class": "residential"})
    assert road.measure == pytest.approx(111.4 * 2 * 3.25, abs=1)
    assert road.measure_estimated


def test_a_road_without_lanes_is_estimated_by_its_class_else_by_its_kind() -> None:
    by_class = a_facility(kind="carriageway", geometry=ROAD, attributes={"class": "primary", "width": "narrow"})
    by_kind = a_facility(kind="carriageway", geometry=ROAD)
    assert by_class.measure == pytest.approx(111.4 * 7, abs=1)
    assert by_kind.measure == pytest.approx(111.4 * 6, abs=1)
    assert by_class.measure_estimated
    assert by_kind.measure_estimated


def test_a_measure_that_was_given_is_taken_as_it_is() -> None:
    road = a_facility(kind="carriageway", geometry=POINT, measure=123.4567)
    assert (road.measure, road.measure_estimated) == (123.457, False)


def test_a_point_does_not_tell_how_long_a_pipe_is() -> None:
    with pytest.raises(NotMeasurable) as refused:
        a_facility(kind="drain_pipe")
    assert refused.value.field == "measure"


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("condition", list(Condition))
def test_only_the_moves_of_the_table_are_possible(action: Action, condition: Condition) -> None:
    facility = a_facility()
    facility.condition = condition
    if condition in MOVES[action]:
        facility.act(action, at=NOW)
        assert facility.revision == 2
    else:
        with pytest.raises(IllegalChange):
            facility.act(action, at=NOW)


def test_coming_back_into_service_it_is_as_its_defects_leave_it() -> None:
    facility = a_facility()
    facility.act(Action.PUT_OUT_OF_SERVICE, at=NOW, reason="tram works")
    assert facility.out_of_service_reason == "tram works"
    facility.act(Action.RETURN_TO_SERVICE, at=NOW, broken_milli=1000)
    assert (facility.condition, facility.defective) == ("defective", 1.0)
    assert not facility.out_of_service_reason


def test_overlapping_defects_never_take_more_than_the_facility_has() -> None:
    assert under_defects("intact", 100_000, 12_000) == (Condition.DEFECTIVE, 12_000)
    assert under_defects("defective", 100_000, 250_000) == (Condition.DEFECTIVE, 100_000)
    assert under_defects("defective", 100_000, None) == (Condition.INTACT, 0)


def test_defects_do_not_bring_a_facility_back_into_service() -> None:
    assert under_defects("out_of_service", 1000, 1000) == (Condition.OUT_OF_SERVICE, 0)
    assert under_defects("retired", 1000, None) == (Condition.RETIRED, 0)


def test_a_pothole_takes_what_was_measured_else_what_the_catalogue_assumes() -> None:
    assert taken_milli(12.0, "m2", the_catalogue()) == 12_000
    assert taken_milli(None, "m2", the_catalogue()) == 1_000


def test_a_better_width_measures_an_estimated_road_anew() -> None:
    road = a_facility(kind="carriageway", geometry=ROAD)
    road.revise({"attributes": {"width": 10}}, the_catalogue(), at=NOW)
    assert road.measure == pytest.approx(1114, abs=1)
    assert not road.measure_estimated
