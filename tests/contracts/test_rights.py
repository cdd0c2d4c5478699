"""Every route has one rule that says whose it is, and names the roles of that rule."""

from __future__ import annotations

import pytest

from deploy.openapi import declared_by
from deploy.services import SERVICE_CLASSES
from shared.web import Declared
from tests.rights import RULES, Rule, rules_of

ROUTES = [each for service in SERVICE_CLASSES.values() for each in declared_by(service)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda each: f"{each.method} {each.path}")
def test_a_route_has_one_rule_that_says_whose_its_things_are(route: Declared) -> None:
    rules = rules_of(route)
    assert len(rules) == 1, f"{route.method} {route.path} has {len(rules)} rules: add one to tests/rights.py"
    assert set(route.roles) == set(rules[0].roles)


@pytest.mark.parametrize("rule", RULES, ids=lambda each: f"{each.methods} {each.path}")
def test_a_rule_is_about_some_route(rule: Rule) -> None:
    assert rule.path.startswith("/me/") or any(rule.fits(each) for each in ROUTES)
