"""What one can do with findings and lighting checks. One transaction each; the session is the caller's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, bindparam, case, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.inspections import queries
from services.inspections.domain.findings import (
    ALL,
    LAMP_CONTROLLER,
    OPEN,
    PATROL,
    PLACES,
    UNITS,
    CannotMerge,
    Finding,
    FindingExists,
    Move,
    Sight,
    State,
    UnknownFinding,
    may_report,
    new_finding,
    slot,
)
from services.inspections.domain.light_checks import Judged, LightCheck, UnknownLightCheck, new_light_check
from services.inspections.domain.orders import Light, light_at, state_of
from services.inspections.domain.places import PlaceCheck, lies_in
from services.inspections.domain.rulebook import DARK_LAMP, Rulebook, Source, check_source_name, set_right
from services.inspections.tables import (
    areas,
    catalogue_copies,
    finding_moves,
    finding_orders,
    findings,
    former_codes,
    light_checks,
)
from shared import clock, outbox, tallies
from shared.db import as_json, insert_new, listed
from shared.errors import expect
from shared.events.assets import (
    AreaChanged,
    CataloguePublished,
    DefectDuplicated,
    DefectRecorded,
    FacilityRenumbered,
    LampMisbehaved,
    LightsJudged,
)
from shared.events.inspections import (
    FindingConfirmed,
    FindingEvent,
    FindingMerged,
    FindingRejected,
    FindingReported,
    FindingResolved,
    FindingSeenAgain,
    LampLook,
    LightsChecked,
    mark_of,
)
from shared.events.workorders import OrderClosed, OrderEvent, OrderReopened, OrderVoided
from shared.lists.codes import keep_codes as keep_former_codes
from shared.lists.codes import present_codes

OrderEnd = OrderClosed | OrderReopened | OrderVoided
About = TypeVar("About", DefectRecorded, DefectDuplicated, OrderEnd, OrderEvent)

EVENTS: dict[State, type[FindingEvent]] = {
    State.REPORTED: FindingReported,
    State.CONFIRMED: FindingConfirmed,
    State.RESOLVED: FindingResolved,
    State.REJECTED: FindingRejected,
    State.MERGED: FindingMerged,
}
FINDINGS = "findings"  # the tally of findings by source and category
CHUNK = 500  # rows of one insert
DISTRICT = "district"
NOT_RENUMBERED: Mapping[str, str] = MappingProxyType({})
# Clocks step back, the life of a finding does not: what comes later is not known earlier.
_last = select(func.max(finding_moves.c.recorded_at)).where(finding_moves.c.finding_id == bindparam("of"))
_now = bindparam("now", type_=finding_moves.c.recorded_at.type)
MOVED = insert(finding_moves).values(
    recorded_at=case((_last.scalar_subquery() > _now, _last.scalar_subquery()), else_=_now),
)
OUR_OWN = "waywarden"  # moves that no person made


def report_finding(
    session: Session, *, reporter: str, role: str, source: str, id: UUID | None = None, **facts: Any
) -> Finding:
    """Take a report; ``facts`` are those of ``domain.new_finding``. Raises Invalid, PatrolOnly and FindingExists.

    A place far from the city is refused, once we know where that is. What is reported on a facility already, in a
    category that stands there once at most, is merged at once.
    """
    may_report(role, source)
    book = queries.rulebook(session)
    finding = new_finding(book, id=id or uuid4(), reporter=reporter, source=source, now=clock.now(), **facts)
    _look_at_place(session, finding)
    while not _insert(session, [finding]):
        _stand_behind(session, finding)
    tallies.add(session, FINDINGS, (finding.source, finding.category))
    _say(session, finding, finding.found_at)
    queries.tell_standing(session, [finding])
    return finding


def _look_at_place(session: Session, finding: Finding) -> None:
    """Whether it lies in the city, and in which district. Raises FarFromCity."""
    if place := finding.location:
        city = queries.the_city(session)
        inside = lies_in(queries.rulebook(session).bounds, place["lon"], place["lat"])
        finding.place_check = PlaceCheck.INSIDE if inside else city.must_hold(*place.values())
        finding.district = city.district_of(*place.values())


def _insert(session: Session, arrived: Sequence[Finding]) -> set[UUID]:
    """Store what breaks no unique key; the ids that went in. Plain rows: the hot path does without the unit of work.

    In the order of slots: two patrols that look at the same lamps must not wait for each other. Of two for
    one slot, the one that was told first goes in.
    """
    now = present_codes(session, former_codes, (each.facility_code for each in arrived if each.slot))
    for each in arrived:
        each.slot = each.slot and each.slot_on(now.get(each.facility_code or "", each.facility_code))
    in_order = sorted(arrived, key=lambda each: each.slot or "")
    rows = [{name: vars(each)[name] for name in findings.c.keys()} for each in in_order]  # noqa: SIM118
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    return {row.id for chunk in chunks for row in insert_new(session, findings, chunk, findings.c.id)}


def _stand_behind(session: Session, finding: Finding) -> None:
    """The slot is taken, so the finding that holds it stands for this one; a trusted report confirms it."""
    if session.scalar(select(findings.c.id).where(findings.c.id == finding.id)):
        raise FindingExists(f"There is a finding {finding.id} already.")
    holder = session.scalars(select(Finding).where(findings.c.slot == finding.slot).with_for_update()).first()
    if holder is None:
        return  # it ended in between: the slot is free
    if seen_at := finding.seen_at:
        _confirm_seen(session, holder, by=finding.reporter, at=seen_at)
    finding.arrive_merged(holder.id)


def _confirm_seen(session: Session, finding: Finding, *, by: str, at: datetime) -> None:
    """What a trusted source sees as well needs no other confirmation; that it was seen again, its order must know."""
    _see_again(session, finding, at)  # first, so that who hears of a defect hears when it was seen
    of_before = at < finding.found_at and queries.was_repaired_since(session, finding, at)
    if finding.state is State.REPORTED and not of_before:
        _move(session, finding, Move.CONFIRM, by=by, at=max(at, finding.reported_at))


def _see_again(session: Session, finding: Finding, at: datetime) -> None:
    if finding.see_again(at := min(at, clock.now())):
        outbox.record(session, FindingSeenAgain(**_facts(finding, at), seen_at=at))


def confirm_finding(
    session: Session,
    *,
    finding_id: UUID,
    by: str,
    sight: Sight = ALL,
    expected: int | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> Finding:
    """The report is true. Raises UnknownFinding, Stale, IllegalMove, InTheFuture."""
    finding = _lock(session, finding_id, sight)
    expect(finding.revision, expected)
    _move(session, finding, Move.CONFIRM, by=by, at=at, note=note)
    return finding


def reject_finding(
    session: Session,
    *,
    finding_id: UUID,
    by: str,
    reason: str,
    sight: Sight = ALL,
    expected: int | None = None,
    at: datetime | None = None,
) -> Finding:
    """The report is not accepted. Raises UnknownFinding, Stale, IllegalMove, InTheFuture."""
    finding = _lock(session, finding_id, sight)
    expect(finding.revision, expected)
    _move(session, finding, Move.REJECT, by=by, at=at, note=reason)
    return finding


def merge_finding(
    session: Session,
    *,
    finding_id: UUID,
    by: str,
    into: UUID,
    sight: Sight = ALL,
    expected: int | None = None,
    at: datetime | None = None,
) -> Finding:
    """Another open finding stands for this one. Raises as ``confirm_finding`` does, and CannotMerge."""
    locked = _lock_all(session, {finding_id, into}, sight)
    finding = locked.get(finding_id) or _lock(session, finding_id, sight)
    expect(finding.revision, expected)
    happened_at, said_at = _when(finding, at)
    if into not in locked:
        raise CannotMerge(f"There is no finding {into}.", field="into")
    finding.merge(locked[into], happened_at)
    _log(session, finding, Move.MERGE, by=by, at=happened_at, note=None, said_at=said_at)
    _bring_along(session, finding, into)
    return finding


def _when(finding: Finding, at: datetime | None) -> tuple[datetime, datetime | None]:
    """When somebody decides, and what they said where that could not be."""
    now = max(clock.now(), finding.reported_at)
    happened_at = set_right(at or now, finding.reported_at, now)
    return happened_at, at if at and at != happened_at else None


def _move(
    session: Session, finding: Finding, move: Move, *, by: str, at: datetime | None = None, note: str | None = None
) -> None:
    happened_at, said_at = _when(finding, at)
    finding.move(move, happened_at, reason=note if move is Move.REJECT else None)
    _log(session, finding, move, by=by, at=happened_at, note=note, said_at=said_at)


def _log(
    session: Session,
    finding: Finding,
    move: Move,
    *,
    by: str,
    at: datetime,
    note: str | None,
    said_at: datetime | None = None,
) -> None:
    """Everybody may know who did what; the others' services hear of it."""
    row = {"finding_id": finding.id, "move": move, "state": finding.state, "moved_by": by, "note": note}
    row |= {"said_at": said_at, "happened_at": at, "of": finding.id, "now": max(clock.now(), finding.reported_at)}
    session.connection().execute(MOVED, row)
    _say(session, finding, at)


