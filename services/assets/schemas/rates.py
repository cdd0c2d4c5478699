"""Rates, with all that is needed to judge them."""

from __future__ import annotations

from marshmallow import fields, validate

from services.assets.domain.rates import By, RateName
from shared.fields import Dict, Float, Integer, Nested, Strict, String

RATE_BY = {"description": "What the rates are grouped by.", "example": "district"}


class RatesQuery(Strict):
    """Which rates."""

    by = String(load_default=By.DISTRICT.value, validate=validate.OneOf([*By]), metadata=RATE_BY)
    rate = String(
        validate=validate.OneOf([*RateName]), metadata={"description": "Only this rate.", "example": "intact"}
    )
    kind = String(longest=40, metadata={"description": "Only facilities of this kind.", "example": "street_light"})
    district = String(longest=60, metadata={"description": "Only facilities of this district.", "example": "southeast"})
    date = fields.Date(metadata={"description": "The city's present day; past days are not kept yet."})


class DefinitionOut(Strict):
    en = String(metadata={"description": "The definition in English."})
    zh = String(metadata={"description": "The definition in Chinese."})


class LeftOutOut(Strict):
    """What stands beside a rate, because it is in neither of its terms."""

    facilities = Integer(metadata={"description": "How many facilities are out of service.", "example": 2})
    quantity = Float(metadata={"description": "How much that is, in the rate's unit.", "example": 2.0})
    reasons = Dict(keys=String(), values=Integer(), metadata={"description": "Why, and how many each."})


class RateOut(Strict):
    """One rate. The ratio is null when the denominator is zero."""

    rate = String(validate=validate.OneOf([*RateName]), metadata={"description": "Which rate.", "example": "intact"})
    by = String(validate=validate.OneOf([*By]), metadata=RATE_BY)
    key = String(
        shortest=0, metadata={"description": "Which district, kind … ; empty: of none.", "example": "southeast"}
    )
    kind = String(
        allow_none=True, metadata={"description": "The kind; null: composite of several kinds.", "example": "manhole"}
    )
    ratio = Float(allow_none=True, metadata={"description": "0 to 1.", "example": 0.98})
    numerator = Float(metadata={"description": "In the unit.", "example": 98.0})
    denominator = Float(metadata={"description": "In the unit.", "example": 100.0})
    unit = String(shortest=0, metadata={"description": "count, m, m2, or weight (composite).", "example": "count"})
    definition = Nested(DefinitionOut, metadata={"description": "How it is reckoned."})
    window_days = Integer(
        allow_none=True, metadata={"description": "How far back it looks; null: as things stand now.", "example": 30}
    )
    weights = Dict(
        keys=String(), values=Float(), allow_none=True, metadata={"description": "A composite's weights by kind."}
    )
    out_of_service = Nested(LeftOutOut, metadata={"description": "What the rate leaves out."})
