"""The JSON of alerts, at the HTTP edge only."""

from __future__ import annotations

from marshmallow import fields, validate

from services.alerts.domain.alerts import ABOUT_SENSORS, Action
from services.alerts.domain.sensors import KINDS, Reason, Sends, Severity
from services.alerts.domain.sensors import UNITS as ALL_UNITS
from shared.fields import (
    UUID,
    Boolean,
    Code,
    Float,
    Integer,
    List,
    Location,
    Nested,
    PageQuery,
    QueryBoolean,
    Strict,
    String,
    Time,
)

ONE_SEVERITY, ONE_KIND = validate.OneOf([*Severity]), validate.OneOf([*KINDS])
ALERT_KIND = validate.OneOf([*KINDS, *ABOUT_SENSORS])
UNITS = validate.OneOf(ALL_UNITS)
NOT_NEGATIVE, ABOVE_ZERO = validate.Range(min=0), validate.Range(min=0, min_inclusive=False)
SOME_ID = "5f0c8a57-2f64-4d1c-9f0e-6d1b2c7a9e01"
NOTE = {"description": "Why, or what was said.", "example": "Underpass closed, crew on its way."}
AT = {"description": "When it happened, if not just now.", "example": "2026-03-01T21:35:00+02:00"}
SEVERITY = {"description": "On the one scale.", "example": "severe"}
REVISION = {"description": "Counts the changes; it is the ETag.", "example": 3}
SENSOR_KIND = {"description": "What it measures.", "example": "water_level"}
ALERT_ABOUT = {"description": "What its sensor measures, `silence` or `doubt`.", "example": "water_level"}
SENSOR_NAME = {"description": "Name for people.", "example": "Underpass, north side"}
DISTRICT = {"description": "The district's code.", "example": "kluuvi"}
STANDS_IN = {"description": "The district's code; without it, the one that the sensor stands in.", "example": "kluuvi"}
SENDS = {"description": "Of a rain gauge: what its values are (default: as its unit says).", "example": "increment"}
BOUNDS = {"description": "What it can measure, in its unit; else what its kind can."}
CHANGE = {"description": "What moves faster is believed once others agree; else, a fall of the level only."}
SENTINELS = {"description": "Values that stand for none; else the usual ones.", "example": [-9999.0]}
MARGIN = {"description": "How far below a threshold its severity is left at once, in the unit.", "example": 2}
DWELL = {"description": "Seconds inside the margin after which the severity is left.", "example": 300}
EVERY = {"description": "Seconds between readings: after two of them and 10 s it is silent.", "example": 600}


class ThresholdSchema(Strict):
    """From which value on a severity is reached."""

    severity = String(required=True, validate=ONE_SEVERITY, metadata=SEVERITY)
    at = Float(required=True, metadata={"description": "The value, in the sensor's unit.", "example": 25})


class BoundsSchema(Strict):
    """The lowest and highest value that can be true."""

    low = Float(required=True, metadata={"description": "In the sensor's unit.", "example": -50})
    high = Float(required=True, metadata={"description": "In the sensor's unit.", "example": 500})


class ChangeSchema(Strict):
    """How far a value moves within a time, at the most."""

    by = Float(required=True, validate=ABOVE_ZERO, metadata={"description": "In the sensor's unit.", "example": 50})
    within_s = Float(
        required=True, validate=validate.Range(1, 86_400), metadata={"description": "Seconds.", "example": 300}
    )


THRESHOLDS = {"description": "In the sensor's unit, rising with the severity, each severity once."}
MOST_THRESHOLDS = validate.Length(max=len(Severity))


class SensorIn(Strict):
    """A gauge to register. Its unit stays what it is."""

    code = Code(required=True, metadata={"description": "Its code.", "example": "gauge-underpass-1"})
    kind = String(required=True, validate=ONE_KIND, metadata=SENSOR_KIND)
    unit = String(required=True, validate=UNITS, metadata={"description": "What it sends.", "example": "cm"})
    location = Location(required=True, metadata={"description": "Where it stands, in WGS 84."})
    name = String(load_default="", shortest=0, longest=200, metadata=SENSOR_NAME)
    district = String(allow_none=True, load_default=None, longest=100, metadata=STANDS_IN)
    thresholds = List(Nested(ThresholdSchema), load_default=list, validate=MOST_THRESHOLDS, metadata=THRESHOLDS)
    margin = Float(load_default=0.0, validate=NOT_NEGATIVE, metadata=MARGIN)
    dwell_s = Integer(load_default=300, validate=validate.Range(0, 86_400), metadata=DWELL)
    expected_every_s = Integer(
        allow_none=True, load_default=None, validate=validate.Range(1, 31_536_000), metadata=EVERY
    )
    sends = String(allow_none=True, load_default=None, validate=validate.OneOf([*Sends]), metadata=SENDS)
    bounds = Nested(BoundsSchema, allow_none=True, load_default=None, metadata=BOUNDS)
    largest_change = Nested(ChangeSchema, allow_none=True, load_default=None, metadata=CHANGE)
    sentinels = List(Float(), allow_none=True, load_default=None, validate=validate.Length(max=50), metadata=SENTINELS)