def set_source(
    session: Session,
    *,
    source: str,
    confirm_on_arrival: bool,
    written_by_staff: bool,
    expected: int | None = None,
) -> Source:
    """Say how far a source is trusted; a new name is a new source. Raises Stale, WrongSourceName."""
    row = session.get(Source, source, with_for_update=True)
    if row is None:
        check_source_name(source)
        row = Source(source=source, confirm_on_arrival=confirm_on_arrival, written_by_staff=written_by_staff)
        session.add(row)
    else:
        expect(row.revision, expected)
        row.confirm_on_arrival, row.written_by_staff = confirm_on_arrival, written_by_staff
        row.revision += 1
    queries.forget_rulebook(session)
    return row


def check_lights(
    session: Session,
    *,
    inspector: str,
    checked_at: datetime,
    lamps: Sequence[Mapping[str, Any]],
    id: UUID | None = None,
) -> LightCheck:
    """Take a lighting check; ``lamps``: [{"facility_code", "lit"}]. Raises SeenTwice, InTheFuture, UnknownCategory.

    What was seen is kept; assets, which has the lamps' schedules, says what it means (``follow_judgements``).
    """
    check = new_light_check(id=id or uuid4(), inspector=inspector, checked_at=checked_at, now=clock.now(), lamps=lamps)
    if check.lamps_lit < check.lamps_checked:
        queries.rulebook(session).category(DARK_LAMP)
    session.add(check)
    _say_checked(session, check)
    return check


