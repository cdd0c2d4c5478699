"""What assets says: facilities, their defects, and the catalogue that the others keep a copy of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from shared.events import Event


@dataclass(frozen=True, kw_only=True)
class DefectEvent(Event):
    """A defect with everything that a work order needs, so that nobody has to ask assets.

    ``linked_by`` says how the facility was found: ``code``, ``place`` (the nearest fitting one) or ``none``.
    The place is the finding's, else the facility's; None where neither is known. ``open`` says whether the defect
    stands. ``breaks_function`` says whether it leaves the intact rate. ``reporter_mark``: see events/inspections.py.
    """

    service: ClassVar[str] = "assets"

    finding_id: UUID
    open: bool
    category: str
    severity: str
    source: str
    longitude: float | None
    latitude: float | None
    breaks_function: bool
    linked_by: str
    reported_at: datetime
    confirmed_at: datetime
    facility_code: str | None = None
    kind: str | None = None
    district: str | None = None
    street: str | None = None
    grid: str | None = None
    owner: str | None = None
    authority: str | None = None
    maintainer: str | None = None
    quantity: float | None = None
    summary: str = ""
    photos: list[str] = field(default_factory=list)
    reporter_mark: str | None = None


@dataclass(frozen=True, kw_only=True)
class DefectRecorded(DefectEvent):
    """A confirmed finding became a defect, on a facility where one could be linked."""

    about: ClassVar[str] = "finding_id"


@dataclass(frozen=True, kw_only=True)
class DefectRestored(DefectEvent):
    """The defect is gone. ``reason``: repaired | unfounded | duplicate."""

    about: ClassVar[str] = "finding_id"
    reason: str


@dataclass(frozen=True, kw_only=True)
class DefectDuplicated(DefectEvent):
    """The finding is about a defect that is known already: ``duplicate_of`` is the finding that stands for both.

    Revision 1: it never was a defect of its own, and has no order. ``done_at`` where that defect is repaired: what was
    found until then is about it.
    """

    about: ClassVar[str] = "finding_id"
    duplicate_of: UUID
    done_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class FacilityChanged(Event):
    """A facility was registered or changed; ``condition``: intact | defective | out_of_service | retired.

    ``former_code`` is the code that this very change took from it; ``code`` is the one it has now.
    """

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "code"

    code: str
    kind: str
    name: str
    condition: str
    longitude: float
    latitude: float
    measure: float
    unit: str  # count | m | m2
    district: str | None = None
    street: str | None = None
    grid: str | None = None
    owner: str | None = None
    authority: str | None = None
    maintainer: str | None = None
    former_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class FacilityRenumbered(Event):
    """A facility has another code: ``former_codes`` are all that it had and has no more. They still mean it."""

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "code"

    code: str
    former_codes: list[str]


@dataclass(frozen=True, kw_only=True)
class FacilitiesImported(Event):
    """A file of facilities was taken into the registry, and something changed. One event, however many facilities.

    ``source`` is the series of files, ``kinds`` are those that it has. ``missing`` counts the facilities of the series
    that the file did not hold; ``retired`` of them were retired, because that was asked for.
    """

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "import_id"

    import_id: UUID
    source: str
    kinds: list[str]
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    repaired: int
    missing: int
    retired: int


@dataclass(frozen=True, kw_only=True)
class LampMisbehaved(Event):
    """By its controller's states a lamp was dark within planned hours, or burnt by day: told once for each night.

    ``category``: lamp_out | day_burning. ``night`` is the date of its evening. ``happened_at`` is the time of the
    newest state. ``report_id`` is the same for ever for a lamp, a night and a category.
    """

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "report_id"

    report_id: UUID
    category: str
    facility_code: str
    night: str
    longitude: float
    latitude: float


@dataclass(frozen=True, kw_only=True)
class LampJudged:
    """One lamp that a patrol looked at, and whether its schedule wanted it lit; ``planned`` None: no lamp of ours.

    ``reason``: why it need not burn, or that nobody knows it, beginning with a slug and a colon.
    """

    facility_code: str
    lit: bool
    planned: bool | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class LightsJudged(Event):
    """What the lamps of a lighting check should have done at ``happened_at``, each by its own schedule of that time."""

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "check_id"

    check_id: UUID
    lamps: list[LampJudged]


@dataclass(frozen=True, kw_only=True)
class CataloguePublished(Event):
    """The whole catalogue of kinds and defect categories; its revision grows with every change.

    ``catalogue``: {"kinds": {slug: {"group", "unit", "en", "zh"}}, "categories": {slug: {"groups": [...], "en", "zh",
    "breaks_function", "severity", "single", "limits": {stage: {"amount", "clock"}}}},
    "lighting": {"longitude", "latitude", "timezone", "on_after_sunset_min", "off_before_sunrise_min"}}.
    """

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "name"

    name: str
    catalogue: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class AreaChanged(Event):
    """A part of the city was drawn or changed; ``level``: district | street | community | large_grid | grid.

    ``level`` and ``code`` together name it. ``parent`` is the code of the larger area that holds it, ``district`` that
    of its district. The polygon is left out: it may be a megabyte; box and size stand for it, in degrees and m². Of a
    district ``outline`` holds it simplified, as the coordinates of a MultiPolygon, so that others find what lies in it.
    """

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "code"

    level: str
    code: str
    name: str
    west: float
    south: float
    east: float
    north: float
    area_m2: float
    district: str | None = None
    parent: str | None = None
    outline: list[list[list[list[float]]]] | None = None


@dataclass(frozen=True, kw_only=True)
class UnitChanged(Event):
    """A unit (owner, competent authority, maintainer) was registered or changed; ``roles`` says which of them it is."""

    service: ClassVar[str] = "assets"
    about: ClassVar[str] = "code"

    code: str
    name: str
    name_zh: str
    roles: list[str]
