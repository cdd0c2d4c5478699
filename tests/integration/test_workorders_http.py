"""The HTTP face of work orders: who may do what, bodies, sign-in, photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nameko.containers import ServiceContainer
from PIL import Image
from werkzeug.test import Client

from deploy import audit, settings
from deploy.audit import Trail
from deploy.keys import make_keys
from deploy.migrations import migrate
from deploy.site import Site
from services.workorders.domain.members import FREE_TRIES
from services.workorders.sample import load_sample
from services.workorders.service import WorkOrders
from services.workorders.use_cases import opening
from services.workorders.use_cases.accounts import ensure_admin
from shared import clock
from shared.auth import Keys, User
from shared.db import Database
from shared.events.assets import DefectRecorded

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
API = "/api/v1"


class Answer:
    """What came back; ``json`` is None where it is none."""

    def __init__(self, response: Any) -> None:
        self.status_code: int = response.status_code
        self.headers: Any = response.headers
        self.data: bytes = response.data
        self.json: Any = response.get_json(silent=True)


class Running:
    """The service in this process, and a client that may call it as anybody."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder}/workorders.sqlite")
        migrate(self.database.engine, "workorders", WorkOrders.metadata)
        load_sample(self.database)
        make_keys(folder / "keys")
        self.keys, site = Keys(folder / "keys"), Site()
        chosen = replace(settings.load(), data=folder)
        databases = {"workorders": self.database}
        config = {"settings": chosen, "databases": databases, "site": site, "keys": self.keys, "max_workers": 4}
        self.trail = Trail(folder / "audit", days=1)
        config["trail"] = self.trail
        self.container = ServiceContainer(WorkOrders, config=config)
        for extension in self.container.extensions:
            extension.setup()
        self.client = Client(site)

    def call(self, method: str, path: str, role: str = "", body: Any = None, **more: Any) -> Answer:
        """``role`` is a role, ``crew <code>``, or ``<role> @<unit>``; nobody when empty."""
        name, _, bound = role.partition(" ")
        crew, unit = ("", bound[1:]) if bound.startswith("@") else (bound, "")
        headers = dict(more.pop("headers", {}))
        if role:
            token = self.keys.sign(User(headers.pop("name", f"a {name}"), name, crew or None, unit or None))
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            more["json"] = body
        return Answer(self.client.open(API + path, method=method, headers=headers, **more))

    def audited(self) -> list[tuple[Any, ...]]:
        """What the audit trail holds, without times."""
        self.trail.flush()
        found = audit.read(self.trail.folder, clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=1))
        return [(each["sort"], each["outcome"], each["reason"], each["account"]) for each in found]

    def new_order(self, **more: Any) -> str:
        known: dict[str, Any] = {
            "revision": 1, "happened_at": clock.now(), "recorded_at": clock.now(), "finding_id": uuid4(), "open": True,
            "category": "lamp_out", "severity": "normal", "source": "patrol", "longitude": 24.95, "latitude": 60.18,
            "breaks_function": True, "linked_by": "code", "reported_at": clock.now(), "confirmed_at": clock.now(),
            "facility_code": "L-1", "kind": "street_light", "district": "southwest",
        }  # fmt: skip
        event = DefectRecorded(**known | more)
        with self.database.begin() as session:
            opening.open_for_defects(session, [event])
        found = self.call("GET", f"/work-orders?finding_id={event.finding_id}", "dispatcher").json
        return str(found["items"][0]["number"])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.database.close()


def photo() -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 3), "navy").save(out, "PNG")
    return out.getvalue()


def test_the_whole_story_of_an_order(running: Running) -> None:
    number, digest = running.new_order(), sha256(photo()).hexdigest()
    crew = "crew crew-southwest"
    for path, role, body, state in (
        ("accept", crew, {}, "accepted"),
        ("start", crew, {"location": {"lon": 24.9, "lat": 60.1}}, "in_progress"),
        ("complete", crew, {"note": "Lamp replaced.", "photos": [digest], "quantity": 1}, "completed"),
        ("check", "dispatcher", {"passed": True, "note": "Lit."}, "closed"),
        ("call-back", "operator", {"answered": True, "satisfied": True, "note": "Thanks."}, "closed"),
    ):
        answer = running.call("POST", f"/work-orders/{number}/{path}", role, body)
        assert (answer.status_code, answer.json["state"]) == (200, state)
    read = running.call("GET", f"/work-orders/{number}", crew)
    assert read.headers["ETag"] == f'"{read.json["revision"]}"'
    assert [each["move"] for each in read.json["moves"]] == [
        "register", "dispatch", "accept", "start", "complete", "pass_check", "call_back"
    ]  # fmt: skip
    assert read.json["moves"][3]["location"] == {"lon": 24.9, "lat": 60.1}
    assert read.json["photos"] == [{"sha256": digest, "state": "awaited", "stage": "done"}]
    assert read.json["legal_moves"] == ["call_back", "reopen"]
    assert (read.json["light"], read.json["overdue"]) == ("green", False)
    stored = running.call("PUT", f"/photos/{digest}", crew, data=photo())
    assert stored.status_code == 201
    assert running.call("GET", f"/work-orders/{number}", crew).json["photos"][0]["state"] == "stored"