def follow_judgements(session: Session, events: Iterable[LightsJudged]) -> None:
    """Report the dark lamps that should have burnt, each a confirmed finding unless one is open for it.

    Raises UnknownLightCheck.
    """
    said = {
        event.check_id: {lamp.facility_code: Judged(lamp.planned, lamp.reason) for lamp in event.lamps}
        for event in events
    }
    wanted = select(LightCheck).where(light_checks.c.id.in_(said)).order_by(light_checks.c.id).with_for_update()
    checks = {check.id: check for check in session.scalars(wanted)}
    if missing := said.keys() - checks.keys():
        raise UnknownLightCheck(f"There are no lighting checks {sorted(map(str, missing))}.")
    dark = {check: check.judge(said[check.id]) for check in checks.values()}
    standing = _report_dark(session, [(check, code) for check, codes in dark.items() for code in codes])
    for check, codes in dark.items():
        check.conclude({code: standing[check.finding_id(code)] for code in codes})


def _report_dark(session: Session, dark: Iterable[tuple[LightCheck, str]]) -> dict[UUID, UUID]:
    """Report the dark lamps that are not reported yet: for each one's own finding, the one that stands for it."""
    book = queries.rulebook(session)
    waiting = {check.finding_id(code): _dark_lamp(book, check, code) for check, code in dark}
    standing: dict[UUID, UUID] = {}
    while waiting:  # again for the lamps whose open finding ended in between
        went_in = _insert(session, list(waiting.values()))
        for each in went_in:
            tallies.add(session, FINDINGS, (waiting[each].source, waiting[each].category))
            _say(session, waiting[each], waiting[each].found_at)
        standing |= {each: each for each in went_in}
        standing |= _stand_already(session, [finding for id, finding in waiting.items() if id not in went_in])
        waiting = {id: finding for id, finding in waiting.items() if id not in standing}
    return standing