class SensorPatch(Strict):
    """What may change of a sensor; what is left out stays."""

    name = String(shortest=0, longest=200, metadata=SENSOR_NAME)
    district = String(allow_none=True, longest=100, metadata=STANDS_IN)
    thresholds = List(Nested(ThresholdSchema), validate=MOST_THRESHOLDS, metadata=THRESHOLDS)
    margin = Float(validate=NOT_NEGATIVE, metadata=MARGIN)
    dwell_s = Integer(validate=validate.Range(0, 86_400), metadata=DWELL)
    expected_every_s = Integer(allow_none=True, validate=validate.Range(1, 31_536_000), metadata=EVERY)
    location = Location(metadata={"description": "Where it stands now, in WGS 84."})
    sends = String(allow_none=True, validate=validate.OneOf([*Sends]), metadata=SENDS)
    bounds = Nested(BoundsSchema, allow_none=True, metadata=BOUNDS)
    largest_change = Nested(ChangeSchema, allow_none=True, metadata=CHANGE)
    sentinels = List(Float(), allow_none=True, validate=validate.Length(max=50), metadata=SENTINELS)


class SensorOut(SensorIn):
    """A sensor, with its newest reading."""

    last_at = Time(allow_none=True, metadata={"description": "Time of its newest reading.", "example": None})
    last_value = Float(allow_none=True, metadata={"description": "Its newest reading, in its unit.", "example": 12.5})
    revision = Integer(metadata=REVISION)


class SensorsQuery(PageQuery):
    """Which sensors to list."""

    kind = String(validate=ONE_KIND, metadata=SENSOR_KIND)
    district = String(longest=100, metadata=DISTRICT)


class ReadingIn(Strict):
    """One reading. Whatever stands as its value is looked at by itself, and refused by itself."""

    sensor = String(required=True, longest=100, metadata={"description": "Its code.", "example": "gauge-underpass-1"})
    at = Time(required=True, metadata={"description": "When it was read.", "example": "2026-03-01T21:30:00+02:00"})
    value = fields.Raw(
        required=True, allow_none=True, metadata={"description": "The number, in the sensor's unit.", "example": 26.5}
    )


class ReadingsIn(Strict):
    """Readings of any sensors, in any order."""

    readings = List(
        Nested(ReadingIn), required=True, validate=validate.Length(1, 5_000), metadata={"description": "1 to 5,000."}
    )


class RejectedOut(Strict):
    """A reading that was refused."""

    index = Integer(metadata={"description": "Its place in the list, from 0.", "example": 3})
    reason = String(metadata={"description": "Why.", "example": "the value stands for none"})
    code = String(validate=validate.OneOf([*Reason]), metadata={"description": "Why.", "example": "sentinel"})


class TakenOut(Strict):
    """What became of the readings. One that was sent before counts as accepted."""

    accepted = Integer(metadata={"description": "How many were taken.", "example": 120})
    rejected = List(Nested(RejectedOut), metadata={"description": "The others."})


class ReadingOut(Strict):
    """One reading of a sensor."""

    at = Time(metadata={"description": "When it was read.", "example": "2026-03-01T19:30:00+00:00"})
    value = Float(metadata={"description": "The number, in the sensor's unit.", "example": 26.5})
    recorded_at = Time(metadata={"description": "When we knew.", "example": "2026-03-01T19:30:05+00:00"})


class AlertStateOut(Strict):
    """Two facts that do not depend on each other."""

    active = Boolean(metadata={"description": "Whether it stands.", "example": True})
    acknowledged = Boolean(metadata={"description": "Whether somebody has taken it.", "example": False})


class AlertOut(Strict):
    """An alert as it stands."""

    id = UUID(metadata={"description": "The alert's id.", "example": SOME_ID})
    source = String(metadata={"description": "The sensor that raised it.", "example": "gauge-underpass-1"})
    kind = String(metadata={"description": "What it is about.", "example": "water_level"})
    severity = String(validate=ONE_SEVERITY, metadata=SEVERITY)
    state = Nested(AlertStateOut, metadata={"description": "Active, acknowledged."})
    since = Time(metadata={"description": "When it was raised.", "example": "2026-03-01T19:30:00+00:00"})
    recorded_at = Time(metadata={"description": "When we knew.", "example": "2026-03-01T19:30:05+00:00"})
    value = Float(metadata={"description": "The newest value, in ``unit``.", "example": 26.5})
    unit = String(metadata={"description": "The sensor's unit.", "example": "cm"})
    district = String(allow_none=True, metadata=DISTRICT)
    location = Location(metadata={"description": "Where the source stands."})
    acknowledged_at = Time(allow_none=True, metadata={"description": "When somebody took it.", "example": None})
    acknowledged_by = String(allow_none=True, metadata={"description": "Who took it.", "example": None})
    cleared_at = Time(allow_none=True, metadata={"description": "When it ended.", "example": None})
    cleared_by = String(allow_none=True, metadata={"description": "The source, or who cleared it.", "example": None})
    silenced_until = Time(allow_none=True, metadata={"description": "Until when it keeps quiet.", "example": None})
    silenced_by = String(allow_none=True, metadata={"description": "Who silenced it.", "example": None})
    silence_reason = String(allow_none=True, metadata={"description": "Why it was silenced.", "example": None})
    escalations = Integer(metadata={"description": "How often somebody called for more.", "example": 0})
    order_category = String(
        allow_none=True, metadata={"description": "Category of the emergency order it opens.", "example": None}
    )
    revision = Integer(metadata={**REVISION, "description": "Counts what was done and how it stands, not each value."})