def test_a_crew_sees_and_moves_only_its_own_orders(running: Running) -> None:
    number, foreign = running.new_order(), "crew crew-southeast"
    assert running.call("GET", f"/work-orders/{number}", foreign).status_code == 404
    assert running.call("GET", "/work-orders", foreign).json["items"] == []
    refused = running.call("POST", f"/work-orders/{number}/accept", foreign, {})
    assert (refused.status_code, refused.json["type"]) == (404, "urn:waywarden:problem:not-found")
    assert running.call("POST", f"/work-orders/{number}/accept", "operator", {}).status_code == 403
    assert running.call("GET", "/work-orders").status_code == 401


def test_an_illegal_move_is_a_conflict_and_a_stale_one_fails_its_precondition(running: Running) -> None:
    number = running.new_order()
    assert running.call("POST", f"/work-orders/{number}/start", "crew crew-southwest", {}).status_code == 409
    stale = running.call(
        "POST", f"/work-orders/{number}/accept", "crew crew-southwest", {}, headers={"If-Match": '"1"'}
    )
    assert stale.status_code == 412
    fine = running.call("POST", f"/work-orders/{number}/accept", "crew crew-southwest", {}, headers={"If-Match": '"2"'})
    assert fine.status_code == 200


def test_a_move_that_is_sent_twice_takes_effect_once(running: Running) -> None:
    number, key = running.new_order(), {"Idempotency-Key": "tap-1"}
    answers = [
        running.call("POST", f"/work-orders/{number}/accept", "crew crew-southwest", {}, headers=key) for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json == answers[1].json


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("dispatch", {"crew": "nobody"}, "crew"),
        ("dispatch", {"crew": 5}, "crew"),
        ("dispatch", {}, "crew"),
        ("dispatch", {"crew": "crew-southeast", "colour": "red"}, "colour"),
        ("dispatch", {"crew": "crew-southeast", "at": "2026-03-02T12:00:00"}, "at"),
        ("dispatch", {"crew": "crew-southeast", "at": "2020-03-02T12:00:00Z"}, "at"),
        ("void", {"reason": "bored", "note": ""}, "reason"),
    ],
)
def test_bad_input_is_refused_with_the_field_named(running: Running, path: str, body: Any, field: str) -> None:
    number = running.new_order(district=None)
    answer = running.call("POST", f"/work-orders/{number}/{path}", "dispatcher", body)
    assert (answer.status_code, [each["field"] for each in answer.json["errors"]]) == (422, [field])
    assert running.call("GET", f"/work-orders/{number}", "dispatcher").json["revision"] == 1


@pytest.mark.parametrize("number", ["x", "20260302-999999", "20990101-000001", "%00", "1-1"])
def test_an_order_that_does_not_exist_is_not_found(running: Running, number: str) -> None:
    running.new_order()
    assert running.call("GET", f"/work-orders/{number}", "dispatcher").status_code == 404


def complete_at(running: Running, number: str, at: datetime) -> Answer:
    body = {"note": "Lamp replaced.", "photos": [], "at": at.isoformat()}
    return running.call("POST", f"/work-orders/{number}/complete", "crew crew-southwest", body)


def started(running: Running, accepted: datetime) -> str:
    """An order registered at noon, and accepted and started by its crew at this time."""
    with clock.frozen(NOON):
        number = running.new_order()
    with clock.frozen(accepted):
        for path in ("accept", "start"):
            assert running.call("POST", f"/work-orders/{number}/{path}", "crew crew-southwest", {}).status_code == 200
    return number


