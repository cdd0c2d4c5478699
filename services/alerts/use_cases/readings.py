"""Taking readings: which of them are believed, and what they raise, change and clear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import Row, delete, select, tuple_
from sqlalchemy.orm import Session

from services.alerts.domain import rain
from services.alerts.domain.alerts import DOUBT
from services.alerts.domain.sensors import REASONS, Reason, Sends, Sensor
from services.alerts.tables import readings
from services.alerts.use_cases.following import end_doubt, follow, follow_doubt, follow_silence
from services.alerts.use_cases.holding import Open, lock_open, lock_sensors
from shared import clock, tallies
from shared.db import insert_new

RAIN = "rain"  # tally of micrometres by sensor
REJECTED = "readings_rejected"  # tally by kind and reason
CHUNK = 1_000  # rows of one insert
WIDEST = timedelta(days=1)  # between two readings that are looked at together
READING_KEY = (readings.c.sensor, readings.c.at)
Key = tuple[str, datetime]  # of which sensor, and when
Readings = dict[Key, float]


@dataclass
class Taken:
    """What became of a batch of readings: ``rejected`` holds {"index", "reason", "code"}."""

    accepted: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Batch:
    """A batch in work: the sensors that it names, and by index why a reading is refused."""

    sent: Sequence[Mapping[str, Any]]
    known: Mapping[str, Sensor]
    refused: dict[int, Reason] = field(default_factory=dict)

    def key(self, index: int) -> Key:
        return self.sent[index]["sensor"], self.sent[index]["at"]

    def refuse(self, why: Reason, keys: Mapping[Key, float | None]) -> None:
        """Refuse what was sent under these keys, all but what has the value that stands there."""
        for index, each in enumerate(self.sent):
            if (key := self.key(index)) in keys and index not in self.refused and each["value"] != keys[key]:
                self.refused[index] = why


def take_readings(session: Session, *, batch: Sequence[Mapping[str, Any]]) -> Taken:
    """Take readings [{"sensor", "at", "value"}], values in each sensor's unit.

    A reading that was sent before is accepted and has no effect. One that is older than the sensor's newest is kept,
    and changes no alert. What is refused is not kept, and changes nothing.
    """
    work = Batch(batch, lock_sensors(session, {each["sensor"] for each in batch}))
    good = _readable(work)
    new = _insert(session, good)
    there = _stored(session, [key for key in good if key not in new])
    work.refuse(Reason.CONTRADICTION, good | there)
    standing = lock_open(session, {code for code, _ in new} | {sensor.code for sensor, _ in _maybe_water(work)})
    believed = _follow(session, work, new, standing)
    _doubt(session, work, standing)
    _count_rain(session, work.known, believed)
    return _answer(session, work)


def _readable(work: Batch) -> Readings:
    """What may be a reading, by itself; of two for one time the first."""
    good: Readings = {}
    now = clock.now()
    for index, each in enumerate(work.sent):
        sensor = work.known.get(each["sensor"])
        reason = sensor.refuse(each["value"], each["at"], now) if sensor else Reason.UNKNOWN_SENSOR
        if reason:
            work.refused[index] = reason
        else:
            good.setdefault(work.key(index), float(each["value"]))
    return good


def _insert(session: Session, good: Readings) -> Readings:
    """Store what is not there yet; return that, in the order of its times."""
    now = clock.now()
    rows = [
        {"sensor": sensor, "at": at, "value": value, "recorded_at": now}
        for (sensor, at), value in sorted(good.items())
    ]  # fmt: skip
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    new = {tuple(row) for chunk in chunks for row in insert_new(session, readings, chunk, *READING_KEY)}
    return {key: value for key, value in sorted(good.items(), key=lambda each: each[0][1]) if key in new}


def _stored(session: Session, keys: Sequence[Key]) -> Readings:
    """What was there before, under these keys."""
    found: Readings = {}
    for start in range(0, len(keys), CHUNK):
        these = tuple_(*READING_KEY).in_(keys[start : start + CHUNK])
        found |= {(row.sensor, row.at): row.value for row in session.execute(select(readings).where(these))}
    return found


def _maybe_water(work: Batch) -> list[tuple[Sensor, int]]:
    """The sensors of what was refused and may be water all the same, with its place in the batch; oldest first."""
    water = []
    for index, why in work.refused.items():
        sensor = work.known.get(work.sent[index]["sensor"])
        if sensor and sensor.may_be_water(work.sent[index]["value"], why):
            water.append((sensor, index))
    return sorted(water, key=lambda each: work.key(each[1]))


def _doubt(session: Session, work: Batch, standing: Open) -> None:
    """Raise and lift the alerts of sensors in doubt: of what was refused, by what is newer than their levels."""
    now, enough = clock.now(), {code for code, kind in standing if kind == DOUBT}
    for sensor, index in _maybe_water(work):
        value, at = float(work.sent[index]["value"]), work.sent[index]["at"]
        if sensor.is_newest(value, at, now) and sensor.doubt(value, at, work.refused[index], now):
            enough.add(sensor.code)
    for code in sorted(enough & work.known.keys()):
        follow_doubt(session, work.known[code], standing, may_raise=True)


def _follow(session: Session, work: Batch, new: Readings, standing: Open) -> Readings:
    """Let the alerts follow the readings that tell the newest level; return what was believed."""
    now = clock.now()
    doubted: Readings = {}
    for (code, at), value in new.items():
        sensor = work.known[code]
        if not sensor.is_newest(value, at, now):
            continue
        if sensor.doubts(value, at):
            doubted[code, at] = value
            continue
        sensor.take(value, at, now)
        follow(session, sensor, standing, at)
        sensor.calm(min(at, now))
        end_doubt(session, sensor, standing, min(at, now))
    for code in sorted({code for code, _ in new}):
        follow_silence(session, work.known[code], standing, may_raise=False)
    _drop(session, work, doubted)
    return {key: value for key, value in new.items() if key not in doubted}


def _drop(session: Session, work: Batch, doubted: Readings) -> None:
    """What is not believed is not kept."""
    for code, at in doubted:
        session.execute(delete(readings).where(readings.c.sensor == code, readings.c.at == at))
    work.refuse(Reason.LEAP, dict.fromkeys(doubted, None))


def _answer(session: Session, work: Batch) -> Taken:
    for index, reason in work.refused.items():
        sensor = work.known.get(work.sent[index]["sensor"])
        tallies.add(session, REJECTED, (sensor.kind if sensor else "", str(reason)))
    rejected = [
        {"index": index, "reason": REASONS[reason], "code": reason} for index, reason in sorted(work.refused.items())
    ]
    return Taken(len(work.sent) - len(rejected), rejected)


# Rain


def _count_rain(session: Session, known: Mapping[str, Sensor], new: Readings) -> None:
    times: dict[str, list[datetime]] = defaultdict(list)
    for code, at in new:
        if known[code].kind == "rain":
            times[code].append(at)
    for code, each in times.items():
        for run in _runs(each):
            if added := _rain_of(session, known[code], run, new):
                tallies.add(session, RAIN, (code,), added)


def _runs(times: Sequence[datetime]) -> Iterator[list[datetime]]:
    """Rising times, parted where nothing was sent for long."""
    run = [times[0]]
    for at in times[1:]:
        if at - run[-1] > WIDEST:
            yield run
            run = []
        run.append(at)
    yield run


def _rain_of(session: Session, sensor: Sensor, run: Sequence[datetime], new: Readings) -> int:
    """What these new readings add, with the ones before, between and after them."""
    if sensor.sends in (None, Sends.INCREMENT):
        return rain.micrometres(sensor, [None, *((at, new[sensor.code, at]) for at in run)])
    mine = select(*readings.c["at", "value"]).where(readings.c.sensor == sensor.code)
    earlier = session.execute(mine.where(readings.c.at < run[0]).order_by(readings.c.at.desc()).limit(1)).first()
    later = session.execute(mine.where(readings.c.at > run[-1]).order_by(readings.c.at).limit(1)).first()
    between = session.execute(mine.where(readings.c.at.between(run[0], run[-1])).order_by(readings.c.at)).all()
    after = [_pair(earlier), *map(_pair, between), *([_pair(later)] if later else [])]
    before = [each for each in after if each is None or (sensor.code, each[0]) not in new]
    return rain.micrometres(sensor, after) - rain.micrometres(sensor, before)


def _pair(row: Row[Any] | None) -> rain.Reading | None:
    return (row.at, row.value) if row else None


def all_readings(session: Session, sensor: Sensor) -> Iterator[rain.Reading | None]:
    """All that a sensor ever sent, in the order of its times, after a None."""
    mine = select(*readings.c["at", "value"]).where(readings.c.sensor == sensor.code).order_by(readings.c.at)
    return chain([None], map(_pair, session.execute(mine.execution_options(yield_per=5000))))
