"""What people look for among orders, in which order, and as which file; on both engines."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from itertools import permutations, product
from typing import Any
from uuid import uuid4

import pytest
from openpyxl import load_workbook

from services.workorders import exports, queries
from services.workorders.domain.clocks import Light
from services.workorders.domain.orders import ALL, Order, Sight, Sort
from services.workorders.use_cases import copies, moving
from services.workorders.use_cases.moving import Mover
from shared import clock
from shared.db import Database
from shared.errors import Invalid
from shared.events.assets import FacilityRenumbered
from shared.lists.exports import Export
from tests.integration.test_workorders_opening import NOON, database, defect, open_for

__all__ = ["database"]
HOUR = timedelta(hours=1)
CREW = Mover(name="crew-1")


def found(database: Database, sight: Sight = ALL, limit: int = 100, **wanted: Any) -> list[Order]:
    """All pages of a list."""
    listed: list[Order] = []
    cursor = None
    with database.read() as session:
        while True:
            page = queries.list_orders(session, sight=sight, limit=limit, cursor=cursor, **wanted)
            listed, cursor = [*listed, *page.items], page.next
            if cursor is None:
                return listed


def ids(database: Database, **wanted: Any) -> list[int]:
    return [each.id for each in found(database, **wanted)]


@pytest.fixture
def orders(database: Database) -> Database:
    """1: a lamp in the south-west; 2: a serious one in the south-east, registered a day later; 3: of nobody."""
    open_for(database, defect(street="Unioninkatu", summary="Straße dark", maintainer="A, B & Söhne"))
    with clock.frozen(NOON + 24 * HOUR):
        open_for(database, defect(district="southeast", severity="serious", facility_code="L-2", longitude=24.96))
        open_for(database, defect(district=None, category="other", kind=None, facility_code=None, longitude=None))
    return database


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"district": ["southwest"]}, [1]),
        ({"district": ["southwest", "southeast"]}, [2, 1]),
        ({"district": [""]}, [3]),
        ({"district": ["", "southwest"]}, [3, 1]),
        ({"kind": ["street_light"], "category": ["lamp_out"]}, [2, 1]),
        ({"severity": ["serious", "emergency"]}, [2]),
        ({"state": ["dispatched"]}, [2, 1]),
        ({"state": ["dispatched", "registered"]}, [3, 2, 1]),
        ({"crew": [""]}, [3]),
        ({"facility_code": "L-2"}, [2]),
        ({"facility_code": "Ｌ－２"}, [2]),
        ({"kind": [""]}, [3]),
        ({"maintainer": "A, B & Söhne"}, [1]),
        ({"bbox": (24.955, 60.1, 24.97, 60.2)}, [2]),
        ({"near": (24.96, 60.18, 100)}, [2]),
        ({"near": (24.955, 60.18, 300)}, [2, 1]),
        ({"q": "union"}, [1]),
        ({"q": "STRASSE"}, [1]),
        ({"q": "l-2"}, [2]),
        ({"q": "20260303-000002"}, [2]),
        ({"q": "2"}, [2]),
        ({"registered_to": date(2026, 3, 2)}, [1]),
        ({"registered_from": date(2026, 3, 3)}, [3, 2]),
        ({"registered_from": NOON, "registered_to": NOON}, [1]),
        ({"due_to": NOON + 24 * HOUR}, [1]),
        ({"due_from": date(2026, 3, 4)}, [3, 2]),
        ({"supervised": False}, [3, 2, 1]),
        ({"sort": "registered_at"}, [1, 2, 3]),
        ({"sort": "due_at"}, [1, 2, 3]),
        ({"sort": "-due_at"}, [3, 2, 1]),
    ],
)
def test_orders_are_found_by_what_people_ask(orders: Database, wanted: dict[str, Any], expected: list[int]) -> None:
    assert ids(orders, **wanted) == ids(orders, limit=1, **wanted) == expected


@pytest.mark.parametrize(("sort", "other"), [*permutations(Sort, 2)])
def test_a_cursor_of_another_order_is_refused(orders: Database, sort: Sort, other: Sort) -> None:
    with orders.read() as session:
        cursor = queries.list_orders(session, sight=ALL, limit=1, cursor=None, sort=sort).next
        with pytest.raises(Invalid):
            queries.list_orders(session, sight=ALL, limit=1, cursor=cursor, sort=other)


def test_a_crew_finds_its_own_orders_only(orders: Database) -> None:
    sight = Sight(crew="crew-southwest")
    assert [each.id for each in found(orders, sight, state=["dispatched"])] == [1]
    assert found(orders, sight, district=["southeast"]) == []


def test_what_a_crew_wrote_is_found(orders: Database) -> None:
    number = found(orders, facility_code="L-1")[0].number
    with orders.begin() as session:
        moving.accept(session, number, CREW)
        moving.start(session, number, CREW)
        moving.complete(session, number, CREW, note="Fuse ＲＥＰＬＡＣＥＤ", photos=[], quantity=None)
        moving.supervise(session, number, CREW, note="")
    assert ids(orders, q="fuse replaced") == ids(orders, supervised=True) == [1]


def complete(database: Database, number: str, hours: int) -> None:
    with clock.frozen(NOON + hours * HOUR), database.begin() as session:
        for move in (moving.accept, moving.start):
            move(session, number, CREW)
        moving.complete(session, number, CREW, note="", photos=[], quantity=None)


def test_the_light_that_is_asked_for_is_the_one_that_is_shown(database: Database) -> None:
    """Due after 24 hours, yellow after 19.2; whether disposed or not, whenever one looks."""
    for hours in (None, 1, 20, 25):
        open_for(database, defect())
        if hours is not None:
            complete(database, found(database)[0].number, hours)
    for now, light in product((26, 48), Light):
        with clock.frozen(NOON + now * HOUR):
            shown = [each.id for each in found(database) if each.light(clock.now()) == light]
            assert ids(database, light=[light]) == shown
            late = [each.id for each in found(database) if each.overdue(clock.now())]
            assert ids(database, overdue=True) == late == [1]


def exported(database: Database, sight: dict[str, Any], **arguments: str) -> bytes:
    asked = {"arguments": arguments, "sight": sight}
    file = io.BytesIO()
    with database.read() as session:
        exports.write(exports.rows(session, asked), asked, file)
    return file.getvalue()


ALL_ORDERS = {"crew": None, "unit": None}


def test_an_export_holds_what_the_list_does_with_times_of_the_city(orders: Database) -> None:
    text = exported(orders, ALL_ORDERS, format="csv", sort="due_at", district="southwest,southeast").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [each["number"] for each in rows] == ["20260302-000001", "20260303-000002"]
    assert (rows[0]["registered_at"], rows[0]["light"]) == ("2026-03-02T14:00:00+02:00", "green")
    sheet = load_workbook(io.BytesIO(exported(orders, ALL_ORDERS, format="xlsx"))).worksheets[0]
    assert (sheet.freeze_panes, sheet.max_row) == ("A2", 4)
    assert sheet.auto_filter.ref.startswith("A1:")
    cells = dict(zip([each.value for each in sheet[1]], sheet[4], strict=True))
    assert cells["number"].value == "20260302-000001"
    assert cells["registered_at"].value == NOON.replace(tzinfo=None) + 2 * HOUR


def test_a_crews_export_holds_its_own_orders_in_a_process_of_its_own(orders: Database) -> None:
    asked = {"arguments": {"format": "csv"}, "sight": {"crew": "crew-southwest", "unit": None}}
    export = Export("services.workorders.exports", orders, asked)
    try:
        text = b"".join(export).decode("utf-8-sig")
    finally:
        export.close()
    assert [each["crew"] for each in csv.DictReader(io.StringIO(text, newline=""))] == ["crew-southwest"]


def test_more_rows_than_a_workbook_takes_are_counted_no_further(orders: Database) -> None:
    asked: dict[str, Any] = {"arguments": {"state": "dispatched"}, "sight": ALL_ORDERS}
    with orders.read() as session:
        assert [exports.are_over(session, count, asked) for count in (1, 2)] == [True, False]


def test_an_export_can_be_in_chinese(orders: Database) -> None:
    text = exported(orders, ALL_ORDERS, format="csv", lang="zh", category="lamp_out").decode("utf-8-sig")
    row = next(csv.DictReader(io.StringIO(text, newline="")))
    assert [row[each] for each in ("状态", "红绿灯", "严重程度", "督办")] == ["派遣", "绿", "严重", "否"]
    assert not [each for each in row if each.isascii()]


def renumbered(code: str, *former: str, revision: int) -> FacilityRenumbered:
    return FacilityRenumbered(
        revision=revision, happened_at=NOON, recorded_at=NOON, code=code, former_codes=list(former)
    )


def keep(database: Database, *events: FacilityRenumbered) -> None:
    with database.begin() as session:
        copies.keep_codes(session, events)


@pytest.mark.parametrize("heard", list(permutations(range(3))))
def test_an_order_is_found_by_every_code_of_its_facility_whatever_is_heard_first(
    database: Database, heard: tuple[int, ...]
) -> None:
    first, second = renumbered("L-2", "L-1", revision=2), renumbered("L-3", "L-1", "L-2", revision=3)
    opening = defect(facility_code="L-1")
    steps = (
        lambda: keep(database, first),
        lambda: keep(database, second),
        lambda: open_for(database, opening),
    )
    for each in (*heard, 0, 1):
        steps[each]()
    (order,) = found(database)
    assert (order.facility_code, order.revision) == ("L-3", 2)
    for code in ("L-1", "L-2", "L-3"):
        assert ids(database, facility_code=code) == ids(database, q=code) == [order.id]


@pytest.mark.parametrize("heard", list(permutations(range(2))))
def test_a_code_that_is_taken_back_is_the_present_one(database: Database, heard: tuple[int, ...]) -> None:
    open_for(database, defect(facility_code="L-1"), defect(uuid4(), facility_code="L-9"))
    events = (renumbered("L-2", "L-1", revision=2), renumbered("L-1", "L-2", revision=3))
    for each in heard:
        keep(database, events[each])
    assert len(ids(database, facility_code="L-1")) == len(ids(database, facility_code="L-2")) == 1
    assert found(database, facility_code="L-2")[0].facility_code == "L-1"
    assert found(database, facility_code="L-9")[0].facility_code == "L-9"