def _dark_lamp(book: Rulebook, check: LightCheck, code: str) -> Finding:
    finding = new_finding(
        book,
        id=check.finding_id(code),
        category=DARK_LAMP,
        severity=book.category(DARK_LAMP).severity,
        source=PATROL,
        reporter=check.inspector,
        found_at=check.checked_at,
        now=check.recorded_at,
        facility_code=code,
    )
    finding.confirmed_at = finding.confirmed_at and max(clock.now(), check.recorded_at)
    finding.slot = f"{DARK_LAMP}:{code}"  # also where a city's catalogue lets several stand: a look is one fact
    return finding


def _stand_already(session: Session, refused: Sequence[Finding]) -> dict[UUID, UUID]:
    """The open findings of lamps that were reported before; the patrol's look confirms those that waited."""
    looks = {each.slot: each for each in sorted(refused, key=lambda each: each.found_at)}
    wanted = select(Finding).where(findings.c.slot.in_(looks)).order_by(findings.c.id).with_for_update()
    holders = {each.slot: each for each in session.scalars(wanted)} if looks else {}
    for place, holder in holders.items():
        _confirm_seen(session, holder, by=looks[place].reporter, at=looks[place].found_at)
    return {each.id: holders[each.slot].id for each in refused if each.slot in holders}


def report_lamps(session: Session, events: Iterable[LampMisbehaved]) -> None:
    """Report the lamps that their controllers show to be dark or burning by day, unless one is open for them.

    A category that our catalogue does not have is passed over. Where the source is trusted, its word confirms an open
    finding that waited for that.
    """
    book = queries.rulebook(session)
    seen = [_misbehaving(book, event) for event in events if book.knows(event.category)]
    for finding in seen:
        finding.district = queries.the_city(session).district_of(*(finding.location or {}).values())
    went_in = _insert(session, seen)
    for finding in seen:
        if finding.id in went_in:
            tallies.add(session, FINDINGS, (finding.source, finding.category))
            _say(session, finding, finding.found_at)
    _confirm_holders(session, [each for each in seen if each.id not in went_in])


def _misbehaving(book: Rulebook, event: LampMisbehaved) -> Finding:
    now = clock.now()
    finding = new_finding(
        book,
        id=event.report_id,
        category=event.category,
        severity=book.category(event.category).severity,
        source=LAMP_CONTROLLER,
        reporter=LAMP_CONTROLLER,
        found_at=min(event.happened_at, now),
        now=now,
        location={"lon": event.longitude, "lat": event.latitude},
        facility_code=event.facility_code,
    )
    finding.slot = f"{event.category}:{event.facility_code}"  # a controller says it every night: one is enough
    return finding


def _confirm_holders(session: Session, refused: Iterable[Finding]) -> None:
    seen = {each.slot: each for each in refused if each.state is State.CONFIRMED}
    if seen:
        wanted = select(Finding).where(findings.c.slot.in_(seen)).order_by(findings.c.id).with_for_update()
        for holder in session.scalars(wanted):
            _confirm_seen(session, holder, by=LAMP_CONTROLLER, at=seen[holder.slot].found_at)


def note_links(session: Session, events: Iterable[DefectRecorded]) -> None:
    """Note which facility assets found for each finding. Raises UnknownFinding."""
    newest = _newest(events)
    locked = _lock_all(session, newest)
    changed = [_found(locked, finding_id) for finding_id, event in newest.items() if _linked(locked, event)]
    _take_slots(session, changed)


def _linked(locked: Mapping[UUID, Finding], event: DefectRecorded | DefectDuplicated) -> bool:
    finding = _found(locked, event.finding_id)
    facts = {name: getattr(event, name) for name in (*UNITS, *PLACES)}
    return finding.note_link(by=event.linked_by, code=event.facility_code, revision=event.revision, **facts)


