"""The handler of the first row: it keeps one row for each event. Both sides write to the same tables."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import Column, Float, MetaData, String, Table, Uuid

from services.assets.domain.catalogue import the_catalogue
from shared.db import Time
from shared.events.assets import CataloguePublished, DefectRecorded
from shared.events.inspections import FindingConfirmed

metadata = MetaData()
kept = Table(
    "kept_findings",
    metadata,
    Column("finding_id", Uuid, primary_key=True),
    Column("category", String(60), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("reported_at", Time, nullable=False),
)

AT = datetime(2026, 1, 15, 17, 30, tzinfo=UTC)
SUMMARY = "Lamp dark since Tuesday, third pole from the corner"


def row(event: FindingConfirmed) -> dict[str, object]:
    return {column.name: getattr(event, column.name) for column in kept.c}


def finding(finding_id: UUID | None = None) -> FindingConfirmed:
    """A finding as a patrol reports it."""
    return FindingConfirmed(
        revision=1, happened_at=AT, recorded_at=AT, finding_id=finding_id or uuid4(), state="confirmed",
        category="lamp_out", severity="normal", source="patrol", longitude=24.9384, latitude=60.1699,
        reported_at=AT, confirmed_at=AT, facility_code="HEL-LIGHT-004711", summary=SUMMARY,
    )  # fmt: skip


def defect(district: str) -> DefectRecorded:
    """A defect on a lamp of this district, as assets tells of it."""
    return DefectRecorded(
        revision=1, happened_at=AT, recorded_at=AT, finding_id=uuid4(), open=True, category="lamp_out",
        severity="normal", source="patrol", longitude=24.9384, latitude=60.1699, breaks_function=True,
        linked_by="code", reported_at=AT, confirmed_at=AT, facility_code="HEL-LIGHT-004711", kind="street_light",
        district=district, street="Aleksanterinkatu", grid="kluuvi-01", owner="city", authority="works",
        maintainer="lights", summary=SUMMARY,
    )  # fmt: skip


def catalogue() -> CataloguePublished:
    """What workorders takes its limits from."""
    return CataloguePublished(
        revision=1, happened_at=AT, recorded_at=AT, name="catalogue", catalogue=the_catalogue().as_published()
    )