def test_work_is_not_completed_before_it_was_accepted_and_the_answer_says_both_times(running: Running) -> None:
    number = started(running, NOON + timedelta(hours=2))
    with clock.frozen(NOON + timedelta(hours=3)):
        refused = complete_at(running, number, NOON - timedelta(minutes=5))
        assert (refused.status_code, refused.json["type"]) == (422, "urn:waywarden:problem:impossible-time")
        assert "T11:55:00" in refused.json["detail"]
        assert "T14:00:00" in refused.json["detail"]
        assert running.call("GET", f"/work-orders/{number}", "dispatcher").json["state"] == "in_progress"


def test_a_phone_that_is_slow_by_minutes_loses_no_move_and_makes_nobody_punctual(running: Running) -> None:
    accepted = NOON + timedelta(hours=23, minutes=59)
    number, late = started(running, accepted), NOON + timedelta(hours=24, minutes=5)
    with clock.frozen(late):
        answer = complete_at(running, number, accepted - timedelta(minutes=1))
        assert (answer.status_code, answer.json["state"], answer.json["light"]) == (200, "completed", "red")
        done = answer.json["moves"][-1]
        times = [datetime.fromisoformat(done[name]) for name in ("said_at", "at", "recorded_at")]
        assert times == [accepted - timedelta(minutes=1), accepted, late]
        assert [each["said_at"] for each in answer.json["moves"][:-1]] == [None] * 4


def test_a_phone_that_is_fast_by_minutes_did_it_just_now(running: Running) -> None:
    number, now = started(running, NOON), NOON + timedelta(hours=1)
    with clock.frozen(now):
        done = complete_at(running, number, now + timedelta(minutes=9)).json["moves"][-1]
        assert (done["at"], done["said_at"] > done["at"]) == (done["recorded_at"], True)
        closed = running.call("POST", f"/work-orders/{number}/check", "dispatcher", {"passed": True, "note": "Lit."})
        assert (closed.status_code, closed.json["moves"][-1]["said_at"]) == (200, None)


def test_the_clock_of_rework_runs_from_when_the_crew_can_know_of_it(running: Running) -> None:
    number, now = started(running, NOON), NOON + timedelta(hours=6)
    with clock.frozen(NOON + timedelta(hours=1)):
        complete_at(running, number, NOON + timedelta(hours=1))
    with clock.frozen(now):
        body = {"passed": False, "note": "Dark.", "at": (NOON + timedelta(hours=2)).isoformat()}
        again = running.call("POST", f"/work-orders/{number}/check", "dispatcher", body).json
    assert datetime.fromisoformat(again["due_at"]) == now + timedelta(hours=again["limit"]["amount"])


def test_an_unsatisfied_call_back_reopens_the_order(running: Running) -> None:
    number, crew = running.new_order(), "crew crew-southwest"
    for path, role, body in (
        ("accept", crew, {}),
        ("start", crew, {}),
        ("complete", crew, {"note": "Done.", "photos": []}),
        ("check", "dispatcher", {"passed": True, "note": ""}),
    ):
        assert running.call("POST", f"/work-orders/{number}/{path}", role, body).status_code == 200
    body = {"answered": True, "satisfied": False, "note": "Dark again."}
    answer = running.call("POST", f"/work-orders/{number}/call-back", "operator", body)
    assert (answer.status_code, answer.json["state"], answer.json["crew"]) == (200, "dispatched", "crew-southwest")


def test_dispatch_rules_are_rows_that_a_dispatcher_changes(running: Running) -> None:
    rule = {"id": str(uuid4()), "name": "lamps of South-West to South-East", "priority": 1, "district": "southwest",
            "crew": "crew-southeast"}  # fmt: skip
    made = running.call("POST", "/dispatch-rules", "dispatcher", rule)
    again = running.call("POST", "/dispatch-rules", "dispatcher", rule)
    assert (made.status_code, again.status_code, made.json) == (201, 201, again.json)
    other = running.call("POST", "/dispatch-rules", "dispatcher", {**rule, "priority": 2})
    assert other.status_code == 409
    same_name = running.call("POST", "/dispatch-rules", "dispatcher", {**rule, "id": str(uuid4())})
    assert (same_name.status_code, same_name.json["errors"][0]["field"]) == (409, "name")
    number = running.new_order()
    assert running.call("GET", f"/work-orders/{number}", "dispatcher").json["crew"] == "crew-southeast"
    at = f"/dispatch-rules/{rule['id']}"
    changed = running.call("PATCH", at, "dispatcher", {"active": False}, headers={"If-Match": '"1"'})
    assert (changed.json["active"], changed.json["revision"]) == (False, 2)
    unknown = running.call("PATCH", at, "dispatcher", {"crew": "nobody"})
    assert unknown.status_code == 422
    replaced = running.call("PUT", at, "operator", {"name": "everything", "crew": "crew-southwest"})
    assert (replaced.json["district"], replaced.json["active"]) == (None, True)
    listed = running.call("GET", "/dispatch-rules", "controller").json["items"]
    assert [each["name"] for each in listed] == ["everything", "crew of the district"]
    assert running.call("DELETE", at, "dispatcher").status_code == 204
    assert running.call("GET", at, "dispatcher").status_code == 404
    assert running.call("POST", "/dispatch-rules", "crew crew-southwest", rule).status_code == 403


