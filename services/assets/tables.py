"""The tables of assets. Facilities are mapped onto their class; defects and looks are written in batches, as rows."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    and_,
    event,
    false,
    literal_column,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.assets.domain.documents import Document
from services.assets.domain.facilities import Facility
from services.assets.domain.lighting import LightingSchedule
from services.assets.domain.lives import COUNTED
from services.assets.domain.metered import DIMENSIONS
from shared.db import Time, new_mapping

mapping = new_mapping()
Serial = BigInteger().with_variant(Integer, "sqlite")
event.listen(
    mapping.metadata,
    "before_create",
    DDL("CREATE EXTENSION IF NOT EXISTS pg_trgm").execute_if(dialect="postgresql"),  # type: ignore[no-untyped-call]
)
Searchable = JSON().with_variant(JSONB, "postgresql")

facilities = Table(
    "facilities",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("code", String(100), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
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
    Column("attributes", Searchable, nullable=False),
    Column("district", String(60)),
    Column("street", String(200)),
    Column("community", String(60)),
    Column("large_grid", String(60)),
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
    Column("light_source", String(10)),  # of a lamp: led | other | unknown
    Column("power_milliwatts", BigInteger),
    Column("installed_on", Date),
    Column("retired_on", Date),
    Column("source", String(100), index=True),  # the series of imports that it belongs to
    Column("quadkey", BigInteger, nullable=False),
    Column("search", Text, nullable=False),  # code, name and street, see domain/searching.py
    Column("revision", Integer, nullable=False),
    Column("registered_at", Time, nullable=False),
    Column("changed_at", Time, nullable=False),
    Column("stands_since", Time, nullable=False, index=True),
)
# Pages go on by code; codes mostly begin with a district or a kind, so that all of a kind may stand far behind.
Index("ix_facilities_kind_code", facilities.c.kind, facilities.c.code)
Index("ix_facilities_district_code", facilities.c.district, facilities.c.code)
# What lies in a box is listed in this order, and map tiles are counted, without a look at the rows.
Index(
    "ix_facilities_quadkey",
    *facilities.c["quadkey", "id", "kind", "condition", "west", "south", "east", "north"],
)
extended = or_(facilities.c.west < facilities.c.east, facilities.c.south < facilities.c.north)  # is no single point
Index(
    "ix_facilities_extended",
    facilities.c.west,
    facilities.c.south,
    postgresql_where=extended,
    sqlite_where=extended,
)
Index(
    "ix_facilities_attributes",
    facilities.c.attributes,
    postgresql_using="gin",
    postgresql_ops={"attributes": "jsonb_path_ops"},
).ddl_if(dialect="postgresql")
Index(
    "ix_facilities_search", facilities.c.search, postgresql_using="gin", postgresql_ops={"search": "gin_trgm_ops"}
).ddl_if(dialect="postgresql")

# Kinds of which some facility has, or once had, an attribute of a name: where a search by attribute need not look.
attribute_kinds = Table(
    "attribute_kinds",
    mapping.metadata,
    Column("name", String(100), primary_key=True),
    Column("kind", String(40), primary_key=True),
)

# What we knew of a facility from one moment to the next: added when its standing changes, never altered, so that a past
# day's figures stay as they were. ``state`` holds whatever else a revision replaced (name, geometry, attributes …).
past_standings = Table(
    "past_standings",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("facility_id", ForeignKey("facilities.id"), nullable=False, index=True),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("district", String(60)),
    Column("street", String(200)),
    Column("community", String(60)),
    Column("large_grid", String(60)),
    Column("grid", String(60)),
    Column("owner", String(100)),
    Column("authority", String(100)),
    Column("maintainer", String(100)),
    Column("condition", String(20), nullable=False),
    Column("out_of_service_reason", String(500)),
    Column("measure_milli", BigInteger, nullable=False),
    Column("defective_milli", BigInteger, nullable=False),
    Column("measure_estimated", Boolean, nullable=False),
    Column("light_source", String(10)),
    Column("power_milliwatts", BigInteger),
    Column("state", JSON),
)

# Which cells (squares of 0.001 degrees) a facility that is no single point touches; points are found by their quadkey.
facility_cells = Table(
    "facility_cells",
    mapping.metadata,
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    Column("facility_id", ForeignKey("facilities.id", ondelete="CASCADE"), primary_key=True, index=True),
)

# Which node the ends of each pipe of the drainage network meet; none at a gap.
pipe_ends = Table(
    "pipe_ends",
    mapping.metadata,
    Column("pipe_id", ForeignKey("facilities.id", ondelete="CASCADE"), primary_key=True),
    Column("way", String(10), primary_key=True),  # upstream | downstream
    Column("node_id", ForeignKey("facilities.id"), index=True),
    Column("distance_m", Float),  # to the nearest node, also where it is too far
    Column("longitude", Float, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("basis", String(10), nullable=False),  # what says which end is which: codes | levels | drawn
)
Index(
    "ix_pipe_ends_gaps",
    pipe_ends.c.pipe_id,
    postgresql_where=pipe_ends.c.node_id.is_(None),
    sqlite_where=pipe_ends.c.node_id.is_(None),
)

# Pipes and nodes that changed since their ends were looked for.
network_changes = Table(
    "network_changes",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("facility_id", BigInteger, nullable=False),
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

# What was learned late: the two views of a past day differ by it.
late = facility_history.c.happened_at != facility_history.c.recorded_at
Index("ix_facility_history_late", facility_history.c.recorded_at, postgresql_where=late, sqlite_where=late)

# The first day that there is an answer for, by all that is known now.
registered_late = and_(facility_history.c.what == literal_column("'registered'"), late)
Index(
    "ix_facility_history_registered_late",
    facility_history.c.happened_at,
    postgresql_where=registered_late,
    sqlite_where=registered_late,
)

counted = facility_history.c.what.in_(list(COUNTED))
Index(
    "ix_facility_history_counted",
    facility_history.c.what,
    facility_history.c.happened_at,
    postgresql_where=counted,
    sqlite_where=counted,
)

# Codes that facilities had before they were renumbered; each still finds its facility.
former_codes = Table(
    "former_codes",
    mapping.metadata,
    Column("code", String(100), primary_key=True),
    Column("facility_id", ForeignKey("facilities.id"), nullable=False, index=True),
    Column("given_up_at", Time, nullable=False),
)

facility_documents = Table(
    "facility_documents",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("facility_id", ForeignKey("facilities.id"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("kind", String(10), nullable=False),  # photo | document
    Column("title", String(200), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("who", String(200), nullable=False),
    Column("added_at", Time, nullable=False),
    Column("removed_by", String(200)),
    Column("removed_at", Time),
)
Index(
    "ix_facility_documents_present",
    facility_documents.c.facility_id,
    facility_documents.c.sha256,
    unique=True,
    postgresql_where=facility_documents.c.removed_at.is_(None),
    sqlite_where=facility_documents.c.removed_at.is_(None),
)

# Orders about facilities, as workorders told of them: every revision that was heard; the newest is how one stands.
facility_orders = Table(
    "facility_orders",
    mapping.metadata,
    Column("number", String(40), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("facility_id", ForeignKey("facilities.id"), nullable=False, index=True),
    Column("finding_id", Uuid),
    Column("alert_id", Uuid),
    Column("state", String(20), nullable=False),
    Column("category", String(100), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("crew", String(100)),
    Column("rework_count", Integer, nullable=False),
    Column("registered_at", Time, nullable=False),
    Column("due_at", Time, nullable=False),
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
    Column("reporter_mark", String(32)),  # tells whether somebody reported it; see shared/events/inspections.py
    Column("reported_at", Time, nullable=False),
    Column("confirmed_at", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
    Column("duplicate_of", Uuid),  # the finding that stands for this one
    Column("found_at", Time),  # when it was last seen, as far as was known when it was confirmed
    Column("disposed_at", Time),  # when the crew of its order was done, as it says; once that was closed
    Column("order_revision", Integer, nullable=False),  # of the newest order event that was followed
    Column("revision", Integer, nullable=False),
)
Index(
    "ix_defects_open",
    defects.c.facility_id,
    postgresql_where=(defects.c.open == true()),
    sqlite_where=(defects.c.open == true()),
)
repaired = defects.c.disposed_at.is_not(None)
Index("ix_defects_repaired", defects.c.facility_id, postgresql_where=repaired, sqlite_where=repaired)

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
    Column("level", String(20), primary_key=True),  # district | street | community | large_grid | grid
    Column("code", String(60), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("district", String(60)),  # of a grid cell
    Column("parent", String(60)),  # the area of the next level that holds it
    Column("responsible_name", String(100)),
    Column("responsible_phone", String(40)),
    Column("geometry", JSON, nullable=False),
    Column("west", Float, nullable=False),
    Column("south", Float, nullable=False),
    Column("east", Float, nullable=False),
    Column("north", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("recorded_at", Time, nullable=False),
)

# Owners, authorities and maintainers by the names that facilities call them.
units = Table(
    "units",
    mapping.metadata,
    Column("code", String(100), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("name_zh", String(200), nullable=False),
    Column("roles", JSON, nullable=False),  # some of owner, authority, maintainer
    Column("revision", Integer, nullable=False),
    Column("recorded_at", Time, nullable=False),
)

imports = Table(
    "imports",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("state", String(10), nullable=False, index=True),  # queued | running | done | failed
    Column("file_name", String(300), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("options", JSON, nullable=False),
    Column("understood", JSON),
    Column("sample", JSON, nullable=False),  # the first rows, as they would be registered
    Column("rows_total", BigInteger),
    Column("rows", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("unchanged", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("repaired", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),  # how many facilities of the series the rows so far name
    Column("missing", BigInteger),
    Column("retired", BigInteger, nullable=False),
    Column("rules", JSON, nullable=False),  # rule → how many rows it refused or repaired
    Column("position", BigInteger, nullable=False),  # how many rows are committed
    Column("starts", Integer, nullable=False),  # of workers, since the position moved
    Column("error", JSON),  # a problem document
    Column("who", String(200), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("started_at", Time),
    Column("finished_at", Time),
    Column("heartbeat_at", Time),
)

# Rows that were refused, or taken only after a repair.
import_rejects = Table(
    "import_rejects",
    mapping.metadata,
    Column("import_id", ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Serial, primary_key=True, autoincrement=False),  # counts within the import
    Column("line", BigInteger, nullable=False),
    Column("raw", JSON, nullable=False),
    Column("rule", String(60), nullable=False),
    Column("reason", Text, nullable=False),
    Column("repaired", Boolean, nullable=False),
)

import_profiles = Table(
    "import_profiles",
    mapping.metadata,
    Column("name", String(100), primary_key=True),
    Column("options", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
)

# Changes of areas that facilities have yet to follow, see domain/sweeps.py.
area_sweeps = Table(
    "area_sweeps",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("level", String(20), nullable=False),
    Column("before", JSON, nullable=False),  # by code, polygon and parent as they were
    Column("position", BigInteger, nullable=False),  # the last facility that was looked at
    Column("who", String(200), nullable=False),
    Column("recorded_at", Time, nullable=False),
)

catalogue_editions = Table(
    "catalogue_editions",
    mapping.metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("catalogue", JSON, nullable=False),
    Column("source", Text, nullable=False),  # the text of the file, from which it is read again
    Column("published_at", Time, nullable=False),
)

# --- lamps. Times are seconds since 1970 here (…_s), so that both engines reckon with them alike.

lighting_schedules = Table(
    "lighting_schedules",
    mapping.metadata,
    Column("code", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("kinds", JSON, nullable=False),
    Column("districts", JSON, nullable=False),
    Column("hours", JSON, nullable=False),
    Column("seasons", JSON, nullable=False),
    Column("exceptions", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
)

# How a schedule was until it was changed; without a state: it was not there.
past_lighting_schedules = Table(
    "past_lighting_schedules",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("code", String(40), nullable=False),
    Column("known_to", Time, nullable=False, index=True),
    Column("state", JSON(none_as_null=True)),
)

# What was planned for a night: kept, so that a night that is over stays planned as it was.
lighting_plans = Table(
    "lighting_plans",
    mapping.metadata,
    Column("night", Date, primary_key=True),
    Column("schedule", String(40), primary_key=True),
    Column("purpose", String(10), primary_key=True),  # planned | allowed (planned or dark, and the tolerance) | window
    Column("on_s", BigInteger, primary_key=True, autoincrement=False),
    Column("off_s", BigInteger, nullable=False),
)

# Without foreign keys: facilities are never deleted, and thousands of states a second have no need to look.
lamp_states = Table(
    "lamp_states",
    mapping.metadata,
    Column("facility_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at_s", BigInteger, primary_key=True, autoincrement=False),
    Column("lit", Boolean, nullable=False),
    Column("power_w", Float),
    Column("failure", String(40)),
)
Index("ix_lamp_states_at_s", lamp_states.c.at_s, postgresql_using="brin").ddl_if(dialect="postgresql")  # to forget

# The newest state of each lamp.
lamps = Table(
    "lamps",
    mapping.metadata,
    Column("facility_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at_s", BigInteger, nullable=False, index=True),
    Column("lit", Boolean, nullable=False),
    Column("power_w", Float),
    Column("failure", String(40)),
    Column("controller", String(100)),
    Column("recorded_at", Time, nullable=False),
)

# Nights of lamps to be reckoned anew. Writers only append, so that they never wait for each other.
lamp_nights_due = Table(
    "lamp_nights_due",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("facility_id", BigInteger, nullable=False),
    Column("night", Date, nullable=False),
)

# Those that a run reckons; empty between runs.
lamp_nights_work = Table(
    "lamp_nights_work",
    mapping.metadata,
    Column("night", Date, primary_key=True),
    Column("facility_id", BigInteger, primary_key=True, autoincrement=False),
)

lamp_nights = Table(
    "lamp_nights",
    mapping.metadata,
    Column("night", Date, primary_key=True),
    Column("facility_id", BigInteger, primary_key=True, autoincrement=False, index=True),
    Column("schedule", String(40), nullable=False),
    Column("planned_s", BigInteger, nullable=False),
    Column("known_s", BigInteger, nullable=False),
    Column("lit_s", BigInteger, nullable=False),
    Column("dark_s", BigInteger, nullable=False),
    Column("day_burning_s", BigInteger, nullable=False),
    Column("told", String(60), nullable=False),  # which misbehaviours the others were told of
    # What was known by the noon after it, where word came later.
    Column("known_s_by_noon", BigInteger),
    Column("lit_s_by_noon", BigInteger),
    Column("dark_s_by_noon", BigInteger),
    Column("day_burning_s_by_noon", BigInteger),
)

# The sums of a night over the lamps in service, by all that rates are asked by. What was reckoned while it was the
# present night stays; where word came later, all of the night stands there once more, with that word.
lamp_night_sums = Table(
    "lamp_night_sums",
    mapping.metadata,
    Column("id", Serial, Identity(), primary_key=True),
    Column("night", Date, nullable=False, index=True),
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("kind", String(40), nullable=False),
    *(Column(name, String(200), nullable=False) for name in DIMENSIONS),
    Column("lamps", BigInteger, nullable=False),
    Column("lamps_known", BigInteger, nullable=False),
    Column("lamps_dark", BigInteger, nullable=False),
    Column("lamps_day_burning", BigInteger, nullable=False),
    Column("planned_s", BigInteger, nullable=False),
    Column("known_s", BigInteger, nullable=False),
    Column("lit_s", BigInteger, nullable=False),
)

mapping.map_imperatively(Facility, facilities)
mapping.map_imperatively(Document, facility_documents)
mapping.map_imperatively(LightingSchedule, lighting_schedules)
