"""Bodies, queries and answers of the work order service, at the HTTP edge only."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from services.workorders.domain.clocks import Clock, Light
from services.workorders.domain.members import Role
from services.workorders.domain.orders import Severity, Sort, Stage, State, VoidReason
from shared import clock
from shared.fields import (
    UUID,
    Boolean,
    Code,
    Dict,
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


def said(description: str, example: Any = None) -> dict[str, Any]:
    return {"description": description} | ({} if example is None else {"example": example})


def one_of(kind: Any) -> validate.OneOf:
    return validate.OneOf([each.value for each in kind])


# Moves


class MoveIn(Strict):
    """What every move takes: when and where it happened, if that is not here and now."""

    at = Time(
        load_default=None,
        metadata=said(
            "When it happened; now if not given. Not before the move that it follows, nor in the future: what is off"
            " by up to 10 minutes is set right and marked, what is off by more is refused.",
            "2026-03-01T21:30:00+02:00",
        ),
    )
    location = Location(load_default=None, metadata=said("Where it was done."))


class CrewIn(MoveIn):
    crew = Code(required=True, metadata=said("Code of the crew that gets the order.", "kallio"))


class ReasonIn(MoveIn):
    reason = String(required=True, longest=2_000, metadata=said("Why.", "The pole belongs to the tram company."))


class NoteIn(MoveIn):
    note = String(load_default="", shortest=0, metadata=said("What else is to be said."))


class CompleteIn(MoveIn):
    note = String(required=True, metadata=said("What was done.", "Lamp and fuse replaced."))
    photos = List(
        Sha256(metadata=said("SHA-256 of a photo's bytes.")),
        load_default=list,
        validate=validate.Length(max=50),
        metadata=said("Photos of the work done; their bytes may come later."),
    )
    quantity = Float(
        load_default=None,
        validate=validate.Range(0, 1e9),
        metadata=said("How much was done, in the unit of the facility's kind.", 1),
    )


class CheckIn(MoveIn):
    passed = Boolean(required=True, metadata=said("Whether the work is good; if not, it is done again."))
    note = String(required=True, shortest=0, metadata=said("What the check found.", "Lit at dusk."))


class VoidIn(MoveIn):
    reason = String(
        required=True,
        validate=one_of(VoidReason),
        metadata=said("Unfounded and duplicate lift the defect from its facility; handed_over leaves it."),
    )
    note = String(required=True, shortest=0, metadata=said("Why.", "There is no lamp at this place."))


class CallBackIn(MoveIn):
    answered = Boolean(required=True, metadata=said("Whether somebody answered the call."))
    satisfied = Boolean(
        load_default=None, metadata=said("Whether they were satisfied; given exactly when they answered.")
    )
    note = String(required=True, shortest=0, metadata=said("What they said.", "The lamp burns again."))


# Orders


class LimitOut(Strict):
    amount = Float(required=True, metadata=said("So many hours or days of the clock.", 24))
    clock = String(required=True, validate=one_of(Clock), metadata=said("Which clock: two of them rest out of hours."))
    source = String(required=True, metadata=said("The rule that set it.", "catalogue 3: lamp_out, dispose"))


class PhotoOut(Strict):
    sha256 = Sha256(required=True, metadata=said("SHA-256 of the bytes."))
    state = String(
        required=True,
        validate=validate.OneOf(["stored", "awaited"]),
        metadata=said("Whether the bytes are here, or still on somebody's phone."),
    )
    stage = String(required=True, validate=one_of(Stage), metadata=said("Shows the problem, or the work done."))


class StepOut(Strict):
    move = String(required=True, metadata=said("Which move was made.", "accept"))
    from_state = String(required=True, allow_none=True, validate=one_of(State), metadata=said("The state before."))
    to_state = String(required=True, validate=one_of(State), metadata=said("The state after."))
    by = String(required=True, metadata=said("Who made it; system where a rule did."))
    at = Time(required=True, metadata=said("When it happened."))
    recorded_at = Time(required=True, metadata=said("When the system knew; clocks go by this."))
    said_at = Time(
        required=True,
        allow_none=True,
        metadata=said("What the device said, where that could not be; at is the nearest time that can."),
    )
    crew = String(required=True, allow_none=True, metadata=said("Who had the order afterwards."))
    reason = String(required=True, allow_none=True, metadata=said("Why."))
    note = String(required=True, shortest=0, metadata=said("What else was said."))
    answered = Boolean(required=True, allow_none=True, metadata=said("Call-backs: whether somebody answered."))
    satisfied = Boolean(required=True, allow_none=True, metadata=said("Call-backs: whether they were satisfied."))
    location = Location(required=True, allow_none=True, metadata=said("Where it was made, where that is known."))


class OrderOut(Strict):
    """An order in a list: all but its moves."""

    number = String(required=True, metadata=said("Day of registration (UTC) and running number.", "20260301-000123"))
    state = String(required=True, validate=one_of(State), metadata=said("Where it stands; see docs."))
    revision = Integer(required=True, metadata=said("Grows by one with every move."))
    category = String(required=True, metadata=said("Defect category of the catalogue.", "lamp_out"))
    group = String(required=True, allow_none=True, metadata=said("Group of kinds.", "lighting"))
    severity = String(required=True, validate=one_of(Severity), metadata=said("How bad it is."))
    source = String(required=True, metadata=said("Where the report came from.", "patrol"))
    summary = String(required=True, shortest=0, metadata=said("The problem in words."))
    quantity = Float(required=True, allow_none=True, metadata=said("How much is defective, in the kind's unit."))
    location = Location(required=True, allow_none=True, metadata=said("Where it is, where that is known."))
    finding_id = UUID(required=True, allow_none=True, metadata=said("The finding that it came from."))
    alert_id = UUID(required=True, allow_none=True, metadata=said("The alert that it came from."))
    alert_active = Boolean(
        required=True, allow_none=True, metadata=said("Whether that alert stands: the water is still there.", None)
    )
    facility_code = String(required=True, allow_none=True, metadata=said("The facility, where one is linked."))
    kind = String(required=True, allow_none=True, metadata=said("Kind of the facility.", "street_light"))
    district = String(required=True, allow_none=True, metadata=said("Code of the district."))
    district_name = String(allow_none=True, metadata=said("What people call the district.", "South-West"))
    street = String(required=True, allow_none=True, metadata=said("Street of the facility."))
    grid = String(required=True, allow_none=True, metadata=said("Code of the grid cell."))
    owner = String(required=True, allow_none=True, metadata=said("Unit that owns the facility."))
    authority = String(required=True, allow_none=True, metadata=said("Unit that is competent for it."))
    maintainer = String(required=True, allow_none=True, metadata=said("Unit that maintains it."))
    maintainer_name = String(allow_none=True, metadata=said("What people call that unit, where it is registered."))
    registered_at = Time(required=True, metadata=said("When the order was opened."))
    limit = Nested(LimitOut, required=True, metadata=said("How long the disposal may take, and which rule says so."))
    due_at = Time(required=True, metadata=said("When it must be disposed."))
    light = String(
        required=True,
        validate=one_of(Light),
        metadata=said("Green below 80 % of the time, yellow up to the due time, red beyond."),
    )
    overdue = Boolean(required=True, metadata=said("Whether it should have been disposed by now, and is not."))
    crew = String(required=True, allow_none=True, metadata=said("Code of the crew that has it."))
    rule = String(required=True, shortest=0, metadata=said("The dispatch rule that chose the crew; empty: a person."))
    supervised = Boolean(required=True, metadata=said("Whether the upper level watches it."))
    rework_count = Integer(required=True, metadata=said("How often a check has failed."))
    quantity_done = Float(required=True, allow_none=True, metadata=said("How much was done, in the kind's unit."))
    note = String(required=True, shortest=0, metadata=said("What the crew said it did."))
    disposed_at = Time(required=True, allow_none=True, metadata=said("When the crew was done, as it says."))
    disposal_known_at = Time(
        required=True, allow_none=True, metadata=said("When the system knew that; the light goes by this.")
    )
    seen_at = Time(
        required=True,
        allow_none=True,
        metadata=said("When the problem was last seen again; after disposed_at it speaks against the work."),
    )
    closed_at = Time(required=True, allow_none=True, metadata=said("When the check passed."))
    void_reason = String(
        required=True, allow_none=True, validate=one_of(VoidReason), metadata=said("Why it was struck out.")
    )
    photos = List(Nested(PhotoOut), required=True, metadata=said("Photos of the problem and of the work."))

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The light and whether an order is overdue depend on the present moment."""
        if attr in ("light", "overdue"):
            return getattr(obj, attr)(clock.now())
        return super().get_attribute(obj, attr, default)