def keep_codes(session: Session, events: Iterable[FacilityRenumbered]) -> None:
    """Keep which codes facilities gave up; findings are linked to the new one, and hold its slot."""
    now = keep_former_codes(session, former_codes, events)
    theirs = findings.c.linked_code.in_(now) | findings.c.facility_code.in_(now)
    changed = session.scalars(select(Finding).where(theirs).order_by(findings.c.id).with_for_update()).all()
    for finding in changed:
        finding.linked_code = now.get(finding.linked_code or "", finding.linked_code)
        finding.note_words()
    _take_slots(session, changed, now)


def follow_orders(session: Session, events: Iterable[OrderEnd]) -> None:
    """End or reopen the findings whose orders ended or reopened. Orders of alerts are passed over.

    Raises UnknownFinding, IllegalMove.
    """
    events = list(events)
    keep_orders(session, events)
    newest = _newest(events)
    locked = _lock_all(session, newest)
    opened = []
    for finding_id, event in newest.items():
        finding = _found(locked, finding_id)
        if _followed(session, finding, event):
            opened += [finding] if finding.is_open else _surface(session, finding, event)
    session.flush()  # slots that are free now, before they are taken anew
    _take_slots(session, opened)


def keep_orders(session: Session, events: Iterable[OrderEvent]) -> None:
    """Keep how the orders of findings stand, whatever came before; orders of alerts are passed over."""
    rows = [_order_of(event) for _, event in sorted(_newest(events).items())]
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_newest_orders("postgresql"), {"rows": as_json(rows).decode()})
    else:
        session.execute(_newest_orders("sqlite"), rows)


@cache
def _newest_orders(dialect: str) -> Any:
    names = finding_orders.c.keys()
    into: Any = sqlite.insert(finding_orders)
    if dialect == "postgresql":
        into = postgresql.insert(finding_orders).from_select(names, listed(finding_orders, tuple(names), "rows"))
    told = {name: into.excluded[name] for name in names if name != "finding_id"}
    newer = into.excluded.revision > finding_orders.c.revision
    return into.on_conflict_do_update(index_elements=["finding_id"], set_=told, where=newer)


def _order_of(event: OrderEvent) -> dict[str, Any]:
    told = {
        name: getattr(event, name) for name in ("finding_id", "number", "revision", "due_at", "warn_at", "supervised")
    }
    return {**told, "state": state_of(event.state), "kept_light": _kept_light(event)}


def _kept_light(event: OrderEvent) -> Light | None:
    if event.disposed_at is None:
        return None
    known_at = max(event.disposed_at, event.disposal_known_at or event.disposed_at)
    return light_at(known_at, warn_at=event.warn_at, due_at=event.due_at)


def _followed(session: Session, finding: Finding, event: OrderEnd) -> bool:
    move, reason = _move_of(event)
    if move is None:
        return False
    moved = finding.follow(order=event.number, revision=event.revision, move=move, at=event.happened_at, reason=reason)
    if moved:
        _log(session, finding, move, by=OUR_OWN, at=event.happened_at, note=reason)
    return moved


def _surface(session: Session, ended: Finding, event: OrderEnd) -> list[Finding]:
    """Let what was reported after the work was done, or after nothing was found, be looked at for itself.

    What somebody saw whose word is trusted, the order has heard of, and begins again; where it was void, it cannot.
    """
    struck = isinstance(event, OrderVoided)
    done_at = event.happened_at if struck else event.disposed_at
    if done_at is None or ended.reason == "duplicate":
        return []
    return _surface_later(session, ended, done_at, event.happened_at, trusted=struck)


def _surface_later(
    session: Session, ended: Finding, done_at: datetime, at: datetime, *, trusted: bool = False
) -> list[Finding]:
    """The first of what stands behind it and was found later surfaces, and the others stand behind that."""
    later = [
        each
        for each in _merged_into(session, ended.id)
        if each.stood_at > done_at and each.link_revision == 0 and (trusted or each.confirmed_at is None)
    ]
    for first in later[:1]:
        first.move(Move.SURFACE, at)
        _log(session, first, Move.SURFACE, by=OUR_OWN, at=at, note=None)
    for other in later[1:]:
        _stand_behind_anew(session, other, later[0].id)
    return later[:1]


