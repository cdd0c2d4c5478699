"""Map tiles."""

from __future__ import annotations

from marshmallow import validate

from services.assets.domain.facilities import Condition
from services.assets.schemas.words import KINDS
from shared.fields import Dict, Float, Integer, List, Strict, String
from shared.lists.asking import Several

STANDING = [each.value for each in Condition if each is not Condition.RETIRED]


class TileQuery(Strict):
    """What to show on the map; retired facilities never are."""

    kind = Several(String(longest=40), metadata=KINDS)
    condition = Several(
        String(validate=validate.OneOf(STANDING)),
        metadata={"description": "Its condition; several with commas between.", "example": "defective"},
    )


class TileJsonOut(Strict):
    """TileJSON 3.0.0."""

    tilejson = String(metadata={"example": "3.0.0"})
    name = String(metadata={"example": "Waywarden"})
    tiles = List(String(), metadata={"description": "Where the tiles are."})
    minzoom = Integer(metadata={"example": 0})
    maxzoom = Integer(metadata={"example": 20})
    bounds = List(Float(), metadata={"description": "West, south, east, north of the city."})
    vector_layers = List(Dict(keys=String()), metadata={"description": "The layers and their fields."})
