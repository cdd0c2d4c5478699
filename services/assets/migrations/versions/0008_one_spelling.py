"""Facilities are found by their code, name and street in any spelling; what they are called stays.

The usual spelling of a code is kept as a further code that finds its facility, where no other one has it. Facilities
whose codes differ in nothing else stay two, and the log names them.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from services.assets.domain.searching import searchable
from shared.db import Time
from shared.lists.spelling import spelt_code
from shared.migrating import rewrite

revision = "0008"
down_revision = "0007"

MEANT = sa.text(
    "SELECT id FROM facilities WHERE code = :code UNION ALL SELECT facility_id FROM former_codes WHERE code = :code"
)
FURTHER = sa.text(
    "INSERT INTO former_codes (code, facility_id, given_up_at) VALUES (:code, :id, :now) ON CONFLICT DO NOTHING"
).bindparams(sa.bindparam("now", type_=Time))
log = logging.getLogger("alembic.runtime.migration")


def upgrade() -> None:
    rewrite("facilities", "search", ("code", "name", "street"), _anew)


def _anew(row: Any) -> str:
    if (usual := spelt_code(row.code)) != row.code:
        _keep(usual, row)
    return searchable(row.code, row.name, row.street)


def _keep(usual: str, row: Any) -> None:
    """Begun anew, it finds what it kept."""
    meant = op.get_bind().scalar(MEANT, {"code": usual})
    if meant is None:
        op.get_bind().execute(FURTHER, {"code": usual, "id": row.id, "now": datetime.now(UTC)})
    elif meant != row.id:
        log.warning("Facilities of one code in two spellings, both kept: %r and %r", row.code, usual)
