"""What happens without a reading: a sensor falls silent, a dwell or a doubt ends. And what else should stand.

Every replica looks from time to time. What is due is looked at again under the locks, a few sensors at a time, without
waiting for a sensor that somebody else holds: the next look finds it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import DOUBT, SILENCE, Alert
from services.alerts.domain.sensors import SKEW, Sensor
from services.alerts.tables import SENSOR, alerts
from services.alerts.use_cases.following import end_doubt, follow, follow_silence, moves, overtake
from services.alerts.use_cases.holding import Open, lock_free
from shared import clock

FEW = 50  # sensors of one transaction
LISTEN_S = 120.0  # after a start: what could not be delivered meanwhile comes first


def find_due(session: Session, heard_s: float) -> list[str]:
    """The sensors that need a look; ``heard_s`` is for how long this process has been listening."""
    now = clock.now()
    rows = session.execute(select(*alerts.c).where(alerts.c.active))
    standing = {(row.source, row.kind): Alert(**row._mapping) for row in rows}
    known = (Sensor(**row._mapping) for row in session.execute(select(*SENSOR)))
    return sorted(sensor.code for sensor in known if _is_due(sensor, standing, now, heard_s))


def _is_due(sensor: Sensor, standing: Open, now: datetime, heard_s: float) -> bool:
    times = sensor.last_at, sensor.watched_since, sensor.doubted_at, sensor.calm_since
    ahead = any(each and each > now + SKEW for each in times)
    alert = standing.get((sensor.code, sensor.kind))
    if ahead or sensor.watched_since is None or moves(sensor, alert, now) or (alert and alert.is_overtaken(now)):
        return True
    if (sensor.code, DOUBT) in standing and sensor.calm_since and sensor.is_calm(now):
        return True
    raised = (sensor.code, SILENCE) in standing
    return raised != sensor.is_silent(now) and (raised or may_raise(sensor, heard_s))


def may_raise(sensor: Sensor, heard_s: float) -> bool:
    """Whether we have listened long enough to call a sensor silent."""
    return sensor.patience is not None and heard_s >= min(LISTEN_S, sensor.patience.total_seconds())


def settle(session: Session, codes: Collection[str], heard_s: float) -> None:
    """Let the alerts of these sensors be what they should."""
    now, (known, standing) = clock.now(), lock_free(session, codes)
    for sensor in known.values():
        sensor.watched_since = sensor.watched_since or now
        sensor.mend_clock(now)
        if moves(sensor, standing.get((sensor.code, sensor.kind)), now):
            follow(session, sensor, standing, now)
        if (alert := standing.get((sensor.code, sensor.kind))) and alert.is_overtaken(now):
            overtake(session, alert, now)
        if sensor.calm_since:
            end_doubt(session, sensor, standing, now)
        follow_silence(session, sensor, standing, may_raise=may_raise(sensor, heard_s))
