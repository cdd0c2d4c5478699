"""The figures of assets for Prometheus, from the sums kept, and the recount that proves them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from services.assets.domain import tiles
from services.assets.domain.catalogue import running
from services.assets.domain.facilities import under_defects
from services.assets.domain.rates import Figure, Labels, Place, Sums
from services.assets.tables import defects, facilities, looks
from services.assets.use_cases.ledger import Kept, every_contribution
from services.assets.use_cases.looks import oldest
from shared import clock, tallies

SAMPLED = "sampled"


def collect(session: Session) -> Iterator[Metric]:
    """The gauges of facilities, the intact ratio and the sampled light-on ratio, by kind and district."""
    sums = {figure: tallies.read(session, figure) for figure in Figure}
    yield _facilities(sums[Figure.FACILITIES])
    yield from _intact(sums[Figure.IN_SERVICE], sums[Figure.DEFECTIVE])
    yield from _light_on(sums[Figure.LAMPS_CHECKED], sums[Figure.LAMPS_LIT])
    yield GaugeMetricFamily(
        "waywarden_catalogue_refused", "Whether the catalogue file is refused.", value=running.refused is not None
    )
    yield GaugeMetricFamily(
        "waywarden_catalogue_revision", "The edition of the catalogue that the replica runs on.", value=running.revision
    )


def _facilities(sums: Sums) -> Metric:
    gauge = GaugeMetricFamily(
        "waywarden_facilities", "Facilities registered.", labels=["kind", "district", "condition"]
    )
    counts: Counter[Labels] = Counter()
    for labels, amount in sums.items():
        counts[labels[0], labels[1], labels[4]] += amount
    return _filled(gauge, counts.items())


def _intact(in_service: Sums, defective: Sums) -> Iterator[Metric]:
    gauge = GaugeMetricFamily(
        "waywarden_intact_ratio",
        "Quantity in service without open defects that break the function / quantity in service.",
        labels=["kind", "district"],
    )
    broken = _by_kind_and_district(defective)
    whole = _by_kind_and_district(in_service)
    yield _filled(gauge, ((key, (amount - broken[key]) / amount) for key, amount in whole.items() if amount))


def _light_on(checked: Sums, lit: Sums) -> Iterator[Metric]:
    labels = ["method", "kind", "district"]
    seen, burning = _by_kind_and_district(checked), _by_kind_and_district(lit)
    yield _filled(
        GaugeMetricFamily("waywarden_lamps_checked", "Lamps looked at within the window.", labels=labels),
        (((SAMPLED, *key), amount) for key, amount in seen.items() if amount),
    )
    yield _filled(
        GaugeMetricFamily("waywarden_lamps_lit", "Lamps seen lit at the latest look within the window.", labels=labels),
        (((SAMPLED, *key), burning[key]) for key, amount in seen.items() if amount),
    )
    yield _filled(
        GaugeMetricFamily("waywarden_light_on_ratio", "Lamps seen lit / lamps looked at.", labels=labels),
        (((SAMPLED, *key), burning[key] / amount) for key, amount in seen.items() if amount),
    )


def _by_kind_and_district(sums: Sums) -> Counter[Labels]:
    totals: Counter[Labels] = Counter()
    for labels, amount in sums.items():
        place = Place(*labels)
        totals[place.kind, place.district] += amount
    return totals


def _filled(gauge: GaugeMetricFamily, values: Iterable[tuple[Labels, float]]) -> Metric:
    for labels, value in values:
        gauge.add_metric(labels, value)
    return gauge


def recount(session: Session) -> dict[str, dict[Labels, int]]:
    """The sums, counted anew from facilities, defects and looks; those that come to zero are left out."""
    names = [*(figure.value for figure in Figure), *map(tiles.figure, tiles.LEVELS)]
    sums: dict[str, Counter[Labels]] = {name: Counter() for name in names}
    for row in session.execute(_as_they_stand()):
        facility, (broken, lit) = Kept(*row[:-2]), row[-2:]
        condition, defective = under_defects(facility.condition, facility.measure_milli, broken)
        true = facility._replace(condition=condition.value, defective_milli=defective, last_look_lit=lit)
        for figure, labels, amount in every_contribution(true):
            sums[figure][tuple(labels)] += amount
    return {figure: {labels: n for labels, n in counts.items() if n} for figure, counts in sums.items()}


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
        select(*(facilities.c[name] for name in Kept._fields), broken.c.taken, latest.c.lit)
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
