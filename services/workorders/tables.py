"""The service's tables, mapped onto the classes of the domain."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
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
    false,
    func,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.orm import column_property, relationship

from services.workorders.domain.catalogue import Catalogue
from services.workorders.domain.clocks import Clock
from services.workorders.domain.crews import Crew, DispatchRule
from services.workorders.domain.members import DeviceKey, Member, RefreshToken, Role, SignedIn, Tries
from services.workorders.domain.orders import Order, OrderPhoto, Severity, Stage, State, Step, VoidReason
from services.workorders.domain.photos import Photo
from services.workorders.domain.places import DISTRICT, Area, Unit
from shared.db import Time, new_mapping
from shared.lists.codes import codes_table

mapping = new_mapping()


def one_of(kind: type[StrEnum]) -> Enum:
    """A column that holds the values of an enumeration as text, so that a new value needs no migration."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda each: [one.value for one in each])


# Text that events carry has no length here: a length would only turn one that is too long into a failed event.
work_orders = Table(
    "work_orders",
    mapping.metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("state", one_of(State), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("category", Text, nullable=False),
    Column("group", Text),
    Column("severity", one_of(Severity), nullable=False),
    Column("source", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("quantity", Float),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("finding_id", Uuid, unique=True),
    Column("alert_id", Uuid, unique=True),
    Column("alert_revision", Integer),  # of the newest event of its alert that it has followed
    Column("alert_active", Boolean),
    Column("alert_ended", Integer),  # the revision of the alert by which it was over
    Column("facility_code", Text),
    Column("kind", Text),
    Column("district", Text),
    Column("street", Text),
    Column("grid", Text),
    Column("owner", Text),
    Column("authority", Text),
    Column("maintainer", Text),
    Column("search", Text, nullable=False, server_default=""),  # see Order
    Column("registered_at", Time, nullable=False),
    Column("limit_amount", Float, nullable=False),
    Column("limit_clock", one_of(Clock), nullable=False),
    Column("limit_source", Text, nullable=False),
    Column("warn_at", Time, nullable=False),
    Column("due_at", Time, nullable=False),
    Column("crew", String(100)),  # no foreign key: all orders of a batch would lock the same few crews
    Column("rule", String(100), nullable=False),
    Column("supervised", Boolean, nullable=False),
    Column("rework_count", Integer, nullable=False),
    Column("quantity_done", Float),
    Column("note", Text, nullable=False),
    Column("disposed_at", Time),
    Column("disposal_known_at", Time),  # none: of a former version, for which both were one
    Column("seen_at", Time),
    Column("closed_at", Time),
    Column("void_reason", one_of(VoidReason)),
    Index(None, "crew", "state"),
    Index(None, "state", "due_at"),
    Index(None, "due_at", "id"),
)
# The few orders whose alert stands.
Index("ix_work_orders_alert_active", work_orders.c.state, postgresql_where=text("alert_active"),
      sqlite_where=text("alert_active = 1"))  # fmt: skip

order_moves = Table(
    "order_moves",
    mapping.metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("order_id", ForeignKey("work_orders.id"), nullable=False, index=True),
    Column("move", String(20), nullable=False),
    Column("from_state", one_of(State)),
    Column("to_state", one_of(State), nullable=False),
    Column("by", String(100), nullable=False),
    Column("at", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
    Column("said_at", Time),
    Column("crew", String(100)),
    Column("reason", Text),
    Column("note", Text, nullable=False),
    Column("answered", Boolean),
    Column("satisfied", Boolean),
    Column("longitude", Float),
    Column("latitude", Float),
)

photos = Table(
    "photos",
    mapping.metadata,
    Column("sha256", String(64), primary_key=True),
    Column("media_type", String(100), nullable=False),
    Column("size", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("stored_by", String(100), nullable=False),
    Column("stored_at", Time, nullable=False),  # or sent again, as long as nothing names it
    Column("named", Boolean, nullable=False, server_default=true()),  # by an order or a finding, so that it stays
)
unnamed = photos.c.named == false()
Index("ix_photos_unnamed", photos.c.stored_by, photos.c.stored_at, postgresql_where=unnamed, sqlite_where=unnamed)

# Who has sent the bytes of a photo, and so has them. ``crew``: of somebody of a crew, else empty.
photo_holders = Table(
    "photo_holders",
    mapping.metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("crew", String(100), primary_key=True),
)

# Photos of findings that have no order: not confirmed yet, rejected, or merged.
finding_photos = Table(
    "finding_photos",
    mapping.metadata,
    Column("finding_id", Uuid, primary_key=True),
    Column("sha256", String(64), primary_key=True, index=True),
)

order_photos = Table(
    "order_photos",
    mapping.metadata,
    Column("order_id", ForeignKey("work_orders.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True, index=True),
    Column("stage", one_of(Stage), nullable=False),
    Column("named_by", String(100)),  # account that named it on the order, and its crew
    Column("named_crew", String(100)),
    Column("reporter_mark", String(32)),  # of the finding that named it; neither: before this was kept
)

catalogues = Table(
    "catalogues",
    mapping.metadata,
    Column("name", String(100), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("content", JSON, nullable=False),
)

areas = Table(
    "areas",
    mapping.metadata,
    Column("level", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
)

units = Table(
    "units",
    mapping.metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
)

crews = Table(
    "crews",
    mapping.metadata,
    Column("code", String(100), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("districts", JSON, nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
)

dispatch_rules = Table(
    "dispatch_rules",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("priority", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("category", String(100)),
    Column("group", String(100)),
    Column("kind", String(100)),
    Column("district", String(100)),
    Column("severity", one_of(Severity)),
    Column("crew", ForeignKey("crews.code")),
    Column("revision", Integer, nullable=False),
)

members = Table(
    "members",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", one_of(Role), nullable=False),
    Column("crew", ForeignKey("crews.code")),
    Column("unit", String(100)),
    Column("secret_hash", String(200), nullable=False),
    Column("secret_ends_at", Time),
    Column("active", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("revision", Integer, nullable=False),
)

refresh_tokens = Table(
    "refresh_tokens",
    mapping.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("family", Uuid, nullable=False, index=True),
    Column("member_id", ForeignKey("members.id"), nullable=False, index=True),
    Column("issued_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False, index=True),
    Column("used_at", Time),
    Column("revoked_at", Time),
    Column("again_key", String(64)),
    Column("again_salt", String(64)),
)

sessions = Table(
    "sessions",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("member_id", ForeignKey("members.id"), nullable=False, index=True),
    Column("started_at", Time, nullable=False),
    Column("last_used_at", Time, nullable=False, index=True),
    Column("address", String(100), nullable=False),
    Column("device", String(200), nullable=False),
    Column("device_hash", String(64)),
    Column("ended_at", Time),
)

device_keys = Table(
    "device_keys",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("member_id", ForeignKey("members.id"), nullable=False, index=True),
    Column("made_at", Time, nullable=False),
    Column("ends_at", Time, index=True),
    Column("last_used_at", Time),
)

sign_in_tries = Table(
    "sign_in_tries",
    mapping.metadata,
    Column("key", String(200), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Time, nullable=False, index=True),
    Column("free_at", Time, nullable=False),
)


def _is_stored() -> ColumnElement[bool]:
    """Whether the bytes are there and, of what somebody of the order named, they are theirs or their crew's."""
    held = select(photo_holders.c.sha256).where(
        photo_holders.c.sha256 == order_photos.c.sha256,
        or_(
            (photo_holders.c.name == order_photos.c.named_by)
            & (photo_holders.c.crew == func.coalesce(order_photos.c.named_crew, "")),
            photo_holders.c.crew == order_photos.c.named_crew,
        ),
    )
    theirs = held.correlate(order_photos).exists()
    there = select(photos.c.sha256).where(
        photos.c.sha256 == order_photos.c.sha256, or_(order_photos.c.named_by.is_(None), theirs)
    )
    return there.correlate(order_photos).exists()


former_codes = codes_table(mapping.metadata)

mapping.map_imperatively(Step, order_moves)
mapping.map_imperatively(Photo, photos)
mapping.map_imperatively(
    OrderPhoto,
    order_photos,
    properties={"stored": column_property(_is_stored())},
)


def _name_of(place: ColumnElement[str], table: Table, *only: ColumnElement[bool]) -> Any:
    """What people call the area or unit that an order names; NULL where nobody told us. No move changes it."""
    name = select(table.c.name).where(table.c.code == place, *only).scalar_subquery()
    return column_property(name, expire_on_flush=False)


mapping.map_imperatively(
    Order,
    work_orders,
    properties={
        "district_name": _name_of(work_orders.c.district, areas, areas.c.level == DISTRICT),
        "maintainer_name": _name_of(work_orders.c.maintainer, units),
        "moves": relationship(Step, order_by=order_moves.c.id),
        "photos": relationship(OrderPhoto, order_by=order_photos.c.sha256),
    },
)
mapping.map_imperatively(Catalogue, catalogues)
mapping.map_imperatively(Area, areas)
mapping.map_imperatively(Unit, units)
mapping.map_imperatively(Crew, crews)
mapping.map_imperatively(DispatchRule, dispatch_rules)
mapping.map_imperatively(Member, members)
mapping.map_imperatively(RefreshToken, refresh_tokens)
mapping.map_imperatively(SignedIn, sessions)
mapping.map_imperatively(DeviceKey, device_keys)
mapping.map_imperatively(Tries, sign_in_tries)
