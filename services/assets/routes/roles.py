"""Who may change what assets keeps; all staff may read it."""

from __future__ import annotations

from services.assets.domain.viewers import BoundToUnit, Viewer, viewer
from shared.auth import User

WRITERS = ("operator",)


def viewer_of(user: User) -> Viewer:
    """What of findings, orders and people somebody may see."""
    return viewer(user.role, name=user.name, crew=user.crew, unit=user.bound_unit)


def must_be_unbound(user: User) -> None:
    """Raises BoundToUnit."""
    if user.bound_unit is not None:
        raise BoundToUnit(f"You see what {user.bound_unit} has; whose a facility is, others say.")
