"""Signing in: the first account, passwords and refresh tokens, guesses that are slowed down, keys."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import jwt
import pytest

from deploy.stack import Embedded
from tests.client import API, Answer, Client, System, Thing
from tests.conftest import Either, run_cli
from tests.story import Cast

TOKEN = f"{API}/auth/token"
SECRET = "correct horse battery staple"
ANNOUNCED = re.compile(r"account admin, password (\S+)")


@pytest.fixture(scope="module")
def first_password(running: Either) -> str:
    """Embedded, the first start prints it; in production a command does."""
    said = running.all.log.read_text() if isinstance(running, Embedded) else run_cli(running, "admin").stdout
    (password,) = ANNOUNCED.findall(said) or [pytest.fail(said)]
    assert "There are accounts already." in run_cli(running, "admin").stdout
    return str(password)


def sign_in(client: Client, **body: str) -> Answer:
    return client.send("POST", TOKEN, {"grant_type": "password", **body})


def refresh(client: Client, token: str) -> Answer:
    return client.send("POST", TOKEN, {"grant_type": "refresh_token", "refresh_token": token})


def claims_of(token: str) -> Thing:
    claims: Thing = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture
def member(cast: Cast, first_password: str) -> Thing:
    """Somebody of a crew, who signs in with SECRET."""
    body = {"id": str(uuid4()), "name": f"crew-{uuid4().hex[:8]}", "role": "crew", "crew": "crew-northwest"}
    return cast.admin.post("/members", {**body, "password": SECRET})  # type: ignore[no-any-return]


def test_the_first_account_may_do_everything(system: System, first_password: str) -> None:
    nobody = system.nobody()
    granted = sign_in(nobody, username="admin", password=first_password).json()
    assert claims_of(granted["access_token"])["role"] == "admin"
    admin = system.client(granted["access_token"])
    assert admin.get("/me")["name"] == "admin"
    assert admin.get("/members")["items"]


def test_a_token_says_who_and_for_how_long(system: System, member: Thing) -> None:
    answer = sign_in(system.nobody(), username=member["name"], password=SECRET)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    granted = answer.json()
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 900)
    claims = claims_of(granted["access_token"])
    assert (claims["sub"], claims["role"], claims["crew"]) == (member["name"], "crew", "crew-northwest")
    assert claims["exp"] - claims["iat"] == 900
    assert system.client(granted["access_token"]).get("/me")["crew"] == "crew-northwest"


def test_tokens_fit_the_published_keys(system: System, member: Thing) -> None:
    nobody = system.nobody()
    token = sign_in(nobody, username=member["name"], password=SECRET).json()["access_token"]
    keys = nobody.get("/auth/jwks.json")["keys"]
    assert all("d" not in key for key in keys), "the private half is published"
    known = {key["kid"]: jwt.PyJWK(key) for key in keys}
    key = known[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["EdDSA"])["sub"] == member["name"]


def test_the_stream_takes_the_cookie_of_the_sign_in(system: System, first_password: str) -> None:
    answer = sign_in(system.nobody(), username="admin", password=first_password)
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", f"Path={API}/alerts/stream"))
    reader = system.nobody().stream("/alerts/stream")
    reader._headers = {"Cookie": cookie.partition(";")[0]}
    with reader:
        pass  # entering it is what is refused without the cookie


def test_a_refresh_token_works_once_and_a_stolen_one_ends_all(system: System, member: Thing) -> None:
    nobody = system.nobody()
    first = sign_in(nobody, username=member["name"], password=SECRET).json()["refresh_token"]
    second = refresh(nobody, first).json()["refresh_token"]
    assert refresh(nobody, first).status == 401
    assert refresh(nobody, second).status == 401, "what came of a token that was used twice still works"


def test_signing_out_ends_the_refresh_token(system: System, member: Thing) -> None:
    nobody = system.nobody()
    token = sign_in(nobody, username=member["name"], password=SECRET).json()["refresh_token"]
    assert nobody.send("POST", f"{API}/auth/revoke", {"refresh_token": token}).status == 204
    assert refresh(nobody, token).status == 401


def test_a_closed_account_signs_in_no_more(system: System, cast: Cast, member: Thing) -> None:
    nobody = system.nobody()
    token = sign_in(nobody, username=member["name"], password=SECRET).json()["refresh_token"]
    cast.admin.patch(f"/members/{member['id']}", {"active": False})
    assert refresh(nobody, token).status == 401
    assert sign_in(nobody, username=member["name"], password=SECRET).status == 401


def test_wrong_passwords_are_refused_alike_and_then_slowed(system: System, cast: Cast, member: Thing) -> None:
    nobody = system.nobody()
    wrong = sign_in(nobody, username=member["name"], password="something else")
    unknown = sign_in(nobody, username=f"nobody-{uuid4().hex[:6]}", password="something else")
    assert wrong.status == unknown.status == 401
    assert problem(wrong) == problem(unknown), "it tells which accounts there are"
    tries = [sign_in(nobody, username=member["name"], password="something else") for _ in range(7)]
    assert tries[-1].status == 429
    assert int(tries[-1].headers["Retry-After"]) >= 1
    assert sign_in(nobody, username=member["name"], password=SECRET).status == 429
    other = {"id": str(uuid4()), "name": f"manager-{uuid4().hex[:8]}", "role": "manager", "password": SECRET}
    cast.admin.post("/members", other)
    assert sign_in(nobody, username=other["name"], password=SECRET).status == 200


def test_a_device_signs_in_with_its_key(system: System, cast: Cast, first_password: str) -> None:
    key = uuid4().hex + uuid4().hex
    body = {"id": str(uuid4()), "name": f"gauge-{uuid4().hex[:8]}", "role": "device", "device_key": key}
    assert "device_key" not in cast.admin.post("/members", body)
    answer = system.nobody().send(
        "POST", TOKEN, {"grant_type": "device_key", "username": body["name"], "device_key": key}
    )
    device = system.client(answer.json()["access_token"])
    assert device.get("/me")["role"] == "device"
    assert device.send("GET", f"{API}/facilities").status == 403


def problem(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name in ("type", "title", "status", "detail")}
