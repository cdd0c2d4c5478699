"""Facilities: their codes, measures and conditions, and what defects do to them.

Quantities are whole thousandths of the kind's unit (pieces, metres, square metres) under ``…_milli``, so that sums
over a city are exact; ``measure`` and ``defective`` give them back in the unit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import Catalogue, Kind, Unit
from services.assets.domain.searching import searchable
from shared.errors import Conflict, Invalid, NotFound
from shared.lists.spelling import is_all_seen, spelt, spelt_code

RESERVED_CODES = {"imports", "export", "labels.pdf", "life-counts"}  # they are addresses below /facilities
LONGEST_CODE = 100


class Condition(StrEnum):
    INTACT = "intact"
    DEFECTIVE = "defective"
    OUT_OF_SERVICE = "out_of_service"
    RETIRED = "retired"


IN_SERVICE = {Condition.INTACT, Condition.DEFECTIVE}


class Action(StrEnum):
    """What a person does to a facility's condition; defects do the rest."""

    PUT_OUT_OF_SERVICE = "put_out_of_service"
    RETURN_TO_SERVICE = "return_to_service"
    RETIRE = "retire"


MOVES: Mapping[Action, Collection[Condition]] = {
    Action.PUT_OUT_OF_SERVICE: IN_SERVICE,
    Action.RETURN_TO_SERVICE: {Condition.OUT_OF_SERVICE},
    Action.RETIRE: {*IN_SERVICE, Condition.OUT_OF_SERVICE},
}


class UnknownFacility(NotFound):
    """There is no facility with this code."""

    slug = "unknown-facility"
    zh = "没有此编码的设施"


class CodeTaken(Conflict):
    """Another facility has this code already."""

    slug = "code-taken"
    zh = "设施编码已被使用"


class BadCode(Invalid):
    """This text cannot be a code."""

    slug = "bad-code"
    zh = "编码不合规则"


class UnknownKind(Invalid):
    """The catalogue has no such kind of facility."""

    slug = "unknown-kind"
    zh = "目录中没有此类设施"


class NotMeasurable(Invalid):
    """This geometry does not tell how large the facility is."""

    slug = "not-measurable"
    zh = "无法由几何得出数量"


class IllegalChange(Conflict):
    """The facility's condition does not allow this."""

    slug = "illegal-change"
    zh = "设施现状不允许此操作"


@dataclass(eq=False, kw_only=True)
class Facility:
    """A thing that the city keeps. ``longitude``/``latitude`` stand for it on a map; the box holds its geometry.

    ``last_look_…`` is the latest look at a lamp within lighting hours and within the window of the light-on rate.
    ``source`` names the series of files that it was imported from. ``stands_since`` is when we knew what now goes into
    the rates; what was known before is a past standing (standings.py).
    """

    code: str
    kind: str
    name: str
    geometry: dict[str, Any]
    longitude: float
    latitude: float
    west: float
    south: float
    east: float
    north: float
    unit: str
    measure_milli: int
    measure_estimated: bool
    quadkey: int
    search: str
    registered_at: datetime
    changed_at: datetime
    stands_since: datetime
    attributes: dict[str, Any] = field(default_factory=dict)
    district: str | None = None
    street: str | None = None
    community: str | None = None
    large_grid: str | None = None
    grid: str | None = None
    owner: str | None = None
    authority: str | None = None
    maintainer: str | None = None
    condition: str = Condition.INTACT.value
    defective_milli: int = 0
    out_of_service_reason: str | None = None
    last_look_at: datetime | None = None
    last_look_source: str | None = None
    last_look_lit: bool | None = None
    light_source: str | None = None
    power_milliwatts: int | None = None
    installed_on: date | None = None
    retired_on: date | None = None
    source: str | None = None
    revision: int = 1
    id: int | None = None

    @property
    def measure(self) -> float:
        return self.measure_milli / 1000

    @property
    def defective(self) -> float:
        return self.defective_milli / 1000

    def change(self, at: datetime) -> None:
        """Every change of what others may read counts up the revision."""
        self.revision += 1
        self.changed_at = at

    def must_stand(self) -> None:
        """Raises IllegalChange when it is retired: nothing happens to it any more."""
        if self.condition == Condition.RETIRED:
            raise IllegalChange(f"{self.code} is retired.")

    def act(
        self,
        action: Action,
        *,
        at: datetime,
        on: date | None = None,
        reason: str | None = None,
        broken_milli: int | None = None,
    ) -> None:
        """Put out of service, back, or retire, on a day. ``broken_milli``: what open defects take; None without any."""
        self._become(acted(vars(self), action, on=on, reason=reason, broken_milli=broken_milli), at)

    def revise(self, changes: Mapping[str, Any], catalogue: Catalogue, *, at: datetime) -> None:
        """Change what was registered, see ``revised``."""
        self._become(revised(vars(self), changes, catalogue), at)

    def _become(self, values: Mapping[str, Any], at: datetime) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.change(at)


