"""The whole matrix: every declared route, every role, and things of one's own, of another crew, unit or reporter.

What is expected stands in tests/rights.py. Two cases lie side by side, each with a facility, a finding, an order, a
lighting check and a photo; whoever may not see the other's gets what a missing thing gets, and changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import pytest

from deploy.stack import Embedded
from tests.client import API, Answer, Client, System, wait_for
from tests.interface import Operation, operations, plausible
from tests.rights import Actor, Rule, Thing, Whose, rules_of, sees
from tests.story import Cast, last_day, order_of, picture, store_photo

WORDS = "seen by {0}, who left no name but these words"
KEY_OF = {Thing.ORDER: "number", Thing.FINDING: "id", Thing.CHECK: "id"}
LISTS = {Thing.ORDER: "/work-orders", Thing.FINDING: "/findings", Thing.CHECK: "/light-checks"}
PARENT = {"documents": "sha256"}

ACTORS = [
    Actor("device", "device"), Actor("citizen", "citizen"),
    Actor("admin", "admin"), Actor("admin", "ada", unit="unit-2"),
    Actor("inspector", "ines"), Actor("inspector", "bo"), Actor("inspector", "bo2", unit="unit-1"),
    Actor("crew", "c1", crew="crew-southwest"), Actor("crew", "c2", crew="crew-southeast"),
    Actor("crew", "c3", crew="crew-southeast", unit="unit-1"), Actor("crew", "c4"),
    *(
        Actor(role, f"{role} of {unit}", unit=unit)
        for role in ("operator", "dispatcher", "controller", "manager")
        for unit in (None, "unit-1", "unit-2", "")
    ),
]  # fmt: skip


@dataclass
class Case:
    """Things that hang together: whose they are, and what names them in paths."""

    whose: Whose
    code: str
    names: dict[Thing, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        return WORDS.format(self.whose.reporter)


@pytest.fixture(scope="module")
def system(embedded: Embedded) -> Iterator[System]:
    made = System.of(embedded)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cases(system: System) -> list[Case]:
    """One of ines, crew-southwest and unit-1, one of bo, crew-southeast and unit-2."""
    cast = Cast(system)
    one, other = Whose("ines", "crew-southwest", "unit-1"), Whose("bo", "crew-southeast", "unit-2")
    return [make_case(system, cast, one, "southwest"), make_case(system, cast, other, "southeast")]


def make_case(system: System, cast: Cast, whose: Whose, district: str) -> Case:
    made, inspector = Case(whose, f"R-{uuid4()}"), system.user("inspector", whose.reporter)
    lamp = {
        "kind": "street_light",
        "geometry": {"type": "Point", "coordinates": [24.941, 60.171]},
        "district": district,
    }
    cast.operator.post("/facilities", lamp | {"code": made.code, "maintainer": whose.unit})
    made.names[Thing.FILE] = made.code
    made.names[Thing.PHOTO] = store_photo(inspector, picture())
    found: dict[str, Any] = {
        "id": str(uuid4()), "category": "lamp_out", "facility_code": made.code, "severity": "normal",
        "source": "patrol", "location": {"lon": 24.941, "lat": 60.171}, "description": made.words,
        "found_at": last_day().isoformat(),
        "photos": [made.names[Thing.PHOTO]],
    }  # fmt: skip
    made.names[Thing.FINDING] = inspector.post("/findings", found)["id"]
    check = {
        "id": str(uuid4()),
        "checked_at": last_day().isoformat(),
        "lamps": [{"facility_code": made.code, "lit": True}],
    }
    made.names[Thing.CHECK] = inspector.post("/light-checks", check)["id"]
    order = wait_for(lambda: order_of(cast.dispatcher, finding_id=found["id"], state="dispatched"), "the order")
    made.names[Thing.ORDER] = order["number"]
    if order["crew"] != whose.crew:  # other tests leave rules of their own
        cast.dispatcher.post(f"/work-orders/{order['number']}/reassign", {"crew": whose.crew})
    wait_for(lambda: cast.dispatcher.get(f"/findings/{found['id']}")["link"]["state"] == "code", "the link")
    wait_for(lambda: cast.dispatcher.get(f"/findings/{found['id']}")["order"], "the order of the finding")
    wait_for(lambda: cast.dispatcher.get(f"/facilities/{made.code}/file")["orders"], "the order in the file")
    wait_for(lambda: cast.dispatcher.get(f"/facilities/{made.code}/file")["looks"], "the look in the file")
    return made


@pytest.fixture(scope="module")
def client(system: System) -> Callable[[Actor], Client]:
    """Each actor's client, over one kept connection."""
    return cache(lambda actor: system.user(actor.role, actor.name, crew=actor.crew, unit=actor.unit))


