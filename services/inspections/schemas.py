"""The JSON of inspections, at the HTTP edge only."""

from __future__ import annotations

from typing import Any

from marshmallow import validate

from services.inspections.domain.findings import Move, Sort, State
from services.inspections.domain.light_checks import Outcome
from services.inspections.domain.orders import Light, OrderState
from services.inspections.domain.places import PlaceCheck
from services.inspections.domain.rulebook import Severity
from shared import clock
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
    Sha256,
    Strict,
    String,
    Time,
)
from shared.lists.asking import Moment, Several, box, near
from shared.lists.files import Format

POSITIVE = validate.Range(min=0, max=1e9, min_inclusive=False)
ONE_PLACE_CHECK = validate.OneOf([*PlaceCheck])
ONE_STATE, ONE_SEVERITY = validate.OneOf([*State]), validate.OneOf([*Severity])
AT = {"description": "When it happened, if not just now.", "example": "2026-03-01T21:35:00+02:00"}
FACILITY = {"description": "The facility's code.", "example": "lamp-4711"}
FINDING_ID = {"description": "The finding's id.", "example": "0b7f2c3e-6f0d-4b8e-9f3b-1d2a3c4e5f60"}
CLIENT_ID = {"description": "Made by the client; the same again takes effect once.", "example": FINDING_ID["example"]}
REVISION = {"description": "Counts the changes; it is the ETag.", "example": 3}


class FindingIn(Strict):
    """What somebody saw."""

    id = UUID(metadata=CLIENT_ID)
    category = String(
        required=True, longest=64, metadata={"description": "A category of the catalogue.", "example": "lamp_out"}
    )
    facility_code = Code(
        allow_none=True,
        metadata={"description": "The facility, where known; an unknown code is accepted.", "example": "lamp-4711"},
    )
    location = Location(required=True, metadata={"description": "Where, in WGS 84; within 1 km of the city."})
    severity = String(
        required=True, validate=ONE_SEVERITY, metadata={"description": "How bad it is.", "example": "normal"}
    )
    quantity = Float(
        allow_none=True,
        validate=POSITIVE,
        metadata={"description": "How much, in pieces, metres or square metres as the facility.", "example": 12.5},
    )
    description = String(
        load_default="", shortest=0, metadata={"description": "In words.", "example": "Dark since yesterday."}
    )
    source = String(
        required=True,
        longest=32,
        metadata={"description": "Where the finding comes from, see /finding-sources.", "example": "patrol"},
    )
    found_at = Time(
        required=True,
        metadata={"description": "When it was seen; at most 5 minutes ahead.", "example": "2026-03-01T21:30:00+02:00"},
    )
    photos = List(
        Sha256(),
        load_default=list,
        validate=validate.Length(max=20),
        metadata={"description": "SHA-256 of each photo; the bytes may come later.", "example": []},
    )


class LinkOut(Strict):
    """How a finding hangs on a facility."""

    state = String(
        validate=validate.OneOf(["awaited", "code", "place", "none"]),
        metadata={"description": "By its code, by its place, not at all, or not looked up yet.", "example": "code"},
    )
    facility_code = String(allow_none=True, metadata={"description": "The facility found.", "example": "lamp-4711"})


class StandingOut(Strict):
    """How the finding stands that stands for a merged one."""

    finding_id = UUID(metadata=FINDING_ID)
    state = String(validate=ONE_STATE, metadata={"description": "Where in its life it is.", "example": "resolved"})
    confirmed_at = Time(allow_none=True, metadata={"description": "Since when it is known to be true."})
    ended_at = Time(allow_none=True, metadata={"description": "When it was resolved or rejected."})
    reason = String(allow_none=True, metadata={"description": "Why it was rejected.", "example": None})
    order_number = String(allow_none=True, metadata={"description": "The work order that ended or reopened it."})


