"""The figures of assets for Prometheus, from the sums kept, and the recount that proves them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import running
from services.assets.domain.facilities import under_defects
from services.assets.domain.metered import NightSum
from services.assets.domain.rates import By
from services.assets.domain.standings import Standing, standing_of
from services.assets.domain.sums import Dimension, Figure, Labels, Part, Sums, contributions, kept_names, name_of
from services.assets.queries.lamps import count_silent, latest_night, sums_of
from services.assets.tables import defects, facilities, looks
from services.assets.use_cases.looks import oldest
from services.assets.use_cases.proofs import PROOFS as PROOFS
from services.assets.use_cases.sweeps import waiting_sweeps
from shared import clock, tallies

AT_ONCE = 2_000
SAMPLED, METERED = "sampled", "metered"
LOOKS = (Figure.LAMPS_CHECKED, Figure.LAMPS, Figure.LAMPS_LIT)


def collect(session: Session) -> Iterator[Metric]:
    """The gauges of facilities, the intact ratio and the light-on ratios, by kind and district."""
    yield GaugeMetricFamily(
        "waywarden_catalogue_refused", "Whether the catalogue file is refused.", value=running.refused is not None
    )
    yield GaugeMetricFamily(
        "waywarden_catalogue_revision", "The edition of the catalogue that the replica runs on.", value=running.revision
    )
    yield GaugeMetricFamily(
        "waywarden_area_sweeps", "Changes of areas that facilities have yet to follow.", value=waiting_sweeps(session)
    )
    yield _facilities(_by_kind_and_district(session, Figure.FACILITIES))
    yield from _intact(
        _by_kind_and_district(session, Figure.IN_SERVICE), _by_kind_and_district(session, Figure.DEFECTIVE)
    )
    if running.refused and running.catalogue is None:  # what follows is reckoned by its rules
        return
    nights = sums_of(session, By.DISTRICT, latest_night(session), 1, {})
    yield from _light_on(*(_by_kind_and_district(session, each) for each in LOOKS), nights=nights)
    yield from _lamps(nights, count_silent(session))


def _by_kind_and_district(session: Session, figure: Figure) -> Sums:
    """Labels: kind, district and what else the figure is split by."""
    sums = tallies.read(session, name_of(figure, Dimension.DISTRICT))
    return {(kind, district, *more): amount for (district, kind, *more), amount in sums.items()}


def _facilities(counts: Sums) -> Metric:
    gauge = GaugeMetricFamily(
        "waywarden_facilities", "Facilities registered.", labels=["kind", "district", "condition"]
    )
    return _filled(gauge, counts.items())


def _intact(whole: Sums, broken: Sums) -> Iterator[Metric]:
    gauge = GaugeMetricFamily(
        "waywarden_intact_ratio",
        "Quantity in service without open defects that break the function / quantity in service.",
        labels=["kind", "district"],
    )
    yield _filled(gauge, ((key, (amount - broken.get(key, 0)) / amount) for key, amount in whole.items() if amount))


def _light_on(seen: Sums, lamps: Sums, lit: Sums, *, nights: Iterable[NightSum]) -> Iterator[Metric]:
    """Sampled: by looks within the window; metered: by what controllers told of the latest night."""
    labels = ["method", "kind", "district"]
    checked = {(SAMPLED, *key): amount for key, amount in seen.items() if amount}
    burning = {(SAMPLED, *key): lit.get(key, 0) for key, amount in seen.items() if amount}
    unknown = {(SAMPLED, *key): amount - seen.get(key, 0) for key, amount in lamps.items() if amount}
    ratios = {key: burning[key] / amount for key, amount in checked.items()}
    for each in nights:
        key = METERED, each.kind, each.key
        unknown[key] = each.lamps - each.lamps_known
        if each.known_s:
            checked[key], burning[key] = each.lamps_known, each.lamps_known - each.lamps_dark
            ratios[key] = each.lit_s / each.known_s
    for name, says, values in (
        ("waywarden_lamps_checked", "Lamps looked at (sampled), or that told of the night (metered).", checked),
        ("waywarden_lamps_lit", "Lamps seen lit (sampled), or not dark for long that night (metered).", burning),
        ("waywarden_lamps_unknown", "Lamps in service without a look (sampled), or a word (metered).", unknown),
        ("waywarden_light_on_ratio", "Lamps lit / looked at (sampled), minutes lit / planned (metered).", ratios),
    ):
        yield _filled(GaugeMetricFamily(name, says, labels=labels), values.items())


def _lamps(nights: Iterable[NightSum], silent: Iterable[tuple[Labels, int]]) -> Iterator[Metric]:
    burners = [((each.kind, each.key), each.lamps_day_burning) for each in nights]
    says = "Lamps in service whose controller is silent for too long."
    yield _filled(GaugeMetricFamily("waywarden_lamps_silent", says, labels=["kind", "district"]), silent)
    says = "Lamps in service that burnt by day, on the latest night."
    yield _filled(GaugeMetricFamily("waywarden_lamps_day_burning", says, labels=["kind", "district"]), burners)


def _filled(gauge: GaugeMetricFamily, values: Iterable[tuple[Labels, float]]) -> Metric:
    for labels, value in values:
        gauge.add_metric(labels, value)
    return gauge


def recount(session: Session) -> dict[str, dict[Labels, int]]:
    """The sums, counted anew from facilities, defects and looks; those that come to zero are left out."""
    sums: dict[str, Counter[Labels]] = {name: Counter() for name in kept_names()}
    for name, labels, amount in contributions(
        map(_part, session.execute(_as_they_stand().execution_options(yield_per=AT_ONCE)))
    ):
        sums[name][labels] += amount
    return {name: {labels: n for labels, n in counts.items() if n} for name, counts in sums.items()}


def _part(row: Row[Any]) -> Part:
    """A facility, its condition and look taken from the defects and looks themselves."""
    condition, defective = under_defects(row.condition, row.measure_milli, row.taken)
    true = standing_of(row)._replace(condition=condition.value, defective_milli=defective)
    return Part(1, true, row.lit, row.quadkey)


def _as_they_stand() -> Select[Any]:
    """Every facility with what its open defects take and its latest counting look: from the base tables alone."""
    broken = (
        select(defects.c.facility_id, func.sum(defects.c.taken_milli).label("taken"))
        .where(defects.c.open, defects.c.breaks_function)
        .group_by(defects.c.facility_id)
        .subquery()
    )
    latest = _latest_looks().subquery()
    return (
        select(*(facilities.c[name] for name in (*Standing._fields, "quadkey")), broken.c.taken, latest.c.lit)
        .outerjoin(broken, broken.c.facility_id == facilities.c.id)
        .outerjoin(latest, (latest.c.facility_id == facilities.c.id) & (latest.c.place == 1))
    )


def _latest_looks() -> Select[Any]:
    newest_first = (looks.c.looked_at.desc(), looks.c.source.desc())
    return select(
        looks.c.facility_id,
        looks.c.lit,
        func.row_number().over(partition_by=looks.c.facility_id, order_by=newest_first).label("place"),
    ).where(looks.c.within_lighting_hours, looks.c.looked_at >= oldest(clock.now()))
