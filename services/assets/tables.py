"""The tables of assets. Facilities are mapped onto their class; defects and looks are written in batches, as rows."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    true,
)

from services.assets.domain.facilities import Facility
from shared.db import Time, new_mapping

mapping = new_mapping()
Serial = BigInteger().with_variant(Integer, "sqlite")

facilities = Table(
    "facilities",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("code", String(100), nullable=False, unique=True),
    Column("kind", String(40), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("geometry", JSON, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("west", Float, nullable=False),
    Column("south", Float, nullable=False),
    Column("east", Float, nullable=False),
    Column("north", Float, nullable=False),
    Column("unit", String(10), nullable=False),
    Column("measure_milli", BigInteger, nullable=False),
    Column("measure_estimated", Boolean, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("district", String(60), index=True),
    Column("street", String(200)),
    Column("grid", String(60), index=True),
    Column("owner", String(100)),
    Column("authority", String(100)),
    Column("maintainer", String(100)),
    Column("condition", String(20), nullable=False, index=True),
    Column("defective_milli", BigInteger, nullable=False),
    Column("out_of_service_reason", String(500)),
    Column("last_look_at", Time, index=True),
    Column("last_look_source", String(100)),
    Column("last_look_lit", Boolean),
    Column("revision", Integer, nullable=False),
    Column("registered_at", Time, nullable=False),
    Column("changed_at", Time, nullable=False),
)
Index("ix_facilities_west_south", facilities.c.west, facilities.c.south)

# Which cells (squares of 0.001 degrees) a facility touches: boxes and nearness on any database.
facility_cells = Table(
    "facility_cells",
    mapping.metadata,
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    Column("facility_id", ForeignKey("facilities.id", ondelete="CASCADE"), primary_key=True, index=True),
)

facility_history = Table(
    "facility_history",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("facility_id", ForeignKey("facilities.id"), nullable=False, index=True),
    Column("what", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("details", JSON, nullable=False),
    Column("happened_at", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
)

defects = Table(
    "defects",
    mapping.metadata,
    Column("finding_id", Uuid, primary_key=True),
    Column("facility_id", ForeignKey("facilities.id")),
    Column("linked_by", String(10), nullable=False),
    Column("category", String(64), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("source", String(40), nullable=False),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("district", String(60)),  # of an unlinked one: where it lies
    Column("grid", String(60)),
    Column("quantity", Float),  # as reported, in the unit of the facility
    Column("taken_milli", BigInteger, nullable=False),  # what it takes of its facility, thousandths of the unit
    Column("breaks_function", Boolean, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("restored_reason", String(20)),
    Column("restored_at", Time),
    Column("summary", Text, nullable=False),
    Column("photos", JSON, nullable=False),
    Column("reported_at", Time, nullable=False),
    Column("confirmed_at", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
    Column("order_revision", Integer, nullable=False),  # of the newest order event that was followed
    Column("revision", Integer, nullable=False),
)
Index(
    "ix_defects_open",
    defects.c.facility_id,
    postgresql_where=(defects.c.open == true()),
    sqlite_where=(defects.c.open == true()),
)

# Every look at a lamp; facilities.last_look_… holds the one that counts.
looks = Table(
    "looks",
    mapping.metadata,
    Column("source", String(100), primary_key=True),  # check/<id> or order/<number>/<revision>
    Column("facility_id", ForeignKey("facilities.id"), primary_key=True, index=True),
    Column("looked_at", Time, nullable=False),
    Column("lit", Boolean, nullable=False),
    Column("within_lighting_hours", Boolean, nullable=False),
    Column("recorded_at", Time, nullable=False),
)

areas = Table(
    "areas",
    mapping.metadata,
    Column("level", String(20), primary_key=True),  # district | grid
    Column("code", String(60), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("district", String(60)),  # of a grid cell
    Column("geometry", JSON, nullable=False),
    Column("west", Float, nullable=False),
    Column("south", Float, nullable=False),
    Column("east", Float, nullable=False),
    Column("north", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("recorded_at", Time, nullable=False),
)

catalogue_editions = Table(
    "catalogue_editions",
    mapping.metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("catalogue", JSON, nullable=False),
    Column("published_at", Time, nullable=False),
)

mapping.map_imperatively(Facility, facilities)