def test_crews_are_registered_and_changed_by_the_administrator(running: Running) -> None:
    crew = {"code": "night", "name": "Night crew", "districts": [], "kinds": ["lighting"]}
    assert running.call("POST", "/crews", "dispatcher", crew).status_code == 403
    assert running.call("POST", "/crews", "admin", crew).status_code == 201
    assert running.call("POST", "/crews", "admin", crew).status_code == 201
    assert running.call("POST", "/crews", "admin", {**crew, "name": "Other"}).status_code == 409
    changed = running.call("PATCH", "/crews/night", "admin", {"districts": ["southwest"]})
    assert (changed.json["districts"], changed.json["kinds"]) == (["southwest"], ["lighting"])
    assert "night" in [each["code"] for each in running.call("GET", "/crews", "inspector").json["items"]]


# Accounts


def sign_in(running: Running, name: str, password: str) -> Answer:
    body = {"grant_type": "password", "username": name, "password": password}
    return running.call("POST", "/auth/token", body=body)


def refresh(running: Running, token: str) -> Answer:
    return running.call("POST", "/auth/token", body={"grant_type": "refresh_token", "refresh_token": token})


@pytest.fixture
def password(running: Running) -> str:
    with running.database.begin() as session:
        made = ensure_admin(session)
        assert made
        assert ensure_admin(session) is None
    return made


def test_the_first_administrator_signs_in_and_adds_a_crew_member_who_signs_in(running: Running, password: str) -> None:
    granted = sign_in(running, "admin", password)
    assert granted.status_code == 200
    assert granted.json["token_type"] == "Bearer"
    assert granted.headers["Cache-Control"] == "no-store"
    cookie = granted.headers["Set-Cookie"]
    for part in ("waywarden_stream=", "Path=/api/v1/alerts/stream", "HttpOnly", "SameSite=Strict"):
        assert part in cookie
    bearer = {"Authorization": f"Bearer {granted.json['access_token']}"}
    member = {
        "id": str(uuid4()),
        "name": "fitter",
        "role": "crew",
        "crew": "crew-southwest",
        "password": "long enough 1",
    }
    added = running.call("POST", "/members", body=member, headers=bearer)
    assert added.status_code == 201
    assert "secret_hash" not in added.json
    assert running.call("POST", "/members", body=member, headers=bearer).status_code == 201
    assert running.call("POST", "/members", body={**member, "name": "other"}, headers=bearer).status_code == 409
    assert running.call("POST", "/members", body={**member, "id": str(uuid4())}, headers=bearer).status_code == 409
    theirs = sign_in(running, "fitter", "long enough 1").json["access_token"]
    me = running.call("GET", "/me", headers={"Authorization": f"Bearer {theirs}"})
    assert me.json == {"name": "fitter", "role": "crew", "crew": "crew-southwest", "unit": None}


KEY = "0123456789abcdef" * 4


def test_a_device_signs_in_with_its_key(running: Running) -> None:
    device = {"name": "gauge-gateway", "role": "device", "device_key": KEY}
    assert running.call("POST", "/members", "admin", device).status_code == 201
    body = {"grant_type": "device_key", "username": "gauge-gateway", "device_key": KEY}
    assert running.call("POST", "/auth/token", body=body).status_code == 200
    assert running.call("POST", "/members", "admin", {**device, "password": "long enough 1"}).status_code == 422


def test_a_wrong_password_and_an_unknown_name_look_the_same(running: Running, password: str) -> None:
    wrong, unknown = sign_in(running, "admin", "wrong"), sign_in(running, "nobody", password)
    assert (wrong.status_code, wrong.json) == (unknown.status_code, unknown.json)
    assert wrong.status_code == 401


