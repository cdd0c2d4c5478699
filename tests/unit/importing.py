"""What the tests of importing share: writing small files, and reading them to the end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.assets.domain.catalogue import the_catalogue
from services.assets.importing import Options, Row, Understood, rows, understand

CATALOGUE = the_catalogue()
LAMP = "street_light"


def written(folder: Path, content: str | bytes | dict[str, Any], encoding: str = "utf-8") -> Path:
    """A file with this content, under a name that says nothing."""
    path = folder / "upload"
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def read(path: Path, name: str = "upload", **options: Any) -> tuple[Understood, list[Row]]:
    """What was understood of a file, and all its rows."""
    given = Options(**options)
    understood = understand(path, name, given, CATALOGUE)
    assert Understood.from_json(json.loads(json.dumps(understood.as_json()))) == understood
    assert Options.from_json(json.loads(json.dumps(given.as_json()))) == given
    return understood, [row for chunk in rows(path, understood, given, CATALOGUE) for row in chunk]


def lamps(path: Path, **options: Any) -> list[Row]:
    return read(path, kind=LAMP, **options)[1]


def drafts(found: Iterable[Row]) -> list[dict[str, Any]]:
    """The drafts of rows of which none may be refused."""
    for row in found:
        assert row.draft is not None, row.reject
    return [row.draft for row in found if row.draft is not None]


def place(row: Row) -> list[float]:
    (draft,) = drafts([row])
    return [round(each, 5) for each in draft["geometry"]["coordinates"]]


def collection(*features: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **members}


def feature(geometry: dict[str, Any] | None, properties: Any = None, **members: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties, **members}


def point(x: float, y: float, *z: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y, *z]}
