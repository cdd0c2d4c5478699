"""Whatever gauges send and people do: as long as the newest level is at or above a threshold, an alert stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from deploy.migrations import migrate
from services.alerts import figures
from services.alerts.domain.alerts import DOUBT, SILENCE, Alert
from services.alerts.domain.sensors import Sensor, Severity
from services.alerts.tables import alerts, mapping
from services.alerts.use_cases import handling, sensors, watching
from services.alerts.use_cases.readings import take_readings
from shared import clock, tallies
from shared.db import Database, kernel
from shared.errors import Refused

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEVELS = st.integers(-10, 80)
ABSURD = st.sampled_from([-1e9, 1e9, -9999, -888, 9999, None, "35", True, float("nan"), -40_000])
THRESHOLDS = st.lists(st.integers(0, 70), min_size=1, max_size=4, unique=True).map(
    lambda each: [{"severity": str(s), "at": float(at)} for s, at in zip(Severity, sorted(each), strict=False)]
)


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('machine') / 'alerts.sqlite'}", connections=2)
    migrate(made.engine, "alerts", mapping.metadata)
    yield made
    made.close()


def emptied(database: Database) -> Database:
    with database.begin() as session:
        for table in reversed([*mapping.metadata.sorted_tables, *kernel.sorted_tables]):
            if table.name != "rules":
                session.execute(table.delete())
    return database


class Gauge(RuleBasedStateMachine):
    """One gauge, a control room, and time, which goes forward but for ``set_clock_back``."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.now, self.sent, self.stepped = NOON, dict[datetime, Any](), False
        emptied(self.database)
        with clock.frozen(self.now), self.database.begin() as session:
            sensors.register_sensor(
                session, code="g", kind="water_level", unit="cm", location={"lon": 24.9, "lat": 60.1}, margin=2.0,
                thresholds=[{"severity": "minor", "at": 5.0}, {"severity": "critical", "at": 50.0}],
                bounds={"low": -30_000.0, "high": 100.0},
            )  # fmt: skip

    def do(self, what: Callable[..., Any], **more: Any) -> Any:
        with clock.frozen(self.now), self.database.begin() as session:
            return what(session, **more)

    def send(self, *readings: tuple[Any, datetime]) -> None:
        taken = self.do(take_readings, batch=[{"sensor": "g", "at": at, "value": value} for value, at in readings])
        refused = {each["index"] for each in taken.rejected}
        for index, (value, at) in enumerate(readings):
            if index not in refused:
                assert self.sent.setdefault(at, value) == value

    @rule(value=LEVELS, late_s=st.integers(-250, 900))
    def read(self, value: int, late_s: int) -> None:
        self.send((value, self.now - timedelta(seconds=late_s)))

    @rule(batch=st.lists(st.tuples(LEVELS | ABSURD, st.integers(0, 120)), min_size=1, max_size=6))
    def read_many(self, batch: list[tuple[Any, int]]) -> None:
        self.send(*((value, self.now - timedelta(seconds=late_s)) for value, late_s in batch))

    @rule(value=ABSURD)
    def read_absurd(self, value: Any) -> None:
        self.send((value, self.now))

    @rule(values=st.lists(st.integers(101, 30_000), min_size=2, max_size=3))
    def read_above_the_range(self, values: list[int]) -> None:
        gauge, flood = self.gauge(), self.standing().get("water_level")
        times = [self.now - timedelta(seconds=len(values) - each) for each in range(len(values))]
        self.send(*zip(values, times, strict=True))
        known = max(each for each in (gauge.last_at, gauge.doubted_at, NOON - timedelta(days=9_999)) if each)
        if known < times[0]:
            doubt = self.standing()[DOUBT]
            assert doubt.value == values[-1]
            assert doubt.severity.rank >= (flood.severity.rank if flood else 0)
            assert doubt.severity.rank >= Severity.MAJOR.rank

    @invariant()
    def what_is_read_below_every_threshold_is_in_no_doubt(self) -> None:
        gauge = self.gauge()
        if DOUBT in self.standing():
            assert gauge.doubted_at is not None
            assert gauge.doubtful or gauge.calm_since or gauge.severity is not None

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), other=st.integers(0, 3))
    def read_again(self, data: st.DataObject, other: int) -> None:
        """The same once more, or another value for its time."""
        at = data.draw(st.sampled_from(sorted(self.sent)))
        self.send((self.sent[at] + other, at))

    @rule(what=st.sampled_from([handling.acknowledge_alert, handling.escalate_alert, handling.unsilence_alert]))
    def handle(self, what: Callable[..., Any]) -> None:
        self.to_alerts(what)

    @rule(minutes=st.integers(1, 600))
    def silence(self, minutes: int) -> None:
        self.to_alerts(handling.silence_alert, until=self.now + timedelta(minutes=minutes))

    @rule()
    def clear(self) -> None:
        self.to_alerts(handling.clear_alert)

    def to_alerts(self, what: Callable[..., Any], **more: Any) -> None:
        for alert in self.standing().values():
            with suppress(Refused):
                self.do(what, alert_id=alert.id, by="controller-1", **more)

    @rule(thresholds=THRESHOLDS, margin=st.integers(0, 5), dwell_s=st.integers(0, 600))
    def set_thresholds(self, thresholds: list[dict[str, Any]], margin: int, dwell_s: int) -> None:
        self.do(sensors.change_sensor, code="g", thresholds=thresholds, margin=float(margin), dwell_s=dwell_s)

    @rule(every_s=st.none() | st.integers(1, 600))
    def expect(self, every_s: int | None) -> None:
        self.do(sensors.change_sensor, code="g", expected_every_s=every_s)

    @rule(seconds=st.integers(1, 3_000))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.watch()

    @rule(days=st.integers(1, 100))
    def wait_long(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.watch()

    @rule(seconds=st.integers(1, 90_000))
    def set_clock_back(self, seconds: int) -> None:
        self.now, self.stepped = self.now - timedelta(seconds=seconds), True
        self.watch()

    def watch(self) -> None:
        due = self.do(watching.find_due, heard_s=1e6)
        self.do(watching.settle, codes=due, heard_s=1e6)
        assert self.do(watching.find_due, heard_s=1e6) == []

    def gauge(self) -> Sensor:
        with self.database.read() as session:
            return session.scalars(select(Sensor)).one()

    def standing(self) -> dict[str, Alert]:
        with self.database.read() as session:
            return {each.kind: each for each in session.scalars(select(Alert).where(alerts.c.active))}

    @invariant()
    def no_flood_is_hidden(self) -> None:
        gauge, flood = self.gauge(), self.standing().get("water_level")
        levels = [gauge.last_value] if gauge.last_value is not None else []
        if self.sent and not self.stepped:
            levels.append(float(self.sent[max(self.sent)]))
        for level in levels:
            if severity := gauge.severity_of(level):
                assert flood is not None
                assert flood.severity.rank >= severity.rank

    @invariant()
    def nothing_absurd_is_the_level(self) -> None:
        assert self.gauge().last_value in (None, *self.sent.values())

    @invariant()
    def what_is_worse_than_was_taken_or_silenced_asks_and_is_heard(self) -> None:
        for alert in self.standing().values():
            if alert.acknowledged:
                assert alert.acknowledged_severity is not None
                assert alert.severity.rank <= alert.acknowledged_severity.rank
            if alert.is_silenced(self.now):
                assert alert.silenced_severity is not None
                assert alert.severity.rank <= alert.silenced_severity.rank

    @invariant()
    def only_a_gauge_that_is_late_is_silent(self) -> None:
        if SILENCE in self.standing():
            assert self.gauge().is_silent(self.now) or self.stepped

    @invariant()
    def the_sums_are_right(self) -> None:
        with self.database.read() as session:
            counted = figures.recount(session)
            assert {name: tallies.read(session, name) for name in counted} == counted


@pytest.mark.thorough
def test_a_gauge_and_its_control_room(database: Database) -> None:
    machine = type("OneGauge", (Gauge,), {"database": database})
    slow = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=slow)