def test_guessing_is_slowed_down_but_never_locks_out(running: Running, password: str) -> None:
    with clock.frozen(NOON):
        tries = [sign_in(running, "admin", "wrong") for _ in range(FREE_TRIES["account"] + 2)]
        assert [each.status_code for each in tries] == [401] * (len(tries) - 1) + [429]
        assert tries[-1].headers["Retry-After"] == "1"
        assert sign_in(running, "admin", password).status_code == 429
    with clock.frozen(NOON.replace(minute=1)):
        assert sign_in(running, "admin", password).status_code == 200


def test_a_refresh_token_works_once_and_its_second_use_ends_the_family(running: Running, password: str) -> None:
    first = sign_in(running, "admin", password).json["refresh_token"]
    second = refresh(running, first)
    assert second.status_code == 200
    assert refresh(running, first).status_code == 401
    assert refresh(running, second.json["refresh_token"]).status_code == 401


def test_signing_out_ends_what_came_of_the_token(running: Running, password: str) -> None:
    token = sign_in(running, "admin", password).json["refresh_token"]
    for _ in range(2):
        assert running.call("POST", "/auth/revoke", body={"refresh_token": token}).status_code == 204
    assert refresh(running, token).status_code == 401


def test_a_closed_account_neither_signs_in_nor_stays_signed_in(running: Running) -> None:
    member = {"name": "temp", "role": "operator", "password": "long enough 1"}
    added = running.call("POST", "/members", "admin", member).json
    token = sign_in(running, "temp", "long enough 1").json["refresh_token"]
    at = f"/members/{added['id']}"
    assert running.call("PATCH", at, "admin", {"active": False}).json["active"] is False
    assert refresh(running, token).status_code == 401
    assert sign_in(running, "temp", "long enough 1").status_code == 401
    running.call("PATCH", at, "admin", {"active": True})
    assert running.call("PUT", f"{at}/secret", "admin", {"password": "another one 2"}).status_code == 200
    assert sign_in(running, "temp", "another one 2").status_code == 200


def test_the_public_keys_check_what_was_signed(running: Running) -> None:
    answer = running.call("GET", "/auth/jwks.json")
    assert answer.status_code == 200
    assert "d" not in answer.json["keys"][0]


@pytest.mark.parametrize(
    "body",
    [
        {"grant_type": "password", "username": "admin"},
        {"grant_type": "password", "username": "admin", "password": "x", "refresh_token": "y"},
        {"grant_type": "magic"},
        {},
    ],
)
def test_a_grant_that_lacks_something_names_it(running: Running, body: Any) -> None:
    assert running.call("POST", "/auth/token", body=body).status_code == 422


# Photos


