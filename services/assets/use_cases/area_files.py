"""Areas from files, read as files of facilities are: whatever format, CRS and headings, with reasons row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from services.assets import importing
from services.assets.domain.areas import Level, UnusableAreas, drawn
from services.assets.domain.attributes import Attribute, Type
from services.assets.domain.catalogue import Catalogue, Kind, Unit, the_catalogue
from services.assets.importing import Row, Unusable
from services.assets.importing.model import CODES_GENERATED
from services.assets.queries.named_areas import fault_of_area
from services.assets.use_cases.areas import import_areas
from shared.errors import Refused

MOST_AREAS = 50_000
FIELDS = ("district",)  # a draft of a facility has them as an area does
HELD_BY = ("district", "parent")
COLUMNS = {
    "parent": ("Parent", "上级区域"),
    "responsible_name": ("Responsible person", "责任人"),
    "responsible_phone": ("Telephone", "联系电话"),
}
LONGEST = {"code": 60, "name": 200, "district": 60, "parent": 60, "responsible_name": 100, "responsible_phone": 40}
AREA = Kind(
    slug="area",
    group="",
    unit=Unit.COUNT,  # so that no row is refused for its measure
    en="Area",
    zh="区域",
    weight=0.0,
    attributes={slug: Attribute(slug=slug, en=en, zh=zh, type=Type.TEXT) for slug, (en, zh) in COLUMNS.items()},
)


@dataclass
class AreaFile:
    """What a file says of areas. ``rejects``: line, rule and reason of each row that says nothing usable."""

    understood: Mapping[str, Any]
    drafts: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)  # of the drafts
    rejects: list[dict[str, Any]] = field(default_factory=list)
    repaired: int = 0


def read_areas(path: Path, name: str, options: Mapping[str, Any]) -> AreaFile:
    """Read a file of polygons with codes. Raises UnusableAreas where it makes no sense as a whole."""
    chosen = importing.Options.from_json({**options, "kind": AREA.slug})
    catalogue = _only_areas(the_catalogue())
    try:
        understood = replace(importing.understand(path, name, chosen, catalogue), any_size=True)
        if "code" not in understood.mapping:
            raise UnusableAreas("No column gives the areas' codes: name it as code_column.", field="options")
        found = AreaFile(understood.as_json())
        for chunk in importing.rows(path, understood, chosen, catalogue):
            _take(found, chunk)
        return found
    except Unusable as wrong:
        raise UnusableAreas(str(wrong), field="file") from wrong


def _only_areas(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, kinds={AREA.slug: AREA}, categories={}, groups={})


def _take(found: AreaFile, chunk: Iterable[Row]) -> None:
    for row in chunk:
        if reject := row.reject or _fault(row):
            found.rejects.append({"line": row.line, "rule": reject[0], "reason": reject[1]})
        else:
            found.drafts.append(_draft(row.draft or {}))
            found.lines.append(row.line)
            found.repaired += bool(row.repairs)
    if len(found.drafts) > MOST_AREAS:
        raise UnusableAreas(f"It holds over {MOST_AREAS:,} areas.", field="file")


def _fault(row: Row) -> tuple[str, str] | None:
    """Why a row is no area."""
    draft = row.draft or {}
    if any(rule == CODES_GENERATED for rule, _ in row.repairs):
        return "no-code", "The row has no code."
    for name, value in _said(draft):
        if len(value) > LONGEST[name]:
            return "too-long", f"{name} has over {LONGEST[name]} characters."
    try:
        drawn(draft["geometry"])
    except Refused as wrong:
        return wrong.slug, wrong.detail
    return None


def _draft(draft: Mapping[str, Any]) -> dict[str, Any]:
    return {"geometry": draft["geometry"], **dict(_said(draft))}


def _said(draft: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a row says of an area beside its polygon."""
    for name in ("code", "name", *FIELDS):
        if draft.get(name):
            yield name, str(draft[name])
    for name in COLUMNS:
        if draft["attributes"].get(name):
            yield name, str(draft["attributes"][name])


def _refuse_strangers(session: Session, found: AreaFile, level: Level) -> None:
    """Areas whose district or parent is none are not drawn."""
    named = {(each.get("district"), each.get("parent")) for each in found.drafts}
    faults = {pair: fault_of_area(session, level, dict(zip(HELD_BY, pair, strict=True))) for pair in named}
    drafts, found.drafts = list(zip(found.lines, found.drafts, strict=True)), []
    for line, draft in drafts:
        if fault := faults[draft.get("district"), draft.get("parent")]:
            found.rejects.append({"line": line, "rule": fault.slug, "reason": fault.detail})
        else:
            found.drafts.append(draft)
    found.rejects.sort(key=itemgetter("line"))


def take_areas(session: Session, found: AreaFile, *, level: Level, who: str, dry_run: bool) -> dict[str, Any]:
    """Draw and change what a file says, unless one only asks what would be done; counts, and what was refused."""
    _refuse_strangers(session, found, level)
    with session.begin_nested() as attempt:
        counts = import_areas(session, level=level, drafts=found.drafts, who=who)
        if dry_run:
            attempt.rollback()
    if dry_run:
        session.info.pop("outbox", None)
    return {
        **counts,
        "rejected": len(found.rejects),
        "repaired": found.repaired,
        "rejects": found.rejects[:1000],
        "understood": found.understood,
        "dry_run": dry_run,
    }
