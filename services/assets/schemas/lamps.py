"""Lamps: lighting schedules, what controllers report, and the nights that come of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from marshmallow import ValidationError, fields, validate, validates_schema

from services.assets.domain.lamp_states import AT_ONCE, Failure
from services.assets.domain.lighting import Burns
from services.assets.domain.metered import Which
from services.assets.domain.standings import View
from services.assets.schemas.placed import Placed
from services.assets.schemas.words import DISTRICT, KIND, REVISION
from shared.fields import (
    CONTROL,
    Boolean,
    Code,
    Date,
    Float,
    Integer,
    List,
    Location,
    Nested,
    PageQuery,
    QueryBoolean,
    QueryInteger,
    Strict,
    String,
    Time,
)

MOST_NIGHTS = 400
OFFSET = validate.Range(-180, 180)
CLOCK = validate.Regexp(r"^([01]\d|2[0-3]):[0-5]\d\Z", error="Is no time such as 23:30.")
A_LAMP = {"description": "The lamp's code in the registry.", "example": "HEL-LAMP-314737872"}
NIGHT = {"description": "The date of its evening; a night reaches from noon to noon.", "example": "2026-11-24"}
SCHEDULE = {"description": "The code of its lighting schedule.", "example": "landscape"}
LIT = {"description": "Whether the lamp burns.", "example": True}
POWER = {"description": "Active power, W.", "example": 41.5}
FAILURE = {
    "description": "What the controller says is wrong: a flag of uCIFI's LwM2M objects 3416 and 3418, or a status of "
    "FIWARE's Streetlight, in snake_case.",
    "example": "lamp_failure",
}
CONTROLLER = {"description": "The controller that reported.", "example": "OLC-0417"}
SAID_AT = {"description": "When it was so, by the controller's clock.", "example": "2026-11-24T22:15:00+02:00"}


def _month_and_day(text: str) -> None:
    try:
        date.fromisoformat(f"2024-{text}")
    except ValueError:
        raise ValidationError("Is no day such as 11-30.") from None


class HoursSchema(Strict):
    """From when to when lamps burn. What is left out comes from the level below: season, schedule, catalogue."""

    burns = String(
        validate=validate.OneOf([*Burns]),
        metadata={
            "description": "by_rule: by the fields beside it; all_night: sunset to sunrise; off.",
            "example": "by_rule",
        },
    )
    on_after_sunset_min = Float(
        validate=OFFSET, metadata={"description": "Minutes after sunset; negative: before.", "example": 15}
    )
    off_before_sunrise_min = Float(
        validate=OFFSET, metadata={"description": "Minutes before sunrise; negative: after.", "example": 15}
    )
    on_at = String(
        allow_none=True,
        validate=CLOCK,
        metadata={"description": "On by the clock instead; null: by the sun again.", "example": "18:30"},
    )
    off_at = String(
        allow_none=True,
        validate=CLOCK,
        metadata={"description": "Off by the clock instead; null: by the sun again.", "example": "00:00"},
    )
    pause_from = String(
        allow_none=True, validate=CLOCK, metadata={"description": "Part-night: dark from here …", "example": "01:00"}
    )
    pause_until = String(allow_none=True, validate=CLOCK, metadata={"description": "… to here.", "example": "05:00"})


HOURS = {"description": "Its lighting hours.", "example": {"on_after_sunset_min": 10, "off_at": "00:00"}}


class SeasonSchema(Strict):
    """Other hours for a part of every year."""

    name = String(required=True, longest=60, metadata={"description": "Its name.", "example": "winter"})
    first = String(
        required=True,
        data_key="from",
        validate=_month_and_day,
        attribute="from",
        metadata={"description": "Its first evening, MM-DD.", "example": "11-01"},
    )
    last = String(
        required=True,
        data_key="to",
        validate=_month_and_day,
        attribute="to",
        metadata={"description": "Its last evening, MM-DD; may lie in the next year.", "example": "02-28"},
    )
    hours = Nested(HoursSchema, required=True, metadata=HOURS)


class Evening(fields.Date):
    """A date, kept as text, since schedules are kept as JSON."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs).isoformat()

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


class ExceptionSchema(Strict):
    """Other hours on single nights, such as holidays."""

    reason = String(required=True, longest=200, metadata={"description": "Why.", "example": "Spring Festival"})
    first = Evening(
        required=True, data_key="from", attribute="from", metadata={"description": "Its first evening.", **NIGHT}
    )
    last = Evening(required=True, data_key="to", attribute="to", metadata={"description": "Its last evening.", **NIGHT})
    hours = Nested(HoursSchema, required=True, metadata=HOURS)

    @validates_schema
    def _right_way_round(self, given: dict[str, Any], **_: Any) -> None:
        if given["from"] > given["to"]:
            raise ValidationError("Ends before it begins.", "to")