def test_a_photo_is_stored_once_and_read_by_whoever_may_read_its_order(running: Running) -> None:
    digest = sha256(photo()).hexdigest()
    running.new_order(photos=[digest])
    first, second = (running.call("PUT", f"/photos/{digest}", "inspector", data=photo()) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    for role, status in (
        ("inspector", 200),
        ("dispatcher", 200),
        ("crew crew-southwest", 200),
        ("crew crew-southeast", 404),
    ):
        assert running.call("GET", f"/photos/{digest}", role).status_code == status
    assert running.call("GET", f"/photos/{digest}", "dispatcher").data == photo()
    assert running.call("GET", f"/photos/{'0' * 64}", "dispatcher").status_code == 404


@pytest.mark.parametrize(
    ("digest", "content", "status"),
    [
        ("0" * 64, photo(), 422),
        (sha256(b"no image").hexdigest(), b"no image", 422),
        ("..%2F..%2Fetc", photo(), 404),
        ("x", photo(), 422),
        (sha256(b"").hexdigest(), b"", 422),
        ("0" * 64, bytes(11_000_000), 413),
    ],
)
def test_what_is_no_photo_is_refused_and_nothing_is_stored(
    running: Running, tmp_path: Path, digest: str, content: bytes, status: int
) -> None:
    assert running.call("PUT", f"/photos/{digest}", "crew crew-southwest", data=content).status_code == status
    assert not (tmp_path / "photos").exists()


def test_the_audit_trail_holds_sign_ins_refusals_and_reading_without_the_data(running: Running) -> None:
    with running.database.begin() as session:
        password = ensure_admin(session)
    signing = {"grant_type": "password", "username": "admin", "password": password}
    assert running.call("POST", "/auth/token", body=signing).status_code == 200
    for _ in range(FREE_TRIES["account"] + 2):
        running.call("POST", "/auth/token", body=signing | {"password": "not the right one"})
    number = running.new_order(summary="Ms Example, 040 1234567")  # read by a dispatcher
    running.call("POST", f"/work-orders/{number}/accept", "crew crew-southeast", {})
    running.call("POST", f"/work-orders/{number}/accept", "operator", {})
    running.call("GET", f"/work-orders/{number}")
    kinds = dict.fromkeys(running.audited())
    assert list(kinds) == [
        ("sign-in", "done", None, "admin"),
        ("sign-in", "refused", "wrong-credentials", "admin"),
        ("sign-in", "refused", "too-many-tries", "admin"),
        ("read", "done", None, "a dispatcher"),
        (None, "refused", "foreign", "a crew"),
        (None, "refused", "forbidden", "a operator"),
        ("read", "refused", "unauthenticated", None),
    ]
    kept = "".join(path.read_text() for path in running.trail.folder.iterdir())
    assert number in kept
    for secret in ("not the right one", password, "Example", "040 1234567"):
        assert str(secret) not in kept


def as_told(answer: Answer, number: str) -> tuple[Any, ...]:
    """All of an answer but the number that was asked for and the request's id."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("X-Request-ID", "Content-Length")}
    return answer.status_code, headers, answer.data.decode().replace(number, "…")


MOVES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("accept", "crew crew-southeast", {}),
    ("start", "crew crew-southeast", {}),
    ("decline", "crew crew-southeast", {"reason": "not ours"}),
    ("complete", "crew crew-southeast", {"note": "done"}),
    ("undo-complete", "crew crew-southeast", {}),
    ("dispatch", "dispatcher @lights", {"crew": "nobody-such"}),
    ("reassign", "dispatcher @lights", {"crew": "nobody-such"}),
    ("check", "dispatcher @lights", {"passed": True, "note": ""}),
    ("void", "dispatcher @lights", {"reason": "unfounded", "note": ""}),
    ("supervise", "dispatcher @lights", {}),
    ("call-back", "operator @lights", {"answered": True, "note": ""}),
)


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"99"'}, {"If-Match": '"2"'}, {"Idempotency-Key": "a"}])
@pytest.mark.parametrize(("path", "role", "body"), MOVES)
def test_a_foreign_order_answers_like_one_that_is_not_there(
    running: Running, path: str, role: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    number = running.new_order(maintainer="roads")
    missing = f"{number[:9]}999999"
    before = running.call("GET", f"/work-orders/{number}", "dispatcher").json
    answers = [
        as_told(running.call("POST", f"/work-orders/{each}/{path}", role, body, headers=headers), each)
        for each in (number, missing)
    ]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert running.call("GET", f"/work-orders/{number}", "dispatcher").json == before


def test_a_units_people_see_its_orders_only(running: Running) -> None:
    roles = ("owner", "authority", "maintainer")
    own = [running.new_order(**{role: "lights"}) for role in roles]
    other, nobodys = running.new_order(owner="roads"), running.new_order()
    for who in ("dispatcher @lights", "operator @lights", "controller @lights", "manager @lights"):
        listed = running.call("GET", "/work-orders?limit=3", who).json
        assert [each["number"] for each in listed["items"]] == own[::-1]
        assert listed["next"] is None
        for number in (other, nobodys):
            assert running.call("GET", f"/work-orders/{number}", who).status_code == 404
    assert len(running.call("GET", "/work-orders", "admin @lights").json["items"]) == 5


def test_a_crew_that_lost_an_order_does_not_get_its_old_answer_again(running: Running) -> None:
    number, key = running.new_order(), {"Idempotency-Key": "tap-1"}
    path, crew = f"/work-orders/{number}/accept", "crew crew-southwest"
    assert running.call("POST", path, crew, {}, headers=key).status_code == 200
    running.call("POST", f"/work-orders/{number}/reassign", "dispatcher", {"crew": "crew-southeast"})
    assert running.call("POST", path, crew, {}, headers=key).status_code == 404
    running.call("POST", f"/work-orders/{number}/reassign", "dispatcher", {"crew": "crew-southwest"})
    assert running.call("POST", path, crew, {}, headers=key).status_code == 200


def test_a_crew_that_declined_gets_its_answer_again(running: Running) -> None:
    number, key = running.new_order(), {"Idempotency-Key": "tap-1"}
    body, crew = {"reason": "The tram company's."}, "crew crew-southwest"
    answers = [running.call("POST", f"/work-orders/{number}/decline", crew, body, headers=key) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].data == answers[1].data
    stranger = running.call("POST", f"/work-orders/{number}/decline", crew, body, headers=key | {"name": "another"})
    assert stranger.status_code == 404
