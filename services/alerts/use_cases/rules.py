"""The rules that say which alerts open an emergency order."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from services.alerts import queries
from services.alerts.domain.alerts import Rule
from services.alerts.use_cases import categories, places
from shared.errors import expect


def add_rule(session: Session, *, id: UUID | None = None, **facts: Any) -> Rule:
    """Add a rule; ``facts`` as in ``domain.alerts.Rule``. Raises UnknownDistrict, UnknownCategory."""
    places.must_exist(session, facts.get("district"))
    categories.must_exist(session, facts.get("order_category"))
    rule = Rule(id=id or uuid4(), **facts)
    session.add(rule)
    return rule


def change_rule(session: Session, *, rule_id: UUID, expected: int | None = None, **changed: Any) -> Rule:
    """Change a rule; alerts that stand keep the order category that they got.

    Raises UnknownRule, Stale, UnknownDistrict, UnknownCategory.
    """
    rule = queries.get_rule(session, rule_id)
    session.refresh(rule, with_for_update=True)
    expect(rule.revision, expected)
    if changed.get("district") != rule.district:
        places.must_exist(session, changed.get("district"))
    if changed.get("order_category") != rule.order_category:
        categories.must_exist(session, changed.get("order_category"))
    for name, value in changed.items():
        setattr(rule, name, value)
    rule.revision += 1
    return rule
