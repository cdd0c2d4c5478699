"""The registry: past standings, units, imports; facilities by quadkey, by text and by attribute."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.assets.domain.geometry import quadkey
from services.assets.domain.searching import searchable
from shared.db import Time

revision = "0002"
down_revision = "0001"

Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
AT_ONCE = 5_000
FILLED = ("quadkey", "search", "stands_since")


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    _facilities()
    _fill()
    if postgresql:
        _only_postgresql()
    _past_standings()
    _areas()
    _units()
    _imports()
    _editions()
    _files()
    _lighting()
    _lamps()
    if postgresql:
        op.create_index("ix_lamp_states_at_s", "lamp_states", ["at_s"], postgresql_using="brin")
    _network()


def _facilities() -> None:
    """Columns that may not be empty get a value for the rows that are there, until these are filled."""
    new: tuple[sa.Column[Any], ...] = (
        sa.Column("community", sa.String(60)),
        sa.Column("large_grid", sa.String(60)),
        sa.Column("light_source", sa.String(10)),
        sa.Column("power_milliwatts", sa.BigInteger),
        sa.Column("installed_on", sa.Date),
        sa.Column("retired_on", sa.Date),
        sa.Column("source", sa.String(100)),
        sa.Column("quadkey", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("search", sa.Text, nullable=False, server_default=""),
        sa.Column("stands_since", Time, nullable=False, server_default="1970-01-01 00:00:00.000000"),
    )
    for column in new:
        op.add_column("facilities", column)
    op.drop_index("ix_facilities_west_south", "facilities")


def _fill() -> None:
    """Give the facilities that are there their quadkeys and texts; points no longer need cells."""
    names = ("id", "code", "name", "street", "longitude", "latitude", *FILLED)
    table = sa.table("facilities", *(sa.column(name) for name in names))
    last = 0
    while rows := op.get_bind().execute(_after(table, last)).all():
        last = rows[-1].id
        values = [
            {"its": r.id, "key": quadkey(r.longitude, r.latitude), "text": searchable(r.code, r.name, r.street)}
            for r in rows
        ]
        new: dict[str, Any] = {"quadkey": sa.bindparam("key"), "search": sa.bindparam("text")}
        op.get_bind().execute(sa.update(table).where(table.c.id == sa.bindparam("its")).values(new), values)
    op.execute("UPDATE facilities SET stands_since = changed_at")
    op.execute(
        "DELETE FROM facility_cells WHERE facility_id IN "
        "(SELECT id FROM facilities WHERE west = east AND south = north)"
    )
    for name in ("source", "stands_since"):
        op.create_index(f"ix_facilities_{name}", "facilities", [name])
    keyed = ["quadkey", "kind", "condition"]
    op.create_index("ix_facilities_quadkey", "facilities", keyed, postgresql_include=["code", "id"])
    for name in ("kind", "district"):
        op.drop_index(f"ix_facilities_{name}", "facilities")
        op.create_index(f"ix_facilities_{name}_code", "facilities", [name, "code"])
    extended = sa.text("west < east OR south < north")
    op.create_index(
        "ix_facilities_extended", "facilities", ["west", "south"], postgresql_where=extended, sqlite_where=extended
    )


def _after(table: sa.TableClause, last: int) -> sa.Select[Any]:
    return sa.select(*table.c).where(table.c.id > last).order_by(table.c.id).limit(AT_ONCE)


def _only_postgresql() -> None:
    """Indexes for parts of texts and for attributes; ``pg_trgm`` is a trusted extension: the owner may make it."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for name in FILLED:
        op.alter_column("facilities", name, server_default=None)
    op.alter_column("facilities", "attributes", type_=JSONB, postgresql_using="attributes::jsonb")
    op.create_index(
        "ix_facilities_attributes",
        "facilities",
        ["attributes"],
        postgresql_using="gin",
        postgresql_ops={"attributes": "jsonb_path_ops"},
    )
    op.create_index(
        "ix_facilities_search",
        "facilities",
        ["search"],
        postgresql_using="gin",
        postgresql_ops={"search": "gin_trgm_ops"},
    )