ALL = list(operations())
NAMED = [each for each in ALL if rules_of(each.declared)[0].thing is not Thing.OPEN and "{" in each.path]
MISSING = {Thing.ORDER: "20260101-999999", Thing.PHOTO: "0" * 64}
HEADERS: tuple[dict[str, str], ...] = ({}, {"If-Match": '"99"'}, {"Idempotency-Key": "the same"})


def rule_of(operation: Operation) -> Rule:
    return rules_of(operation.declared)[0]


def ask(who: Client, operation: Operation, name: str, headers: dict[str, str]) -> Answer:
    body = plausible(operation.body_schema) if operation.body_schema else None
    if isinstance(body, dict) and "satisfied" in body:
        body |= {"answered": True, "satisfied": True}
    if isinstance(body, dict):
        body = {key: [] if key == "photos" else value for key, value in body.items() if key != "at"}
    target = re.sub(r"{\w+}", name, operation.path, count=1)
    return who.send(operation.method, target, body, headers=headers)


def as_told(answer: Answer, name: str) -> tuple[int, str, list[str]]:
    """The answer, less what was asked for and when."""
    passing = ("x-request-id", "date", "content-length", "connection")
    headers = sorted(f"{key}: {value}" for key, value in answer.headers.items() if key.lower() not in passing)
    return answer.status, answer.content.decode(errors="replace").replace(name, "…"), headers


def state(system: System, case: Case) -> str:
    """All of a case's things as an administrator sees them."""
    paths = (
        f"/work-orders/{case.names[Thing.ORDER]}", f"/findings/{case.names[Thing.FINDING]}",
        f"/findings/{case.names[Thing.FINDING]}/moves", f"/light-checks/{case.names[Thing.CHECK]}",
    )  # fmt: skip
    with system.user("admin") as admin:
        return json.dumps([{**admin.get(each), "light": None} for each in paths])


@pytest.mark.parametrize("operation", NAMED, ids=lambda each: each.name)
def test_who_may_not_see_a_thing_finds_none_and_changes_nothing(
    system: System, client: Callable[[Actor], Client], cases: list[Case], operation: Operation
) -> None:
    rule, wrong = rule_of(operation), []
    before = [state(system, case) for case in cases]
    missing = MISSING.get(rule.thing, str(uuid4()))
    for actor in ACTORS:
        who = client(actor)
        for case in cases:
            name = case.names[rule.thing]
            may, there = actor.may(rule, reading=operation.method == "GET"), sees(actor, rule.thing, case.whose)
            if may and there and operation.method != "GET":
                continue  # moves of one's own are what all the other tests are about
            wanted = 403 if not may else 200 if there else 404
            for headers in HEADERS if wanted == 404 else HEADERS[:1]:
                answer = ask(who, operation, name, headers)
                if answer.status != wanted:
                    wrong.append(f"{actor} at {case.whose}, {headers}: {answer}")
                if wanted == 404:
                    told = as_told(answer, name), as_told(ask(who, operation, missing, headers), missing)
                    wrong += [f"{actor} tells it from a missing one, {headers}: {told}"] if told[0] != told[1] else []
    with system.nobody() as nobody:
        assert ask(nobody, operation, cases[0].names[rule.thing], {}).status == 401
    assert not wrong, f"{len(wrong)}: " + "\n".join(wrong[:5])
    assert [state(system, case) for case in cases] == before


