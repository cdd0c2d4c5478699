"""Rows of a file that were refused or repaired, as a table that people open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

from services.assets.domain.columns import NOTED, are_noted
from services.assets.queries import imports as queries
from shared.db import Database
from shared.lists.cells import harmless


def as_csv(db: Database, import_id: UUID, columns: list[str], *, repaired: bool) -> Iterator[str]:
    """Line by line, while the client reads: there may be a million."""
    columns = columns[: -len(NOTED)] if are_noted(columns) else columns
    yield _line([*columns, *NOTED])
    with db.read() as session:
        for row in queries.noted_rows(session, import_id, repaired=repaired):
            yield _line([*(row["raw"].get(name) for name in columns), *(row[name] for name in NOTED)])


def _line(cells: list[Any]) -> str:
    text = StringIO()
    csv.writer(text).writerow([harmless(cell) for cell in cells])
    return text.getvalue()
