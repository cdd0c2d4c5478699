"""The tables of inspections, mapped onto the classes of the domain."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Enum,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.orm import relationship

from services.inspections.domain.findings import Finding, Move, State
from services.inspections.domain.light_checks import LightCheck, Look, Outcome
from services.inspections.domain.orders import Light, Order, OrderState
from services.inspections.domain.places import Area, PlaceCheck
from services.inspections.domain.rulebook import Severity, Source
from shared.db import Time, new_mapping
from shared.lists.codes import codes_table

mapping = new_mapping()


def _choice(choices: type[State | Move | Outcome | Severity | PlaceCheck | OrderState | Light], length: int) -> Enum:
    return Enum(choices, native_enum=False, length=length, values_callable=lambda each: [str(one) for one in each])


findings = Table(
    "findings",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("state", _choice(State, 16), nullable=False),
    Column("category", String(64), nullable=False),
    Column("severity", _choice(Severity, 16), nullable=False),
    Column("source", String(32), nullable=False),
    Column("reporter", String(128), nullable=False),
    Column("found_at", Time, nullable=False),
    Column("reported_at", Time, nullable=False),
    Column("summary", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("facility_code", String(200), index=True),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("quantity", Float),
    Column("photos", JSON, nullable=False),
    Column("confirmed_at", Time),
    Column("ended_at", Time),
    Column("reason", Text),
    Column("merged_into", Uuid),
    Column("linked_by", String(16)),
    Column("linked_code", String(200), index=True),
    Column("link_revision", Integer, nullable=False),
    Column("owner", Text),
    Column("authority", Text),
    Column("maintainer", Text),
    Column("kind", Text),
    Column("district", Text),
    Column("street", Text),
    Column("grid", Text),
    Column("search", Text, nullable=False, server_default=""),  # see Finding
    Column("order_number", String(64)),
    Column("order_revision", Integer, nullable=False),
    Column("last_seen_at", Time),
    Column("slot", String(300)),
    Column("place_check", _choice(PlaceCheck, 16)),
    Column("revision", Integer, nullable=False),
)
# At most one open finding of a single category on a facility. Most findings take no slot and cost the index nothing.
Index("uq_findings_slot", findings.c.slot, unique=True,
      postgresql_where=findings.c.slot.is_not(None), sqlite_where=findings.c.slot.is_not(None))  # fmt: skip
# The few for which another one stands.
merged = findings.c.merged_into.is_not(None)
Index("ix_findings_merged_into", findings.c.merged_into, postgresql_where=merged, sqlite_where=merged)
Index("ix_findings_reported_at_id", findings.c.reported_at, findings.c.id)

Index("ix_findings_state_reported_at_id", findings.c.state, findings.c.reported_at, findings.c.id)

# A copy. Not columns of findings: what happens to an order must wait for nobody who holds its finding.
finding_orders = Table(
    "finding_orders",
    mapping.metadata,
    Column("finding_id", Uuid, primary_key=True),
    Column("number", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", _choice(OrderState, 16), nullable=False),
    Column("due_at", Time, nullable=False),
    Column("warn_at", Time),
    Column("kept_light", _choice(Light, 16)),
    Column("supervised", Boolean, nullable=False),
)

finding_moves = Table(
    "finding_moves",
    mapping.metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("finding_id", Uuid, ForeignKey("findings.id"), nullable=False, index=True),
    Column("move", _choice(Move, 16), nullable=False),
    Column("state", _choice(State, 16), nullable=False),
    Column("moved_by", String(128), nullable=False),
    Column("note", Text),
    Column("happened_at", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
    Column("said_at", Time),  # what the device said, where that could not be
)

finding_sources = Table(
    "finding_sources",
    mapping.metadata,
    Column("source", String(32), primary_key=True),
    Column("confirm_on_arrival", Boolean, nullable=False),
    Column("written_by_staff", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
)

catalogue_copies = Table(
    "catalogue_copies",
    mapping.metadata,
    Column("name", String(64), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("catalogue", JSON, nullable=False),
)

areas = Table(
    "areas",
    mapping.metadata,
    Column("code", Text, primary_key=True),
    Column("outline", JSON(none_as_null=True)),
    Column("revision", Integer, nullable=False),
)

light_checks = Table(
    "light_checks",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("inspector", String(128), nullable=False),
    Column("checked_at", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
    Column("within_lighting_hours", Boolean, nullable=False),
    Column("lamps_checked", Integer, nullable=False),
    Column("lamps_lit", Integer, nullable=False),
    Column("lamps_planned", Integer),
    Column("awaited", Boolean),
    Column("revision", Integer, nullable=False),
)
Index("ix_light_checks_recorded_at_id", light_checks.c.recorded_at, light_checks.c.id)

light_check_lamps = Table(
    "light_check_lamps",
    mapping.metadata,
    Column("check_id", Uuid, ForeignKey("light_checks.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("facility_code", String(200), nullable=False),
    Column("lit", Boolean, nullable=False),
    Column("outcome", _choice(Outcome, 32), nullable=False),
    Column("verdict", _choice(Outcome, 32)),
    Column("reason", Text),
    Column("finding_id", Uuid),
)

former_codes = codes_table(mapping.metadata)

mapping.map_imperatively(Finding, findings)
mapping.map_imperatively(Order, finding_orders)
mapping.map_imperatively(Look, light_check_lamps)
mapping.map_imperatively(
    LightCheck,
    light_checks,
    properties={"lamps": relationship(Look, order_by=light_check_lamps.c.position, lazy="selectin")},
)
mapping.map_imperatively(Source, finding_sources)
mapping.map_imperatively(Area, areas)
