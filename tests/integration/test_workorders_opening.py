"""Orders are opened and dispatched from events, on both engines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text

from deploy.migrations import migrate
from deploy.recount import recount_rows, recount_sums
from deploy.restored import STEP
from deploy.servers import Postgres
from services.workorders import figures, queries, tables
from services.workorders.domain.catalogue import UnknownKind
from services.workorders.domain.orders import ALL, Order, Sight, State, Step
from services.workorders.domain.places import UnitNotKnown, UnknownDistrict
from services.workorders.sample import load_sample
from services.workorders.use_cases import accounts, alerts, copies, crews, duplicates, moving, opening
from services.workorders.use_cases.moving import Mover
from services.workorders.use_cases.telling import ORDERS_BY_STATE
from shared import clock, tallies
from shared.db import Database, kernel
from shared.errors import Invalid
from shared.events.alerts import AlertCleared, AlertEscalated, AlertEvent, AlertMoved, AlertRaised
from shared.events.assets import AreaChanged, CataloguePublished, DefectDuplicated, DefectRecorded, UnitChanged
from shared.events.inspections import FindingSeenAgain
from shared.outbox import outbox

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LIMITS = {"dispose": {"amount": 24, "clock": "urgent_hour"}, "rework": {"amount": 2, "clock": "urgent_hour"}}
CATALOGUE = {
    "kinds": {"street_light": {"group": "lighting"}},
    "categories": {
        "lamp_out": {"groups": ["lighting"], "limits": LIMITS},
        "standing_water": {"groups": ["drainage"], "limits": {"dispose": {"amount": 1, "clock": "urgent_hour"}}},
    },
    "lighting": {"timezone": "Europe/Helsinki"},
}


MOVE_FIELDS = [column.key for column in tables.order_moves.c if column.key not in ("id", "order_id")]
MADE_BY_MOVES = ("id", "state", "revision", "crew", "rule")
UNMOVED = [column.key for column in tables.work_orders.c if column.key not in MADE_BY_MOVES]


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/workorders.sqlite"
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("servers").postgres
        server.drop_database("orders")
        url = server.create_database("orders")
    made = Database(url, connections=4)
    migrate(made.engine, "workorders", tables.mapping.metadata)
    load_sample(made)
    with clock.frozen(NOON), made.begin() as session:
        copies.keep_catalogue(session, [catalogue(1)])
    with clock.frozen(NOON):
        yield made
    made.close()


def catalogue(revision: int, content: dict[str, Any] = CATALOGUE) -> CataloguePublished:
    return CataloguePublished(revision=revision, happened_at=NOON, recorded_at=NOON, name="city", catalogue=content)


def defect(finding_id: UUID | None = None, **more: Any) -> DefectRecorded:
    known: dict[str, Any] = {
        "revision": 1, "happened_at": NOON, "recorded_at": NOON, "finding_id": finding_id or uuid4(), "open": True,
        "category": "lamp_out", "severity": "normal", "source": "patrol", "longitude": 24.95, "latitude": 60.18,
        "breaks_function": True, "linked_by": "code", "reported_at": NOON, "confirmed_at": NOON,
        "facility_code": "L-1", "kind": "street_light", "district": "southwest", "photos": ["a" * 64],
    }  # fmt: skip
    return DefectRecorded(**known | more)


def alert(**more: Any) -> AlertRaised:
    known: dict[str, Any] = {
        "revision": 1, "happened_at": NOON, "recorded_at": NOON, "alert_id": uuid4(), "source": "gauge-1",
        "kind": "water_level", "severity": "major", "active": True, "acknowledged": False, "since": NOON,
        "value": 0.3, "unit": "m", "longitude": 24.95, "latitude": 60.18, "district": "southwest",
        "order_category": "standing_water",
    }  # fmt: skip
    return AlertRaised(**known | more)


def open_for(database: Database, *events: DefectRecorded) -> None:
    with database.begin() as session:
        opening.open_for_defects(session, events)


def only_order(database: Database) -> Order:
    with database.read() as session:
        order = session.scalars(select(Order)).one()
        assert order.moves
        assert order.photos is not None
        return order


def told(database: Database) -> list[str]:
    with database.read() as session:
        return [row.event_type for row in session.execute(select(outbox.c.event_type).order_by(outbox.c.id))]


def test_a_defect_becomes_an_order_for_the_crew_of_its_district(database: Database) -> None:
    open_for(database, defect())
    order = only_order(database)
    assert (order.state, order.crew, order.rule) == (State.DISPATCHED, "crew-southwest", "crew of the district")
    assert (order.due_at, order.limit.source) == (NOON + timedelta(hours=24), "catalogue 1: lamp_out, dispose")
    assert [(each.move, each.to_state) for each in order.moves] == [
        ("register", State.REGISTERED),
        ("dispatch", State.DISPATCHED),
    ]
    assert (order.group, order.revision, order.photos[0].state) == ("lighting", 2, "awaited")
    assert told(database) == ["workorders.order_registered.v1", "workorders.order_dispatched.v1"]


def test_the_rows_that_opening_writes_are_what_the_moves_of_an_order_make(database: Database) -> None:
    open_for(database, defect())
    opened = only_order(database)
    moved = Order(**{name: getattr(opened, name) for name in UNMOVED})
    moved.id = opened.id
    moved.register(Step(by="system", at=NOON, recorded_at=NOON))
    moved.dispatch(Step(by="system", at=NOON, recorded_at=NOON), crew=str(opened.crew), rule=opened.rule)
    for column in tables.work_orders.c:
        assert getattr(opened, column.key) == getattr(moved, column.key), column.key
    for theirs, ours in zip(opened.moves, moved.moves, strict=True):
        for name in MOVE_FIELDS:
            assert getattr(theirs, name) == getattr(ours, name), name


def test_a_finding_never_gets_a_second_order_whatever_the_revision_and_however_often_it_comes(
    database: Database,
) -> None:
    finding = uuid4()
    open_for(database, defect(finding, revision=7), defect(finding, revision=3), defect())
    open_for(database, defect(finding, revision=9))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(tables.work_orders)) == 2
        assert session.scalar(select(func.count()).select_from(tables.order_moves)) == 4
    assert len(told(database)) == 4


def test_an_order_that_no_rule_fits_waits_for_a_dispatcher(database: Database) -> None:
    open_for(database, defect(district=None, facility_code=None, kind=None, linked_by="none"))
    assert (only_order(database).state, only_order(database).crew) == (State.REGISTERED, None)
    assert told(database) == ["workorders.order_registered.v1"]


def test_a_rule_that_somebody_adds_counts_for_the_next_order(database: Database) -> None:
    with database.begin() as session:
        crews.register_crew(session, code="night", name="Night", districts=[], kinds=["lighting"])
        crews.add_rule(session, rule={"name": "lamps by night", "priority": 1, "group": "lighting", "crew": "night"})
    open_for(database, defect())
    assert (only_order(database).crew, only_order(database).rule) == ("night", "lamps by night")


def test_an_alert_opens_one_emergency_order_where_its_rule_says_so(database: Database) -> None:
    raised = alert()
    with database.begin() as session:
        alerts.open_for_alerts(session, [raised, raised, alert(order_category=None)])
    order = only_order(database)
    assert (order.alert_id, order.severity, order.category) == (raised.alert_id, "emergency", "standing_water")
    assert order.due_at == NOON + timedelta(hours=1)


def test_an_alert_opens_its_order_when_it_has_grown_severe_enough(database: Database) -> None:
    raised = alert(order_category=None)
    risen = AlertEscalated(**asdict(raised) | {"revision": 2, "order_category": "standing_water"})
    with database.begin() as session:
        alerts.open_for_alerts(session, [raised, risen, risen])
    assert only_order(database).alert_id == raised.alert_id


def worse(raised: AlertRaised, revision: int, **more: Any) -> AlertEscalated:
    known = {"revision": revision, "severity": "severe", "value": 0.35, **more}
    return AlertEscalated(**asdict(raised) | known)


def follow(database: Database, *events: AlertEvent) -> Order:
    with database.begin() as session:
        alerts.open_for_alerts(session, events)
    return only_order(database)


def moves_of(database: Database) -> list[str]:
    return [each.move for each in only_order(database).moves]


def test_an_order_follows_its_alert_and_a_late_event_does_not_take_it_back(database: Database) -> None:
    raised = alert(value=0.12, severity="minor")
    assert follow(database, raised).summary == "water_level at gauge-1: 0.12 m, minor"
    for events in ([worse(raised, 2)], [raised], [worse(raised, 2)], [worse(raised, 3, value=0.6), worse(raised, 1)]):
        follow(database, *events)
    order = only_order(database)
    assert (order.summary, order.state) == ("water_level at gauge-1: 0.6 m, severe", State.DISPATCHED)
    assert moves_of(database) == ["register", "dispatch", "follow_alert", "follow_alert"]
    assert order.moves[2].note == "water_level at gauge-1: 0.35 m, severe"
    assert order.revision == 4


def test_the_order_of_an_alert_whose_first_event_comes_last_tells_the_worst(database: Database) -> None:
    raised = alert()
    follow(database, worse(raised, 2))
    assert follow(database, raised).summary.endswith("severe")
    assert moves_of(database) == ["register", "dispatch"]


def test_an_order_without_a_district_goes_to_its_crew_once_that_is_known(database: Database) -> None:
    raised = alert(district=None)
    assert follow(database, raised).crew is None
    found = AlertMoved(**asdict(raised) | {"revision": 2, "district": "southwest"})
    order = follow(database, found)
    assert (order.district, order.crew, order.state) == ("southwest", "crew-southwest", State.DISPATCHED)
    assert told(database)[-1] == "workorders.order_dispatched.v1"
    with database.read() as session:
        assert {name: tallies.read(session, name) for name in figures.recount(session)} == figures.recount(session)


def test_an_order_that_was_handed_back_is_not_given_away_again(database: Database) -> None:
    raised = alert()
    number, mover = follow(database, raised).number, Mover(name="dispatcher-1")
    with database.begin() as session:
        moving.decline(session, number, mover, reason="Not ours.")
    assert follow(database, worse(raised, 2)).state is State.REGISTERED


def do_the_work(database: Database, number: str, mover: Mover) -> None:
    with database.begin() as session:
        moving.accept(session, number, mover)
        moving.start(session, number, mover)
        moving.complete(session, number, mover, note="Pumped.", photos=[], quantity=None)


@pytest.mark.parametrize(("checked", "move"), [(True, "reopen"), (False, "send_again")])
def test_work_that_is_done_begins_again_when_its_alert_gets_worse(database: Database, checked: bool, move: str) -> None:
    raised = alert()
    number, mover = follow(database, raised).number, Mover(name="dispatcher-1")
    do_the_work(database, number, mover)
    if checked:
        with database.begin() as session:
            moving.check(session, number, mover, passed=True, note="")
    with clock.frozen(NOON + timedelta(hours=5)):
        assert follow(database, raised).state is (State.CLOSED if checked else State.COMPLETED)
        order = follow(database, worse(raised, 2))
    assert (order.state, order.crew, order.due_at) == (State.DISPATCHED, "crew-southwest", NOON + timedelta(hours=6))
    assert moves_of(database)[-2:] == [move, "follow_alert"]
    with database.read() as session:
        assert {name: tallies.read(session, name) for name in figures.recount(session)} == figures.recount(session)


@pytest.mark.parametrize("together", [True, False])
def test_an_alert_that_got_worse_and_then_moved_is_not_less_bad(database: Database, together: bool) -> None:
    raised = alert()
    number, mover = follow(database, raised).number, Mover(name="dispatcher-1")
    do_the_work(database, number, mover)
    severe = worse(raised, 2, recorded_at=NOON + timedelta(hours=1))
    moved = AlertMoved(**asdict(severe) | {"revision": 3, "longitude": 24.95})
    for events in [(severe, moved)] if together else [(moved,), (severe,)]:
        order = follow(database, *events)
    assert (order.state, order.longitude) == (State.DISPATCHED, 24.95)


def test_an_order_that_is_void_stays_so(database: Database) -> None:
    raised = alert()
    number = follow(database, raised).number
    with database.begin() as session:
        moving.void(session, number, Mover(name="dispatcher-1"), reason="duplicate", note="")
    assert follow(database, worse(raised, 2)).state is State.VOID


def left(database: Database) -> dict[tuple[str, ...], int]:
    with database.read() as session:
        return figures.count_left(session)


def cleared(raised: AlertRaised, revision: int = 9) -> AlertCleared:
    return AlertCleared(**asdict(raised) | {"revision": revision, "active": False})


def end(database: Database, *events: AlertCleared) -> None:
    with database.begin() as session:
        alerts.end_alerts(session, events)


@pytest.mark.parametrize("how", [State.COMPLETED, State.CLOSED, State.VOID])
def test_an_order_that_is_done_with_while_its_alert_stands_says_so_until_that_ends(
    database: Database, how: State
) -> None:
    raised = alert()
    number, mover = follow(database, raised).number, Mover(name="dispatcher-1")
    assert left(database) == {}
    with database.begin() as session:
        if how is State.VOID:
            done = moving.void(session, number, mover, reason="unfounded", note="")
        else:
            moving.accept(session, number, mover)
            moving.start(session, number, mover)
            done = moving.complete(session, number, mover, note="Pumped.", photos=[], quantity=None)
        if how is State.CLOSED:
            done = moving.check(session, number, mover, passed=True, note="")
        assert (done.state, done.alert_active) == (how, True)
    follow(database, AlertMoved(**asdict(raised) | {"revision": 2, "longitude": 24.951}))
    assert left(database) == {(how.value, "southwest"): 1}
    with database.read() as session:
        listed = queries.list_orders(session, sight=ALL, limit=5, cursor=None, alert_active=True, state=[how.value])
        assert [each.number for each in listed.items] == [number]
        samples = [s for metric in figures.collect(session) for s in metric.samples if "without" in s.name]
    assert [(each.name, each.labels, each.value) for each in samples] == [
        ("waywarden_alerts_without_open_order", {"state": how.value, "district": "southwest"}, 1)
    ]
    before = only_order(database).revision
    end(database, cleared(raised))
    assert left(database) == {}
    assert (only_order(database).alert_active, only_order(database).revision) == (False, before)


def test_an_alert_that_ended_before_anybody_heard_of_it_leaves_no_order_behind_that_says_it_stands(
    database: Database,
) -> None:
    raised = alert()
    end(database, cleared(raised), cleared(alert(order_category=None)))
    follow(database, raised, worse(raised, 2))
    order = only_order(database)
    assert (order.alert_id, order.alert_active) == (raised.alert_id, False)
    with database.read() as session:
        assert {name: tallies.read(session, name) for name in figures.recount(session)} == figures.recount(session)


def test_an_alert_that_stands_again_after_its_database_was_restored_stands_for_its_order_too(
    database: Database,
) -> None:
    raised = alert()
    number = follow(database, raised).number
    with database.begin() as session:
        moving.void(session, number, Mover(name="dispatcher-1"), reason="unfounded", note="")
    end(database, cleared(raised))
    assert follow(database, worse(raised, 8)).alert_active is False  # told before the end, heard after it
    assert follow(database, worse(raised, STEP + 1)).alert_active is True
    assert left(database) == {("void", "southwest"): 1}


def test_an_order_of_a_former_version_says_nothing_until_its_alert_does(database: Database) -> None:
    raised = alert()
    number = follow(database, raised).number
    with database.begin() as session:
        session.execute(tables.work_orders.update().values(alert_active=None))
        moving.void(session, number, Mover(name="dispatcher-1"), reason="unfounded", note="")
    assert left(database) == {}
    assert follow(database, raised).alert_active is None
    follow(database, worse(raised, 2))
    assert left(database) == {("void", "southwest"): 1}


def test_the_newest_catalogue_is_kept_and_does_not_change_limits_that_are_given(database: Database) -> None:
    open_for(database, defect())
    with database.begin() as session:
        copies.keep_catalogue(session, [catalogue(3, {}), catalogue(2)])
    with database.read() as session:
        assert queries.present_catalogue(session).revision == 3
    assert only_order(database).due_at == NOON + timedelta(hours=24)


def area(code: str, revision: int, name: str) -> AreaChanged:
    return AreaChanged(
        revision=revision, happened_at=NOON, recorded_at=NOON, level="district", code=code, name=name,
        west=24.9, south=60.1, east=25.0, north=60.2, area_m2=1e6,
    )  # fmt: skip


def unit(revision: int, name: str) -> UnitChanged:
    return UnitChanged(
        revision=revision, happened_at=NOON, recorded_at=NOON, code="lights", name=name, name_zh="", roles=["owner"]
    )


def test_orders_and_crews_show_the_newest_names_of_districts_and_units(database: Database) -> None:
    open_for(database, defect(maintainer="lights"))
    assert (only_order(database).district_name, only_order(database).maintainer_name) == (None, None)
    with database.begin() as session:
        copies.keep_areas(session, [area("southwest", 3, "New Bay"), area("southwest", 2, "Bay"), area("b", 1, "B")])
        copies.keep_areas(session, [area("southwest", 1, "Old Bay")])
        copies.keep_units(session, [unit(2, "Lights Ltd"), unit(1, "Lights")])
    assert (only_order(database).district_name, only_order(database).maintainer_name) == ("New Bay", "Lights Ltd")
    with database.read() as session:
        assert queries.get_crew(session, code="crew-southwest")["district_names"] == {"southwest": "New Bay"}


def test_a_district_that_the_city_does_not_have_is_refused_once_it_told_us_of_any(database: Database) -> None:
    with database.begin() as session:
        crews.register_crew(session, code="early", name="Early", districts=["nowhere"], kinds=[])
        copies.keep_areas(session, [area("southwest", 1, "Bay")])
        crews.change_crew(session, code="early", changes={"districts": ["nowhere", "southwest"]}, expected=None)
        with pytest.raises(UnknownDistrict, match="elsewhere"):
            crews.register_crew(session, code="late", name="Late", districts=["elsewhere"], kinds=[])
        with pytest.raises(UnknownDistrict, match="elsewhere"):
            crews.add_rule(session, rule={"name": "a rule", "district": "elsewhere"})


@pytest.mark.parametrize(
    ("named", "slug"),
    [
        ({"district": "elsewhere"}, "unknown-district"), ({"crew": "nobody"}, "unknown-crew"),
        ({"category": "lamp_ouf"}, "unknown-category"), ({"group": "lightning"}, "unknown-group"),
        ({"kind": "street_lights"}, "unknown-kind"),
    ],
)  # fmt: skip
def test_a_dispatch_rule_names_only_what_the_city_has(database: Database, named: dict[str, str], slug: str) -> None:
    with database.begin() as session:
        copies.keep_areas(session, [area("southwest", 1, "Bay")])
    with database.begin() as session, pytest.raises(Invalid) as refused:
        crews.add_rule(session, rule={"name": "a rule", **named})
    assert (refused.value.slug, refused.value.field) == (slug, next(iter(named)))
    with database.begin() as session:
        good = crews.add_rule(session, rule={"name": "a rule", "category": "lamp_out", "group": "drainage"})
    with database.begin() as session, pytest.raises(Invalid, match=next(iter(named.values()))):
        crews.change_rule(session, rule_id=good.id, changes=named, expected=None)


def test_a_crew_repairs_kinds_and_groups_that_there_are(database: Database) -> None:
    with database.begin() as session:
        crews.register_crew(session, code="night", name="Night", districts=[], kinds=["street_light", "drainage"])
    for kinds in (["street_light", "lightning"], ["lamp_out"]):
        with database.begin() as session, pytest.raises(UnknownKind):
            crews.change_crew(session, code="night", changes={"kinds": kinds}, expected=None)


def test_a_member_is_of_a_unit_that_there_is(database: Database) -> None:
    def add(name: str, member_unit: str) -> UUID:
        with database.begin() as session:
            return accounts.add_member(
                session, secret_hash="-", name=name, role="operator", crew=None, unit=member_unit, id=None
            )[0].id

    early = add("early", "lihgts")
    with database.begin() as session:
        copies.keep_units(session, [unit(1, "Lights")])
    with pytest.raises(UnitNotKnown):
        add("late", "lihgts")
    with database.begin() as session:
        accounts.change_member(session, member_id=early, changes={"unit": "lihgts", "active": False}, expected=None)
        with pytest.raises(UnitNotKnown):
            accounts.change_member(session, member_id=early, changes={"unit": "other"}, expected=None)


def test_a_failed_check_gives_the_rework_limit_of_the_catalogue(database: Database) -> None:
    open_for(database, defect())
    number, mover = only_order(database).number, Mover(name="someone")
    with database.begin() as session:
        moving.accept(session, number, mover)
        moving.start(session, number, mover)
        moving.complete(session, number, mover, note="Done.", photos=["b" * 64], quantity=1.0)
        moving.check(session, number, mover, passed=False, note="Dark.")
    order = only_order(database)
    assert (order.state, order.rework_count, order.due_at) == (State.DISPATCHED, 1, NOON + timedelta(hours=2))


def test_the_sums_that_metrics_show_equal_a_recount(database: Database) -> None:
    open_for(database, defect(), defect(district=None), defect(category="other"))
    with database.begin() as session:
        number = queries.list_orders(session, sight=Sight(crew="crew-southwest"), limit=1, cursor=None).items[0].number
        moving.accept(session, number, Mover(name="someone"))
    with clock.frozen(NOON + timedelta(days=2)), database.read() as session:
        assert tallies.read(session, ORDERS_BY_STATE) == figures.recount(session)[ORDERS_BY_STATE]
        samples = {sample.name for metric in figures.collect(session) for sample in metric.samples}
        assert figures.count_overdue(session) == {
            ("lamp_out", "southwest"): 1,
            ("lamp_out", ""): 1,
            ("other", "southwest"): 1,
        }
    assert samples == {"waywarden_work_orders", "waywarden_work_orders_overdue"}


def test_lists_are_filtered_and_paged_newest_first(database: Database) -> None:
    finding = uuid4()
    open_for(database, defect(finding), defect(district="southeast"), defect(district=None))
    with database.read() as session:
        first = queries.list_orders(session, sight=ALL, limit=2, cursor=None)
        rest = queries.list_orders(session, sight=ALL, limit=2, cursor=first.next)
        assert [each.id for each in [*first.items, *rest.items]] == [3, 2, 1]
        assert rest.next is None
        filters: list[tuple[dict[str, Any], int]] = [
            ({"finding_id": finding}, 1),
            ({"state": ["registered"]}, 1),
            ({"crew": ["crew-southeast"]}, 1),
            ({"overdue": True}, 0),
            ({"overdue": False}, 3),
        ]
        for wanted, count in filters:
            found = queries.list_orders(session, sight=ALL, limit=9, cursor=None, **wanted)
            assert len(found.items) == count
        assert not queries.list_orders(session, sight=Sight(crew=""), limit=9, cursor=None).items


def test_the_tables_are_those_that_the_migrations_make(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def ours(_thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return kind != "table" or not reflected or name in tables.mapping.metadata.tables

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours})
        assert compare_metadata(context, tables.mapping.metadata) == []
    assert kernel.tables.keys().isdisjoint(tables.mapping.metadata.tables)


@pytest.mark.parametrize("jumps", [(1, -3, 2), (-5, -5, 9), (30, -48, 1)])
def test_the_life_of_an_order_goes_one_way_when_the_clock_steps_back(
    database: Database, jumps: tuple[int, int, int]
) -> None:
    open_for(database, defect())
    number, at = only_order(database).number, NOON
    for hours, move in zip(jumps, (moving.accept, moving.start, moving.decline), strict=True):
        at += timedelta(hours=hours)
        more = {"reason": "not ours"} if move is moving.decline else {}
        with clock.frozen(at), database.begin() as session:
            move(session, number, Mover(name="ada"), **more)  # type: ignore[operator]
    known = [each.recorded_at for each in only_order(database).moves]
    assert known == sorted(known)
    assert [each.at for each in only_order(database).moves] == known


def test_an_order_that_is_not_where_its_last_move_left_it_is_found_and_set_right(database: Database) -> None:
    open_for(database, defect(), defect())
    assert list(recount_rows(database, figures.PROOFS, repair=False)) == []
    with database.begin() as session:
        session.execute(tables.work_orders.update().where(tables.work_orders.c.id == 1).values(state=State.CLOSED))
    (line,) = recount_rows(database, figures.PROOFS, repair=True)
    assert line == "orders: 1 differ, of work_orders.id 1"
    assert list(recount_rows(database, figures.PROOFS, repair=False)) == []
    assert list(recount_sums(database, figures, repair=False)) == []


# --- one thing, one order


def duplicate(finding_id: UUID, of: UUID, revision: int) -> DefectDuplicated:
    known = {each.name: getattr(defect(finding_id), each.name) for each in fields(DefectRecorded)}
    return DefectDuplicated(**known | {"revision": revision, "open": False, "duplicate_of": of})


def void_duplicates(database: Database, *events: DefectDuplicated) -> None:
    with database.begin() as session:
        duplicates.void_duplicates(session, events)


def see(database: Database, finding_id: UUID, at: datetime) -> None:
    known: dict[str, Any] = {
        "revision": 4, "happened_at": at, "recorded_at": at, "finding_id": finding_id, "state": "confirmed",
        "category": "lamp_out", "severity": "normal", "source": "patrol", "longitude": 24.95, "latitude": 60.18,
        "reported_at": NOON, "seen_at": at,
    }  # fmt: skip
    with database.begin() as session:
        duplicates.note_sightings(session, [FindingSeenAgain(**known)])


def counted_right(database: Database) -> bool:
    astray = [*recount_rows(database, figures.PROOFS, repair=False), *recount_sums(database, figures, repair=False)]
    return astray == []


def test_a_finding_that_never_was_a_defect_of_its_own_gets_no_order(database: Database) -> None:
    void_duplicates(database, duplicate(uuid4(), uuid4(), revision=1))
    assert told(database) == []


@pytest.mark.parametrize("opened_first", [True, False])
def test_of_two_orders_for_one_thing_the_second_is_void_whatever_is_heard_first(
    database: Database, opened_first: bool
) -> None:
    standing, second = uuid4(), uuid4()
    open_for(database, defect(standing))
    if opened_first:
        open_for(database, defect(second))
    void_duplicates(database, duplicate(second, standing, revision=3))
    open_for(database, defect(second))
    void_duplicates(database, duplicate(second, standing, revision=3))
    with database.read() as session:
        found = {each.finding_id: each for each in session.scalars(select(Order))}
        assert [found[each].state for each in (standing, second)] == [State.DISPATCHED, State.VOID]
        assert found[second].void_reason == "duplicate"
        assert str(standing) in found[second].moves[-1].note
    assert told(database).count("workorders.order_voided.v1") == 1
    assert counted_right(database)


def done_order(database: Database, *, checked: bool = False, at: datetime = NOON) -> Order:
    finding_id = uuid4()
    open_for(database, defect(finding_id))
    number, crew = only_order(database).number, Mover(name="crew-1", at=at)
    with database.begin() as session:
        moving.accept(session, number, Mover(name="crew-1"))
        moving.start(session, number, Mover(name="crew-1"))
    with clock.frozen(max(at, NOON)), database.begin() as session:
        moving.complete(session, number, crew, note="Done.", photos=[], quantity=None)
        if checked:
            moving.check(session, number, Mover(name="dispatcher"), passed=True, note="Looked at the photo.")
    return only_order(database)


@pytest.mark.parametrize(("checked", "move"), [(True, "reopen"), (False, "send_again")])
def test_what_is_seen_after_the_work_was_done_is_evidence_against_it(
    database: Database, checked: bool, move: str
) -> None:
    order, seen_at = done_order(database, checked=checked), NOON + timedelta(hours=1)
    with clock.frozen(NOON + timedelta(hours=2)):
        for _ in range(2):
            see(database, order.finding_id or uuid4(), seen_at)
    again = only_order(database)
    assert (again.state, again.seen_at, again.disposed_at) == (State.DISPATCHED, seen_at, None)
    assert again.moves[-1].move == move
    assert again.moves[-1].note == "Seen again at 2026-03-02T13:00:00Z, after the work was done."
    assert again.due_at == NOON + timedelta(hours=26)
    assert told(database).count("workorders.order_reopened.v1") == 1
    assert counted_right(database)


def test_what_was_seen_before_the_work_was_done_says_nothing_about_it(database: Database) -> None:
    order = done_order(database, at=NOON + timedelta(hours=2))
    see(database, order.finding_id or uuid4(), NOON + timedelta(hours=1))
    assert (only_order(database).state, only_order(database).seen_at) == (State.COMPLETED, NOON + timedelta(hours=1))


def test_work_that_is_told_late_is_held_against_what_was_seen_since(database: Database) -> None:
    finding_id = uuid4()
    open_for(database, defect(finding_id))
    number = only_order(database).number
    with database.begin() as session:
        moving.accept(session, number, Mover(name="crew-1"))
        moving.start(session, number, Mover(name="crew-1"))
    see(database, finding_id, NOON + timedelta(hours=2))
    with clock.frozen(NOON + timedelta(hours=3)):
        with database.begin() as session:
            at = Mover(name="crew-1", at=NOON + timedelta(hours=1))
            moving.complete(session, number, at, note="Done.", photos=[], quantity=None)
        assert [each.move for each in only_order(database).moves[-2:]] == ["complete", "send_again"]
        with database.begin() as session:
            moving.accept(session, number, Mover(name="crew-1"))
            moving.start(session, number, Mover(name="crew-1"))
            moving.complete(session, number, Mover(name="crew-1"), note="Done.", photos=[], quantity=None)
    assert only_order(database).state == State.COMPLETED
    assert counted_right(database)


def test_who_waited_for_an_order_has_it_as_it_was_left(database: Database) -> None:
    """PostgreSQL reads the row that was waited for anew, and what was joined to it as it stood before."""
    open_for(database, defect(photos=[]))
    number, crew, later = only_order(database).number, Mover(name="crew"), NOON + timedelta(minutes=30)
    for move in (moving.accept, moving.start):
        with database.begin() as session:
            move(session, number, crew)
    left: list[tuple[list[str], list[str]]] = []

    def complete_again() -> None:
        with database.begin() as session:
            moving.undo_complete(session, number, crew)
            order = moving.complete(session, number, crew, note="", photos=["c" * 64, "b" * 64], quantity=None)
            left.append(([each.move for each in order.moves], [each.sha256 for each in order.photos]))

    with clock.frozen(later), database.begin() as session:
        moving.complete(session, number, crew, note="", photos=["b" * 64], quantity=None)
        waiting = threading.Thread(target=complete_again)
        waiting.start()
        until_it_waits(database)
    waiting.join(20)
    moves = ["register", "dispatch", "accept", "start", "complete", "undo_complete", "complete"]
    assert left == [(moves, ["b" * 64, "c" * 64])]


def until_it_waits(database: Database) -> None:
    """SQLite has one writer: whoever comes next waits by itself."""
    if database.engine.dialect.name == "postgresql":
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with database.read() as session:
            while not session.scalar(waiting):
                time.sleep(0.01)
