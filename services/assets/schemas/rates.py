"""Rates, with all that is needed to judge them."""

from __future__ import annotations

from marshmallow import validate

from services.assets.domain.rates import By, RateName
from services.assets.domain.standings import View
from services.assets.schemas.placed import Placed
from services.assets.schemas.words import VIEW
from shared.fields import Date, Dict, Float, Integer, Nested, PageQuery, QueryInteger, Strict, String

RATE_BY = {"description": "What the rates are grouped by.", "example": "district"}


class RatesQuery(PageQuery, Placed):
    """Which rates, of which facilities, when. An area or unit that is left empty: of facilities of none."""

    limit = QueryInteger(
        load_default=1_000, validate=validate.Range(1, 1_000), metadata={"description": "Most rates to answer."}
    )
    by = String(load_default=By.DISTRICT.value, validate=validate.OneOf([*By]), metadata=RATE_BY)
    rate = String(
        validate=validate.OneOf([*RateName]), metadata={"description": "Only this rate.", "example": "intact"}
    )
    date = Date(
        metadata={
            "description": "At the end of this day of the city; else as things stand.",
            "example": "2026-01-15",
        }
    )
    view = String(
        load_default=View.KNOWN.value,
        validate=validate.OneOf([*View]),
        metadata=VIEW,
    )
    window_days = QueryInteger(
        load_default=1,
        validate=validate.Range(1, 366),
        metadata={"description": "Of the metered light-on rate: how many nights, up to the date.", "example": 30},
    )
    kind = String(longest=40, metadata={"description": "Only facilities of this kind.", "example": "street_light"})


class DefinitionOut(Strict):
    en = String(metadata={"description": "The definition in English."})
    zh = String(metadata={"description": "The definition in Chinese."})


class LeftOutOut(Strict):
    """What stands beside a rate, because it is in neither of its terms."""

    facilities = Integer(metadata={"description": "How many facilities are out of service.", "example": 2})
    quantity = Float(metadata={"description": "How much that is, in the rate's unit.", "example": 2.0})
    reasons = Dict(keys=String(), values=Integer(), metadata={"description": "Why, and how many each."})


class BehindOut(Strict):
    """Addresses of the facilities behind a rate, as they stood on its day."""

    counted = String(metadata={"description": "Those of the denominator.", "example": "/api/v1/facilities?kind=bridge"})
    lacking = String(metadata={"description": "Those that the numerator lacks, in whole or in part."})


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
    unit = String(shortest=0, metadata={"description": "count, m, m2, min (metered) or weight.", "example": "count"})
    definition = Nested(DefinitionOut, metadata={"description": "How it is reckoned."})
    window_days = Integer(
        allow_none=True, metadata={"description": "How far back it looks; null: as things stand now.", "example": 30}
    )
    weights = Dict(
        keys=String(), values=Float(), allow_none=True, metadata={"description": "A composite's weights by kind."}
    )
    target = Float(allow_none=True, metadata={"description": "What it should reach, 0 to 1.", "example": 0.95})
    out_of_service = Nested(LeftOutOut, metadata={"description": "What the rate leaves out."})
    lamps_unknown = Integer(
        allow_none=True,
        metadata={
            "description": "Lamps in service of which it is not known, in neither term; metered: of each night.",
            "example": 12,
        },
    )
    minutes_unknown = Float(
        allow_none=True,
        metadata={"description": "Metered: planned minutes of the other lamps that nobody knows of.", "example": 60.0},
    )
    estimated = Float(
        allow_none=True,
        metadata={"description": "How much of the denominator is estimated, in the unit.", "example": 0.0},
    )
    dark_allowed = Integer(
        allow_none=True,
        metadata={"description": "By street, under 200 lamps: how many of them may be dark (denominator − numerator)."},
    )
    power_w = Float(allow_none=True, metadata={"description": "Installed power in watts.", "example": 5400.0})
    lamps_of_unknown_power = Integer(allow_none=True, metadata={"description": "Lamps of unknown power.", "example": 3})
    facilities = Nested(
        BehindOut, allow_none=True, metadata={"description": "Where the very facilities are; null of a composite."}
    )