Row = Mapping[str, Any]  # a facility's fields by their names


def acted(
    facility: Row, action: Action, *, on: date | None, reason: str | None, broken_milli: int | None
) -> dict[str, Any]:
    """The fields that an act changes, with their new values. Raises IllegalChange."""
    if facility["condition"] not in MOVES[action]:
        raise IllegalChange(f"{facility['code']} is {facility['condition']}: {action} is not possible.")
    condition, defective = {
        Action.PUT_OUT_OF_SERVICE: (Condition.OUT_OF_SERVICE, 0),
        Action.RETURN_TO_SERVICE: under_defects(Condition.INTACT, facility["measure_milli"], broken_milli),
        Action.RETIRE: (Condition.RETIRED, 0),
    }[action]
    return {
        "condition": condition.value,
        "defective_milli": defective,
        "out_of_service_reason": reason if action is Action.PUT_OUT_OF_SERVICE else None,
        "retired_on": on if action is Action.RETIRE else None,
    }


def revised(facility: Row, changes: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The fields that a revision changes, with their new values.

    A new geometry, or an estimate that attributes now better, is measured anew. Raises NotMeasurable.
    """
    new = {name: value for name, value in changes.items() if name != "measure"}
    new |= {name: spelt(new[name]) for name in ("name", "street") if new.get(name)}
    if "geometry" in changes:
        new |= place_of(changes["geometry"])
    after, kind = {**facility, **new}, catalogue.kinds.get(facility["kind"])
    new["search"] = searchable(after["code"], after["name"], after["street"])
    if kind and "attributes" in changes:
        new["light_source"], new["power_milliwatts"] = light_of(kind, after["attributes"])
    if kind and (
        changes.keys() & {"geometry", "measure"} or ("attributes" in changes and facility["measure_estimated"])
    ):
        measured = measure_of(after["geometry"], kind, after["attributes"], catalogue, changes.get("measure"))
        new["measure_milli"], new["measure_estimated"] = measured
    return new


def checked_code(code: str) -> str:
    """Any text is a code that an address can carry and that no address below /facilities has taken (domain.md)."""
    if code in RESERVED_CODES or "/" in code or code in (".", "..") or code != code.strip() or not code:
        raise BadCode(f"{code!r} cannot be a code.", field="code")
    if not is_all_seen(code) or len(code) > LONGEST_CODE:
        raise BadCode("A code has at most 100 characters, all of them seen.", field="code")
    return code


def new_facility(catalogue: Catalogue, **described: Any) -> Facility:
    """A facility as registered, see ``registered``."""
    return Facility(**registered(catalogue, **described))


def registered(
    catalogue: Catalogue,
    *,
    code: str,
    kind: str,
    geometry: dict[str, Any],
    at: datetime,
    known_at: datetime | None = None,
    name: str = "",
    measure: float | None = None,
    attributes: dict[str, Any] | None = None,
    **named: Any,
) -> dict[str, Any]:
    """The fields of a facility as registered. ``named``: its areas, units, dates and source. ``measure`` is in
    the unit of its kind.

    ``at`` is when it was registered, ``known_at`` when we learned of it.
    """
    if kind not in catalogue.kinds:
        raise UnknownKind(f"There is no kind {kind!r}; the catalogue lists them under /kinds.", field="kind")
    described, code, name = catalogue.kinds[kind], spelt_code(code), spelt(name)
    named |= {"street": spelt(named["street"])} if named.get("street") else {}
    milli, estimated = measure_of(geometry, described, attributes or {}, catalogue, measure)
    light_source, power = light_of(described, attributes or {})
    return {
        **UNTOLD,
        "code": checked_code(code),
        "kind": kind,
        "name": name,
        "geometry": geometry,
        "unit": described.unit.value,
        "measure_milli": milli,
        "measure_estimated": estimated,
        "attributes": attributes or {},
        "light_source": light_source and light_source.value,
        "power_milliwatts": power,
        "search": searchable(code, name, named.get("street")),
        "registered_at": at,
        "changed_at": at,
        "stands_since": known_at or at,
        **place_of(geometry),
        **named,
    }


UNTOLD = {each.name: each.default for each in fields(Facility) if each.default is not MISSING and each.name != "id"}


def place_of(geometry: dict[str, Any]) -> dict[str, Any]:
    """Where a geometry is: its anchor, the anchor's quadkey, and its box, by the names of the facility's fields."""
    longitude, latitude = geo.anchor(geometry)
    west, south, east, north = geo.box_of(geometry)
    return {
        "longitude": longitude,
        "latitude": latitude,
        "quadkey": geo.quadkey(longitude, latitude),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }


class LightSource(StrEnum):
    """What gives a lamp's light, as far as its attributes tell."""

    LED = "led"
    OTHER = "other"
    UNKNOWN = "unknown"


class LookedAt(StrEnum):
    """What the look at a lamp that counts has seen."""

    LIT = "lit"
    DARK = "dark"


LIGHT_SOURCES = ("lamp_type", "light_source", "lamp", "light:method")  # attributes that name it; the first that does
POWERS = ("power_w", "power", "wattage")  # attributes that give a lamp's power in watts
LARGEST_POWER_W = 100_000


def light_of(kind: Kind, attributes: Mapping[str, Any]) -> tuple[LightSource | None, int | None]:
    """What gives a lamp's light, and its power in thousandths of a watt where that is known; nothing for no lamp."""
    if not kind.lamp:
        return None, None
    named = next((str(attributes[name]) for name in LIGHT_SOURCES if attributes.get(name)), "")
    power = next((w for name in POWERS if (w := _positive(attributes.get(name), LARGEST_POWER_W))), None)
    return _light_source(named, attributes.get("led")), round(power * 1000) if power else None


def _light_source(named: str, led: Any) -> LightSource:
    if "led" in named.casefold() or led is True:
        return LightSource.LED
    return LightSource.OTHER if named or led is False else LightSource.UNKNOWN


LONGEST_M = 1e6


def measure_of(
    geometry: dict[str, Any], kind: Kind, attributes: Mapping[str, Any], catalogue: Catalogue, given: float | None
) -> tuple[int, bool]:
    """Thousandths of the kind's unit, and whether they are estimated. What was given is taken as it is.

    A length that somebody measured comes before that of the line on the map.
    """
    if given is not None:
        return _milli(given), False
    if kind.unit is Unit.COUNT:
        return 1000, False
    if kind.unit is Unit.METRE:
        return _milli(geo.length_m(geometry)), False
    if area := geo.area_m2(geometry):
        return _milli(area), False
    width, estimated = width_of(kind, attributes, catalogue.rules.lane_width_m)
    length = _positive(attributes.get("length_m"), below=LONGEST_M) or geo.length_m(geometry)
    return _milli(length * width), estimated


def _milli(quantity: float) -> int:
    if (milli := round(quantity * 1000)) <= 0:
        raise NotMeasurable("The geometry has no extent: give the measure.", field="measure")
    return milli


def width_of(kind: Kind, attributes: Mapping[str, Any], lane_width_m: float) -> tuple[float, bool]:
    """A line's width in metres and whether it is an estimate: width, else lanes × 3.25 m, else its class's default."""
    if width := _positive(attributes.get("width")):
        return width, False
    if lanes := _positive(attributes.get("lanes")):
        return lanes * lane_width_m, True
    by_class = kind.width_by_class_m.get(str(attributes.get("class")), kind.default_width_m)
    if by_class is None:
        raise NotMeasurable(f"A {kind.slug} without a width has no area: give the measure.", field="measure")
    return by_class, True


def _positive(value: Any, below: float = 1000) -> float | None:
    """Attributes are what cities have: numbers, or text that may be one."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < below else None


def under_defects(condition: str, measure_milli: int, broken_milli: int | None) -> tuple[Condition, int]:
    """Condition and defective quantity under all open defects that break the function (None: there are none).

    Overlapping defects never take more than the facility has. Who is out of service or retired stays so.
    """
    if condition not in IN_SERVICE:
        return Condition(condition), 0
    if broken_milli is None:
        return Condition.INTACT, 0
    return Condition.DEFECTIVE, min(measure_milli, broken_milli)


def taken_milli(quantity: float | None, unit: str, catalogue: Catalogue) -> int:
    """Thousandths of the facility that a defect takes: what was measured, else what the catalogue assumes."""
    return max(1, round((quantity or catalogue.assumed_quantity[Unit(unit)]) * 1000))
