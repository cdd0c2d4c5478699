"""The stories of the closed loop, step by step, as people and devices play them over HTTP.

The end-to-end tests look at the figures between the steps, the demonstration tells them, the drills play thousands of
them at once. Each step answers what the API answered, and raises Unexpected where that was no 2xx.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import uuid4

from PIL import Image

from services.assets.domain.lighting import Place, sun_down
from shared import clock
from tests.client import API, Client, System, Thing, wait_for

ENDED = ("resolved", "rejected", "merged")
HELSINKI = Place(24.945, 60.172, "Europe/Helsinki")
AN_HOUR = timedelta(hours=1)  # more than the minutes that the catalogue of the sample city adds or takes


class Cast:
    """Who takes part, each with a token of their role; for one thread."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.inspector = system.user("inspector", "inspector-1")
        self.operator = system.user("operator", "operator-1")
        self.dispatcher = system.user("dispatcher", "dispatcher-1")
        self.controller = system.user("controller", "controller-1")
        self.manager = system.user("manager", "manager-1")
        self.device = system.user("device", "gauges")
        self.admin = system.user("admin", "admin")
        self._crews: dict[str, Client] = {}

    def crew(self, code: str) -> Client:
        """Somebody of this crew."""
        if code not in self._crews:
            self._crews[code] = self.system.user("crew", f"{code}-1", crew=code)
        return self._crews[code]

    def lamps(self, count: int, **filters: str) -> list[Thing]:
        """Intact street lights from anywhere in the city: no rule names a crew for what lies outside its districts."""
        intact = self.operator.items("/facilities", kind="street_light", condition="intact", limit=1000, **filters)
        found = [each for each in intact if each["district"]]
        if len(found) < count:
            raise LookupError(f"{count} intact street lights within the districts are wanted; there are {len(found)}.")
        return random.sample(found, count)


@dataclass
class LampStory:
    """A lamp is dark: report, order, repair, check."""

    cast: Cast
    lamp: Thing
    finding_id: str = field(default_factory=lambda: str(uuid4()))
    source: str = "patrol"
    timeout_s: float = 60
    order: Thing = field(default_factory=dict)
    photo: str = ""
    body: Thing = field(init=False)

    def __post_init__(self) -> None:
        self.body = finding(self.lamp, self.finding_id, source=self.source)

    @property
    def number(self) -> str:
        return str(self.order["number"])

    @property
    def crew(self) -> Client:
        return self.cast.crew(self.order["crew"])

    @property
    def reporter(self) -> Client:
        return self.cast.inspector if self.source == "patrol" else self.cast.operator

    def report(self) -> Thing:
        """The finding, as it was taken; the same again is the same report."""
        return self.reporter.post("/findings", self.body)  # type: ignore[no-any-return]

    def await_order(self, state: str = "dispatched") -> Thing:
        """The order that assets and workorders made of the finding."""
        self.order = wait_for(
            lambda: order_of(self.cast.dispatcher, finding_id=self.finding_id, state=state),
            f"an order of finding {self.finding_id} that is {state}",
            self.timeout_s,
        )
        return self.order

    def accept(self) -> Thing:
        return self._move(self.crew, "accept")

    def start(self) -> Thing:
        return self._move(self.crew, "start")

    def take_photo(self) -> str:
        """Store a photo's bytes; its SHA-256."""
        self.photo = store_photo(self.crew, picture())
        return self.photo

    def complete(self, note: str = "Lamp and fuse replaced.") -> Thing:
        photos = [self.photo] if self.photo else []
        return self._move(self.crew, "complete", note=note, photos=photos, quantity=1)

    def check(self, passed: bool = True, note: str = "It burns.") -> Thing:
        return self._move(self.cast.dispatcher, "check", passed=passed, note=note)

    def void(self, reason: str) -> Thing:
        return self._move(self.cast.dispatcher, "void", reason=reason, note="Looked at on site.")

    def finding(self) -> Thing:
        return self.cast.dispatcher.get(f"/findings/{self.finding_id}")  # type: ignore[no-any-return]

    def facility(self) -> Thing:
        return self.cast.operator.get(f"/facilities/{self.lamp['code']}")  # type: ignore[no-any-return]

    def await_finding(self, *states: str) -> Thing:
        def look() -> Thing | None:
            found = self.finding()
            return found if found["state"] in states else None

        return wait_for(look, f"finding {self.finding_id} to be {' or '.join(states)}", self.timeout_s)

    def await_condition(self, condition: str) -> Thing:
        def look() -> Thing | None:
            found = self.facility()
            return found if found["condition"] == condition else None

        return wait_for(look, f"{self.lamp['code']} to be {condition}", self.timeout_s)

    def repair(self, *, with_photo: bool = True) -> None:
        """From the dispatched order to the passed check."""
        self.accept()
        self.start()
        if with_photo:
            self.take_photo()
        self.complete()
        self.check()

    def play(self, *, with_photo: bool = True) -> None:
        """All of it, to the finding resolved and the lamp intact."""
        self.report()
        self.await_order()
        self.repair(with_photo=with_photo)
        self.await_finding("resolved")
        self.await_condition("intact")

    def _move(self, mover: Client, name: str, **body: Any) -> Thing:
        self.order = mover.post(f"/work-orders/{self.number}/{name}", body)
        return self.order


