"""The edges of the work order service: its routes and the events that it hears."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.workorders import exports, figures, passwords, photo_files, queries, schemas, tables
from services.workorders.domain.crews import DispatchRule
from services.workorders.domain.members import ACCESS_LIFETIME, REMEMBERED, Member, TooManyTries, WrongCredentials
from services.workorders.domain.orders import IllegalMove, ImpossibleTime, Order, Sight
from services.workorders.domain.photos import LARGEST_BYTES, Bound, Holder, NoImage, TooManyUnnamed, WrongHash
from services.workorders.domain.places import UnknownDistrict
from services.workorders.passwords import WeakPassword
from services.workorders.use_cases import accounts, alerts, copies, crews, duplicates, moving, opening, photos, sign_in
from services.workorders.use_cases.moving import Mover
from services.workorders.use_cases.sign_in import Grant
from shared.auth import COOKIE, PUBLIC, STAFF, User
from shared.errors import Conflict, Invalid, NotFound, Stale, TooLarge, TooMany
from shared.events.alerts import AlertCleared, AlertEscalated, AlertMoved, AlertRaised
from shared.events.assets import (
    AreaChanged,
    CataloguePublished,
    DefectDuplicated,
    DefectRecorded,
    FacilityRenumbered,
    UnitChanged,
)
from shared.events.inspections import FindingMerged, FindingRejected, FindingReported, FindingSeenAgain
from shared.fields import PageQuery
from shared.lists import files
from shared.lists.exports import answer
from shared.lists.files import TooManyRows
from shared.messaging import on
from shared.paging import Page
from shared.service import Service, every, every_few
from shared.turns import Turns
from shared.web import API, JSON, SENT_BY_PEOPLE, Call, http, read_body, to_json
from shared.workers import aside, hashing

READERS = ("crew", "dispatcher", "controller", "operator")
CREW = ("crew",)
DISPATCHER = ("dispatcher",)
RULE_KEEPERS = ("dispatcher", "operator")
ADMIN = ("admin",)
PHOTOGRAPHERS = ("inspector", "crew", "operator", "dispatcher")
DEVICE_COOKIE = "waywarden_device"  # by which a device is known again when it signs in


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
        refuses=(IllegalMove, NotFound, Stale, ImpossibleTime, Invalid),
    )


class WorkOrders(Service):
    name = "workorders"
    metadata = tables.mapping.metadata
    figures: ClassVar = figures

    sign_ins: ClassVar = Turns(2, waiting=100, wait_s=10)  # that hash; more would wait longer than anybody does

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

    @on("workorders.keep_codes")
    def keep_codes(self, session: Session, events: Sequence[FacilityRenumbered]) -> None:
        copies.keep_codes(session, events)

    @on("workorders.open_for_defects")
    def open_for_defects(self, session: Session, events: Sequence[DefectRecorded]) -> None:
        opening.open_for_defects(session, events)

    @on("workorders.void_duplicates")
    def void_duplicates(self, session: Session, events: Sequence[DefectDuplicated]) -> None:
        duplicates.void_duplicates(session, events)

    @on("workorders.note_sightings")
    def note_sightings(self, session: Session, events: Sequence[FindingSeenAgain]) -> None:
        duplicates.note_sightings(session, events)

    @on("workorders.open_for_alerts")
    def open_for_alerts(self, session: Session, events: Sequence[AlertEscalated | AlertRaised]) -> None:
        alerts.open_for_alerts(session, events)

    @on("workorders.follow_alerts")
    def follow_alerts(self, session: Session, events: Sequence[AlertMoved]) -> None:
        alerts.open_for_alerts(session, events)

    @on("workorders.end_alerts")
    def end_alerts(self, session: Session, events: Sequence[AlertCleared]) -> None:
        alerts.end_alerts(session, events)

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
        summary="List work orders, newest first unless sorted otherwise",
    )
    def list_orders(self, call: Call) -> Page:
        return queries.list_orders(call.session, sight=sight_of(call.user), **call.query)

    @http(
        "GET",
        "/work-orders/export",
        audit="export",
        roles=READERS,
        query=schemas.OrderExportQuery,
        media=files.MEDIA[files.Format.CSV],
        also_media=(files.MEDIA[files.Format.XLSX],),
        transaction=False,
        heavy=True,
        refuses=(TooMany, TooManyRows),
        summary="Export work orders as CSV or XLSX",
    )
    def export_orders(self, call: Call) -> Response:
        chosen = files.Format(call.query["format"])
        asked = {"arguments": call.request.args.to_dict(), "sight": asdict(sight_of(call.user))}
        media = files.MEDIA[chosen]
        return answer(self.db, exports, asked, chosen=chosen, name="work-orders", media=media)

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
        answer=schemas.NewMemberOut,
        status=201,
        transaction=False,
        summary="Add somebody, or a device, that signs in",
        refuses=(Conflict, Invalid),
    )
    def add_member(self, call: Call) -> dict[str, Any]:
        call.entry.on["name"] = call.body["name"]
        secret, body = secret_of(call.body, call.body["role"], call.body["name"])
        with self.db.begin() as session:
            member, new = accounts.add_member(session, secret_hash=secret.hash, key_hash=secret.key_hash, **body)
            shown = {column.key: getattr(member, column.key) for column in tables.members.c}
        return shown | ({"device_key": secret.shown} if new and secret.shown else {})

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
        with self.db.read() as session:
            name = queries.get_member(session, member_id=member_id).name
        secret, _ = secret_of(call.body, "device" if "device_key" in call.body else "", name)
        with self.db.begin() as session:
            return accounts.replace_secret(
                session, member_id=member_id, secret_hash=secret.hash, key_hash=secret.key_hash, expected=call.expected
            )

    @http(
        "POST",
        "/members/<uuid:member_id>/device-keys",
        audit="change",
        roles=ADMIN,
        body=schemas.NewKeyIn,
        answer=schemas.NewKeyOut,
        status=201,
        transaction=False,
        summary="Make a new key for a device, shown once; what it had goes on for the overlap",
        refuses=(NotFound,),
    )
    def add_key(self, call: Call, member_id: UUID) -> dict[str, Any]:
        key, overlap = passwords.new_device_key(), timedelta(hours=call.body["overlap_hours"])
        with self.db.begin() as session:
            made = accounts.rotate_key(session, member_id=member_id, key_hash=sign_in.hash_of(key), overlap=overlap)
            return vars(made) | {"device_key": key}

    @http(
        "GET",
        "/members/<uuid:member_id>/device-keys",
        audit="read",
        roles=ADMIN,
        answer=schemas.KeyOut,
        paged=True,
        summary="List a device's keys, without the keys themselves",
        refuses=(NotFound,),
    )
    def list_keys(self, call: Call, member_id: UUID) -> Page:
        return Page(queries.list_keys(call.session, member_id=member_id))

    @http(
        "DELETE",
        "/members/<uuid:member_id>/device-keys/<uuid:key_id>",
        audit="change",
        roles=ADMIN,
        status=204,
        summary="End a device's key now",
        refuses=(NotFound,),
    )
    def end_key(self, call: Call, member_id: UUID, key_id: UUID) -> None:
        accounts.end_key(call.session, member_id=member_id, key_id=key_id)

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
        granted = self.refresh(call) if "refresh_token" in call.body else self.sign_in(call)
        call.entry.account = granted.member.name
        return self.signed_in(call, granted)

    def sign_in(self, call: Call) -> Grant:
        name, client, key = call.body["username"], client_of(call), call.body.get("device_key")
        with self.db.begin() as session:
            known = sign_in.begin_sign_in(session, name=name, client=client)
            proven = sign_in.key_of(session, name=name, key=key) if key else None
        if proven is None:
            secret = key or call.body["password"]
            with self.sign_ins.take(""):
                hashing(passwords.check_secret, known, secret)
        with self.db.begin() as session:
            return sign_in.finish_sign_in(session, name=name, client=client, proven=proven or known or "")

    def refresh(self, call: Call) -> Grant:
        key = call.request.headers.get("Idempotency-Key", "")
        with self.db.begin() as session:
            granted = sign_in.refresh(session, token=call.body["refresh_token"], client=client_of(call), key=key)
        if granted is None:  # refused only after the commit: what a stolen token ends must stay ended
            raise WrongCredentials("This refresh_token is used, revoked, expired or not ours.", field="refresh_token")
        return granted

    def signed_in(self, call: Call, granted: Grant) -> Response:
        """The tokens as JSON, and the access token as a cookie for the stream, whose readers can send no header."""
        member, seconds = granted.member, int(ACCESS_LIFETIME.total_seconds())
        user = User(member.name, member.role.value, member.crew, member.unit, session=str(granted.session_id))
        token_id = sign_in.hash_of(granted.refresh_token)[:32]
        token = self.keys.sign(user, ACCESS_LIFETIME, at=granted.issued_at, token_id=token_id)
        answer = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": seconds,
            "refresh_token": granted.refresh_token,
        }
        response = Response(to_json(answer), content_type=JSON, headers={"Cache-Control": "no-store"})
        same_site: Any = {"secure": call.request.is_secure, "httponly": True, "samesite": "Strict"}
        response.set_cookie(COOKIE, token, max_age=seconds, path=f"{API}/alerts/stream", **same_site)
        if granted.secret:
            lasts = int(REMEMBERED.total_seconds())
            response.set_cookie(DEVICE_COOKIE, granted.secret, max_age=lasts, path=f"{API}/auth/token", **same_site)
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

    @http(
        "POST",
        "/me/password",
        audit="change",
        roles=STAFF,
        body=schemas.OwnPasswordIn,
        status=204,
        transaction=False,
        summary="Change your own password; every other session of yours ends",
        refuses=(WeakPassword, TooManyTries, NotFound),
    )
    def change_own_password(self, call: Call) -> None:
        name, old, new = call.user.name, call.body["current_password"], call.body["new_password"]
        if new == old:
            raise Invalid("It is the same as before.", field="new_password")
        with self.db.begin() as session:
            proven = accounts.begin_change(session, name=name)
        try:
            hashing(passwords.check_secret, proven, old)
        except WrongCredentials as wrong:
            raise Invalid("It is another one.", field="current_password") from wrong
        secret_hash = hashing(passwords.checked_and_hashed, new, name, "new_password")
        current = UUID(call.user.session) if call.user.session else None
        with self.db.begin() as session:
            accounts.change_own_password(session, name=name, proven=proven, secret_hash=secret_hash, session_id=current)

    @http(
        "GET",
        "/me/sessions",
        roles=STAFF,
        answer=schemas.SessionOut,
        paged=True,
        summary="List where you are signed in, last used first",
    )
    def list_own_sessions(self, call: Call) -> Page:
        found = queries.list_sessions(call.session, name=call.user.name)
        return Page([vars(each) | {"current": str(each.id) == call.user.session} for each in found])

    @http(
        "DELETE",
        "/me/sessions/<uuid:session_id>",
        audit="change",
        roles=STAFF,
        status=204,
        summary="End one of your sessions; its access token goes on for up to 15 minutes",
        refuses=(NotFound,),
    )
    def end_own_session(self, call: Call, session_id: UUID) -> None:
        accounts.end_own_session(call.session, name=call.user.name, session_id=session_id)

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
        bound, by = Bound(self.settings.unnamed_photos, self.settings.unnamed_photo_bytes), holder_of(call.user)
        content = read_body(call.request, LARGEST_BYTES)
        with self.db.look() as session:  # before anything is written
            named = photos.check_room(session, sha256=sha256, size=len(content), by=by, bound=bound)
        photo_files.check(sha256, content)
        picture = photo_files.look_at(content, by.name)
        aside(photo_files.keep, self.settings.data, sha256, content)
        with self.db.begin() as session:
            new = photos.note_photo(session, sha256=sha256, picture=picture, by=by, named=named)
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


class Secret(NamedTuple):
    """What is kept of a new secret: the slow hash of a password, or the hash of a device's key. ``shown``: once."""

    hash: str = ""
    key_hash: str | None = None
    shown: str | None = None


def secret_of(body: dict[str, Any], role: str, name: str) -> tuple[Secret, dict[str, Any]]:
    """What is kept of the body's secret, and the rest of the body; a device may get one drawn. Raises WeakPassword."""
    rest = dict(body)
    password, key = rest.pop("password", None), rest.pop("device_key", None)
    if role == "device":
        drawn = None if key else passwords.new_device_key()
        passwords.check_key(key := key or drawn or "")
        return Secret(key_hash=sign_in.hash_of(key), shown=drawn), rest
    return Secret(hash=hashing(passwords.checked_and_hashed, password, name)), rest


def client_of(call: Call) -> sign_in.Client:
    """Who sends the request, as the web server or a named proxy saw it."""
    request = call.request
    secret = request.cookies.get(DEVICE_COOKIE, "")[:100]
    agent = "".join(letter for letter in request.headers.get("User-Agent", "") if letter.isprintable())
    return sign_in.Client(str(request.remote_addr or "unknown")[:100], agent[:200], secret or None)
