"""Looks at lamps: the latest one within the window, seen in lighting hours, makes the sampled light-on rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.queries.codes import ids_of_codes
from services.assets.tables import facilities
from services.assets.tables import looks as looks_table
from services.assets.use_cases import ledger
from services.assets.use_cases.ledger import Kept
from shared import clock
from shared.daylight import is_dark
from shared.db import insert_new
from shared.events.inspections import LightsChecked

EXPIRE_AT_ONCE = 1_000


class Look(NamedTuple):
    """One lamp, seen once. ``source`` names the check, so that a look heard twice is kept once."""

    source: str
    facility_id: int
    at: datetime
    lit: bool


def record_looks(session: Session, events: Sequence[LightsChecked]) -> None:
    """Take what patrols saw. Codes that are no lamp of ours are passed over."""
    codes = {lamp.facility_code for event in events for lamp in event.lamps}
    lamps = {slug for slug, kind in the_catalogue().kinds.items() if kind.lamp}
    ids = ids_of_codes(session, codes)
    locked = ledger.lock_facilities(session, facilities.c.id, ids.values())
    kept = {key: each for key, each in locked.items() if each.kind in lamps}
    seen = {
        (event.check_id, facility_id): Look(f"check/{event.check_id}", facility_id, event.happened_at, lamp.lit)
        for event in events
        for lamp in event.lamps
        if (facility_id := ids.get(lamp.facility_code)) in kept
    }
    take_looks(session, kept, list(seen.values()))


def take_looks(session: Session, kept: Mapping[int, Kept], seen: Sequence[Look]) -> None:
    """Keep the looks, each once, and let the newest that counts stand for its lamp. ``kept`` must be locked."""
    now = clock.now()
    lighting = asdict(the_catalogue().lighting)
    dark = {at: is_dark(at, lighting) for at in {look.at for look in seen}}
    rows = [_row(look, dark[look.at], now) for look in sorted(seen)]
    key = (looks_table.c.source, looks_table.c.facility_id)
    went_in = {tuple(row) for row in insert_new(session, looks_table, rows, *key)}
    counting = [
        look for look in seen if (look.source, look.facility_id) in went_in and dark[look.at] and look.at >= oldest(now)
    ]
    newest = {look.facility_id: look for look in sorted(counting, key=_age)}
    _stand_for_lamps(session, kept, [look for look in newest.values() if _newer(look, kept[look.facility_id])])


def oldest(now: datetime) -> datetime:
    """Looks before this have left the window."""
    return now - timedelta(days=the_catalogue().rules.light_on_window_days)


def _row(look: Look, dark: bool, now: datetime) -> dict[str, Any]:
    return {
        "source": look.source,
        "facility_id": look.facility_id,
        "looked_at": look.at,
        "lit": look.lit,
        "within_lighting_hours": dark,
        "recorded_at": now,
    }


def _age(look: Look) -> tuple[datetime, str]:
    return look.at, look.source


def _newer(look: Look, kept: Kept) -> bool:
    return kept.last_look_at is None or _age(look) > (kept.last_look_at, kept.last_look_source or "")


def _stand_for_lamps(session: Session, kept: Mapping[int, Kept], looks: Iterable[Look]) -> None:
    changes: dict[int, dict[str, Any]] = {
        look.facility_id: {"last_look_at": look.at, "last_look_source": look.source, "last_look_lit": look.lit}
        for look in looks
    }
    before = [kept[facility_id] for facility_id in changes]
    ledger.tally(session, before=before, after=[each._replace(**changes[each.id]) for each in before])
    ledger.update_each(session, facilities, facilities.c.id, changes)


def expire_looks(session: Session) -> int:
    """Take looks that have left the window out of the rate; returns how many it tried. Run from time to time."""
    before = oldest(clock.now())
    gone = select(facilities.c.id).where(facilities.c.last_look_at < before).order_by(facilities.c.last_look_at)
    ids = session.scalars(gone.limit(EXPIRE_AT_ONCE)).all()
    locked = ledger.lock_facilities(session, facilities.c.id, ids).values()
    kept = [each for each in locked if each.last_look_at and each.last_look_at < before]  # else seen again meanwhile
    forgotten: dict[str, Any] = {"last_look_at": None, "last_look_source": None, "last_look_lit": None}
    ledger.tally(session, before=kept, after=[each._replace(**forgotten) for each in kept])
    session.execute(update(facilities).where(facilities.c.id.in_([each.id for each in kept])).values(forgotten))
    return len(ids)