class OrderWithMovesOut(OrderOut):
    """An order with all that was done to it, and what may be done next."""

    moves = List(Nested(StepOut), required=True, metadata=said("All moves, oldest first."))
    legal_moves = List(String(), required=True, metadata=said("Moves that its state allows."))

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        if attr == "legal_moves":
            return obj.legal_moves()
        return super().get_attribute(obj, attr, default)


def several(each: String, description: str, example: str | None = None) -> Several:
    return Several(each, metadata=said(f"{description} Several with commas between.", example))


class OrdersAsked(Strict):
    """Which orders. An area, unit or crew that is left empty asks for those of none."""

    finding_id = UUID(metadata=said("The order of this finding."))
    alert_id = UUID(metadata=said("The order of this alert."))
    alert_active = QueryBoolean(metadata=said("Only those whose alert stands, or does not."))
    state = several(String(validate=one_of(State)), "Only orders in this state.", "registered,dispatched")
    category = several(String(longest=100), "Only of this category.", "lamp_out")
    group = several(String(shortest=0, longest=100), "Only of this group of kinds.", "lighting")
    severity = several(String(validate=one_of(Severity)), "Only so bad.", "serious,emergency")
    source = several(String(longest=100), "Only reported by this source.", "citizen")
    kind = several(String(shortest=0, longest=100), "Only at facilities of this kind.", "street_light")
    district = several(String(shortest=0, longest=100), "Only in this district.", "southwest")
    street = String(shortest=0, longest=200, metadata=said("Only in this street."))
    grid = several(String(shortest=0, longest=100), "Only in this grid cell.")
    owner = String(shortest=0, longest=200, metadata=said("Only of this owner."))
    authority = String(shortest=0, longest=200, metadata=said("Only of this competent authority."))
    maintainer = String(shortest=0, longest=200, metadata=said("Only of this maintainer."))
    crew = several(String(shortest=0, longest=100), "Only orders of this crew.", "kallio")
    facility_code = Code(metadata=said("Only of this facility, by any code that it has or had."))
    light = several(String(validate=one_of(Light)), "Only those whose light is so.", "yellow,red")
    overdue = QueryBoolean(metadata=said("Only those that are overdue, or that are not."))
    supervised = QueryBoolean(metadata=said("Only those that the upper level watches, or does not."))
    q = String(longest=100, metadata=said("Part of a number, summary, note, street or facility's code.", "Union"))
    bbox = box()
    near = near("Within so many metres (at most 2,000) of a place.")
    registered_from = Moment(metadata=said("Registered at this time or later; a day from its beginning.", "2026-03-01"))
    registered_to = Moment(metadata=said("Registered at this time or before; a day to its end.", "2026-03-31"))
    due_from = Moment(metadata=said("Due at this time or later.", "2026-03-01T08:00:00+02:00"))
    due_to = Moment(metadata=said("Due at this time or before.", "2026-03-02"))
    sort = String(
        load_default=Sort.NEWEST.value,
        validate=one_of(Sort),
        metadata=said("By registration or by due time; with a minus the latest first.", "due_at"),
    )


