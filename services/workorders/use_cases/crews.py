"""Crews, and the rules that dispatch orders to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.crews import Crew, DispatchRule
from services.workorders.queries import present_catalogue
from services.workorders.use_cases.copies import check_districts
from services.workorders.use_cases.moving import check_crew_exists
from shared.db import insert_new
from shared.errors import Conflict, NotFound, expect


class CodeTaken(Conflict):
    """There is another one with this code or name."""

    slug = "code-taken"
    zh = "编码或名称已被占用"


def register_crew(session: Session, *, code: str, name: str, districts: Sequence[str], kinds: Sequence[str]) -> Crew:
    """Raises CodeTaken, also where somebody registers the same code at this moment, UnknownDistrict, UnknownKind."""
    check_districts(session, districts, "districts")
    present_catalogue(session).check_kinds(kinds)
    row = {"code": code, "name": name, "districts": list(districts), "kinds": list(kinds), "revision": 1}
    if not insert_new(session, tables.crews, [row], tables.crews.c.code):
        raise CodeTaken(f"There is a crew {code}.", field="code")
    return session.get_one(Crew, code)


def change_crew(session: Session, *, code: str, changes: dict[str, Any], expected: int | None) -> Crew:
    crew = session.get(Crew, code, with_for_update=True)
    if crew is None:
        raise NotFound(f"There is no crew {code}.")
    check_districts(session, set(changes.get("districts", [])) - set(crew.districts), "districts")
    present_catalogue(session).check_kinds(set(changes.get("kinds", [])) - set(crew.kinds))
    change(crew, changes, expected)
    return crew


def add_rule(session: Session, *, rule: dict[str, Any]) -> DispatchRule:
    """Add a dispatch rule, which counts for every order that is registered from now on."""
    check_rule(session, rule)
    new = DispatchRule(**rule)
    row = {column.key: getattr(new, column.key) for column in tables.dispatch_rules.c}
    if not insert_new(session, tables.dispatch_rules, [row], tables.dispatch_rules.c.id):
        raise CodeTaken(f"There is a dispatch rule {new.name}.", field="name")
    return session.get_one(DispatchRule, new.id)


def change_rule(session: Session, *, rule_id: UUID, changes: dict[str, Any], expected: int | None) -> DispatchRule:
    rule = hold_rule(session, rule_id)
    check_rule(session, changes, besides=rule_id)
    change(rule, changes, expected)
    return rule


def remove_rule(session: Session, *, rule_id: UUID, expected: int | None) -> None:
    rule = hold_rule(session, rule_id)
    expect(rule.revision, expected)
    session.delete(rule)


def hold_rule(session: Session, rule_id: UUID) -> DispatchRule:
    rule = session.get(DispatchRule, rule_id, with_for_update=True)
    if rule is None:
        raise NotFound(f"There is no dispatch rule {rule_id}.")
    return rule


def check_rule(session: Session, rule: dict[str, Any], besides: UUID | None = None) -> None:
    """Refuse a name that another rule has, and a crew, a district or a code of the catalogue that does not exist."""
    if (district := rule.get("district")) is not None:
        check_districts(session, [district], "district")
    if (crew := rule.get("crew")) is not None:
        check_crew_exists(session, crew)
    present_catalogue(session).check(**{name: rule.get(name) for name in ("category", "group", "kind")})
    rules = tables.dispatch_rules.c
    same_name = session.scalar(select(rules.id).where(rules.name == rule.get("name"), rules.id != besides))
    if same_name is not None:
        raise CodeTaken(f"There is a dispatch rule {rule['name']}.", field="name")


def change(thing: Crew | DispatchRule, changes: dict[str, Any], expected: int | None) -> None:
    expect(thing.revision, expected)
    for name, value in changes.items():
        setattr(thing, name, value)
    thing.revision += 1
