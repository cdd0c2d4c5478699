"""Areas that facilities, and areas themselves, name: which of them the city has drawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from sqlalchemy import ColumnElement, FromClause, Select, and_, or_, select
from sqlalchemy.orm import Session

from services.assets.domain.areas import HOLDERS, Level, NoSuchArea, UnknownDistrict
from services.assets.tables import areas

NAMED = (Level.DISTRICT, Level.COMMUNITY, Level.LARGE_GRID, Level.GRID)  # a street is an address: any road may be one
MOST_COMPARED = 5_000  # codes


def unknown_areas(session: Session, named: Mapping[Level, Collection[str]]) -> dict[Level, set[str]]:
    """By level, the codes that are none of its areas. Of a level of which none is drawn yet, none is unknown."""
    asked = {level: set(codes) for level, codes in named.items() if codes}
    if not asked:
        return {}
    rows = select(areas.c.level, areas.c.code).where(areas.c.code.in_(set().union(*asked.values())))
    known = {(level, code) for level, code in session.execute(rows.where(areas.c.level.in_(list(asked))))}
    strange = {level: {each for each in codes if (level, each) not in known} for level, codes in asked.items()}
    return {level: codes for level, codes in strange.items() if codes and is_drawn(session, level)}


def is_drawn(session: Session, level: Level) -> bool:
    """Whether the city has any area of a level."""
    return session.scalar(select(areas.c.code).where(areas.c.level == level.value).limit(1)) is not None


def fault_of_area(
    session: Session, level: Level, named: Mapping[str, str | None]
) -> UnknownDistrict | NoSuchArea | None:
    """What is wrong with the district and the parent that an area names: that they are none, where there are any."""
    district, parent = named.get("district"), named.get("parent")
    if district and unknown_areas(session, {Level.DISTRICT: [district]}):
        return UnknownDistrict(no_area(session, Level.DISTRICT, district), field="district")
    holders = HOLDERS.get(level, ())
    if not parent or not holders or not is_drawn(session, holders[0]):
        return None
    known = select(areas.c.code).where(areas.c.level.in_(holders), areas.c.code == parent)
    if session.scalar(known.limit(1)) is not None:
        return None
    return NoSuchArea(no_area(session, holders[0], parent), field="parent")


def no_area(session: Session, level: Level, code: str) -> str:
    """That there is no such area, and the code that is most like it."""
    codes = session.scalars(select(areas.c.code).where(areas.c.level == level.value)).all()
    likely = get_close_matches(code, codes, n=1, cutoff=0.5) if len(codes) <= MOST_COMPARED else []
    return f"There is no {level} {code!r}." + (f" Is it {likely[0]!r}?" if likely else "")


def naming_nothing(of: FromClause) -> ColumnElement[bool]:
    """Facilities that name an area which is none, of a level that is drawn."""
    return or_(*(_names_none(of.c[level.value], (level,)) for level in NAMED))


def areas_naming_nothing(level: Level) -> ColumnElement[bool]:
    """Areas of a level that name a district or parent which is not drawn, or not yet."""
    named = {areas.c.district: (Level.DISTRICT,), areas.c.parent: HOLDERS.get(level, ())}
    return or_(*(column.not_in(_codes(levels)) for column, levels in named.items() if levels))


def _names_none(column: ColumnElement[str], levels: Collection[Level]) -> ColumnElement[bool]:
    return and_(column.not_in(_codes(levels)), _codes(levels).exists())


def _codes(levels: Collection[Level]) -> Select[tuple[str]]:
    other = areas.alias()
    return select(other.c.code).where(other.c.level.in_([each.value for each in levels]))
