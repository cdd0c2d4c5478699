"""Drainage as a network."""

from __future__ import annotations

from marshmallow import validate

from services.assets.domain.network import Basis, Way
from services.assets.schemas.words import DISTRICT
from shared.fields import Boolean, Float, Integer, List, Nested, PageQuery, QueryInteger, Strict, String
from shared.lists.asking import Number, Numbers

CODE = {"description": "The code of a facility.", "example": "P-17"}
WAY = {"description": "Which end, or which way.", "example": "downstream"}


class GapsQuery(PageQuery):
    """Which gaps."""

    district = String(longest=60, metadata=DISTRICT)
    within = Number(
        low=0,
        high=100,
        metadata={
            "description": "Only those with a node within so many metres; it is looked for up to 10.",
            "example": "3",
        },
    )


class GapOut(Strict):
    """An end of a pipe that meets no node."""

    code = String(metadata=CODE)
    kind = String(metadata={"description": "The kind of the pipe.", "example": "drain_pipe"})
    district = String(allow_none=True, metadata=DISTRICT)
    way = String(validate=validate.OneOf([*Way]), metadata=WAY)
    longitude = Float(metadata={"description": "Where the end is.", "example": -72.5031})
    latitude = Float(metadata={"description": "Where the end is.", "example": 44.2035})
    distance_m = Float(
        allow_none=True, metadata={"description": "To the nearest node; null: there is none about.", "example": 1.7}
    )
    basis = String(
        validate=validate.OneOf([*Basis]),
        metadata={"description": "What says which way the water runs: codes, levels, or how it was drawn."},
    )


class WalkQuery(Strict):
    """From where, and how far. Give a code, or a place."""

    code = String(longest=100, metadata={"description": "The pipe or node to begin at.", "example": "P-17"})
    near = Numbers(
        names="lon,lat,metres",
        low=[-180, -90, 0],
        high=[180, 90, 200],
        metadata={"description": "Or the nearest one about a place, at most 200 m off.", "example": "24.94,60.17,50"},
    )
    depth = QueryInteger(
        load_default=50, validate=validate.Range(1, 500), metadata={"description": "Most pipes on.", "example": 50}
    )


class WalkedOut(Strict):
    """A pipe or node on the way."""

    code = String(metadata=CODE)
    kind = String(metadata={"description": "Its kind.", "example": "manhole"})
    name = String(shortest=0, metadata={"description": "What people call it.", "example": "Manhole 7"})
    district = String(allow_none=True, metadata=DISTRICT)
    condition = String(metadata={"description": "Its condition.", "example": "intact"})
    longitude = Float(metadata={"description": "Where it stands on a map.", "example": 24.94})
    latitude = Float(metadata={"description": "Where it stands on a map.", "example": 60.17})
    step = Integer(metadata={"description": "How many pipes on.", "example": 3})


class WalkOut(Strict):
    """What lies up or down the network, nearest first."""

    start = String(metadata=CODE)
    way = String(validate=validate.OneOf([*Way]), metadata=WAY)
    pipes = Integer(metadata={"description": "How many pipes.", "example": 12})
    length_m = Float(metadata={"description": "How long these are together.", "example": 431.5})
    complete = Boolean(metadata={"description": "Whether nothing was left out beyond the depth or the 5,000 shown."})
    items = List(Nested(WalkedOut), metadata={"description": "Pipes and nodes."})
