"""What the rows of a file do to the registry: created, updated, unchanged or refused, in few statements for many rows.

A plan is made without a lock, from what stands in the registry; carrying it out checks that this still holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, func, select
from sqlalchemy.orm import Session

from services.assets.domain import geometry
from services.assets.domain.areas import Level
from services.assets.domain.catalogue import Catalogue, the_catalogue
from services.assets.domain.facilities import Action, Condition, registered, revised
from services.assets.domain.imports import FAR_M, SPOT_M, Twin, TwoPlaces, changes_of, edited_place, refusal_of
from services.assets.importing import Row
from services.assets.importing.rules import MOVED_FAR
from services.assets.queries.codes import former_codes_of, ids_of_codes
from services.assets.queries.named_areas import NAMED, unknown_areas
from services.assets.tables import facilities, former_codes
from services.assets.use_cases import registry
from shared.errors import Refused
from shared.lists.spelling import spelt_code

LONGEST = {
    column.name: column.type.length for column in facilities.c if isinstance(column.type, String) and column.type.length
}
DUPLICATE = "duplicate-code"
UNKNOWN_AREA = "unknown-area"
SAMPLE = 20
MISSING = "The file no longer holds it."


class Overtaken(Exception):
    """Somebody else registered or changed a facility of the plan."""


@dataclass
class Note:
    """A row that was refused, or taken after a repair."""

    line: int
    raw: dict[str, Any]
    rule: str
    reason: str
    repaired: bool


@dataclass
class Plan:
    """What becomes of rows. ``held``: how many facilities that the series has so far are in these rows."""

    created: dict[str, dict[str, Any]] = field(default_factory=dict)  # code → the facility as registered
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)  # code → what a row says otherwise
    unchanged: int = 0
    held: int = 0
    notes: list[Note] = field(default_factory=list)
    repaired: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)

    def counts(self, *, dry: bool) -> dict[str, int]:
        """By the names of an import's columns. What is created comes into the series, unless nothing is done."""
        joining = 0 if dry else len(self.created) + sum("source" in each for each in self.changes.values())
        return {
            "created": len(self.created),
            "updated": len(self.changes),
            "unchanged": self.unchanged,
            "rejected": sum(not each.repaired for each in self.notes),
            "repaired": self.repaired,
            "held": self.held + joining,
        }


@dataclass(frozen=True)
class Context:
    """What a plan is made in: the series, the column with the codes, the facilities that are there, the moment."""

    source: str
    code_column: str | None
    there: Mapping[str, Mapping[str, Any]]
    now: datetime
    catalogue: Catalogue


def plan_rows(
    session: Session,
    rows: Sequence[Row],
    *,
    source: str,
    code_column: str | None,
    now: datetime,
    locate: bool = False,
) -> Plan:
    """What the rows would do. Reads only. ``locate``: an area that is none is left out, and found by the place."""
    there = _known(session, {code for row in rows if (code := code_of(row, code_column))})
    context = Context(source, code_column, there, now, the_catalogue())
    rows = _in_areas(session, rows, there, locate)
    plan = Plan()
    rows = [_settled(row, there) for row in rows]
    for row in rows:
        _plan_row(plan, row, context)
    plan.sample = [_as_sample(row) for row in rows[:SAMPLE]]
    return plan


def _settled(row: Row, there: Mapping[str, Mapping[str, Any]]) -> Row:
    """A row of an export whose numbers lie elsewhere than its geometry: at the place that somebody changed."""
    if row.draft is None or row.said_at is None:
        return row
    try:
        meant = edited_place(row.draft["geometry"], row.said_at, there.get(str(row.draft["code"])))
    except TwoPlaces as wrong:
        return replace(row, draft=None, reject=(wrong.slug, wrong.detail))
    return replace(row, draft={**row.draft, "geometry": meant})


def code_of(row: Row, code_column: str | None) -> str | None:
    """The code that a row names, also a refused one, as far as that can be told."""
    if row.draft is not None:
        return str(row.draft["code"])
    said = row.raw.get(code_column) if code_column else None
    return spelt_code(str(said).strip()) if said not in (None, "") else None


def _known(session: Session, codes: set[str]) -> dict[str, dict[str, Any]]:
    """The facility that each code means; a file may be older than a renumbering."""
    ids = ids_of_codes(session, codes)
    if not ids:
        return {}
    rows = session.execute(select(*facilities.c).where(facilities.c.id.in_(set(ids.values()))))
    by_id = {row.id: dict(row._mapping) for row in rows}
    return {code: by_id[facility_id] for code, facility_id in ids.items()}