SEASONS = {"description": "Other hours for parts of every year; the first that fits holds."}
EXCEPTIONS = {"description": "Other hours on single nights; the first that fits holds, before any season."}
KINDS = {"description": "The kinds of lamps that follow it; empty: all.", "example": ["landscape_light"]}
DISTRICTS = {"description": "The districts whose lamps follow it; empty: all.", "example": ["southeast"]}
PLACE = {"description": "Where its sun is looked at; null: the catalogue's [lighting]."}
SCHEDULE_NAME = {"description": "What people call it.", "example": "Landscape lights"}


def _kinds(**kwargs: Any) -> fields.List[str]:
    return List(String(longest=40), validate=validate.Length(max=50), metadata=KINDS, **kwargs)


def _districts(**kwargs: Any) -> fields.List[str]:
    return List(String(longest=60), validate=validate.Length(max=1_000), metadata=DISTRICTS, **kwargs)


class ScheduleIn(Strict):
    """A lighting schedule; its code is the natural key."""

    code = Code(required=True, validate=validate.Length(max=40), metadata=SCHEDULE)
    name = String(load_default="", shortest=0, longest=200, metadata=SCHEDULE_NAME)
    location = Location(load_default=None, allow_none=True, metadata=PLACE)
    kinds = _kinds(load_default=list)
    districts = _districts(load_default=list)
    hours = Nested(HoursSchema, load_default=dict, metadata=HOURS)
    seasons = List(Nested(SeasonSchema), load_default=list, validate=validate.Length(max=50), metadata=SEASONS)
    exceptions = List(
        Nested(ExceptionSchema), load_default=list, validate=validate.Length(max=500), metadata=EXCEPTIONS
    )


class ScheduleChangeIn(Strict):
    """What to change of a schedule; what is left out stays. It holds from the present night on."""

    name = String(shortest=0, longest=200, metadata=SCHEDULE_NAME)
    location = Location(allow_none=True, metadata=PLACE)
    kinds = _kinds()
    districts = _districts()
    hours = Nested(HoursSchema, metadata=HOURS)
    seasons = List(Nested(SeasonSchema), validate=validate.Length(max=50), metadata=SEASONS)
    exceptions = List(Nested(ExceptionSchema), validate=validate.Length(max=500), metadata=EXCEPTIONS)


class ScheduleOut(Strict):
    """A lighting schedule. The one named ``city`` holds for every lamp that no other one fits."""

    code = String(metadata=SCHEDULE)
    name = String(shortest=0, metadata=SCHEDULE_NAME)
    location = Location(allow_none=True, metadata=PLACE)
    kinds = _kinds()
    districts = _districts()
    hours = Nested(HoursSchema, metadata=HOURS)
    seasons = List(Nested(SeasonSchema), metadata=SEASONS)
    exceptions = List(Nested(ExceptionSchema), metadata=EXCEPTIONS)
    revision = Integer(metadata=REVISION)


class NightsQuery(Strict):
    """Which nights."""

    first = fields.Date(
        required=True,
        data_key="from",
        validate=validate.Range(date(1970, 1, 2), date(2200, 1, 1)),
        metadata={"description": "The first evening.", "example": "2026-12-20"},
    )
    last = fields.Date(
        required=True,
        data_key="to",
        validate=validate.Range(date(1970, 1, 2), date(2200, 1, 1)),
        metadata={"description": f"The last evening, at most {MOST_NIGHTS} after the first.", "example": "2026-12-31"},
    )

    @validates_schema
    def _not_too_many(self, given: dict[str, Any], **_: Any) -> None:
        if not 0 <= (given["last"] - given["first"]).days < MOST_NIGHTS:
            raise ValidationError(f"Is not within {MOST_NIGHTS} nights after the first.", "to")


class BurningOut(Strict):
    on_at = Time(metadata={"description": "On.", "example": "2026-12-21T15:28:00+02:00"})
    off_at = Time(metadata={"description": "Off.", "example": "2026-12-22T09:09:00+02:00"})


class PlannedNightOut(Strict):
    """When the lamps of a schedule should burn on a night, and why."""

    night = fields.Date(metadata=NIGHT)
    burning = List(Nested(BurningOut), metadata={"description": "From when to when; empty: they stay dark."})
    planned_min = Float(metadata={"description": "How long that is.", "example": 1061.0})
    reasons = List(
        String(),
        metadata={
            "description": "What it comes from.",
            "example": ["schedule city", "season winter", "sunset 15:13, sunrise 09:24"],
        },
    )


# --- states


class LampStateIn(Strict):
    """What a controller says of one lamp."""

    facility_code = String(required=True, longest=100, metadata=A_LAMP)
    at = Time(required=True, metadata=SAID_AT)
    lit = Boolean(required=True, metadata=LIT)
    power_w = Float(load_default=None, allow_none=True, metadata=POWER)
    failure = String(load_default=None, allow_none=True, validate=validate.OneOf([*Failure]), metadata=FAILURE)
    controller = String(load_default=None, allow_none=True, longest=100, metadata=CONTROLLER)


