"""A sensor without a district gets the one that it stands in, from a copy of the districts that assets draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import Action
from services.alerts.domain.places import Area, Districts, check_district
from services.alerts.domain.sensors import Sensor
from services.alerts.tables import areas, sensors
from services.alerts.use_cases.holding import Open, lock_open, lock_sensors
from services.alerts.use_cases.telling import changed, counted, note
from shared import clock
from shared.db import insert_new
from shared.events.assets import AreaChanged

DISTRICT = "district"
DRAWING = 1_463_900_505  # the advisory lock between those who keep districts and those who place sensors in them


def lock_drawing(session: Session, *, shared: bool = False) -> None:
    """Whoever places a sensor waits for whoever keeps a district, so that none is missed; before locking any sensor.

    SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}({DRAWING})"))


def place_sensor(session: Session, sensor: Sensor, named: str | None) -> None:
    """Give a sensor the district that was named for it, else the one that it stands in.

    Raises UnknownDistrict, FarFromDistrict; a district that it has had is not looked at again.
    """
    lock_drawing(session, shared=True)
    if named is not None:
        must_exist(session, named)
        if named != sensor.district:
            Districts(session.scalars(select(Area))).check_near(named, sensor.longitude, sensor.latitude)
        sensor.district, sensor.district_found = named, False
    else:
        drawn = Districts(session.scalars(select(Area)))
        sensor.district, sensor.district_found = drawn.at(sensor.longitude, sensor.latitude), True


def check_way_round(session: Session, location: Mapping[str, float]) -> None:
    """Raises PlaceSwapped for a place that is given the wrong way round, as far as the districts tell."""
    Districts(session.scalars(select(Area))).check_way_round(location["lon"], location["lat"])


def must_exist(session: Session, district: str | None) -> None:
    """Raises UnknownDistrict for one that the city does not have, once it has told us of any."""
    if district is not None:
        check_district(district, session.scalars(select(areas.c.code)).all())


def place_alerts(session: Session, sensor: Sensor, standing: Open) -> None:
    """What stands at a sensor stands where the sensor does."""
    for alert in (each for (source, _), each in standing.items() if source == sensor.code):
        here = sensor.longitude, sensor.latitude, sensor.district
        if here != (alert.longitude, alert.latitude, alert.district):
            with counted(session, alert):
                alert.longitude, alert.latitude, alert.district = here
                alert.revision += 1
            note(session, alert, Action.MOVED, by=sensor.code, at=clock.now())
            changed(session, alert)


def keep_areas(session: Session, events: Sequence[AreaChanged]) -> None:
    """Keep the newest revision of each district, and let the sensors follow that were not told theirs."""
    districts = sorted((each for each in events if each.level == DISTRICT), key=lambda each: (each.code, each.revision))
    if not districts:
        return
    lock_drawing(session)
    for event in districts:
        _keep(session, event)
    _place_anew(session)


def _keep(session: Session, event: AreaChanged) -> None:
    """One without an outline was told by a former version: the outline that we have stays."""
    row = {"code": event.code, "outline": event.outline, "revision": event.revision}
    if not insert_new(session, areas, [row], areas.c.code):
        mine = areas.c.code == event.code, areas.c.revision <= event.revision
        known = {name: value for name, value in row.items() if value is not None}
        session.execute(areas.update().where(*mine).values(known))


def _place_anew(session: Session) -> None:
    drawn = Districts(session.scalars(select(Area).execution_options(populate_existing=True)))
    free = or_(sensors.c.district.is_(None), sensors.c.district_found)
    places = session.execute(select(*sensors.c["code", "longitude", "latitude", "district"]).where(free)).all()
    lie = {row.code: drawn.at(row.longitude, row.latitude) for row in places}
    moved = lock_sensors(session, [row.code for row in places if lie[row.code] != row.district])
    standing = lock_open(session, moved)
    for sensor in moved.values():
        if sensor.district is None or sensor.district_found:
            sensor.district, sensor.district_found = drawn.at(sensor.longitude, sensor.latitude), True
            sensor.revision += 1
            place_alerts(session, sensor, standing)
