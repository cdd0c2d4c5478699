"""Asking for facilities by where they lie and whose they are."""

from __future__ import annotations

from services.assets.schemas.words import (
    AUTHORITY,
    COMMUNITY,
    DISTRICT,
    GRID,
    LARGE_GRID,
    MAINTAINER,
    OWNER,
    STREET,
)
from shared.fields import Strict, String


class Placed(Strict):
    """What the facilities have in common. An area or unit that is left empty asks for those of none."""

    district = String(shortest=0, longest=60, metadata=DISTRICT)
    street = String(shortest=0, longest=200, metadata=STREET)
    community = String(shortest=0, longest=60, metadata=COMMUNITY)
    large_grid = String(shortest=0, longest=60, metadata=LARGE_GRID)
    grid = String(shortest=0, longest=60, metadata=GRID)
    owner = String(shortest=0, longest=100, metadata=OWNER)
    authority = String(shortest=0, longest=100, metadata=AUTHORITY)
    maintainer = String(shortest=0, longest=100, metadata=MAINTAINER)
