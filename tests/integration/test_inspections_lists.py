"""What people look for among findings, in which order, and as which file; on both engines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from services.inspections import exports, queries, tables, use_cases
from services.inspections.domain.findings import ALL, Finding, Sight, Sort
from services.inspections.domain.orders import Light
from shared import clock
from shared.db import Database
from shared.errors import Invalid
from shared.events.assets import AreaChanged
from shared.events.workorders import (
    OrderClosed,
    OrderCompleted,
    OrderDispatched,
    OrderEvent,
    OrderRegistered,
    OrderSupervised,
)
from shared.lists.exports import Export
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.test_inspections_findings import CATALOGUE, NIGHT, hotline, link, publish, report

HOUR = timedelta(hours=1)
SOUTH, NORTH = {"lon": 24.94, "lat": 60.16}, {"lon": 24.94, "lat": 60.19}


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "inspections", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with clock.frozen(NIGHT), left_as_found(made, tables.mapping.metadata) as lent:
        yield lent
        with lent.read() as session:
            queries.forget_rulebook(session)


def draw(database: Database) -> None:
    """Two districts, one north of the other; they meet at 60.175."""
    areas = [
        AreaChanged(
            revision=1, happened_at=NIGHT, recorded_at=NIGHT, level="district", code=code, name=code,
            west=24.9, south=south, east=25.0, north=north, area_m2=1.0,
            outline=[[[[24.9, south], [25.0, south], [25.0, north], [24.9, north], [24.9, south]]]],
        )
        for code, south, north in (("south", 60.15, 60.175), ("north", 60.175, 60.2))
    ]  # fmt: skip
    with database.begin() as session:
        use_cases.keep_areas(session, areas)


def found(database: Database, sight: Sight = ALL, limit: int = 100, **wanted: Any) -> list[Finding]:
    """All pages of a list."""
    listed: list[Finding] = []
    cursor = None
    with database.read() as session:
        while True:
            page = queries.find_findings(session, sight=sight, limit=limit, cursor=cursor, **wanted)
            listed, cursor = [*listed, *page.items], page.next
            if cursor is None:
                return listed


def ids(database: Database, **wanted: Any) -> list[UUID]:
    return [each.id for each in found(database, **wanted)]


def ordered(database: Database, kind: type[OrderEvent], finding: Finding, revision: int, **more: Any) -> None:
    known: dict[str, Any] = {
        "revision": revision, "happened_at": NIGHT, "recorded_at": NIGHT, "number": "20260302-000001",
        "state": "registered", "category": "lamp_out", "severity": "normal", "registered_at": NIGHT,
        "due_at": NIGHT + 10 * HOUR, "warn_at": NIGHT + 8 * HOUR, "rework_count": 0, "finding_id": finding.id,
    }  # fmt: skip
    with database.begin() as session:
        use_cases.keep_orders(session, [kind(**known | more)])


def test_what_waits_for_somebody_is_found_by_where_it_lies(database: Database) -> None:
    draw(database)
    one = hotline(database, location=SOUTH, facility_code=None)
    other = hotline(database, location=NORTH, facility_code=None)
    assert (one.district, other.district) == ("south", "north")
    assert ids(database, district=["south"], state=["reported"]) == [one.id]
    assert set(ids(database, district=["south", "north"])) == {one.id, other.id}
    assert ids(database, bbox=(24.9, 60.18, 25.0, 60.2)) == [other.id]
    assert ids(database, near=(24.94, 60.16, 50)) == [one.id]
    assert ids(database, near=(24.9412, 60.16, 50)) == []  # 66 m: a degree of longitude is half as long here
    assert ids(database, near=(24.9412, 60.16, 70)) == [one.id]


def test_a_district_that_is_drawn_later_has_what_waits_in_it(database: Database) -> None:
    early = hotline(database, location=SOUTH, facility_code=None)
    assert ids(database, district=[""]) == [early.id]
    draw(database)
    assert ids(database, district=["south"]) == [early.id]


def test_a_linked_finding_has_its_facilitys_kind_and_place(database: Database) -> None:
    draw(database)
    finding = report(database, location=SOUTH)
    link(database, finding.id, kind="street_light", district="north", street="Unioninkatu", grid="G-1")
    assert ids(database, kind=["street_light"], district=["north"], street="Unioninkatu", grid=["G-1"]) == [finding.id]
    assert ids(database, kind=["manhole"]) == ids(database, district=["south"]) == []
    unlinked = report(database, location=SOUTH, facility_code=None)
    link(database, unlinked.id, linked_by="none", facility_code=None)
    assert ids(database, district=["south"]) == [unlinked.id]


def test_words_are_found_in_any_spelling(database: Database) -> None:
    finding = report(database, description="路灯 Straße ＬＥＤ 不亮")
    link(database, finding.id, street="Unioninkatu")
    for words in ("路灯", "STRASSE", "led", "不亮", "uNION", "l-1"):
        assert ids(database, q=words) == [finding.id], words
    assert ids(database, q="manhole") == ids(database, q="%") == []


def test_times_and_days_are_those_of_the_city(database: Database) -> None:
    publish(database)  # Helsinki: NIGHT is 22 o'clock there
    finding = report(database, found_at=NIGHT - HOUR)
    with clock.frozen(NIGHT + 3 * HOUR):
        later = report(database, found_at=NIGHT, category="pothole")
    assert ids(database, reported_to=date(2026, 3, 2)) == [finding.id]
    assert ids(database, reported_from=date(2026, 3, 3)) == [later.id]
    assert ids(database, found_to=NIGHT - HOUR) == [finding.id]
    assert ids(database, found_from=NIGHT) == [later.id]


def test_a_finding_says_how_its_order_stands_whatever_comes_late(database: Database) -> None:
    finding = report(database)
    ordered(database, OrderSupervised, finding, 3, state="dispatched", supervised=True)
    ordered(database, OrderRegistered, finding, 1)
    (shown,) = found(database)
    assert shown.order is not None
    assert (shown.order.number, shown.order.state, shown.order.supervised) == ("20260302-000001", "open", True)
    assert ids(database, supervised=True) == [finding.id]
    assert ids(database, supervised=False) == []


@pytest.mark.parametrize("disposed_h", [None, 1, 9, 11])
@pytest.mark.parametrize("now_h", [0, 8, 9, 10, 12])
def test_the_light_that_is_asked_for_is_the_one_that_is_shown(
    database: Database, disposed_h: int | None, now_h: int
) -> None:
    finding, none = report(database), report(database, category="pothole")
    ordered(database, OrderRegistered, finding, 1)
    if disposed_h is not None:
        known_at = NIGHT + disposed_h * HOUR
        told = {"state": "completed", "disposed_at": NIGHT, "disposal_known_at": known_at}
        ordered(database, OrderCompleted, finding, 4, **told)
    with clock.frozen(NIGHT + now_h * HOUR):
        order = next(each.order for each in found(database) if each.id == finding.id)
        assert order is not None
        light, overdue = order.light(clock.now()), order.overdue(clock.now())
        assert ids(database, light=[light]) == [finding.id]
        assert ids(database, light=[each for each in Light if each != light]) == []
        assert ids(database, overdue=overdue, category=["lamp_out"]) == [finding.id]
        assert ids(database, overdue=False, category=["pothole"]) == [none.id]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_what_is_due_first_stands_first_and_what_has_no_order_last(database: Database, limit: int) -> None:
    reported = [report(database, category="pothole") for _ in range(4)]
    for finding, hours in zip(reported, (3, 1, 2), strict=False):
        ordered(database, OrderDispatched, finding, 2, due_at=NIGHT + hours * HOUR, number=str(hours))
    first, second, third, none = (each.id for each in (reported[1], reported[2], reported[0], reported[3]))
    assert ids(database, sort="due_at", limit=limit) == [first, second, third, none]
    assert ids(database, sort="-due_at", limit=limit) == [third, second, first, none]
    assert ids(database, due_from=NIGHT + HOUR, due_to=NIGHT + 2 * HOUR, sort="due_at", limit=limit) == [first, second]


@pytest.mark.parametrize(("sort", "other"), [*permutations(Sort, 2)])
def test_a_cursor_of_another_order_is_refused(database: Database, sort: Sort, other: Sort) -> None:
    for _ in range(2):
        report(database, category="pothole")
    with database.read() as session:
        cursor = queries.find_findings(session, sight=ALL, limit=1, cursor=None, sort=sort).next
        assert queries.find_findings(session, sight=ALL, limit=1, cursor=cursor, sort=sort).items
        with pytest.raises(Invalid):
            queries.find_findings(session, sight=ALL, limit=1, cursor=cursor, sort=other)


def test_a_number_that_a_citizen_was_told_finds_the_report(database: Database) -> None:
    finding, _ = report(database), report(database, category="pothole")
    assert ids(database, q=str(finding.id)) == ids(database, q=f" {finding.id} ") == [finding.id]


def test_who_reported_what_is_merged_hears_the_number_of_the_order_that_stands(database: Database) -> None:
    publish(database)
    first, second = report(database), report(database)
    ordered(database, OrderRegistered, first, 1)
    (merged,) = found(database, state=["merged"])
    assert (merged.id, merged.standing and merged.standing.order_number) == (second.id, "20260302-000001")


def test_a_code_is_found_in_its_usual_spelling_however_it_is_asked_for(database: Database) -> None:
    finding = report(database, facility_code="L-1")
    for code in ("L-1", "Ｌ－１", "L－1"):
        assert ids(database, facility_code=code) == [finding.id], code


def test_orders_of_alerts_are_passed_over(database: Database) -> None:
    with database.begin() as session:
        event = OrderClosed(
            revision=1, happened_at=NIGHT, recorded_at=NIGHT, number="1", state="closed", category="x",
            severity="normal", registered_at=NIGHT, due_at=NIGHT, rework_count=0, alert_id=uuid4(),
        )  # fmt: skip
        use_cases.keep_orders(session, [event])
        assert session.scalars(select(tables.finding_orders.c.finding_id)).all() == []


def exported(database: Database, sight: dict[str, Any], **arguments: str) -> bytes:
    """As a process of its own writes it; here, and there."""
    asked = {"arguments": arguments, "sight": sight}
    file = io.BytesIO()
    with database.read() as session:
        exports.write(exports.rows(session, asked), asked, file)
    export = Export("services.inspections.exports", database, asked)
    try:
        there = b"".join(export)
    finally:
        export.close()
    if arguments["format"] == "csv":  # a workbook holds the time of its making
        assert timeless(there) == timeless(file.getvalue())
    return file.getvalue()


def timeless(text: bytes) -> list[dict[str, str]]:
    """The rows without what depends on the present, which is another one in another process."""
    rows = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""))
    return [
        {
            name: value
            for name, value in row.items()
            if name not in (*exports.OF_NOW, *map(exports.OF_ORDER_ZH.get, exports.OF_NOW))
        }
        for row in rows
    ]


def test_an_export_holds_what_the_list_does_with_times_of_the_city(database: Database) -> None:
    publish(database)
    finding = report(database, description="=1+1")
    ordered(database, OrderRegistered, finding, 1)
    report(database, category="pothole", reporter="inspector-2")
    mine = {"reporter": "inspector-1", "unit": None}
    text = exported(database, mine, format="csv", category="lamp_out,pothole").decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["id"], row["description"], row["found_at"]) == (str(finding.id), "'=1+1", "2026-03-02T22:00:00+02:00")
    assert (row["order_number"], row["supervised"], row["overdue"]) == ("20260302-000001", "false", "false")
    book = load_workbook(io.BytesIO(exported(database, mine, format="xlsx")))
    sheet = book.worksheets[0]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", f"A1:AG{sheet.max_row}")
    cells = dict(zip([each.value for each in sheet[1]], sheet[2], strict=True))
    assert cells["found_at"].value == datetime(2026, 3, 2, 22, tzinfo=UTC).replace(tzinfo=None)
    assert (cells["found_at"].is_date, cells["overdue"].value, cells["description"].value) == (True, False, "'=1+1")


def test_an_export_can_be_in_chinese(database: Database) -> None:
    publish(database, content=CATALOGUE | {"categories": {"lamp_out": {"groups": ["lighting"], "zh": "灯不亮"}}})
    ordered(database, OrderRegistered, report(database), 1)
    text = exported(database, {"reporter": None, "unit": None}, format="csv", lang="zh").decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    named = ("状态", "类别", "严重程度", "工单状态", "督办")
    assert [row[each] for each in named] == ["已核实", "灯不亮", "一般", "处置中", "否"]
    assert not [each for each in row if each.isascii()]
