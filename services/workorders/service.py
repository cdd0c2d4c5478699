"""The edges of the work order service: its routes and the events that it hears."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.workorders import figures, passwords, photo_files, queries, schemas, tables
from services.workorders.domain.crews import DispatchRule
from services.workorders.domain.members import ACCESS_LIFETIME, Member, TooManyTries, WrongCredentials
from services.workorders.domain.orders import IllegalMove, Order, Sight
from services.workorders.domain.photos import LARGEST_BYTES, Bound, Holder, NoImage, TooManyUnnamed, WrongHash
from services.workorders.domain.places import UnknownDistrict
from services.workorders.use_cases import accounts, alerts, copies, crews, moving, opening, photos, sign_in
from services.workorders.use_cases.moving import Mover
from services.workorders.use_cases.sign_in import Grant
from shared.auth import COOKIE, PUBLIC, STAFF, User
from shared.errors import Conflict, Invalid, NotFound, Stale, TooLarge
from shared.events.alerts import AlertEscalated, AlertMoved, AlertRaised
from shared.events.assets import AreaChanged, CataloguePublished, DefectRecorded, UnitChanged
from shared.events.inspections import FindingMerged, FindingRejected, FindingReported
from shared.fields import PageQuery
from shared.messaging import on
from shared.paging import Page
from shared.service import Service, every, every_few
from shared.web import API, JSON, SENT_BY_PEOPLE, Call, http, read_body, to_json
from shared.workers import aside, hashing

READERS = ("crew", "dispatcher", "controller", "operator")
CREW = ("crew",)
DISPATCHER = ("dispatcher",)
RULE_KEEPERS = ("dispatcher", "operator")
ADMIN = ("admin",)
PHOTOGRAPHERS = ("inspector", "crew", "operator", "dispatcher")


Method = Callable[..., Any]
Route = Callable[[Method], Method]


def move(
    path: str, roles: tuple[str, ...], summary: str, body: type[schemas.MoveIn] = schemas.MoveIn, lets_go: bool = False
) -> Route:
    """A route that moves one order: ``POST /work-orders/{number}/<path>``."""
    return http(
        "POST",
        f"/work-orders/<number>/{path}",
        roles=roles,
        summary=summary,
        body=body,
        answer=schemas.OrderWithMovesOut,
        lets_go=lets_go,
        refuses=(IllegalMove, NotFound, Stale, Invalid),
    )


class WorkOrders(Service):
    name = "workorders"
    metadata = tables.mapping.metadata
    figures: ClassVar = figures

    # Events

    @on("workorders.keep_catalogue")
    def keep_catalogue(self, session: Session, events: Sequence[CataloguePublished]) -> None:
        copies.keep_catalogue(session, events)

    @on("workorders.keep_areas")
    def keep_areas(self, session: Session, events: Sequence[AreaChanged]) -> None:
        copies.keep_areas(session, events)

    @on("workorders.keep_units")
    def keep_units(self, session: Session, events: Sequence[UnitChanged]) -> None:
        copies.keep_units(session, events)

    @on("workorders.open_for_defects")
    def open_for_defects(self, session: Session, events: Sequence[DefectRecorded]) -> None:
        opening.open_for_defects(session, events)

    @on("workorders.open_for_alerts")
    def open_for_alerts(self, session: Session, events: Sequence[AlertEscalated | AlertMoved | AlertRaised]) -> None:
        alerts.open_for_alerts(session, events)

    @on("workorders.keep_finding_photos")
    def keep_finding_photos(
        self, session: Session, events: Sequence[FindingReported | FindingRejected | FindingMerged]
    ) -> None:
        photos.keep_finding_photos(session, events)

    @every(600)
    def end_unnamed_photos(self, session: Session) -> None:
        photos.end_unnamed(session, self.settings.unnamed_photo_days)

    @every(3600)
    def forget_old(self, session: Session) -> bool:
        return sign_in.forget_old(session)

    @every_few(3600)
    def sweep_photos(self) -> None:
        before = time.time() - photo_files.FORGOTTEN_S
        for group in photo_files.groups_of(self.settings.data):
            photos.remove_unnamed(self.db, aside(photo_files.forgotten_in, group, before), before)

    # Orders

    @http(
        "GET",
        "/work-orders",
        audit="read",
        roles=READERS,
        query=schemas.OrderQuery,
        answer=schemas.OrderOut,
        paged=True,
        summary="List work orders, newest first",
    )
    def list_orders(self, call: Call) -> Page:
        return queries.list_orders(call.session, sight=sight_of(call.user), **call.query)

    @http(
        "GET",
        "/work-orders/<number>",
        audit="read",
        roles=READERS,
        answer=schemas.OrderWithMovesOut,
        summary="Read a work order with its moves",
        refuses=(NotFound,),
    )
    def read_order(self, call: Call, number: str) -> Order:
        return queries.get_order(call.session, number=number, sight=sight_of(call.user))

    @move("dispatch", DISPATCHER, "Give a registered order to a crew", schemas.CrewIn)
    def dispatch(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.dispatch(call.session, number, mover, **body)

    @move("reassign", DISPATCHER, "Give a dispatched order to another crew", schemas.CrewIn)
    def reassign(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.reassign(call.session, number, mover, **body)

    @move("accept", CREW, "Take an order on")
    def accept(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.accept(call.session, number, mover, **body)

    @move("decline", CREW, "Hand an order back, with the reason", schemas.ReasonIn, lets_go=True)
    def decline(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.decline(call.session, number, mover, **body)

    @move("start", CREW, "Start the work")
    def start(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.start(call.session, number, mover, **body)

    @move("complete", CREW, "Say that the work is done", schemas.CompleteIn)
    def complete(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.complete(call.session, number, mover, **body)

    @move("undo-complete", CREW, "Take back a completion before its check")
    def undo_complete(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.undo_complete(call.session, number, mover, **body)

    @move("check", DISPATCHER, "Close a completed order, or send it back for rework", schemas.CheckIn)
    def check(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.check(call.session, number, mover, **body)

    @move("void", DISPATCHER, "Strike an order out", schemas.VoidIn)
    def void(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.void(call.session, number, mover, **body)

    @move("supervise", DISPATCHER, "Mark an order that the upper level watches", schemas.NoteIn)
    def supervise(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.supervise(call.session, number, mover, **body)

    @move("call-back", ("operator",), "Note a call-back; who is not satisfied reopens the order", schemas.CallBackIn)
    def call_back(self, call: Call, number: str) -> Order:
        mover, body = split(call)
        return moving.call_back(call.session, number, mover, **body)

    # Crews and dispatch rules

    @http(
        "GET",
        "/crews",
        roles=STAFF,
        query=PageQuery,
        answer=schemas.CrewOut,
        paged=True,
        summary="List crews",
    )
    def list_crews(self, call: Call) -> Page:
        return queries.list_crews(call.session, **call.query)

    @http("GET", "/crews/<code>", roles=STAFF, answer=schemas.CrewOut, summary="Read a crew", refuses=(NotFound,))
    def read_crew(self, call: Call, code: str) -> dict[str, Any]:
        return queries.get_crew(call.session, code=code)

    @http(
        "POST",
        "/crews",
        roles=ADMIN,
        body=schemas.NewCrewIn,
        answer=schemas.CrewOut,
        status=201,
        natural_key="code",
        summary="Register a crew",
        refuses=(Conflict, UnknownDistrict),
    )
    def register_crew(self, call: Call) -> dict[str, Any]:
        return queries.show_crew(call.session, crews.register_crew(call.session, **call.body))

    @http(
        "PATCH",
        "/crews/<code>",
        roles=ADMIN,
        body=schemas.CrewChangesIn,
        answer=schemas.CrewOut,
        summary="Change a crew's name, districts or kinds",
        refuses=(NotFound, Stale, UnknownDistrict),
    )
    def change_crew(self, call: Call, code: str) -> dict[str, Any]:
        crew = crews.change_crew(call.session, code=code, changes=call.body, expected=call.expected)
        return queries.show_crew(call.session, crew)

    @http(
        "GET",
        "/dispatch-rules",
        roles=READERS,
        query=PageQuery,
        answer=schemas.RuleOut,
        paged=True,
        summary="List dispatch rules in the order in which they are tried",
    )
    def list_rules(self, call: Call) -> Page:
        return queries.list_rules(call.session, **call.query)

    @http(
        "GET",
        "/dispatch-rules/<uuid:rule_id>",
        roles=READERS,
        answer=schemas.RuleOut,
        summary="Read a dispatch rule",
        refuses=(NotFound,),
    )
    def read_rule(self, call: Call, rule_id: UUID) -> DispatchRule:
        return queries.get_rule(call.session, rule_id=rule_id)

    @http(
        "POST",
        "/dispatch-rules",
        roles=RULE_KEEPERS,
        body=schemas.NewRuleIn,
        answer=schemas.RuleOut,
        status=201,
        summary="Add a dispatch rule",
        refuses=(Conflict, Invalid),
    )
    def add_rule(self, call: Call) -> DispatchRule:
        return crews.add_rule(call.session, rule=call.body)

    @http(
        "PUT",
        "/dispatch-rules/<uuid:rule_id>",
        roles=RULE_KEEPERS,
        body=schemas.RuleIn,
        answer=schemas.RuleOut,
        summary="Replace a dispatch rule",
        refuses=(NotFound, Conflict, Stale, Invalid),
    )
    def replace_rule(self, call: Call, rule_id: UUID) -> DispatchRule:
        return crews.change_rule(call.session, rule_id=rule_id, changes=call.body, expected=call.expected)

    @http(
        "PATCH",
        "/dispatch-rules/<uuid:rule_id>",
        roles=RULE_KEEPERS,
        body=schemas.RuleChangesIn,
        answer=schemas.RuleOut,
        summary="Change some of a dispatch rule",
        refuses=(NotFound, Conflict, Stale, Invalid),
    )
    def change_rule(self, call: Call, rule_id: UUID) -> DispatchRule:
        return crews.change_rule(call.session, rule_id=rule_id, changes=call.body, expected=call.expected)

    @http(
        "DELETE",
        "/dispatch-rules/<uuid:rule_id>",
        roles=RULE_KEEPERS,
        status=204,
        summary="Remove a dispatch rule",
        refuses=(NotFound, Stale),
    )
    def remove_rule(self, call: Call, rule_id: UUID) -> None:
        crews.remove_rule(call.session, rule_id=rule_id, expected=call.expected)

    # Members. Hashing takes tens of milliseconds, so that it is done before the transaction, on a thread.

    @http(
        "GET",
        "/members",
        audit="read",
        roles=ADMIN,
        query=PageQuery,
        answer=schemas.MemberOut,
        paged=True,
        summary="List members",
    )
    def list_members(self, call: Call) -> Page:
        return queries.list_members(call.session, **call.query)

    @http(
        "GET",
        "/members/<uuid:member_id>",
        audit="read",
        roles=ADMIN,
        answer=schemas.MemberOut,
        summary="Read a member",
        refuses=(NotFound,),
    )
    def read_member(self, call: Call, member_id: UUID) -> Member:
        return queries.get_member(call.session, member_id=member_id)

    @http(
        "POST",
        "/members",
        audit="change",
        roles=ADMIN,
        body=schemas.NewMemberIn,
        answer=schemas.MemberOut,
        status=201,
        transaction=False,
        summary="Add somebody, or a device, that signs in",
        refuses=(Conflict, Invalid),
    )
    def add_member(self, call: Call) -> Member:
        secret_hash, body = hash_secret_of(call.body)
        call.entry.on["name"] = body["name"]
        with self.db.begin() as session:
            return accounts.add_member(session, secret_hash=secret_hash, **body)

    @http(
        "PATCH",
        "/members/<uuid:member_id>",
        audit="change",
        roles=ADMIN,
        body=schemas.MemberChangesIn,
        answer=schemas.MemberOut,
        summary="Change a member's role, crew or unit, or close the account",
        refuses=(NotFound, Stale, Invalid),
    )
    def change_member(self, call: Call, member_id: UUID) -> Member:
        return accounts.change_member(call.session, member_id=member_id, changes=call.body, expected=call.expected)

    @http(
        "PUT",
        "/members/<uuid:member_id>/secret",
        audit="change",
        roles=ADMIN,
        body=schemas.SecretIn,
        answer=schemas.MemberOut,
        transaction=False,
        summary="Give a member a new password or device key",
        refuses=(NotFound, Stale),
    )
    def change_secret(self, call: Call, member_id: UUID) -> Member:
        changes = {"secret_hash": hash_secret_of(call.body)[0]}
        with self.db.begin() as session:
            return accounts.change_member(session, member_id=member_id, changes=changes, expected=call.expected)

    # Signing in

    @http(
        "POST",
        "/auth/token",
        audit="sign-in",
        roles=PUBLIC,
        body=schemas.TokenIn,
        answer=schemas.TokenOut,
        transaction=False,
        summary="Sign in, or stay signed in",
        refuses=(WrongCredentials, TooManyTries),
    )
    def give_token(self, call: Call) -> Response:
        call.entry.account = call.body.get("username")
        granted = self.refresh(**call.body) if "refresh_token" in call.body else self.sign_in(call)
        return self.signed_in(call, granted)

    def sign_in(self, call: Call) -> Grant:
        name, address = call.body["username"], address_of(call)
        with self.db.begin() as session:
            known = sign_in.begin_sign_in(session, name=name, address=address)
        hashing(passwords.check_secret, known, call.body.get("password") or call.body["device_key"])
        with self.db.begin() as session:
            return sign_in.finish_sign_in(session, name=name, address=address)

    def refresh(self, *, refresh_token: str, grant_type: str) -> Grant:
        with self.db.begin() as session:
            granted = sign_in.refresh(session, token=refresh_token)
        if granted is None:  # refused only after the commit: what a stolen token ends must stay ended
            raise WrongCredentials(f"This {grant_type} is used, revoked, expired or not ours.", field="refresh_token")
        return granted

    def signed_in(self, call: Call, granted: Grant) -> Response:
        """The tokens as JSON, and the access token as a cookie for the stream, whose readers can send no header."""
        call.entry.account = granted.member.name
        member, seconds = granted.member, int(ACCESS_LIFETIME.total_seconds())
        token = self.keys.sign(User(member.name, member.role.value, member.crew, member.unit), ACCESS_LIFETIME)
        answer = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": seconds,
            "refresh_token": granted.refresh_token,
        }
        response = Response(to_json(answer), content_type=JSON, headers={"Cache-Control": "no-store"})
        response.set_cookie(
            COOKIE,
            token,
            max_age=seconds,
            path=f"{API}/alerts/stream",
            secure=call.request.is_secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    @http(
        "POST",
        "/auth/revoke",
        audit="sign-in",
        roles=PUBLIC,
        body=schemas.RevokeIn,
        status=204,
        summary="Sign out: end a refresh token and all that came of it",
    )
    def revoke_token(self, call: Call) -> None:
        sign_in.revoke(call.session, token=call.body["refresh_token"])

    @http(
        "GET",
        "/auth/jwks.json",
        roles=PUBLIC,
        transaction=False,
        media="application/jwk-set+json",
        summary="The public keys that access tokens are checked with",
    )
    def show_keys(self, call: Call) -> dict[str, Any]:
        return self.keys.jwks

    @http(
        "GET",
        "/me",
        roles=(*STAFF, "device"),
        answer=schemas.MeOut,
        transaction=False,
        summary="Whose token this is",
    )
    def show_me(self, call: Call) -> User:
        return call.user

    # Photos

    @http(
        "PUT",
        "/photos/<sha256>",
        roles=PHOTOGRAPHERS,
        answer=schemas.StoredPhotoOut,
        also_status=201,
        reads="image/*",
        body_limit=LARGEST_BYTES,
        transaction=False,
        heavy=True,
        summary="Store the bytes of a photo; 201 at first, 200 when they are there",
        refuses=(WrongHash, NoImage, TooLarge, TooManyUnnamed),
    )
    def store_photo(self, call: Call, sha256: str) -> tuple[int, dict[str, Any]]:
        bound = Bound(self.settings.unnamed_photos, self.settings.unnamed_photo_bytes)
        content = read_body(call.request, LARGEST_BYTES)
        with self.db.read() as session:  # before anything is written
            photos.check_room(session, sha256=sha256, size=len(content), by=holder_of(call.user), bound=bound)
        aside(photo_files.check, sha256, content)
        picture = photo_files.look_at(content, call.user.name)
        aside(photo_files.keep, self.settings.data, sha256, content)
        with self.db.begin() as session:
            new = photos.note_photo(session, sha256=sha256, picture=picture, by=holder_of(call.user), bound=bound)
        return (201 if new else 200), {"sha256": sha256} | vars(picture)

    @http(
        "GET",
        "/photos/<sha256>",
        audit="read",
        roles=(*PHOTOGRAPHERS, "controller"),
        media="image/*",
        summary="The bytes of a photo, for whoever may read what it belongs to",
        refuses=(NotFound,),
    )
    def read_photo(self, call: Call, sha256: str) -> Response:
        sight = None if call.user.role == "inspector" else sight_of(call.user)
        photo = queries.get_photo(call.session, sha256=sha256, viewer=holder_of(call.user), sight=sight)
        content = aside(photo_files.read, self.settings.data, photo.sha256)
        return Response(content, mimetype=photo.media_type, headers=SENT_BY_PEOPLE | {"Content-Disposition": "inline"})


def sight_of(user: User) -> Sight:
    """A crew sees its own orders, a unit's people those of their unit, everybody else all of them."""
    return Sight(crew=user.crew or "") if user.role == "crew" else Sight(unit=user.bound_unit)


def holder_of(user: User) -> Holder:
    """By whose name the bytes of photos are kept that somebody sends."""
    return Holder(user.name, user.crew or "" if user.role == "crew" else "")


def split(call: Call) -> tuple[Mover, dict[str, Any]]:
    """Who moves, when and where; and the rest of the body."""
    body = dict(call.body)
    mover = Mover(
        name=call.user.name,
        sight=sight_of(call.user),
        at=body.pop("at"),
        location=body.pop("location"),
        expected=call.expected,
    )
    return mover, body


def hash_secret_of(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The hash of the password or device key, and the rest of the body."""
    rest = dict(body)
    secrets = [rest.pop(name) for name in ("password", "device_key") if name in rest]
    return hashing(passwords.hash_secret, secrets[0]), rest


def address_of(call: Call) -> str:
    """The client's address, as the web server or a named proxy saw it."""
    return str(call.request.remote_addr or "unknown")[:100]