class OrderQuery(OrdersAsked, PageQuery):
    """A page of them."""


class OrderExportQuery(OrdersAsked):
    """All of them, as a file."""

    format = String(
        load_default=Format.CSV.value,
        validate=one_of(Format),
        metadata=said("csv, or xlsx (at most 100,000 rows).", "xlsx"),
    )
    lang = String(
        load_default="en",
        validate=validate.OneOf(["en", "zh"]),
        metadata={"description": "Names of fields and codes as the API has them, or both in Chinese.", "example": "zh"},
    )


# Crews and dispatch rules


class CrewDistricts(Strict):
    name = String(required=True, longest=200, metadata=said("What people call it.", "Kallio night crew"))
    districts = List(Code(), required=True, metadata=said("Codes of its districts; empty: all of them."))
    kinds = List(Code(), required=True, metadata=said("Kinds or groups that it repairs; empty: all of them."))


class NewCrewIn(CrewDistricts):
    code = Code(required=True, metadata=said("Its code, for good.", "kallio"))


class CrewChangesIn(Strict):
    name = String(longest=200, metadata=said("What people call it."))
    districts = List(Code(), metadata=said("Codes of its districts; empty: all of them."))
    kinds = List(Code(), metadata=said("Kinds or groups that it repairs; empty: all of them."))


