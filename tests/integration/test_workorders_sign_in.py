"""Accounts that hold: usual devices, good passwords, keys, sessions, answers that were lost, and ends that are ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import eventlet
import pytest
import zxcvbn
from sqlalchemy import select, update

from deploy.migrations import migrate
from deploy.servers import Servers
from services.workorders import passwords, tables
from services.workorders.domain.members import ANSWERED_AGAIN, FREE_TRIES, SAME_ANSWER, WrongCredentials
from services.workorders.passwords import WeakPassword
from services.workorders.service import WorkOrders
from services.workorders.use_cases import accounts, sign_in
from services.workorders.use_cases.sign_in import Client, Grant
from shared import clock
from shared.db import Database
from tests.integration.test_workorders_http import API, NOON, Answer, Running

SECRET, OTHER = "lantern over the quiet bridge", "seven grey herons at noon"
OWNER, STRANGER = {"REMOTE_ADDR": "192.0.2.10"}, {"REMOTE_ADDR": "198.51.100.66"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def member(running: Running) -> Any:
    return add(running)


def add(running: Running, **more: Any) -> Any:
    body = {"name": f"op-{uuid4().hex[:6]}", "role": "operator", "password": SECRET, **more}
    added = running.call("POST", "/members", "admin", body)
    assert added.status_code == 201, added.data
    return added.json


def token(running: Running, body: Any, at: Any = OWNER, **headers: str) -> Answer:
    """As a client without cookies of its own: the test sends those that it wants to."""
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    running.client._cookies = {}
    if cookie := sent.pop("Cookie", ""):
        running.client.set_cookie(*cookie.split("=", 1), path=f"{API}/auth/token")
    return running.call("POST", "/auth/token", body=body, environ_base=at, headers=sent)


def signed_in(running: Running, name: str, password: str = SECRET, at: Any = OWNER, **headers: str) -> Answer:
    return token(running, {"grant_type": "password", "username": name, "password": password}, at, **headers)


def refreshed(running: Running, refresh_token: str, **headers: str) -> Answer:
    return token(running, {"grant_type": "refresh_token", "refresh_token": refresh_token}, **headers)


def device_of(answer: Answer) -> str:
    cookies = [each for each in answer.headers.getlist("Set-Cookie") if each.startswith("waywarden_device=")]
    (cookie,) = cookies
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", f"Path={API}/auth/token"))
    return str(cookie.partition(";")[0])


def mine(running: Running, method: str, path: str, granted: Answer, body: Any = None) -> Answer:
    bearer = {"Authorization": f"Bearer {granted.json['access_token']}"}
    return running.call(method, path, body=body, headers=bearer)


# --- guessing ------------------------------------------------------------------------------------------------------


def guess(running: Running, name: str, at: Any = STRANGER, times: int = FREE_TRIES["account"] + 2) -> None:
    for _ in range(times):
        last = signed_in(running, name, "a wrong one", at)
    assert last.status_code == 429


def test_an_owner_gets_in_from_the_usual_address_while_somebody_guesses(running: Running, member: Any) -> None:
    assert signed_in(running, member["name"]).status_code == 200
    with clock.frozen(NOON):
        guess(running, member["name"])
        assert signed_in(running, member["name"]).status_code == 200
        assert signed_in(running, member["name"], at=STRANGER).status_code == 429


def test_an_owner_gets_in_with_the_usual_device_from_wherever_somebody_guesses(running: Running, member: Any) -> None:
    cookie = device_of(signed_in(running, member["name"]))
    with clock.frozen(clock.now()):
        guess(running, member["name"])
        answer = signed_in(running, member["name"], at=STRANGER, Cookie=cookie)
        assert answer.status_code == 200
        assert device_of(answer) == cookie, "the device is known by one name"


def test_a_usual_device_has_tries_of_its_own_and_no_more(running: Running, member: Any) -> None:
    cookie = device_of(signed_in(running, member["name"]))
    with clock.frozen(clock.now()):
        tries = [signed_in(running, member["name"], "wrong", STRANGER, Cookie=cookie) for _ in range(7)]
        assert [each.status_code for each in tries] == [401] * 6 + [429]


def test_another_accounts_device_is_not_usual(running: Running, member: Any) -> None:
    cookie = device_of(signed_in(running, add(running)["name"], at=STRANGER))
    with clock.frozen(clock.now()):
        guess(running, member["name"])
        assert signed_in(running, member["name"], at=STRANGER, Cookie=cookie).status_code == 429


def test_a_device_that_its_owner_threw_out_is_usual_no_more(running: Running, member: Any) -> None:
    lost = signed_in(running, member["name"], at=STRANGER)
    kept = signed_in(running, member["name"])
    (other,) = [each for each in mine(running, "GET", "/me/sessions", kept).json["items"] if not each["current"]]
    assert mine(running, "DELETE", f"/me/sessions/{other['id']}", kept).status_code == 204
    with clock.frozen(clock.now()):
        guess(running, member["name"], {"REMOTE_ADDR": "203.0.113.5"})
        assert signed_in(running, member["name"], at=STRANGER, Cookie=device_of(lost)).status_code == 429


def test_a_clock_that_was_ahead_keeps_nobody_out(running: Running, member: Any) -> None:
    with clock.frozen(NOON + timedelta(days=3)):
        guess(running, member["name"])
    with clock.frozen(NOON):
        assert signed_in(running, member["name"]).status_code == 200


# --- passwords -----------------------------------------------------------------------------------------------------

WEAK = [
    "1234567890", "password12", "qwertyuiop", "Passw0rd123", "aaaaaaaaaaaa", "abcabcabcabc", "woaini1314",
    "5201314woaini", "zhongguo2024", "admin123456", "1qaz2wsx3edc", "wuhan20260101", "li.wei.2026",
    "liwei202612", "iewil.2026", "waywarden2026", "password password",
]  # fmt: skip


@pytest.mark.parametrize("weak", WEAK)
def test_a_password_that_is_common_or_made_of_the_name_is_refused(weak: str) -> None:
    with pytest.raises(WeakPassword):
        passwords.check_strength(weak, "li.wei")


def test_a_refused_password_is_not_repeated(running: Running) -> None:
    body = {"name": "li.wei", "role": "operator", "password": "woaini1314"}
    answer = running.call("POST", "/members", "admin", body)
    assert (answer.status_code, answer.json["type"]) == (422, "urn:waywarden:problem:weak-password")
    assert "woaini1314" not in answer.data.decode()


NAMED = [
    ("admin", "zhangwei123"), ("admin", "zhangsan88"), ("admin", "liwei19900101"), ("admin", "ZhangWei@2026"),
    ("admin", "wangxiaoming88"), ("admin", "1990-01-01zhangwei"), ("admin", "changsha2026"), ("admin", "ludeng2026"),
    ("admin", "chengguan2026"), ("admin", "changshaludeng2026"), ("admin", "shizheng888888"),
    ("admin", "一二三四五六七八九十"), ("admin", "壹贰叁肆伍陆柒捌玖拾"), ("admin", "二零二六年一月一日"),
    ("admin", "长沙市城市管理局2026"), ("admin", "路灯路灯2026年01月"),
    ("admin", "\uff4c\uff55\uff44\uff45\uff4e\uff47\uff12\uff10\uff12\uff16"),
    ("li.wei2", "liwei2-1990-01"), ("zhang.hong2", "hongzhang2026"), ("chen.jun", "junchen1985"),
    ("chen.jun3", "3chenjun2026"), ("chen.jun", "chenjun_123!"), ("john.smith", "smith-john-1990-01"),
    ("john.smith2", "2026johnsmith"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "weak"), NAMED)
def test_a_password_of_names_places_the_trade_and_dates_is_refused(name: str, weak: str) -> None:
    with pytest.raises(WeakPassword):
        passwords.check_strength(weak, name)


GOOD = [
    SECRET, OTHER, "K9#vLq2!xTz", "long enough 1", "a long pass phrase", "路灯下的安静小桥和灰鹭",
    "梅雨季节的石板路很滑", "woxihuanzaihebiansanbu", "wo xi huan zai he bian san bu", "she can ride me home again",
    "7f3k-92mx-p0qa",
]  # fmt: skip


@pytest.mark.parametrize("good", GOOD)
def test_a_password_that_is_hard_to_guess_is_taken(good: str) -> None:
    passwords.check_strength(good, "li.wei")


def test_of_a_long_password_only_the_beginning_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    real: Callable[..., Any] = zxcvbn.zxcvbn

    def noting(text: str, words: list[str]) -> Any:
        looked_at.append(len(text))
        return real(text, words)

    monkeypatch.setattr(zxcvbn, "zxcvbn", noting)
    passwords.check_strength("4@8({[<369$5" * 16, "li.wei")
    passwords.check_strength("\ufdfa\ufdfb9x十" * 16, "li.wei")  # each of the first ones stands for many letters
    assert max(looked_at) == passwords.LOOKED_AT


def test_somebody_changes_their_own_password_and_every_other_session_ends(running: Running, member: Any) -> None:
    here, there = signed_in(running, member["name"]), signed_in(running, member["name"], at=STRANGER)
    change = {"current_password": SECRET, "new_password": OTHER}
    wrong = mine(running, "POST", "/me/password", here, {**change, "current_password": "something else"})
    assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (422, "current_password")
    weak = mine(running, "POST", "/me/password", here, {**change, "new_password": "1234567890"})
    assert (weak.status_code, weak.json["errors"][0]["field"]) == (422, "new_password")
    same = mine(running, "POST", "/me/password", here, {**change, "new_password": SECRET})
    assert (same.status_code, same.json["errors"][0]["field"]) == (422, "new_password")
    assert mine(running, "POST", "/me/password", here, change).status_code == 204
    assert refreshed(running, there.json["refresh_token"]).status_code == 401
    assert refreshed(running, here.json["refresh_token"]).status_code == 200
    assert signed_in(running, member["name"]).status_code == 401
    assert signed_in(running, member["name"], OTHER).status_code == 200


def test_a_stolen_token_does_not_guess_the_old_password_for_long(running: Running, member: Any) -> None:
    granted = signed_in(running, member["name"])
    guessed = {"current_password": "something else", "new_password": OTHER}
    with clock.frozen(clock.now()):
        tries = [mine(running, "POST", "/me/password", granted, guessed).status_code for _ in range(7)]
    assert tries == [422] * 6 + [429]


# --- keys of devices -----------------------------------------------------------------------------------------------


def with_key(running: Running, name: str, key: str) -> int:
    return token(running, {"grant_type": "device_key", "username": name, "device_key": key}).status_code


def test_a_device_gets_a_key_that_is_shown_once(running: Running) -> None:
    device = {"id": str(uuid4()), "name": "gateway-1", "role": "device"}
    first, again = (running.call("POST", "/members", "admin", device) for _ in range(2))
    key = first.json["device_key"]
    assert len(key) >= 43
    assert (again.status_code, "device_key" in again.json) == (201, False)
    assert with_key(running, "gateway-1", key) == 200
    assert with_key(running, "gateway-1", key[:-1] + "-") == 401
    assert with_key(running, "gateway-2", key) == 401
    assert signed_in(running, "gateway-1", key).status_code == 401
    with running.database.read() as session:
        kept = [str(row) for table in tables.mapping.metadata.sorted_tables for row in session.execute(select(table))]
    assert not [row for row in kept if key in row], "the key itself is kept"


def test_a_devices_keys_overlap_while_they_are_changed(running: Running) -> None:
    device = running.call("POST", "/members", "admin", {"name": "gateway-1", "role": "device"}).json
    at = f"/members/{device['id']}/device-keys"
    new = running.call("POST", at, "admin", {"overlap_hours": 24})
    assert new.status_code == 201
    both = [device["device_key"], new.json["device_key"]]
    assert [with_key(running, "gateway-1", each) for each in both] == [200, 200]
    with clock.frozen(clock.now() + timedelta(hours=25)):
        assert [with_key(running, "gateway-1", each) for each in both] == [401, 200]
    listed = running.call("GET", at, "admin").json["items"]
    assert [each["ends_at"] is None for each in listed] == [True, False]
    assert "device_key" not in listed[0]
    assert running.call("DELETE", f"{at}/{new.json['id']}", "admin").status_code == 204
    assert with_key(running, "gateway-1", both[1]) == 401


def test_a_device_with_a_password_goes_on_until_it_gets_a_key(running: Running) -> None:
    device = running.call("POST", "/members", "admin", {"name": "old", "role": "device"}).json
    with running.database.begin() as session:
        session.execute(update(tables.members).values(secret_hash=passwords.hash_secret("ten letters")))
        session.execute(tables.device_keys.delete())
    assert signed_in(running, "old", "ten letters").status_code == 200
    assert with_key(running, "old", "ten letters") == 200
    running.call("POST", f"/members/{device['id']}/device-keys", "admin", {"overlap_hours": 1})
    assert signed_in(running, "old", "ten letters").status_code == 200
    with clock.frozen(clock.now() + timedelta(hours=2)):
        assert signed_in(running, "old", "ten letters").status_code == 401
        assert with_key(running, "old", "ten letters") == 401


def test_a_device_takes_no_password_and_a_person_no_key(running: Running, member: Any) -> None:
    device = running.call("POST", "/members", "admin", {"name": "gateway-1", "role": "device"}).json
    key = uuid4().hex + uuid4().hex
    for account, secret in ((device, {"password": SECRET}), (member, {"device_key": key})):
        assert running.call("PUT", f"/members/{account['id']}/secret", "admin", secret).status_code == 422
    assert running.call("PUT", f"/members/{device['id']}/secret", "admin", {"device_key": key}).status_code == 200
    assert [with_key(running, "gateway-1", each) for each in (device["device_key"], key)] == [401, 200]
    assert running.call("PUT", f"/members/{device['id']}/secret", "admin", {"device_key": "k" * 40}).status_code == 422


# --- sessions ------------------------------------------------------------------------------------------------------


def test_somebody_sees_where_they_are_signed_in_and_ends_one_of_them(running: Running, member: Any) -> None:
    phone = signed_in(running, member["name"], User_Agent="Crew app on a phone")
    desk = signed_in(running, member["name"], at=STRANGER, User_Agent="Desk")
    signed_in(running, add(running)["name"])
    shown = mine(running, "GET", "/me/sessions", desk).json["items"]
    assert {each["device"]: (each["address"], each["current"]) for each in shown} == {
        "Crew app on a phone": (OWNER["REMOTE_ADDR"], False), "Desk": (STRANGER["REMOTE_ADDR"], True),
    }  # fmt: skip
    (other,) = [each["id"] for each in shown if not each["current"]]
    assert mine(running, "DELETE", f"/me/sessions/{other}", desk).status_code == 204
    assert refreshed(running, phone.json["refresh_token"]).status_code == 401
    assert refreshed(running, desk.json["refresh_token"]).status_code == 200
    assert len(mine(running, "GET", "/me/sessions", desk).json["items"]) == 1
    assert mine(running, "DELETE", f"/me/sessions/{other}", desk).status_code == 404


def test_nobody_ends_another_ones_session(running: Running, member: Any) -> None:
    theirs = signed_in(running, add(running)["name"])
    (session,) = mine(running, "GET", "/me/sessions", theirs).json["items"]
    assert (
        mine(running, "DELETE", f"/me/sessions/{session['id']}", signed_in(running, member["name"])).status_code == 404
    )
    assert refreshed(running, theirs.json["refresh_token"]).status_code == 200


# --- answers that were lost ----------------------------------------------------------------------------------------

AGAIN = {"Idempotency_Key": "a4f1", "User_Agent": "phone"}


def test_a_refresh_whose_answer_was_lost_gets_it_again(running: Running, member: Any) -> None:
    first = signed_in(running, member["name"]).json["refresh_token"]
    answers = [refreshed(running, first, **AGAIN) for _ in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
    assert len({each.data for each in answers}) == 1, "the same answer"
    following = refreshed(running, answers[0].json["refresh_token"], Idempotency_Key="b7c2", User_Agent="phone")
    assert following.status_code == 200


def test_later_the_same_refresh_token_comes_with_a_new_access_token(running: Running, member: Any) -> None:
    first = signed_in(running, member["name"]).json["refresh_token"]
    given = refreshed(running, first, **AGAIN).json
    with clock.frozen(clock.now() + 2 * SAME_ANSWER):
        later = refreshed(running, first, **AGAIN).json
    assert later["refresh_token"] == given["refresh_token"]
    assert later["access_token"] != given["access_token"]
    with clock.frozen(clock.now() + ANSWERED_AGAIN + timedelta(hours=1)):
        assert refreshed(running, first, **AGAIN).status_code == 401


@pytest.mark.parametrize(
    "thief",
    [
        {},
        {"Idempotency_Key": "other", "User_Agent": "phone"},
        {"Idempotency_Key": "a4f1", "User_Agent": "another device"},
        {"Idempotency_Key": "a4f1", "User_Agent": "phone", "Cookie": "waywarden_device=x"},
    ],
)
def test_a_used_token_that_comes_from_elsewhere_ends_the_session(
    running: Running, member: Any, thief: dict[str, str]
) -> None:
    first = signed_in(running, member["name"]).json["refresh_token"]
    given = refreshed(running, first, **AGAIN).json["refresh_token"]
    assert refreshed(running, first, **thief).status_code == 401
    assert refreshed(running, given, **AGAIN).status_code == 401


def test_a_late_copy_of_a_request_whose_answer_arrived_harms_nobody(running: Running, member: Any) -> None:
    first = signed_in(running, member["name"]).json["refresh_token"]
    second = refreshed(running, first, **AGAIN).json["refresh_token"]
    third = refreshed(running, second, Idempotency_Key="b7c2", User_Agent="phone").json["refresh_token"]
    assert refreshed(running, first, **AGAIN).status_code == 401
    assert refreshed(running, third).status_code == 200


def test_no_token_is_kept_in_plain(running: Running, member: Any) -> None:
    granted = signed_in(running, member["name"])
    given = refreshed(running, granted.json["refresh_token"], **AGAIN).json
    secrets = {*granted.json.values(), *given.values(), device_of(granted).partition("=")[2]}
    with running.database.read() as session:
        for table in [*tables.mapping.metadata.sorted_tables, *kernel_tables()]:
            for row in session.execute(select(table)):
                assert not [each for each in secrets if isinstance(each, str) and len(each) > 20 and each in str(row)]


def kernel_tables() -> list[Any]:
    from shared.db import kernel

    return [table for table in kernel.sorted_tables if table.name == "requests"]


# --- ends that are ends, on both databases -------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/workorders.sqlite"
    if request.param == "postgres":
        servers: Servers = request.getfixturevalue("servers")
        url = servers.postgres.create_database(f"sign_in_{uuid4().hex[:8]}")
    made = Database(url)
    migrate(made.engine, "workorders", WorkOrders.metadata)
    yield made
    made.close()


HERE = Client("192.0.2.10", "phone")


def begin(database: Database) -> tuple[Any, Grant]:
    with database.begin() as session:
        member, _ = accounts.add_member(
            session, secret_hash="h", name="li", role="operator", crew=None, unit=None, id=None
        )
        member_id = member.id
    with database.begin() as session:
        return member_id, sign_in.finish_sign_in(session, name="li", client=HERE, proven="h")


ENDS: dict[str, Callable[[Any, Any, Grant], object]] = {
    "signing out": lambda session, _, grant: sign_in.revoke(session, token=grant.refresh_token),
    "ending the session": lambda session, _, grant: accounts.end_own_session(
        session, name="li", session_id=grant.session_id
    ),
    "closing the account": lambda session, member_id, _: accounts.change_member(
        session, member_id=member_id, changes={"active": False}, expected=None
    ),
    "a new password from the administrator": lambda session, member_id, _: accounts.replace_secret(
        session, member_id=member_id, secret_hash="i", key_hash=None, expected=None
    ),
    "a new password of their own elsewhere": lambda session, _, __: accounts.change_own_password(
        session, name="li", proven="h", secret_hash="i", session_id=uuid4()
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_refresh_under_way_does_not_survive_the_end(database: Database, end: Callable[..., object]) -> None:
    member_id, grant = begin(database)

    def ended() -> None:
        with database.begin() as session:
            end(session, member_id, grant)

    with database.begin() as session:
        given = sign_in.refresh(session, token=grant.refresh_token, client=HERE)
        session.flush()
        ending = eventlet.spawn(ended)  # waits for the refresh; on SQLite it begins after it
        if database.engine.dialect.name == "postgresql":
            eventlet.sleep(0.2)
    ending.wait()
    assert given
    with database.begin() as session:
        assert sign_in.refresh(session, token=given.refresh_token, client=HERE) is None


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_refresh_that_comes_during_the_end_gets_nothing(database: Database, end: Callable[..., object]) -> None:
    member_id, grant = begin(database)
    given: list[Grant | None] = []

    def refreshing() -> None:
        with database.begin() as session:
            given.append(sign_in.refresh(session, token=grant.refresh_token, client=HERE))

    with database.begin() as session:
        end(session, member_id, grant)
        session.flush()
        other = eventlet.spawn(refreshing)
        if database.engine.dialect.name == "postgresql":
            eventlet.sleep(0.2)
    other.wait()
    assert given == [None]


def test_a_password_that_is_changed_while_the_old_one_is_compared_lets_nobody_in(database: Database) -> None:
    member_id, _ = begin(database)
    with database.begin() as session:
        known = sign_in.begin_sign_in(session, name="li", client=HERE)
    with database.begin() as session:
        accounts.replace_secret(session, member_id=member_id, secret_hash="i", key_hash=None, expected=None)
    with pytest.raises(WrongCredentials), database.begin() as session:
        sign_in.finish_sign_in(session, name="li", client=HERE, proven=known or "")


def test_the_same_refresh_twice_at_the_same_time_gets_one_answer(database: Database) -> None:
    _, grant = begin(database)

    def refreshing() -> str:
        with database.begin() as session:
            given = sign_in.refresh(session, token=grant.refresh_token, client=HERE, key="k")
        return given.refresh_token if given else ""

    answers = [each.wait() for each in [eventlet.spawn(refreshing) for _ in range(6)]]
    assert len(set(answers)) == 1
    assert answers[0]


def test_a_session_from_before_there_were_sessions_goes_on_and_can_be_ended(database: Database) -> None:
    _, grant = begin(database)
    with database.begin() as session:
        session.execute(tables.sessions.delete())
    with database.begin() as session:
        given = sign_in.refresh(session, token=grant.refresh_token, client=HERE)
        assert given
    with database.begin() as session:
        sign_in.revoke(session, token=given.refresh_token)
    with database.begin() as session:
        assert sign_in.refresh(session, token=given.refresh_token, client=HERE) is None