def merge_duplicates(session: Session, events: Iterable[DefectDuplicated]) -> None:
    """Merge the findings of which assets says that another one's defect stands for them. Raises UnknownFinding."""
    newest = _newest(events)
    locked = _lock_all(session, {*newest, *(event.duplicate_of for event in newest.values())})
    standing = []
    for finding_id, event in newest.items():
        finding = _found(locked, finding_id)
        into = _root(session, _found(locked, event.duplicate_of))
        _linked(locked, event)
        if finding.join(into.id, max(event.happened_at, finding.reported_at)):
            _log(session, finding, Move.JOIN, by=OUR_OWN, at=event.happened_at, note=None)
            if event.done_at and not into.is_open:
                standing += _surface_later(session, finding, event.done_at, event.happened_at)
            _bring_along(session, finding, into.id)
            if seen_at := finding.seen_at:
                _see_again(session, into, seen_at)
            standing.append(into)
    session.flush()  # slots that are free now, before they are taken anew
    _take_slots(session, standing)


def _root(session: Session, finding: Finding) -> Finding:
    """The finding that stands for this one, or itself."""
    if finding.merged_into is None:
        return finding
    return _found(_lock_all(session, [finding.merged_into]), finding.merged_into)


def _bring_along(session: Session, finding: Finding, into: UUID) -> None:
    """What stood behind this finding stands behind the other one now: nobody follows a chain."""
    for each in _merged_into(session, finding.id):
        _stand_behind_anew(session, each, into)


def _stand_behind_anew(session: Session, finding: Finding, into: UUID) -> None:
    if finding.join(into, clock.now()):
        _say(session, finding, clock.now())


def _merged_into(session: Session, finding_id: UUID) -> Sequence[Finding]:
    """What stands behind a finding, locked, in the order in which it was found."""
    wanted = select(Finding).where(findings.c.merged_into == finding_id).order_by(findings.c.id).with_for_update()
    return sorted(session.scalars(wanted), key=lambda each: (each.found_at, each.id))


def _move_of(event: OrderEnd) -> tuple[Move | None, str | None]:
    if isinstance(event, OrderVoided):
        return (None, None) if event.reason == "handed_over" else (Move.STRIKE, event.reason)
    return (Move.RESOLVE if isinstance(event, OrderClosed) else Move.REOPEN), None


def keep_catalogue(session: Session, events: Iterable[CataloguePublished]) -> None:
    """Keep the newest catalogue as our own copy, and look again at places by it. assets tells it at each start."""
    event = max(events, key=lambda each: each.revision)
    row = {"name": queries.CATALOGUE, "revision": event.revision, "catalogue": event.catalogue}
    copies = catalogue_copies
    new = bool(insert_new(session, copies, [row], copies.c.name))
    if not new:
        older = copies.update().where(copies.c.name == queries.CATALOGUE, copies.c.revision < event.revision)
        newer = older.values(revision=event.revision, catalogue=event.catalogue).returning(copies.c.name)
        new = session.scalar(newer) is not None
    queries.forget_rulebook(session)
    if new:
        _look_again(session)


def keep_areas(session: Session, events: Iterable[AreaChanged]) -> None:
    """Keep the newest revision of each district, and look again at the places that were taken unchecked."""
    districts = sorted((each for each in events if each.level == DISTRICT), key=lambda each: (each.code, each.revision))
    for event in districts:
        row = {"code": event.code, "outline": event.outline, "revision": event.revision}
        if not insert_new(session, areas, [row], areas.c.code):
            known = {name: value for name, value in row.items() if value is not None}
            older = areas.c.code == event.code, areas.c.revision <= event.revision
            session.execute(areas.update().where(*older).values(known))
    queries.forget_rulebook(session)
    if districts:
        _look_again(session)