@dataclass
class GaugeStory:
    """A gauge crosses its threshold, an emergency order is opened, somebody takes the alert, the level falls."""

    cast: Cast
    sensor: Thing
    timeout_s: float = 60
    alert_id: str = ""
    order: Thing = field(default_factory=dict)
    at: datetime = field(default_factory=clock.now)

    @property
    def high(self) -> float:
        """A little above the second highest threshold."""
        return float(self.sensor["thresholds"][-2]["at"]) + 0.01

    @property
    def low(self) -> float:
        """Below every threshold and its margin."""
        return float(self.sensor["thresholds"][0]["at"]) - float(self.sensor["margin"]) - 0.01

    def read(self, value: float) -> Thing:
        """Send a reading; each a millisecond or more after the one before."""
        self.at = max(clock.now(), self.at + timedelta(milliseconds=1))
        reading = {"sensor": self.sensor["code"], "at": self.at.isoformat(), "value": value}
        return self.cast.device.post("/readings", {"readings": [reading]})  # type: ignore[no-any-return]

    def rise(self) -> Thing:
        return self.read(self.high)

    def fall(self) -> Thing:
        return self.read(self.low)

    def find_alert(self) -> Thing:
        """The alert that stands for this sensor."""
        of_level = {"source": self.sensor["code"], "kind": self.sensor["kind"]}
        found = self.cast.controller.get("/alerts", **of_level, active="true")["items"]
        self.alert_id = found[0]["id"]
        return found[0]  # type: ignore[no-any-return]

    def await_order(self, state: str = "dispatched") -> Thing:
        self.order = wait_for(
            lambda: order_of(self.cast.dispatcher, alert_id=self.alert_id, state=state),
            f"an order of alert {self.alert_id} that is {state}",
            self.timeout_s,
        )
        return self.order

    def acknowledge(self) -> Thing:
        body = {"note": "Underpass closed, crew on its way."}
        return self.cast.controller.post(f"/alerts/{self.alert_id}/acknowledge", body)  # type: ignore[no-any-return]

    def play(self) -> None:
        """All of it, to the level below every threshold."""
        self.fall()
        self.rise()
        self.find_alert()
        self.await_order()
        self.acknowledge()
        self.fall()
        assert not self.alert()["state"]["active"]

    def alert(self) -> Thing:
        return self.cast.controller.get(f"/alerts/{self.alert_id}")  # type: ignore[no-any-return]