def _past_standings() -> None:
    op.create_table(
        "past_standings",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("facility_id", Serial, sa.ForeignKey("facilities.id"), nullable=False, index=True),
        sa.Column("known_from", Time, nullable=False),
        sa.Column("known_to", Time, nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("district", sa.String(60)),
        sa.Column("street", sa.String(200)),
        sa.Column("community", sa.String(60)),
        sa.Column("large_grid", sa.String(60)),
        sa.Column("grid", sa.String(60)),
        sa.Column("owner", sa.String(100)),
        sa.Column("authority", sa.String(100)),
        sa.Column("maintainer", sa.String(100)),
        sa.Column("condition", sa.String(20), nullable=False),
        sa.Column("out_of_service_reason", sa.String(500)),
        sa.Column("measure_milli", sa.BigInteger, nullable=False),
        sa.Column("defective_milli", sa.BigInteger, nullable=False),
        sa.Column("measure_estimated", sa.Boolean, nullable=False),
        sa.Column("light_source", sa.String(10)),
        sa.Column("power_milliwatts", sa.BigInteger),
        sa.Column("state", sa.JSON),
    )
    late = sa.text("happened_at <> recorded_at")
    op.create_index(
        "ix_facility_history_late", "facility_history", ["recorded_at"], postgresql_where=late, sqlite_where=late
    )


def _areas() -> None:
    op.add_column("areas", sa.Column("parent", sa.String(60)))
    op.add_column("areas", sa.Column("responsible_name", sa.String(100)))
    op.add_column("areas", sa.Column("responsible_phone", sa.String(40)))
    op.create_table(
        "area_sweeps",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("level", sa.String(20), nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )


def _units() -> None:
    op.create_table(
        "units",
        sa.Column("code", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_zh", sa.String(200), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )


def _imports() -> None:
    counts = ("rows", "created", "updated", "unchanged", "rejected", "repaired", "retired", "position", "held")
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("state", sa.String(10), nullable=False, index=True),
        sa.Column("file_name", sa.String(300), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("understood", sa.JSON),
        sa.Column("sample", sa.JSON, nullable=False),
        sa.Column("rows_total", sa.BigInteger),
        sa.Column("missing", sa.BigInteger),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counts),
        sa.Column("rules", sa.JSON, nullable=False),
        sa.Column("starts", sa.Integer, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("started_at", Time),
        sa.Column("finished_at", Time),
        sa.Column("heartbeat_at", Time),
    )
    op.create_table(
        "import_rejects",
        sa.Column("import_id", sa.Uuid, sa.ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("id", Serial, primary_key=True, autoincrement=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("raw", sa.JSON, nullable=False),
        sa.Column("rule", sa.String(60), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("repaired", sa.Boolean, nullable=False),
    )
    op.create_table(
        "import_profiles",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )


def _editions() -> None:
    """Editions from before have no text; the next start publishes one that has."""
    op.add_column("catalogue_editions", sa.Column("source", sa.Text, nullable=False, server_default=""))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("catalogue_editions", "source", server_default=None)


def _files() -> None:
    counted = sa.text("what IN ('installed', 'replaced', 'moved', 'renumbered', 'retired')")
    op.create_index(
        "ix_facility_history_counted",
        "facility_history",
        ["what", "happened_at"],
        postgresql_where=counted,
        sqlite_where=counted,
    )
    op.create_table(
        "former_codes",
        sa.Column("code", sa.String(100), primary_key=True),
        sa.Column("facility_id", Serial, sa.ForeignKey("facilities.id"), nullable=False, index=True),
        sa.Column("given_up_at", Time, nullable=False),
    )
    op.create_table(
        "facility_documents",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("facility_id", Serial, sa.ForeignKey("facilities.id"), nullable=False, index=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("added_at", Time, nullable=False),
        sa.Column("removed_by", sa.String(200)),
        sa.Column("removed_at", Time),
    )
    present = sa.text("removed_at IS NULL")
    op.create_index(
        "ix_facility_documents_present",
        "facility_documents",
        ["facility_id", "sha256"],
        unique=True,
        postgresql_where=present,
        sqlite_where=present,
    )
    op.create_table(
        "facility_orders",
        sa.Column("number", sa.String(40), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("facility_id", Serial, sa.ForeignKey("facilities.id"), nullable=False, index=True),
        sa.Column("finding_id", sa.Uuid),
        sa.Column("alert_id", sa.Uuid),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("category", sa.String(100), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("crew", sa.String(100)),
        sa.Column("rework_count", sa.Integer, nullable=False),
        sa.Column("registered_at", Time, nullable=False),
        sa.Column("due_at", Time, nullable=False),
        sa.Column("happened_at", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )


def _lighting() -> None:
    schedules = op.create_table(
        "lighting_schedules",
        sa.Column("code", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("longitude", sa.Float),
        sa.Column("latitude", sa.Float),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("districts", sa.JSON, nullable=False),
        sa.Column("hours", sa.JSON, nullable=False),
        sa.Column("seasons", sa.JSON, nullable=False),
        sa.Column("exceptions", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    nothing: dict[str, Any] = {"kinds": [], "districts": [], "hours": {}, "seasons": [], "exceptions": []}
    op.bulk_insert(schedules, [{"code": "city", "name": "", "revision": 1, **nothing}])
    op.create_table(
        "lighting_plans",
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("schedule", sa.String(40), primary_key=True),
        sa.Column("purpose", sa.String(10), primary_key=True),
        sa.Column("on_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("off_s", sa.BigInteger, nullable=False),
    )


def _lamps() -> None:
    op.create_table(
        "lamp_states",
        sa.Column("facility_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("lit", sa.Boolean, nullable=False),
        sa.Column("power_w", sa.Float),
        sa.Column("failure", sa.String(40)),
    )
    op.create_table(
        "lamps",
        sa.Column("facility_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_s", sa.BigInteger, nullable=False, index=True),
        sa.Column("lit", sa.Boolean, nullable=False),
        sa.Column("power_w", sa.Float),
        sa.Column("failure", sa.String(40)),
        sa.Column("controller", sa.String(100)),
        sa.Column("recorded_at", Time, nullable=False),
    )
    op.create_table(
        "lamp_nights_due",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("facility_id", sa.BigInteger, nullable=False),
        sa.Column("night", sa.Date, nullable=False),
        sa.Column("taken", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "lamp_nights",
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("facility_id", sa.BigInteger, primary_key=True, autoincrement=False, index=True),
        sa.Column("schedule", sa.String(40), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("planned_s", "known_s", "lit_s", "dark_s")),
        sa.Column("day_burning_s", sa.BigInteger, nullable=False),
        sa.Column("told", sa.String(60), nullable=False),
    )
    keys = ("district", "street", "community", "large_grid", "grid", "owner", "authority", "maintainer")
    counts = ("lamps", "lamps_known", "lamps_dark", "lamps_day_burning", "planned_s", "known_s", "lit_s")
    op.create_table(
        "lamp_night_sums",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("night", sa.Date, nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False),
        *(sa.Column(name, sa.String(200), nullable=False) for name in keys),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counts),
    )


def _network() -> None:
    """What is there already is looked at as if it had just been registered."""
    op.create_table(
        "pipe_ends",
        sa.Column("pipe_id", Serial, sa.ForeignKey("facilities.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("way", sa.String(10), primary_key=True),
        sa.Column("node_id", Serial, sa.ForeignKey("facilities.id"), index=True),
        sa.Column("distance_m", sa.Float),
        sa.Column("longitude", sa.Float, nullable=False),
        sa.Column("latitude", sa.Float, nullable=False),
        sa.Column("basis", sa.String(10), nullable=False),
    )
    gap = sa.text("node_id IS NULL")
    op.create_index("ix_pipe_ends_gaps", "pipe_ends", ["pipe_id"], postgresql_where=gap, sqlite_where=gap)
    op.create_table(
        "network_changes",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("facility_id", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO network_changes (facility_id) SELECT id FROM facilities "
        "WHERE kind IN ('drain_pipe', 'channel', 'box_culvert') ORDER BY id"
    )