class EntryOut(Strict):
    """What was done, by whom."""

    action = String(validate=validate.OneOf([*Action]), metadata={"description": "What.", "example": "acknowledged"})
    done_by = String(metadata={"description": "Who, or which source.", "example": "controller-1"})
    severity = String(validate=ONE_SEVERITY, metadata={"description": "The severity after it.", "example": "severe"})
    value = Float(metadata={"description": "The value then.", "example": 26.5})
    note = String(allow_none=True, metadata=NOTE)
    until = Time(allow_none=True, metadata={"description": "End of a silence.", "example": None})
    happened_at = Time(metadata={"description": "When it happened.", "example": "2026-03-01T19:32:00+00:00"})
    recorded_at = Time(metadata={"description": "When we knew.", "example": "2026-03-01T19:32:00+00:00"})
    said_at = Time(
        allow_none=True,
        metadata={"description": "What was said, where that could not be: happened_at is the nearest that can."},
    )


class AlertDetailOut(AlertOut):
    """An alert with everything that anybody did."""

    log = List(Nested(EntryOut), metadata={"description": "Oldest first."})


class AlertsQuery(PageQuery):
    """Which alerts to list."""

    active = QueryBoolean(metadata={"description": "Whether they stand.", "example": "true"})
    acknowledged = QueryBoolean(metadata={"description": "Whether somebody has taken them.", "example": "false"})
    district = String(longest=100, metadata=DISTRICT)
    severity = String(validate=ONE_SEVERITY, metadata=SEVERITY)
    silenced = QueryBoolean(metadata={"description": "Whether they are silenced now.", "example": "false"})
    kind = String(validate=ALERT_KIND, metadata=ALERT_ABOUT)
    source = String(longest=100, metadata={"description": "From this sensor only.", "example": "gauge-underpass-1"})


class ActionIn(Strict):
    """Something that somebody does to an alert."""

    note = String(allow_none=True, metadata=NOTE)
    at = Time(allow_none=True, metadata=AT)


class SilenceIn(ActionIn):
    """Keep an alert, and what its source raises after it, quiet for a while, unless it gets worse."""

    until = Time(
        required=True, metadata={"description": "Until when; at most 7 days.", "example": "2026-03-01T23:00:00+02:00"}
    )


class RuleIn(Strict):
    """For which alerts an emergency order is opened."""

    id = UUID(metadata={"description": "Made by the client; the same again takes effect once.", "example": SOME_ID})
    name = String(required=True, longest=200, metadata={"description": "Name for people.", "example": "Standing water"})
    kind = String(
        allow_none=True, validate=ALERT_KIND, metadata={"description": "Of this kind only.", "example": "water_level"}
    )
    severity = String(
        load_default=str(Severity.MINOR),
        validate=ONE_SEVERITY,
        metadata={"description": "From this severity on.", "example": "minor"},
    )
    district = String(
        allow_none=True, longest=100, metadata={"description": "In this district only.", "example": "kluuvi"}
    )
    order_category = String(
        allow_none=True,
        longest=64,
        metadata={"description": "Category of the order; none: no order is opened.", "example": "standing_water"},
    )
    priority = Integer(
        load_default=100,
        validate=validate.Range(0, 1_000_000),
        metadata={"description": "Of the rules that match, the lowest counts.", "example": 100},
    )
    enabled = Boolean(load_default=True, metadata={"description": "Whether it holds.", "example": True})


class RulePatch(Strict):
    """What may change of a rule; what is left out stays."""

    name = String(longest=200, metadata={"description": "Name for people.", "example": "Standing water"})
    kind = String(allow_none=True, validate=ALERT_KIND, metadata={"description": "Of this kind only."})
    severity = String(validate=ONE_SEVERITY, metadata={"description": "From this severity on.", "example": "minor"})
    district = String(allow_none=True, longest=100, metadata={"description": "In this district only."})
    order_category = String(
        allow_none=True, longest=64, metadata={"description": "Category of the order; none: no order."}
    )
    priority = Integer(validate=validate.Range(0, 1_000_000), metadata={"description": "The lowest counts."})
    enabled = Boolean(metadata={"description": "Whether it holds.", "example": True})


class RuleOut(RuleIn):
    """A rule."""

    revision = Integer(metadata=REVISION)
