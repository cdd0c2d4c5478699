"""What a city of a million facilities taught: boxes by place, attributes by kind, texts by pairs, lamp-nights moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from services.assets.domain.searching import searchable

revision = "0003"
down_revision = "0002"

AT_ONCE = 5_000


def upgrade() -> None:
    op.drop_index("ix_facilities_quadkey", "facilities")
    covered = ["quadkey", "id", "kind", "condition", "west", "south", "east", "north"]
    op.create_index("ix_facilities_quadkey", "facilities", covered)
    op.create_table(
        "attribute_kinds",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("kind", sa.String(40), primary_key=True),
    )
    each = "jsonb_object_keys(attributes) AS each(key)"
    if op.get_bind().dialect.name != "postgresql":
        each = "json_each(attributes) AS each"
    op.execute(f"INSERT INTO attribute_kinds SELECT DISTINCT substr(each.key, 1, 100), kind FROM facilities, {each}")
    op.drop_column("lamp_nights_due", "taken")
    op.create_table(
        "lamp_nights_work",
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("facility_id", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    _search_anew()


def _search_anew() -> None:
    named = ("id", "code", "name", "street", "search")
    table = sa.table("facilities", *(sa.column(each) for each in named))
    write = sa.update(table).where(table.c.id == sa.bindparam("its")).values({"search": sa.bindparam("text")})
    last = 0
    while rows := _after(table, last):
        last = rows[-1].id
        texts = {r.id: searchable(r.code, r.name, r.street) for r in rows}
        if new := [{"its": r.id, "text": texts[r.id]} for r in rows if texts[r.id] != r.search]:
            op.get_bind().execute(write, new)


def _after(table: sa.TableClause, last: int) -> Sequence[sa.Row[Any]]:
    some = sa.select(*table.c).where(table.c.id > last).order_by(table.c.id).limit(AT_ONCE)
    return op.get_bind().execute(some).all()