def _in_areas(session: Session, rows: Sequence[Row], there: Mapping[str, Mapping[str, Any]], locate: bool) -> list[Row]:
    """The rows, those refused or repaired that name an area which is none; what is registered so already may stay."""
    drafts = [row.draft for row in rows if row.draft is not None and not row.reject]
    named = {level: {code for each in drafts if (code := each.get(level))} for level in NAMED}
    strange = unknown_areas(session, named)
    return [_in_area(row, there.get(row.draft["code"], {}), strange, locate) if row.draft else row for row in rows]


def _in_area(row: Row, there: Mapping[str, Any], strange: Mapping[Level, set[str]], locate: bool) -> Row:
    draft = row.draft or {}
    wrong = [level for level, codes in strange.items() if draft.get(level) in codes - {there.get(level)}]
    if row.reject or not wrong:
        return row
    found = [(UNKNOWN_AREA, f"There is no {level} {draft[level]!r}.") for level in wrong]
    if not locate:
        return replace(row, reject=found[0])
    bare = {name: value for name, value in draft.items() if name not in wrong}
    return replace(row, draft=bare, repairs=(*row.repairs, *found))


def _plan_row(plan: Plan, row: Row, context: Context) -> None:
    there = context.there.get(code_of(row, context.code_column) or "")
    refused = row.reject or _place(plan, row.draft or {}, there, context)
    if there is not None and _is_held(there, context.source) and refused[:1] != (DUPLICATE,):
        plan.held += 1
    if refused:
        plan.notes.append(Note(row.line, _plain(row.raw), *refused, repaired=False))
    elif repairs := [*row.repairs, *_moved_far(row.draft or {}, there)]:
        plan.repaired += 1
        plan.notes += [Note(row.line, _plain(row.raw), *each, repaired=True) for each in repairs]