class OrderOut(Strict):
    """How the work order of a finding stands."""

    number = String(metadata={"description": "Its number, see /work-orders.", "example": "20260301-000123"})
    state = String(
        validate=validate.OneOf([*OrderState]),
        metadata={"description": "Open until the crew says that the work is done.", "example": "open"},
    )
    due_at = Time(metadata={"description": "When it must be disposed.", "example": "2026-03-02T19:31:00+00:00"})
    light = String(
        validate=validate.OneOf([*Light]),
        metadata={
            "description": "Green below 80 % of the time, yellow up to the due time, red beyond.",
            "example": "green",
        },
    )
    overdue = Boolean(metadata={"description": "Whether it should have been disposed by now.", "example": False})
    supervised = Boolean(metadata={"description": "Whether the upper level watches it.", "example": False})

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The light and whether an order is overdue depend on the present moment."""
        if attr in ("light", "overdue"):
            return getattr(obj, attr)(clock.now())
        return super().get_attribute(obj, attr, default)


class FindingOut(Strict):
    """A finding as it stands."""

    id = UUID(metadata=FINDING_ID)
    state = String(validate=ONE_STATE, metadata={"description": "Where in its life it is.", "example": "confirmed"})
    category = String(metadata={"description": "Category of the catalogue.", "example": "lamp_out"})
    severity = String(validate=ONE_SEVERITY, metadata={"description": "How bad it is.", "example": "normal"})
    source = String(metadata={"description": "Where it comes from.", "example": "patrol"})
    reporter = String(metadata={"description": "Who reported it.", "example": "inspector-1"})
    facility_code = String(allow_none=True, metadata={"description": "As reported.", "example": "lamp-4711"})
    link = Nested(LinkOut, metadata={"description": "What assets made of it."})
    kind = String(allow_none=True, metadata={"description": "Kind of the linked facility.", "example": "street_light"})
    district = String(
        allow_none=True, metadata={"description": "The facility's, or the one it lies in.", "example": "southwest"}
    )
    street = String(allow_none=True, metadata={"description": "The facility's street.", "example": "Unioninkatu"})
    grid = String(allow_none=True, metadata={"description": "The facility's grid cell.", "example": "G-32"})
    location = Location(
        allow_none=True, metadata={"description": "Where; null for a lamp of a lighting check, known by its code only."}
    )
    place_check = String(
        allow_none=True,
        validate=ONE_PLACE_CHECK,
        metadata={
            "description": "Whether the place lies in the city; unchecked until we have been told where that is.",
            "example": "inside",
        },
    )
    quantity = Float(allow_none=True, metadata={"description": "How much, in the facility's unit.", "example": 12.5})
    description = String(shortest=0, metadata={"description": "In words.", "example": "Dark since yesterday."})
    photos = List(Sha256(), metadata={"description": "SHA-256 of each photo, see /photos.", "example": []})
    found_at = Time(metadata={"description": "When it was seen.", "example": "2026-03-01T21:30:00+02:00"})
    reported_at = Time(metadata={"description": "When we knew.", "example": "2026-03-01T19:31:00+00:00"})
    confirmed_at = Time(
        allow_none=True, metadata={"description": "Since when it is known to be true.", "example": None}
    )
    ended_at = Time(
        allow_none=True, metadata={"description": "When it was resolved, rejected or merged.", "example": None}
    )
    reason = String(allow_none=True, metadata={"description": "Why it was rejected.", "example": None})
    merged_into = UUID(allow_none=True, metadata={"description": "The finding that stands for it.", "example": None})
    standing = Nested(
        StandingOut, allow_none=True, metadata={"description": "How that one stands: what became of the report."}
    )
    last_seen_at = Time(
        allow_none=True, metadata={"description": "When it was seen again, after it was found.", "example": None}
    )
    order_number = String(
        allow_none=True, metadata={"description": "The work order that ended or reopened it.", "example": None}
    )
    order = Nested(OrderOut, allow_none=True, metadata={"description": "How its work order stands, once there is one."})
    revision = Integer(metadata=REVISION)


def several(each: String, description: str, example: str) -> Several:
    return Several(each, metadata={"description": f"{description} Several with commas between.", "example": example})


def moment(description: str, example: str) -> Moment:
    return Moment(metadata={"description": f"{description} A time, or a day of the city.", "example": example})


class FindingsAsked(Strict):
    """Which findings. An area or unit that is left empty asks for those of none."""

    state = several(String(validate=ONE_STATE), "In this state only.", "reported,confirmed")
    category = several(String(longest=64), "Of this category only.", "lamp_out")
    severity = several(String(validate=ONE_SEVERITY), "Only so bad.", "serious,emergency")
    source = several(String(longest=32), "From this source only.", "patrol")
    place_check = String(
        validate=ONE_PLACE_CHECK, metadata={"description": "Whose place is so.", "example": "unchecked"}
    )
    facility_code = Code(
        metadata={
            "description": "Reported for, or linked to, this facility, by any code that it has or had.",
            "example": "lamp-4711",
        }
    )
    kind = several(String(shortest=0, longest=100), "At facilities of this kind, once linked.", "street_light")
    district = several(String(shortest=0, longest=100), "In this district.", "southwest")
    street = String(shortest=0, longest=200, metadata={"description": "In this street.", "example": "Unioninkatu"})
    grid = several(String(shortest=0, longest=100), "At facilities in this grid cell.", "G-32")
    owner = String(
        shortest=0, longest=200, metadata={"description": "At facilities of this owner.", "example": "City of Helsinki"}
    )
    authority = String(
        shortest=0,
        longest=200,
        metadata={"description": "Of this authority.", "example": "Urban Environment Division"},
    )
    maintainer = String(
        shortest=0,
        longest=200,
        metadata={"description": "Of this maintainer.", "example": "Lighting Maintenance South"},
    )
    light = several(String(validate=validate.OneOf([*Light])), "Whose order's light is so.", "yellow,red")
    overdue = QueryBoolean(metadata={"description": "Whose order is overdue, or not.", "example": True})
    supervised = QueryBoolean(metadata={"description": "Whose order the upper level watches, or not."})
    q = String(longest=100, metadata={"description": "Part of its words, code or street.", "example": "Union"})
    bbox = box()
    near = near("Within so many metres (at most 2,000) of a place.")
    found_from = moment("Seen then or later.", "2026-03-01")
    found_to = moment("Seen then or before.", "2026-03-31")
    reported_from = moment("Reported then or later.", "2026-03-01")
    reported_to = moment("Reported then or before.", "2026-03-01T21:30:00+02:00")
    due_from = moment("Whose order is due then or later.", "2026-03-01")
    due_to = moment("Whose order is due then or before.", "2026-03-02")
    sort = String(
        load_default=Sort.NEWEST.value,
        validate=validate.OneOf([*Sort]),
        metadata={
            "description": "By the report or by the due time of their orders; with a minus the latest first.",
            "example": "due_at",
        },
    )


class FindingsQuery(FindingsAsked, PageQuery):
    """A page of them."""


class FindingsExportQuery(FindingsAsked):
    """All of them, as a file."""

    format = String(
        load_default=Format.CSV.value,
        validate=validate.OneOf([*Format]),
        metadata={"description": "csv, or xlsx (at most 100,000 rows).", "example": "xlsx"},
    )
    lang = String(
        load_default="en",
        validate=validate.OneOf(["en", "zh"]),
        metadata={"description": "Names of fields and codes as the API has them, or both in Chinese.", "example": "zh"},
    )


class ConfirmIn(Strict):
    """The report is true."""

    note = String(allow_none=True, metadata={"description": "Why.", "example": "Seen from the camera."})
    at = Time(allow_none=True, metadata=AT)


class RejectIn(Strict):
    """The report is not accepted."""

    reason = String(required=True, metadata={"description": "Why.", "example": "Private land."})
    at = Time(allow_none=True, metadata=AT)


class MergeIn(Strict):
    """Another finding stands for this one."""

    into = UUID(required=True, metadata={"description": "The finding that stays.", "example": FINDING_ID["example"]})
    at = Time(allow_none=True, metadata=AT)


class MoveOut(Strict):
    """One move of a finding's life."""

    move = String(validate=validate.OneOf([*Move]), metadata={"description": "What was done.", "example": "confirm"})
    state = String(validate=ONE_STATE, metadata={"description": "The state after it.", "example": "confirmed"})
    moved_by = String(metadata={"description": "Who; waywarden where an order ended it.", "example": "operator-1"})
    note = String(allow_none=True, metadata={"description": "Why.", "example": "Seen from the camera."})
    happened_at = Time(metadata={"description": "When it happened.", "example": "2026-03-01T19:35:00+00:00"})
    recorded_at = Time(metadata={"description": "When we knew.", "example": "2026-03-01T19:35:02+00:00"})
    said_at = Time(
        allow_none=True,
        metadata={"description": "What was said, where that could not be: happened_at is the nearest that can."},
    )


