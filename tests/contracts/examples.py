"""One example of every event, the same for ever: the golden files are their written form.

``python -m tests.contracts.examples`` writes the files that are missing; it never changes one. A golden file that no
longer fits means that readers in the field would break: then the event needs a new version.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.envelope import seal
from shared.events import Event, alerts, assets, inspections, workorders

GOLDEN = Path(__file__).parent / "golden"
EVENT_ID = UUID("0198a7c4-5f3e-7b21-9c4d-2f6a1e8b0d37")
VALUES: dict[str, Any] = {
    "revision": 3,
    "happened_at": datetime(2026, 1, 15, 17, 30, tzinfo=UTC),
    "recorded_at": datetime(2026, 1, 15, 17, 30, 2, 500000, tzinfo=UTC),
    "finding_id": UUID("0198a7c4-0000-7000-8000-000000000001"),
    "merged_into": UUID("0198a7c4-0000-7000-8000-000000000002"),
    "alert_id": UUID("0198a7c4-0000-7000-8000-000000000003"),
    "check_id": UUID("0198a7c4-0000-7000-8000-000000000004"),
    "report_id": UUID("0198a7c4-0000-7000-8000-000000000005"),
    "night": "2026-01-15",
    "state": "confirmed",
    "category": "lamp_out",
    "severity": "normal",
    "source": "patrol",
    "longitude": 24.9384,
    "latitude": 60.1699,
    "reported_at": datetime(2026, 1, 15, 17, 29, tzinfo=UTC),
    "confirmed_at": datetime(2026, 1, 15, 17, 30, tzinfo=UTC),
    "found_at": datetime(2026, 1, 15, 17, 28, tzinfo=UTC),
    "done_at": datetime(2026, 1, 15, 22, 5, tzinfo=UTC),
    "seen_at": datetime(2026, 1, 16, 5, 10, tzinfo=UTC),
    "disposed_at": datetime(2026, 1, 15, 22, 5, tzinfo=UTC),
    "disposal_known_at": datetime(2026, 1, 15, 22, 6, tzinfo=UTC),
    "warn_at": datetime(2026, 1, 16, 12, 43, tzinfo=UTC),
    "supervised": False,
    "duplicate_of": UUID("0198a7c4-0000-7000-8000-000000000002"),
    "registered_at": datetime(2026, 1, 15, 17, 31, tzinfo=UTC),
    "due_at": datetime(2026, 1, 16, 17, 31, tzinfo=UTC),
    "since": datetime(2026, 1, 15, 17, 15, tzinfo=UTC),
    "facility_code": "HEL-LIGHT-004711",
    "former_code": "HEL-LIGHT-0047",
    "former_codes": ["HEL-LIGHT-0047", "LIGHT-47"],
    "code": "HEL-LIGHT-004711",
    "kind": "street_light",
    "name": "Lamp 4711",
    "condition": "defective",
    "measure": 1.0,
    "unit": "count",
    "district": "kluuvi",
    "street": "Aleksanterinkatu",
    "grid": "kluuvi-01",
    "owner": "city",
    "authority": "public-works",
    "maintainer": "lights-ltd",
    "quantity": 1.0,
    "summary": "Dark since Tuesday, third pole from the corner",
    "photos": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    "reporter_mark": "3f0d2c1b9a8e7f6d5c4b3a2918070605",
    "open": True,
    "breaks_function": True,
    "linked_by": "code",
    "reason": "unfounded",
    "lamps": [inspections.LampLook(facility_code="HEL-LIGHT-004711", lit=False)],
    "number": "WO-2026-000017",
    "rework_count": 0,
    "crew": "kluuvi-lights",
    "rule": "lights-by-district",
    "active": True,
    "last_at": datetime(2026, 1, 15, 17, 4, 50, tzinfo=UTC),
    "expected_every_s": 300,
    "acknowledged": False,
    "value": 1.82,
    "order_category": "standing_water",
    "import_id": UUID("0198a7c4-0000-7000-8000-000000000005"),
    "kinds": ["street_light"],
    "rows": 6117,
    "created": 6000,
    "updated": 10,
    "unchanged": 100,
    "rejected": 7,
    "repaired": 3,
    "missing": 2,
    "retired": 0,
    "catalogue": {
        "kinds": {"street_light": {"group": "lighting", "unit": "count", "en": "Street light", "zh": "路灯"}}
    },
}
ONLY_HERE: dict[type[Event], dict[str, Any]] = {
    assets.CataloguePublished: {"name": "catalogue"},
    assets.AreaChanged: {
        "level": "grid",
        "code": "kluuvi-01",
        "name": "Kluuvi 1",
        "west": 24.94,
        "south": 60.165,
        "east": 24.95,
        "north": 60.17,
        "area_m2": 307_000.0,
        "parent": "kluuvi",
        "outline": [[[[24.94, 60.165], [24.95, 60.165], [24.95, 60.17], [24.94, 60.17], [24.94, 60.165]]]],
    },
    assets.LightsJudged: {
        "lamps": [
            assets.LampJudged(facility_code="HEL-LIGHT-004711", lit=False, planned=True),
            assets.LampJudged(facility_code="4712", lit=False, planned=None, reason="unknown-lamp: no such lamp"),
        ]
    },
    assets.UnitChanged: {"code": "lights-ltd", "name": "Lights Ltd", "name_zh": "照明公司", "roles": ["maintainer"]},
    alerts.AlertRaised: {"source": "gauge-07", "kind": "water_level", "unit": "m", "severity": "severe"},
    alerts.SensorSilent: {"source": "gauge-07", "kind": "water_level"},
    assets.DefectDuplicated: {"open": False},
    workorders.OrderClosed: {"state": "closed"},
    workorders.OrderSupervised: {"supervised": True},
    workorders.OrderDeclined: {"state": "registered", "crew": None},
}


def example(kind: type[Event]) -> Event:
    values = VALUES | ONLY_HERE.get(kind, {})
    return kind(**{each.name: values[each.name] for each in fields(kind)})


def written(kind: type[Event]) -> Any:
    """The example as a reader gets it."""
    return json.loads(seal(example(kind), EVENT_ID))


def golden_file(event_type: str) -> Path:
    return GOLDEN / f"{event_type}.json"


def main() -> None:
    for event_type, kind in sorted(Event.known.items()):
        if not (path := golden_file(event_type)).exists():
            path.write_text(json.dumps(written(kind), indent=2, ensure_ascii=False) + "\n")
            print(path)


if __name__ == "__main__":
    main()
