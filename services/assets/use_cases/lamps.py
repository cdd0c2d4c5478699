"""Taking what lamp controllers report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.lamp_states import Refusal, refuse
from services.assets.domain.lighting import city_place
from services.assets.queries.codes import meant_by
from services.assets.tables import facilities, former_codes, lamp_nights_due, lamp_states, lamps
from services.assets.use_cases.lighting import seconds
from shared import clock
from shared.db import as_json, insert_new, listed
from shared.lists.spelling import spelt_code

Key = tuple[int, int]  # facility and second
State = Mapping[str, Any]
STATE_KEY = (lamp_states.c.facility_id, lamp_states.c.at_s)
NEWEST = ("facility_id", "at_s", "lit", "power_w", "failure", "controller", "recorded_at")
FORGET_AT_ONCE = 10_000


@dataclass
class Taken:
    """What became of a batch: ``rejected`` holds {"index", "reason"}."""

    accepted: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)


def take_states(session: Session, *, batch: Sequence[State]) -> Taken:
    """Take states [{"facility_code", "at", "lit", "power_w", "failure", "controller"}] of lamps.

    A state that was sent before is accepted and has no effect. Order of arrival never matters. The nights that the new
    ones tell of are reckoned anew soon after (``metering.reckon_nights``).
    """
    ids = _lamp_ids(session, {each["facility_code"] for each in batch})
    refused: dict[int, Refusal] = {}
    good: dict[Key, State] = {}
    keys: dict[int, Key] = {}
    now, rules = clock.now(), the_catalogue().rules
    for index, each in enumerate(batch):
        facility = ids.get(each["facility_code"])
        reason = refuse(each["at"], each["power_w"], now, rules) if facility is not None else Refusal.UNKNOWN_LAMP
        if reason or facility is None:
            refused[index] = reason or Refusal.UNKNOWN_LAMP
            continue
        keys[index] = facility, seconds(each["at"])
        good.setdefault(keys[index], each)
    new = _insert(session, good)
    lit = {key: good[key]["lit"] for key in new} | _said(session, good.keys() - new)
    refused |= {index: Refusal.CONTRADICTION for index, key in keys.items() if lit[key] != batch[index]["lit"]}
    stand_for_lamps(session, {key: good[key] for key in new}, now)
    _make_due(session, {key: good[key] for key in new})
    rejected = [{"index": index, "reason": reason} for index, reason in sorted(refused.items())]
    return Taken(accepted=len(batch) - len(rejected), rejected=rejected)


def _lamp_ids(session: Session, codes: Collection[str]) -> dict[str, int]:
    """A controller may send a code that its lamp had before it was renumbered, in any spelling."""
    is_lamp = facilities.c.kind.in_([slug for slug, kind in the_catalogue().kinds.items() if kind.lamp])
    spellings = {code: spelt_code(code) for code in codes}
    wanted = {*spellings, *spellings.values()}
    have = select(facilities.c.code, facilities.c.id).where(facilities.c.code.in_(wanted), is_lamp)
    ids = {code: each for code, each in session.execute(have)}  # noqa: C416
    if lost := wanted - ids.keys():
        had_them = select(former_codes.c.code, facilities.c.id).join_from(former_codes, facilities)
        rows = session.execute(had_them.where(former_codes.c.code.in_(lost), is_lamp))
        ids |= {row.code: row.id for row in rows}
    return meant_by(spellings, ids)


def _insert(session: Session, good: Mapping[Key, State]) -> set[Key]:
    """Store what is not there yet; return its keys. In the order of keys, so that batches never deadlock."""
    rows = [
        {"facility_id": key[0], "at_s": key[1], **{name: good[key][name] for name in ("lit", "power_w", "failure")}}
        for key in sorted(good)
    ]
    return {(row.facility_id, row.at_s) for row in insert_new(session, lamp_states, rows, *STATE_KEY)}


def _said(session: Session, keys: Iterable[Key]) -> dict[Key, bool]:
    """What was said before for these lamps and seconds."""
    if not (known := sorted(keys)):
        return {}
    rows = session.execute(select(*STATE_KEY, lamp_states.c.lit).where(tuple_(*STATE_KEY).in_(known)))
    return {(facility, at_s): lit for facility, at_s, lit in rows}


def stand_for_lamps(session: Session, new: Mapping[Key, State], now: datetime) -> None:
    """Let the newest state of each lamp stand for it, unless a newer one does."""
    newest = {key[0]: (key[1], new[key]) for key in sorted(new)}
    rows = [
        {
            "facility_id": facility,
            "at_s": at_s,
            "recorded_at": now,
            **{name: each[name] for name in ("lit", "power_w", "failure", "controller")},
        }
        for facility, (at_s, each) in newest.items()
    ]
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_replacing("postgresql"), {"rows": as_json(rows).decode()})
    else:
        session.execute(_replacing("sqlite"), rows)


@cache
def _replacing(engine: str) -> Any:
    """An insert into ``lamps`` that replaces older states."""
    into: Any = (
        postgresql.insert(lamps).from_select(NEWEST, listed(lamps, NEWEST, "rows"))
        if engine == "postgresql"
        else sqlite.insert(lamps).values({name: bindparam(name) for name in NEWEST})
    )
    new = {name: into.excluded[name] for name in NEWEST[1:]}
    return into.on_conflict_do_update(index_elements=["facility_id"], set_=new, where=lamps.c.at_s < into.excluded.at_s)


def _make_due(session: Session, new: Mapping[Key, State]) -> None:
    """A state tells of its night, and of the next one where it may hold beyond noon."""
    place = city_place(the_catalogue())
    holds = timedelta(minutes=the_catalogue().rules.lamp_state_holds_min)
    due = {
        (facility, place.night_of(at)) for (facility, _), each in new.items() for at in (each["at"], each["at"] + holds)
    }
    insert_new(session, lamp_nights_due, [{"facility_id": lamp, "night": night} for lamp, night in sorted(due)])


def forget_states(session: Session) -> int:
    """Delete states that are not kept any longer; returns how many. Their nights stay. Run from time to time."""
    oldest = seconds(
        clock.now() - timedelta(days=the_catalogue().rules.lamp_states_kept_days + 2)
    )  # whole nights, and what held into them
    # By lamp: SQLite has no index by time. Two replicas that forget the same ones lock them in one order.
    old = select(*STATE_KEY).join_from(lamps, lamp_states, lamps.c.facility_id == lamp_states.c.facility_id)
    old = old.where(lamp_states.c.at_s < oldest).order_by(*STATE_KEY).limit(FORGET_AT_ONCE)
    old = old.with_for_update(of=lamp_states, skip_locked=True)
    gone: Any = session.execute(delete(lamp_states).where(tuple_(*STATE_KEY).in_(old)))
    return int(gone.rowcount)