@pytest.mark.parametrize("thing", list(LISTS), ids=lambda each: each.name)
def test_a_list_its_filters_and_its_pages_hold_what_one_may_see(
    client: Callable[[Actor], Client], cases: list[Case], thing: Thing
) -> None:
    (operation,) = (each for each in ALL if each.method == "GET" and each.path == API + LISTS[thing])
    filters: list[dict[str, Any]] = [{}]
    for case in cases:
        known = {
            "finding_id": case.names[Thing.FINDING], "facility_code": case.code, "crew": case.whose.crew,
            "state": "dispatched" if thing is Thing.ORDER else "confirmed", "source": "patrol", "category": "lamp_out",
            "overdue": "false",
        }  # fmt: skip
        filters += [{each["name"]: known[each["name"]]} for each in operation.queries if each["name"] in known]
    for actor in ACTORS:
        who = client(actor)
        if not actor.may(rule_of(operation), reading=True):
            assert who.send("GET", operation.path).status == 403
            continue
        mine = {case.names[thing] for case in cases if sees(actor, thing, case.whose)}
        foreign = {case.names[thing] for case in cases} - mine
        for asked in filters:
            listed = [each[KEY_OF[thing]] for each in who.items(LISTS[thing], **asked, limit=1000)]
            assert not foreign & set(listed), (actor, asked)
            assert asked or mine <= set(listed), actor
            if listed:  # the last page says that it is the last, whatever of others follows
                page = who.get(LISTS[thing], **asked, limit=min(len(listed), 1000))
                assert page["next"] is None, (actor, asked)


@pytest.mark.parametrize("thing", [Thing.ORDER, Thing.FINDING], ids=lambda each: each.name)
def test_an_export_holds_what_one_may_see(client: Callable[[Actor], Client], cases: list[Case], thing: Thing) -> None:
    (operation,) = (each for each in ALL if each.path == f"{API}{LISTS[thing]}/export")
    for actor in ACTORS:
        answer = client(actor).send("GET", operation.path)
        if not actor.may(rule_of(operation), reading=True):
            assert answer.status == 403
            continue
        text = answer.content.decode()
        for case in cases:
            assert (case.names[thing] in text) == sees(actor, thing, case.whose), (actor, case.whose)


FILES = [each for each in ALL if rule_of(each).thing is Thing.FILE]


@pytest.mark.parametrize("operation", FILES, ids=lambda each: each.name)
def test_a_file_holds_no_word_hash_number_or_name_that_its_reader_may_not_see(
    client: Callable[[Actor], Client], cases: list[Case], operation: Operation
) -> None:
    for actor in ACTORS:
        who = client(actor)
        if not actor.may(rule_of(operation), reading=True):
            continue
        for case in cases:
            text = ask(who, operation, case.code, {}).content.decode()
            hidden = {case.names[Thing.ORDER]} - seen_by(actor, Thing.ORDER, case)
            hidden |= {case.names[Thing.CHECK]} - seen_by(actor, Thing.CHECK, case)
            finding = {case.names[Thing.FINDING], case.words, case.names[Thing.PHOTO]}
            hidden |= finding if actor.role == "crew" or not sees(actor, Thing.FINDING, case.whose) else set()
            if actor.role == "crew" and actor.crew == case.whose.crew:
                hidden.discard(case.names[Thing.FINDING])  # its own order names it
            assert not [each for each in hidden if each in text], (actor, case.whose)


def seen_by(actor: Actor, thing: Thing, case: Case) -> set[str]:
    """What a file shows of a thing: of a check its name, to who may see the orders of the facility."""
    if thing is Thing.CHECK:
        office = actor.role not in ("inspector", "crew", "citizen")
        return {case.names[thing]} if office and sees(actor, Thing.ORDER, case.whose) else set()
    return {case.names[thing]} if sees(actor, thing, case.whose) else set()