class LampIn(Strict):
    """A look at one lamp."""

    facility_code = Code(required=True, metadata=FACILITY)
    lit = Boolean(required=True, metadata={"description": "Whether it burns.", "example": False})


class LightCheckIn(Strict):
    """A patrol's look at the lamps of a stretch."""

    id = UUID(metadata=CLIENT_ID)
    checked_at = Time(
        required=True,
        metadata={"description": "When; at most 5 minutes ahead.", "example": "2026-03-01T21:30:00+02:00"},
    )
    lamps = List(
        Nested(LampIn),
        required=True,
        validate=validate.Length(1, 2_000),
        metadata={"description": "The lamps in the order of the walk, each once."},
    )


class LampOut(LampIn):
    """A look at one lamp, and what became of it."""

    outcome = String(
        attribute="shown",
        validate=validate.OneOf([*Outcome]),
        metadata={
            "description": "Lit, a new finding, one that stood already, or dark when its schedule wants it so; a dark "
            "lamp is awaited at first, and one that the registry does not know is an unknown lamp.",
            "example": "finding",
        },
    )
    reason = String(
        allow_none=True,
        metadata={
            "description": "Why the lamp need not burn then, or that nobody knows it: a slug, a colon, and words.",
            "example": "not-planned: by the schedule part-night the lamp need not burn then",
        },
    )
    finding_id = UUID(allow_none=True, metadata={"description": "The finding that stands for the dark lamp."})