class CrewOut(NewCrewIn):
    district_names = Dict(
        keys=String(),
        values=String(shortest=0),
        metadata=said("What people call its districts, as far as they are drawn.", {"southwest": "South-West"}),
    )
    revision = Integer(required=True, metadata=said("Grows with every change."))


class RuleIn(Strict):
    """A dispatch rule fits an order when all that it names fits; what it leaves out is null."""

    name = String(required=True, longest=100, metadata=said("Its name, shown with the orders it dispatched."))
    priority = Integer(
        load_default=100, validate=validate.Range(0, 1_000_000), metadata=said("Lower ones are tried first.")
    )
    active = Boolean(load_default=True, metadata=said("Whether it is used at all."))
    category = Code(load_default=None, allow_none=True, metadata=said("Defect category.", "lamp_out"))
    group = Code(load_default=None, allow_none=True, metadata=said("Group of kinds.", "lighting"))
    kind = Code(load_default=None, allow_none=True, metadata=said("Kind of facility.", "street_light"))
    district = Code(load_default=None, allow_none=True, metadata=said("Code of a district."))
    severity = String(
        load_default=None, allow_none=True, validate=one_of(Severity), metadata=said("Severity of the finding.")
    )
    crew = Code(
        load_default=None,
        allow_none=True,
        metadata=said("The crew that gets the order; null: the crew of the district that takes this kind."),
    )


class NewRuleIn(RuleIn):
    id = UUID(metadata=said("Made by the client, so that the request can be sent again."))


class RuleChangesIn(Strict):
    name = String(longest=100, metadata=said("Its name."))
    priority = Integer(validate=validate.Range(0, 1_000_000), metadata=said("Lower ones are tried first."))
    active = Boolean(metadata=said("Whether it is used at all."))
    category = Code(allow_none=True, metadata=said("Defect category."))
    group = Code(allow_none=True, metadata=said("Group of kinds."))
    kind = Code(allow_none=True, metadata=said("Kind of facility."))
    district = Code(allow_none=True, metadata=said("Code of a district."))
    severity = String(allow_none=True, validate=one_of(Severity), metadata=said("Severity of the finding."))
    crew = Code(allow_none=True, metadata=said("The crew; null: the crew of the district that takes this kind."))


class RuleOut(RuleIn):
    id = UUID(required=True, metadata=said("Its id."))
    revision = Integer(required=True, metadata=said("Grows with every change."))


# Members and signing in

PASSWORD = {"shortest": 10, "longest": 200}
DEVICE_KEY = {"shortest": 32, "longest": 200}


class SecretSchema(Strict):
    """People have a password, devices a key: exactly one of both."""

    password = String(**PASSWORD, metadata=said("At least 10 characters, for people."))
    device_key = String(**DEVICE_KEY, metadata=said("At least 32 random characters, for the role device."))


class NewMemberIn(SecretSchema):
    """A device without a ``device_key`` gets one, which the answer shows once."""

    id = UUID(load_default=None, metadata=said("Made by the client, so that the request can be sent again."))
    name = Code(required=True, metadata=said("What they sign in with.", "night-dispatcher"))
    role = String(required=True, validate=one_of(Role), metadata=said("What they may do."))
    crew = Code(load_default=None, allow_none=True, metadata=said("Crew, for the role crew."))
    unit = Code(load_default=None, allow_none=True, metadata=said("Unit that they belong to."))

    @validates_schema
    def one_secret(self, data: dict[str, Any], **_: Any) -> None:
        device = data.get("role") == Role.DEVICE
        given = [name for name in ("password", "device_key") if name in data]
        if given != ["device_key" if device else "password"] and not (device and not given):
            raise ValidationError("A device has a device_key, anybody else a password.", (given or ["password"])[0])


class MemberChangesIn(Strict):
    role = String(validate=one_of(Role), metadata=said("What they may do."))
    crew = Code(allow_none=True, metadata=said("Crew, for the role crew."))
    unit = Code(allow_none=True, metadata=said("Unit that they belong to."))
    active = Boolean(metadata=said("Whether they may sign in."))