def finding(lamp: Thing, finding_id: str, *, source: str = "patrol", **other: Any) -> Thing:
    """The body of a report that this lamp is dark."""
    longitude, latitude = lamp["geometry"]["coordinates"][:2]
    return {
        "id": finding_id,
        "category": "lamp_out",
        "facility_code": lamp["code"],
        "location": {"lon": longitude, "lat": latitude},
        "severity": "normal",
        "description": "Dark, the lamps beside it burn.",
        "source": source,
        "found_at": clock.now().isoformat(),
        "photos": [],
    } | other


def order_of(reader: Client, *, state: str | None = None, **origin: str) -> Thing | None:
    """The one order of a finding or an alert, if it is there and in this state. Two are an error."""
    found = reader.get("/work-orders", **origin)["items"]
    if len(found) > 1:
        raise AssertionError(f"{len(found)} orders of {origin}.")
    return found[0] if found and state in (None, found[0]["state"]) else None


def check_lamps(inspector: Client, at: datetime, *, lit: Sequence[str], dark: Sequence[str]) -> Thing:
    """Report a patrol's look at lamps, by their codes; what came of it."""
    lamps = [{"facility_code": code, "lit": code in lit} for code in (*lit, *dark)]
    body = {"id": str(uuid4()), "checked_at": at.isoformat(), "lamps": lamps}
    return judged(inspector, inspector.post("/light-checks", body)["id"])


def judged(reader: Client, check_id: str) -> Thing:
    """A lighting check, once assets has said which of its lamps should have burnt."""

    def look() -> Thing | None:
        found = reader.get(f"/light-checks/{check_id}")
        return found if found["within_lighting_hours"] is not None else None

    return wait_for(look, f"the judgement of lighting check {check_id}")


def last_night() -> datetime:
    """The latest moment at which street lamps burned for sure: now, if it is night."""
    return _latest(lambda at: _sun_is_down(at - AN_HOUR) and _sun_is_down(at + AN_HOUR))


def last_day() -> datetime:
    """The latest moment at which no street lamp burned."""
    return _latest(lambda at: not _sun_is_down(at - AN_HOUR) and not _sun_is_down(at + AN_HOUR))


def _sun_is_down(at: datetime) -> bool:
    sky = sun_down(HELSINKI, HELSINKI.night_of(at))
    return sky is not None and sky.sunset <= at < sky.sunrise


def _latest(fits: Callable[[datetime], bool]) -> datetime:
    at = datetime.now(UTC)
    while not fits(at):
        at -= timedelta(minutes=5)
    return at


def picture() -> bytes:
    """A small PNG that is like no other."""
    out = BytesIO()
    Image.frombytes("RGB", (8, 8), os.urandom(192)).save(out, "PNG")
    return out.getvalue()


def store_photo(photographer: Client, content: bytes) -> str:
    """Store an image; its SHA-256."""
    digest = sha256(content).hexdigest()
    answer = photographer.send("PUT", f"{API}/photos/{digest}", content=content, headers={"Content-Type": "image/png"})
    if not answer.good:
        raise AssertionError(str(answer))
    return digest


def new_gauge(admin: Client, district: str | None, code: str | None = None) -> Thing:
    """Register a water level gauge of our own, in metres."""
    body = {
        "code": code or f"gauge-{uuid4().hex[:12]}",
        "kind": "water_level",
        "unit": "m",
        "location": {"lon": 24.94, "lat": 60.17},
        "district": district,
        "thresholds": [
            {"severity": "minor", "at": 0.5},
            {"severity": "severe", "at": 1.0},
            {"severity": "critical", "at": 2.0},
        ],
        "margin": 0.05,
    }
    return admin.post("/sensors", body)  # type: ignore[no-any-return]


def alert_rule(
    admin: Client, district: str | None, *, severity: str, category: str | None, priority: int = 10
) -> Thing:
    """Say which order water levels of at least this severity open; none without a category."""
    rule = {
        "id": str(uuid4()),
        "name": "Water at a gauge",
        "kind": "water_level",
        "severity": severity,
        "district": district,
        "order_category": category,
        "priority": priority,
    }
    return admin.post("/rules", rule)  # type: ignore[no-any-return]