def _moved_far(draft: Mapping[str, Any], there: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if there is None or (moved := metres_moved(draft, there)) <= FAR_M:
        return []
    return [(MOVED_FAR, f"{there['code']} moves by {moved:,.0f} m.")]


def metres_moved(draft: Mapping[str, Any], there: Mapping[str, Any]) -> float:
    """How far a row moves its facility, in metres."""
    same = draft["geometry"] == there["geometry"]
    return 0.0 if same else geometry.metres_apart(draft["geometry"], there["geometry"])


def moves(session: Session, rows: Sequence[Row], *, source: str) -> list[float]:
    """How far, in metres, the rows move each facility that they may change."""
    there = _known(session, {str(row.draft["code"]) for row in rows if row.draft is not None})
    drafts = [row.draft for row in (_settled(each, there) for each in rows) if row.draft is not None]
    known = [(draft, there[draft["code"]]) for draft in drafts if draft["code"] in there]
    return [metres_moved(draft, one) for draft, one in known if not refusal_of(draft, one, source)]


def twins(session: Session, rows: Sequence[Row]) -> list[Twin]:
    """New codes of the rows that stand on the spot of a registered facility."""
    drafts = {str(row.draft["code"]): row.draft for row in rows if row.draft is not None}
    known = ids_of_codes(session, drafts)
    new = {code: geometry.anchor(draft["geometry"]) for code, draft in drafts.items() if code not in known}
    tiles = {code: geometry.quadkeys_about(*place, SPOT_M) for code, place in new.items()}
    there = _standing(session, set().union(*tiles.values()), {draft["kind"] for draft in drafts.values()})
    return [
        Twin(code, one.code, one.id, one.source)
        for code, place in new.items()
        for tile in tiles[code]
        for one in there.get(tile, ())
        if one.kind == drafts[code]["kind"] and geometry.metres_between(place, (one.longitude, one.latitude)) <= SPOT_M
    ]


def _standing(session: Session, tiles: set[int], kinds: set[str]) -> dict[int, list[Any]]:
    """Facilities of these kinds by the quadkeys of their anchors."""
    columns = (facilities.c[name] for name in ("quadkey", "id", "code", "kind", "source", "longitude", "latitude"))
    stand = facilities.c.kind.in_(kinds), facilities.c.condition != Condition.RETIRED.value
    found: dict[int, list[Any]] = {}
    for row in session.execute(select(*columns).where(facilities.c.quadkey.in_(tiles), *stand)) if tiles else ():
        found.setdefault(row.quadkey, []).append(row)
    return found


def unnamed(session: Session, found: Sequence[Twin], codes: Collection[str]) -> list[Twin]:
    """Those of the twins whose facility is not named by these codes, nor by a former code of its own."""
    former = former_codes_of(session, sorted({each.facility_id for each in found}))
    return [each for each in found if not {each.known, *former.get(each.facility_id, ())} & {*codes}]


def _is_held(there: Mapping[str, Any], source: str) -> bool:
    return bool(there["source"] == source and there["condition"] != Condition.RETIRED)


def _place(
    plan: Plan, draft: dict[str, Any], there: Mapping[str, Any] | None, context: Context
) -> tuple[str, str] | tuple[()]:
    """Put a draft where it belongs in the plan, or say by which rule and why it is refused."""
    if refused := _too_long(draft) or (there and refusal_of(draft, there, context.source)):
        return refused
    try:
        if there is None:
            plan.created[draft["code"]] = _registered(draft, context)
        elif new := changes_of(draft, there, context.source):
            revised(there, new, context.catalogue)  # raises for what cannot be measured
            plan.changes[there["code"]] = new
        else:
            plan.unchanged += 1
    except Refused as wrong:
        return wrong.slug, wrong.detail
    return ()


def _registered(draft: dict[str, Any], context: Context) -> dict[str, Any]:
    """Raises for what cannot be registered."""
    facility = registered(context.catalogue, at=context.now, **{**draft, "source": context.source})
    registry.cells_of(facility)
    return facility


def _too_long(draft: Mapping[str, Any]) -> tuple[str, str] | None:
    texts = ((name, value) for name, value in draft.items() if isinstance(value, str))
    long = next((name for name, text in texts if len(text) > LONGEST.get(name, len(text))), None)
    return ("too-long", f"The {long} is over {LONGEST[long]} characters long.") if long else None


def _plain(raw: Mapping[str, Any]) -> dict[str, Any]:
    """As it came, as far as JSON and PostgreSQL can hold it."""
    return {name: value if isinstance(value, (int, float, bool)) else _text(value) for name, value in raw.items()}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _as_sample(row: Row) -> dict[str, Any]:
    """A row as it would be registered, or why it would not."""
    refused = dict(zip(("rule", "reason"), row.reject, strict=True)) if row.reject else None
    registered: Any = None if row.reject else json.loads(json.dumps(row.draft, default=str))
    repairs = [{"rule": rule, "reason": reason} for rule, reason in row.repairs]
    return {"line": row.line, "facility": registered, "refused": refused, "repairs": repairs}


# --- carrying out


def carry_out(session: Session, plan: Plan, *, who: str, import_id: UUID, now: datetime) -> None:
    """Write what the plan says. Raises Overtaken, and then nothing of it may be committed."""
    new = registry.enter(session, plan.created, who=who, at=now, import_id=str(import_id))
    if len(new) < len(plan.created):
        raise Overtaken
    registry.revise_facilities(session, plan.changes, who=who, import_id=str(import_id))


# --- what the file no longer holds


def has_any(session: Session) -> bool:
    """Whether any facility is registered."""
    return session.scalar(select(facilities.c.id).limit(1)) is not None


def size_of(session: Session, source: str) -> int:
    """How many facilities the series has that are not retired."""
    return session.scalar(select(func.count()).where(*_active(source))) or 0


def codes_of(session: Session, source: str) -> set[str]:
    """Their codes."""
    return set(session.scalars(select(facilities.c.code).where(*_active(source))))


def renumbered_of(session: Session, source: str, named: Collection[str]) -> set[str]:
    """The present codes of those whose former code is among the codes that a file names."""
    both = select(former_codes.c.code.label("former"), facilities.c.code).join_from(former_codes, facilities)
    return {row.code for row in session.execute(both.where(*_active(source))) if row.former in named}


def _active(source: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return facilities.c.source == source, facilities.c.condition != Condition.RETIRED.value


def retire(session: Session, codes: Collection[str], *, who: str, import_id: UUID) -> None:
    """Retire facilities of the series that the file does not hold."""
    registry.act_on_facilities(session, codes, action=Action.RETIRE, reason=MISSING, who=who, import_id=str(import_id))
