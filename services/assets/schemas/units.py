"""Units: to register, to change, and as they are."""

from __future__ import annotations

from marshmallow import validate

from services.assets.domain.units import Role
from services.assets.schemas.words import REVISION
from shared.fields import Code, Integer, List, Strict, String

CODE = {"description": "Its code; facilities name it as owner, authority or maintainer.", "example": "lights-south"}
NAME = {"description": "Its name.", "example": "Lighting Maintenance South"}
NAME_ZH = {"description": "Its Chinese name.", "example": "南区照明养护中心"}
ROLES = {"description": "What it is to facilities.", "example": ["maintainer"]}


def Roles(**kwargs: object) -> List:
    role = String(validate=validate.OneOf([*Role]))
    return List(role, validate=validate.Length(max=len(Role)), metadata=ROLES, **kwargs)  # type: ignore[arg-type]


class UnitIn(Strict):
    """A unit to register; its code is the natural key."""

    code = Code(required=True, metadata=CODE)
    name = String(required=True, longest=200, metadata=NAME)
    name_zh = String(load_default="", shortest=0, longest=200, metadata=NAME_ZH)
    roles = Roles(load_default=list)


class UnitChangeIn(Strict):
    """What to change of a unit; what is left out stays."""

    name = String(longest=200, metadata=NAME)
    name_zh = String(shortest=0, longest=200, metadata=NAME_ZH)
    roles = Roles()


class UnitOut(Strict):
    """A unit."""

    code = String(metadata=CODE)
    name = String(metadata=NAME)
    name_zh = String(shortest=0, metadata=NAME_ZH)
    roles = Roles()
    revision = Integer(metadata=REVISION)