class SecretIn(SecretSchema):
    @validates_schema
    def one_secret(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Give a password or a device_key.", "password")


class MemberOut(Strict):
    id = UUID(required=True, metadata=said("The member's id."))
    name = String(required=True, metadata=said("What they sign in with."))
    role = String(required=True, validate=one_of(Role), metadata=said("What they may do."))
    crew = String(required=True, allow_none=True, metadata=said("Crew."))
    unit = String(required=True, allow_none=True, metadata=said("Unit."))
    active = Boolean(required=True, metadata=said("Whether they may sign in."))
    created_at = Time(required=True, metadata=said("Since when."))
    revision = Integer(required=True, metadata=said("Grows with every change."))


class NewMemberOut(MemberOut):
    device_key = String(metadata=said("The key that was made for a device. It is shown this once."))


class NewKeyIn(Strict):
    overlap_hours = Integer(
        load_default=168,
        validate=validate.Range(0, 2_160),
        metadata=said("How long what the device had before goes on.", 168),
    )


class KeyOut(Strict):
    id = UUID(required=True, metadata=said("The key's id, which is no secret."))
    made_at = Time(required=True, metadata=said("Since when."))
    ends_at = Time(required=True, allow_none=True, metadata=said("Until when; null: for good."))
    last_used_at = Time(required=True, allow_none=True, metadata=said("When the device last signed in with it."))


class NewKeyOut(KeyOut):
    device_key = String(required=True, metadata=said("The key. It is shown this once."))


class OwnPasswordIn(Strict):
    current_password = String(required=True, longest=200, metadata=said("The one that you have."))
    new_password = String(required=True, **PASSWORD, metadata=said("At least 10 characters, and hard to guess."))


class SessionOut(Strict):
    id = UUID(required=True, metadata=said("The session's id."))
    device = String(required=True, shortest=0, metadata=said("What the client calls itself (User-Agent)."))
    address = String(required=True, shortest=0, metadata=said("Where it was last used from."))
    started_at = Time(required=True, metadata=said("When you signed in."))
    last_used_at = Time(required=True, metadata=said("When its tokens were last refreshed."))
    current = Boolean(required=True, metadata=said("Whether this token is of it."))


class MeOut(Strict):
    name = String(required=True, metadata=said("Whose token this is."))
    role = String(required=True, validate=one_of(Role), metadata=said("What they may do."))
    crew = String(required=True, allow_none=True, metadata=said("Crew."))
    unit = String(required=True, allow_none=True, metadata=said("Unit."))


SECRETS = {
    "password": {"username", "password"},
    "device_key": {"username", "device_key"},
    "refresh_token": {"refresh_token"},
}


class TokenIn(Strict):
    """A grant as in OAuth 2.0 (RFC 6749, sections 4.3 and 6), in JSON."""

    grant_type = String(required=True, validate=validate.OneOf(list(SECRETS)), metadata=said("What is given."))
    username = String(longest=100, metadata=said("Name of the member.", "admin"))
    password = String(longest=200, metadata=said("The member's password."))
    device_key = String(longest=200, metadata=said("The device's key."))
    refresh_token = String(longest=200, metadata=said("The refresh token of the last answer; each works once."))

    @validates_schema
    def what_the_grant_needs(self, data: dict[str, Any], **_: Any) -> None:
        needed = SECRETS[data["grant_type"]]
        given = data.keys() - {"grant_type"}
        for name in sorted(needed ^ given):
            raise ValidationError("Is needed." if name in needed else "Does not go with this grant_type.", name)


class TokenOut(Strict):
    access_token = String(required=True, metadata=said("Bearer token, a JWT."))
    token_type = String(required=True, metadata=said("How to send it.", "Bearer"))
    expires_in = Integer(required=True, metadata=said("Seconds that the access token lasts.", 900))
    refresh_token = String(required=True, metadata=said("For the next access token; works once."))


class RevokeIn(Strict):
    refresh_token = String(required=True, longest=200, metadata=said("Nothing that came of it works afterwards."))


class StoredPhotoOut(Strict):
    sha256 = Sha256(required=True, metadata=said("SHA-256 of the bytes."))
    media_type = String(required=True, metadata=said("What they are.", "image/jpeg"))
    size = Integer(required=True, metadata=said("Bytes."))
    width = Integer(required=True, metadata=said("Pixels."))
    height = Integer(required=True, metadata=said("Pixels."))