def _look_again(session: Session) -> None:
    """At places of which it is not known that they lie in the city, and open ones whose district is not."""
    city = queries.the_city(session)
    doubtful: ColumnElement[bool] = findings.c.place_check.in_([PlaceCheck.UNCHECKED, PlaceCheck.OUTSIDE])
    if city.drawn:
        doubtful |= findings.c.state.in_(OPEN) & findings.c.district.is_(None) & findings.c.longitude.is_not(None)
    wanted = select(Finding).where(doubtful).order_by(findings.c.id).with_for_update()
    for finding in session.scalars(wanted).all():
        if place := finding.location:
            finding.note_place(city.check(*place.values()), city.district_of(*place.values()))


def _take_slots(session: Session, opened: Collection[Finding], now: Mapping[str, str] = NOT_RENUMBERED) -> None:
    """Let open findings of single categories hold the slot of their facility, where no other one holds it.

    ``now``: codes that were just given up, and the present ones.
    """
    book = queries.rulebook(session)
    asking = [each for each in opened if each.is_open and each.slot != _slot_of(book, each, now)]
    if not asking:  # most hold it since they came in
        return
    now = now or present_codes(session, former_codes, (each.facility for each in asking))
    wanted = {each.id: _slot_of(book, each, now) for each in asking}
    taken = dict(queries.find_holders(session, {each for each in wanted.values() if each}))
    for finding in asking:
        place = wanted.get(finding.id)
        if place and taken.setdefault(place, finding.id) == finding.id:
            finding.slot = place


def _slot_of(book: Rulebook, finding: Finding, now: Mapping[str, str]) -> str | None:
    known = book.categories is None or finding.category in book.categories
    code = now.get(finding.facility or "", finding.facility)
    return slot(book.category(finding.category), code) if known else finding.slot


def _newest(events: Iterable[About]) -> dict[UUID, About]:
    """The newest event about each finding."""
    newest: dict[UUID, About] = {}
    for event in sorted(events, key=lambda each: each.revision):
        if event.finding_id:
            newest[event.finding_id] = event
    return newest


def _lock(session: Session, finding_id: UUID, sight: Sight) -> Finding:
    if found := _lock_all(session, [finding_id], sight).get(finding_id):
        return found
    raise queries.unknown(session, finding_id)


def _lock_all(session: Session, finding_ids: Iterable[UUID], sight: Sight = ALL) -> dict[UUID, Finding]:
    """Load findings to change them, in one order everywhere: two replicas must not wait for each other."""
    within = (findings.c.id.in_(sorted(finding_ids)), *queries.seen(sight))
    wanted = select(Finding).where(*within).order_by(findings.c.id).with_for_update()
    return {finding.id: finding for finding in session.scalars(wanted)}


def _found(locked: Mapping[UUID, Finding], finding_id: UUID) -> Finding:
    if finding_id not in locked:
        raise UnknownFinding(f"There is no finding {finding_id}.")
    return locked[finding_id]


def _say(session: Session, finding: Finding, happened_at: datetime) -> None:
    """Tell the other services what the finding is now."""
    facts = _facts(finding, happened_at)
    if finding.state is State.REJECTED:
        facts["reason"] = finding.reason or ""
    if finding.state is State.MERGED:
        facts["merged_into"] = finding.merged_into
    outbox.record(session, EVENTS[finding.state](**facts))


def _facts(finding: Finding, happened_at: datetime) -> dict[str, Any]:
    return {
        "finding_id": finding.id,
        "revision": finding.revision,
        "happened_at": happened_at,
        "recorded_at": clock.now(),
        "state": finding.state,
        "category": finding.category,
        "severity": finding.severity,
        "source": finding.source,
        "longitude": finding.longitude,
        "latitude": finding.latitude,
        "reported_at": finding.reported_at,
        "confirmed_at": finding.confirmed_at,
        "facility_code": finding.facility,
        "quantity": finding.quantity,
        "summary": finding.summary,
        "photos": finding.photos,
        "reporter_mark": mark_of(finding.id, finding.reporter),
        "found_at": finding.stood_at,
    }


def _say_checked(session: Session, check: LightCheck) -> None:
    outbox.record(
        session,
        LightsChecked(
            check_id=check.id,
            revision=check.revision,
            happened_at=check.checked_at,
            recorded_at=check.recorded_at,
            lamps=[LampLook(facility_code=look.facility_code, lit=look.lit) for look in check.lamps],
        ),
    )