class LightCheckSummaryOut(Strict):
    """A lighting check without its lamps."""

    id = UUID(metadata={"description": "The check's id.", "example": FINDING_ID["example"]})
    inspector = String(metadata={"description": "Who looked.", "example": "inspector-1"})
    checked_at = Time(metadata={"description": "When they looked.", "example": "2026-03-01T19:30:00+00:00"})
    recorded_at = Time(metadata={"description": "When we knew.", "example": "2026-03-01T19:40:00+00:00"})
    within_lighting_hours = Boolean(
        allow_none=True,
        attribute="within",
        metadata={
            "description": "Whether any of its lamps should have burnt by its schedule; null for the moment until "
            "assets has said so.",
            "example": True,
        },
    )
    lamps_planned = Integer(
        allow_none=True, metadata={"description": "How many of them should have burnt.", "example": 119}
    )
    lamps_checked = Integer(metadata={"description": "How many lamps were looked at.", "example": 120})
    lamps_lit = Integer(metadata={"description": "How many of them burned.", "example": 118})
    revision = Integer(metadata=REVISION)


class LightCheckOut(LightCheckSummaryOut):
    """A lighting check, lamp by lamp."""

    lamps = List(Nested(LampOut), metadata={"description": "The lamps in the order of the walk."})


class SourceIn(Strict):
    """How far a source of findings is trusted."""

    confirm_on_arrival = Boolean(
        required=True, metadata={"description": "Its findings need nobody's confirmation.", "example": False}
    )
    written_by_staff = Boolean(
        required=True,
        metadata={
            "description": "Its words may be shown to crews; what citizens write may name people.",
            "example": True,
        },
    )


class SourceOut(SourceIn):
    """A source of findings."""

    source = String(metadata={"description": "Its name.", "example": "patrol"})
    revision = Integer(metadata=REVISION)
