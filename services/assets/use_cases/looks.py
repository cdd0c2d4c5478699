"""Looks at lamps: the latest one within the window, when its lamp should burn, makes the sampled light-on rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.lamp_states import Refusal
from services.assets.domain.lighting import Judgement
from services.assets.queries.codes import ids_of_codes
from services.assets.tables import facilities
from services.assets.tables import looks as looks_table
from services.assets.use_cases import ledger
from services.assets.use_cases.judging import judge
from services.assets.use_cases.ledger import Kept
from shared import clock, outbox
from shared.db import insert_new
from shared.events.assets import LampJudged, LightsJudged
from shared.events.inspections import LampLook, LightsChecked

EXPIRE_AT_ONCE = 1_000


class Look(NamedTuple):
    """One lamp, seen once. ``source`` names the check, so that a look heard twice is kept once."""

    source: str
    facility_id: int
    at: datetime
    lit: bool


def record_looks(session: Session, events: Sequence[LightsChecked]) -> None:
    """Take what patrols saw. Codes that are no lamp of ours are passed over."""
    ids = _lamps(session, events)
    kept = ledger.lock_facilities(session, facilities.c.id, ids.values())
    seen = {
        (event.check_id, facility_id): Look(f"check/{event.check_id}", facility_id, event.happened_at, lamp.lit)
        for event in events
        for lamp in event.lamps
        if (facility_id := ids.get(lamp.facility_code)) is not None
    }
    take_looks(session, kept, list(seen.values()))


def tell_judgements(session: Session, events: Sequence[LightsChecked]) -> None:
    """Tell of each look of these checks whether the lamp should have burnt."""
    ids = _lamps(session, events)
    known = [(lamp, event.happened_at) for event in events for lamp in event.lamps if lamp.facility_code in ids]
    judged = judge(session, {(ids[lamp.facility_code], at) for lamp, at in known})
    for event in events:
        of = {code: judged[ids[code], event.happened_at] for code in _codes([event]) & ids.keys()}
        lamps = [_judged(lamp, of.get(lamp.facility_code)) for lamp in event.lamps]
        outbox.record(session, _told(event, lamps))


def _told(event: LightsChecked, lamps: list[LampJudged]) -> LightsJudged:
    return LightsJudged(
        check_id=event.check_id,
        revision=event.revision,
        happened_at=event.happened_at,
        recorded_at=clock.now(),
        lamps=lamps,
    )


def _judged(lamp: LampLook, judgement: Judgement | None) -> LampJudged:
    said = judgement._asdict() if judgement else {"planned": None, "reason": str(Refusal.UNKNOWN_LAMP)}
    return LampJudged(facility_code=lamp.facility_code, lit=lamp.lit, **said)


def _codes(events: Iterable[LightsChecked]) -> set[str]:
    return {lamp.facility_code for event in events for lamp in event.lamps}


def _lamps(session: Session, events: Iterable[LightsChecked]) -> dict[str, int]:
    """The lamp that each code of these checks means; other codes are left out."""
    ids = ids_of_codes(session, _codes(events))
    kinds = [slug for slug, kind in the_catalogue().kinds.items() if kind.lamp]
    are_lamps = select(facilities.c.id).where(facilities.c.id.in_(set(ids.values())), facilities.c.kind.in_(kinds))
    lamps = set(session.scalars(are_lamps))
    return {code: facility_id for code, facility_id in ids.items() if facility_id in lamps}


def take_looks(session: Session, kept: Mapping[int, Kept], seen: Sequence[Look]) -> None:
    """Keep the looks, each once, and let the newest that counts stand for its lamp. ``kept`` must be locked."""
    now, judged = clock.now(), judge(session, {(look.facility_id, look.at) for look in seen})
    planned = {look for look in seen if judged[look.facility_id, look.at].planned}
    rows = [_row(look, look in planned, now) for look in sorted(seen)]
    key = (looks_table.c.source, looks_table.c.facility_id)
    went_in = {tuple(row) for row in insert_new(session, looks_table, rows, *key)}
    counting = [look for look in planned if (look.source, look.facility_id) in went_in and look.at >= oldest(now)]
    newest = {look.facility_id: look for look in sorted(counting, key=_age)}
    _stand_for_lamps(session, kept, [look for look in newest.values() if _newer(look, kept[look.facility_id])])


def oldest(now: datetime) -> datetime:
    """Looks before this have left the window."""
    return now - timedelta(days=the_catalogue().rules.light_on_window_days)


def _row(look: Look, planned: bool, now: datetime) -> dict[str, Any]:
    return {
        "source": look.source,
        "facility_id": look.facility_id,
        "looked_at": look.at,
        "lit": look.lit,
        "within_lighting_hours": planned,
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