_Text = Annotated[
    str, msgspec.Meta(min_length=1, max_length=100, pattern=CONTROL.pattern.replace("[", "^[^", 1) + r"+\Z")
]


class _State(msgspec.Struct, forbid_unknown_fields=True):
    """``LampStateIn`` once more, for msgspec."""

    facility_code: _Text
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    lit: bool
    power_w: float | None = None
    failure: Failure | None = None
    controller: _Text | None = None


class States(fields.List[Any]):
    """A list of ``LampStateIn``. marshmallow takes a hundred times as long: it only speaks where something is wrong."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return [msgspec.structs.asdict(each) for each in msgspec.convert(value, list[_State])]
        except (msgspec.ValidationError, ValueError, OverflowError):
            return super()._deserialize(value, attr, data, **kwargs)


class LampStatesIn(Strict):
    """A batch of states; each is accepted or refused by itself."""

    states = States(
        Nested(LampStateIn),
        required=True,
        validate=validate.Length(1, AT_ONCE),
        metadata={"description": f"1 to {AT_ONCE:,}, of any lamps and times."},
    )


class RefusedStateOut(Strict):
    """A state that was refused."""

    index = Integer(metadata={"description": "Its place in the list, from 0.", "example": 3})
    reason = String(
        metadata={
            "description": "The rule, and what it says.",
            "example": "unknown-lamp: the registry has no lamp with this code",
        }
    )


class TakenOut(Strict):
    """What became of the states. One that was sent before counts as accepted."""

    accepted = Integer(metadata={"description": "How many were taken.", "example": 4_998})
    rejected = List(Nested(RefusedStateOut), metadata={"description": "The others."})


class LampStatesQuery(PageQuery):
    """Which lamps."""

    kind = String(longest=40, metadata=KIND)
    district = String(longest=60, metadata=DISTRICT)
    lit = QueryBoolean(metadata=LIT)
    silent = QueryBoolean(metadata={"description": "Whether the lamp has told nothing for too long.", "example": True})
    day_burning = QueryBoolean(
        metadata={"description": "Whether it burnt by day, on the present night or the last.", "example": True}
    )
    failure = String(validate=validate.OneOf(["any", *Failure]), metadata=FAILURE | {"example": "any"})


class LampStateOut(Strict):
    """The newest state of a lamp in service."""

    facility_code = String(metadata=A_LAMP)
    kind = String(metadata=KIND)
    district = String(allow_none=True, metadata=DISTRICT)
    at = Time(metadata=SAID_AT)
    lit = Boolean(metadata=LIT)
    power_w = Float(allow_none=True, metadata=POWER)
    failure = String(allow_none=True, metadata=FAILURE)
    controller = String(allow_none=True, metadata=CONTROLLER)
    silent = Boolean(metadata={"description": "Whether that is too long ago to hold still.", "example": False})
    day_burning = Boolean(metadata={"description": "Whether it burnt by day, on the present night or the last."})
    recorded_at = Time(metadata={"description": "When we knew."})


class LampNightOut(Strict):
    """One lamp on one night, as its states tell."""

    night = fields.Date(metadata=NIGHT)
    schedule = String(metadata=SCHEDULE)
    planned_min = Float(metadata={"description": "How long it should burn.", "example": 1061.0})
    lit_min = Float(metadata={"description": "How much of that it burnt.", "example": 1001.0})
    unknown_min = Float(metadata={"description": "How much of that nobody knows of.", "example": 60.0})
    day_burning_min = Float(
        metadata={"description": "How long it burnt by day, outside of the tolerance.", "example": 0.0}
    )


class NightOfLampOut(LampNightOut):
    """One lamp on one night, and where the lamp then stood."""

    schedule = String(shortest=0, metadata=SCHEDULE | {"description": "Empty where nothing is known of the night."})
    facility_code = String(metadata=A_LAMP)
    kind = String(metadata=KIND)
    district = String(allow_none=True, metadata=DISTRICT)


class LampNightsQuery(PageQuery, Placed):
    """Which lamps in service, on which nights. An area or unit that is left empty: lamps of none."""

    date = Date(metadata=NIGHT | {"description": "The last night; else the latest whose planned hours are over."})
    window_days = QueryInteger(
        load_default=1,
        validate=validate.Range(1, 366),
        metadata={"description": "How many nights, up to the last.", "example": 30},
    )
    which = String(
        load_default=Which.KNOWN.value,
        validate=validate.OneOf([*Which]),
        metadata={
            "description": "Those of whose planned time something is known (known), those of them that burnt less than "
            "is known (less), or those of which nothing is known (unknown).",
            "example": "less",
        },
    )
    view = String(
        load_default=View.HAPPENED.value,
        validate=validate.OneOf([*View]),
        metadata={
            "description": "What was known of each night by the noon after it (known), or what is known now.",
            "example": "known",
        },
    )
    kind = String(longest=40, metadata=KIND)
