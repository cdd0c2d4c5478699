"""Which crew gets an order."""

from __future__ import annotations

from services.workorders.domain.crews import Choice, Crew, DispatchRule, Sort, choose_crew

KALLIO = Crew(code="a-kallio", name="Kallio", districts=["kallio"])
LAMPS = Crew(code="b-lamps", name="Lamps", districts=["kallio", "kamppi"], kinds=["lighting"])
DISTRICT = DispatchRule(name="crew of the district", priority=1000)


def order(district: str | None = "kallio", kind: str = "street_light", severity: str = "normal") -> Sort:
    return Sort("lamp_out", "lighting", kind, district, severity)


def test_without_rules_an_order_waits_for_a_dispatcher() -> None:
    assert choose_crew(order(), [], [KALLIO]) is None


def test_the_rule_of_the_district_finds_the_first_crew_that_takes_the_kind_there() -> None:
    assert choose_crew(order(), [DISTRICT], [LAMPS, KALLIO]) == Choice("a-kallio", "crew of the district")
    assert choose_crew(order("kamppi"), [DISTRICT], [LAMPS, KALLIO]) == Choice("b-lamps", "crew of the district")


def test_an_order_without_a_district_is_no_crews() -> None:
    assert choose_crew(order(None), [DISTRICT], [KALLIO, Crew(code="all", name="All")]) is None


def test_a_lower_priority_number_comes_first() -> None:
    emergency = DispatchRule(name="emergencies", priority=1, severity="emergency", crew="night")
    assert choose_crew(order(severity="emergency"), [DISTRICT, emergency], [KALLIO]) == Choice("night", "emergencies")
    assert choose_crew(order(), [DISTRICT, emergency], [KALLIO]) == Choice("a-kallio", "crew of the district")


def test_a_rule_that_finds_no_crew_leaves_the_order_to_the_next_rule() -> None:
    fallback = DispatchRule(name="the rest", priority=2000, crew="night")
    assert choose_crew(order("munkkiniemi"), [DISTRICT, fallback], [KALLIO]) == Choice("night", "the rest")


def test_a_rule_that_is_not_active_is_as_good_as_none() -> None:
    assert choose_crew(order(), [DispatchRule(name="off", active=False, crew="night")], []) is None


def test_a_rule_fits_only_when_all_that_it_names_fits() -> None:
    rule = DispatchRule(name="lamps of Kallio", kind="street_light", district="kallio", group="lighting")
    assert rule.fits(order())
    assert not rule.fits(order("kamppi"))
    assert not rule.fits(order(kind="landscape_light"))
