"""Imports of facilities, on both engines: what becomes of rows, again, in the midst of a kill, and over HTTP."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from nameko.containers import ServiceContainer
from sqlalchemy import func, select, text
from werkzeug.test import Client, TestResponse

from deploy import settings
from deploy.keys import make_keys
from deploy.migrations import migrate
from deploy.site import Site
from services.assets import figures, queries
from services.assets.domain.areas import Level
from services.assets.exporting import WRITE, Format
from services.assets.import_worker import alone, end_worker, somebody_works, start_worker, work_off
from services.assets.queries.imports import next_import
from services.assets.service import Assets
from services.assets.tables import facilities, facility_history, imports
from services.assets.use_cases import add_areas, carrying_out, register_facilities
from services.assets.use_cases.imports import ARRIVING, FORGOTTEN_S, lock, sweep_files
from shared import tallies
from shared.auth import Keys, User
from shared.db import Database
from shared.outbox import outbox
from tests.client import wait_for
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.test_readiness import fill, small_disk  # noqa: F401

API = "/api/v1/facilities/imports"
HEAD = "code,lon,lat,name,colour"
COUNTS = ("created", "updated", "unchanged", "rejected", "repaired", "missing", "retired")


def lamps(count: int, colour: str = "red", *more: str) -> str:
    """A table of lamps in Helsinki."""
    rows = [f"L-{i},{24.90 + i * 1e-5:.5f},{60.15 + i * 1e-5:.5f},Lamp {i},{colour}" for i in range(count)]
    return "\n".join([HEAD, *rows, *more]) + "\n"


class Registry:
    """The service in this process, with a client; ``finish`` does what a worker does."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder / "imports"
        make_keys(folder / "keys")
        self.keys, site = Keys(folder / "keys"), Site()
        urls = {"assets": database.engine.url.render_as_string(hide_password=False)}
        self.settings = replace(settings.load(), data=folder, database_urls=urls, import_limit_bytes=2_500_000)
        config = {"settings": self.settings, "databases": {"assets": database}, "site": site, "keys": self.keys}
        self.container = ServiceContainer(Assets, config={**config, "max_workers": 4})
        for extension in self.container.extensions:
            extension.setup()
        self.client = Client(site)

    def call(self, method: str, path: str, role: str = "operator", **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.keys.sign(User(f'a {role}', role))}", **more.pop("headers", {})}
        return self.client.open(API + path, method=method, headers=headers, **more)

    def send(self, content: str | bytes, name: str = "lamps.csv", headers: Any = None, **fields: Any) -> TestResponse:
        if isinstance(content, str):
            content = content.encode()
        form = {"file": (BytesIO(content), name), **fields}
        form = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in form.items()}
        return self.call("POST", "", data=form, content_type="multipart/form-data", headers=headers or {})

    def order(self, content: str | bytes, name: str = "lamps.csv", **options: Any) -> str:
        options = {name: value for name, value in {"kind": "street_light", **options}.items() if value is not None}
        answer = self.send(content, name, options=options)
        assert answer.status_code == 202, answer.get_data(as_text=True)
        assert answer.get_json()["state"] == "running"
        return str(answer.get_json()["id"])

    def finish(self, import_id: str) -> dict[str, Any]:
        work_off(self.database, self.folder)
        return self.show(import_id)

    def show(self, import_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.call("GET", f"/{import_id}").get_json()
        return shown

    def take(self, content: str | bytes, name: str = "lamps.csv", **options: Any) -> dict[str, Any]:
        return self.finish(self.order(content, name, **options))

    def counted(self) -> dict[str, int]:
        with self.database.read() as session:
            tables = (facilities, facility_history, outbox, tallies.tallies)
            return {each.name: session.scalar(select(func.count()).select_from(each)) or 0 for each in tables}

    def wrong_sums(self) -> list[Any]:
        with self.database.read() as session:
            recounted = figures.recount(session).items()
            return [
                each for each, sums in recounted if tallies.read(session, each) != {k: n for k, n in sums.items() if n}
            ]


@pytest.fixture(scope="module", params=ENGINES)
def one_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", Assets.metadata) as database:
        yield database


@pytest.fixture
def registry(one_database: Database, tmp_path: Path) -> Iterator[Registry]:
    with left_as_found(one_database, Assets.metadata) as database:
        yield Registry(database, tmp_path)


def counts(shown: dict[str, Any]) -> dict[str, int]:
    assert shown["state"] == "done", shown
    return {name: shown[name] for name in COUNTS if shown[name]}


def test_a_file_is_imported_once_and_next_years_file_changes_what_is_new(registry: Registry) -> None:
    first = registry.take(lamps(300, "red", "L-X,0,0,Nowhere,red", "L-1,24.9,60.15,Again,red"))
    assert counts(first) == {"created": 300, "rejected": 2}
    assert first["rules"] == {"null-island": 1, "duplicate-code": 1}
    assert (first["progress"], first["rows"], first["source"]) == (1.0, 302, "street_light")
    assert first["understood"]["mapping"]["code"] == "code"
    before = registry.counted()

    assert counts(registry.take(lamps(300))) == {"unchanged": 300}
    assert registry.counted() == before, "the same file again writes nothing"

    next_year = lamps(250, "blue").replace("L-0,", "L-NEW,")
    assert counts(registry.take(next_year)) == {"created": 1, "updated": 249, "missing": 51}
    with registry.database.read() as session:
        lamp = queries.get_facility(session, "L-7")
        history = queries.list_history(session, "L-7", limit=10).items
    assert (lamp.attributes["colour"], lamp.revision, lamp.source) == ("blue", 2, "street_light")
    assert [each.what for each in history] == ["registered", "changed"]
    assert history[1].details["changes"]["attributes"] == [{"colour": "red"}, {"colour": "blue"}]
    assert not registry.wrong_sums()


@pytest.mark.parametrize("kind", list(Format))
def test_an_export_imported_again_changes_nothing(registry: Registry, kind: Format) -> None:
    awkward = [
        "L-=1,24.95,60.17,=1+1,+358",
        "=L-2,24.95,60.17,-,'x",
        'L-3,24.95,60.17,"@a, ""b""",5',
        "L-4,24.95,60.17,路灯,",
        "L-5,24.95,60.17,＝1+1,＋358",
        "＠L-6,24.95,60.17,'=1,－x",
        "L-7,24.95,60.17,\u00ad=1,\u3164@x",
        "L-8,24.95,60.17,﹦1+1,\ufe0f\u2061﹣x",
    ]
    assert counts(registry.take(lamps(3, "red", *awkward))) == {"created": 11}
    street = {"type": "LineString", "coordinates": [[24.9, 60.1], [24.91, 60.123456789]]}
    with registry.database.begin() as session:
        by_hand = {"code": "R-1", "kind": "carriageway", "geometry": street, "attributes": {"width_m": 7.5}}
        register_facilities(session, [by_hand], who="somebody")
    file = BytesIO()
    with registry.database.read() as session:
        WRITE[kind](map(dict, queries.every_facility(session)), file)
    before = registry.counted()
    assert counts(registry.take(file.getvalue(), f"facilities.{kind}", kind=None)) == {"unchanged": 12}
    assert registry.counted() == before


def edited(text: str, column: str, *cells: str) -> str:
    """An export in which somebody wrote these into a column, from the first row on."""
    head, *rows = csv.reader(StringIO(text))
    for row, cell in zip(rows, cells, strict=False):
        row[head.index(column)] = cell or row[head.index(column)]
    file = StringIO()
    csv.writer(file).writerows([head, *rows])
    return file.getvalue()


def test_of_an_export_the_place_that_somebody_changed_is_the_place(registry: Registry) -> None:
    registry.take(lamps(4))
    street = {"type": "LineString", "coordinates": [[24.9, 60.1], [24.91, 60.123456789]]}
    with registry.database.begin() as session:
        register_facilities(session, [{"code": "R-1", "kind": "carriageway", "geometry": street}], who="somebody")
    file = BytesIO()
    with registry.database.read() as session:
        WRITE[Format.CSV](map(dict, queries.every_facility(session)), file)
    text = file.getvalue().decode("utf-8-sig")
    rounded = edited(edited(text, "longitude", *["24.900"] * 4), "latitude", *["60.150"] * 4)
    assert counts(registry.take(rounded, kind=None)) == {"unchanged": 5}
    assert counts(registry.take(edited(text, "longitude", *["", "", "", "", "24.95"]), kind=None)) == {
        "unchanged": 4, "rejected": 1,
    }  # fmt: skip
    both = edited(edited(text, "geometry", "POINT (24.9012 60.1511)", "POINT (24.9012 60.1511)"), "latitude", "60.1522")
    shown = registry.take(both, kind=None)
    assert (shown["updated"], shown["rules"]) == (1, {"two-places": 1})
    for dry_run in (True, False):
        shown = registry.take(edited(edited(text, "longitude", "24,9055"), "latitude", "60.1566"), dry_run=dry_run)
        moved = {each["facility"]["code"]: each["facility"]["geometry"] for each in shown["sample"]}
        assert moved["L-0"] == {"type": "Point", "coordinates": [24.9055, 60.1566]}
    with registry.database.read() as session:
        places = session.execute(select(facilities.c.code, facilities.c.longitude, facilities.c.latitude)).all()
    assert ("L-0", 24.9055, 60.1566) in [tuple(each) for each in places]
    assert registry.take(edited(text, "longitude", "nowhere"), kind=None)["rules"] == {"unreadable-place": 1}
    assert not registry.wrong_sums()


@pytest.mark.parametrize("left", [0, 8192])
def test_a_disk_that_is_full_for_file_or_row_is_said_clearly(small_disk: Path, left: int) -> None:  # noqa: F811
    with closing(Database(f"sqlite:///{small_disk}/assets.sqlite", connections=4)) as database:
        migrate(database.engine, "assets", Assets.metadata)
        registry = Registry(database, small_disk)
        assert registry.send(lamps(3), options={"kind": "street_light"}).status_code == 202
        make_room = fill(small_disk)
        os.truncate(small_disk / "filler", (small_disk / "filler").stat().st_size - left)
        answer = registry.send(lamps(4), options={"kind": "street_light"})
        assert (answer.status_code, answer.get_json()["type"]) == (503, "urn:waywarden:problem:disk-full")
        assert answer.headers["Retry-After"]
        make_room()
        assert registry.send(lamps(5), options={"kind": "street_light"}).status_code == 202


def test_a_dry_run_says_what_would_be_done_and_does_nothing(registry: Registry) -> None:
    registry.take(lamps(10))
    before = registry.counted()
    shown = registry.take(lamps(12, "blue", "L-X,0,0,Nowhere,blue"), dry_run=True)
    assert counts(shown) == {"created": 2, "updated": 10, "rejected": 1}
    assert shown["dry_run"]
    assert len(shown["sample"]) == 13
    assert shown["sample"][0]["facility"]["code"] == "L-0"
    assert shown["sample"][12]["refused"]["rule"] == "null-island"
    assert registry.counted() == before


def test_what_the_file_no_longer_holds_is_retired_only_when_asked_and_never_most_of_it(registry: Registry) -> None:
    registry.take(lamps(10))
    assert counts(registry.take(lamps(8), retire_missing=True)) == {"unchanged": 8, "missing": 2, "retired": 2}
    refused = registry.take(lamps(3), retire_missing=True)
    assert (refused["state"], refused["error"]["type"]) == ("failed", "urn:waywarden:problem:retires-too-many")
    assert counts(registry.take(lamps(3), retire_missing="all")) == {"unchanged": 3, "missing": 5, "retired": 5}
    again = registry.take(lamps(4))
    assert (again["unchanged"], again["rules"]) == (3, {"retired-code": 1})
    assert not registry.wrong_sums()


def test_another_towns_file_says_whose_lamps_would_count_as_missing(registry: Registry) -> None:
    registry.take(lamps(20))
    next_year, other = lamps(15), moved(lamps(3), 0.02).replace("L-", "M-")
    assert not any("another town" in note for note in registry.take(next_year)["understood"]["notes"])
    for dry_run in (True, False):
        shown = registry.take(other, dry_run=dry_run)
        assert (shown["created"], shown["missing"]) == (3, 20)
        assert "Of the 20 facilities of the series 'street_light' the file holds 0" in shown["understood"]["notes"][-1]
    named = registry.take(lamps(3).replace("L-", "N-"), source="second town")
    assert (named["created"], named["missing"], named["understood"]["notes"]) == (3, 0, [])


def moved(text: str, degrees: float, lines: int | None = None) -> str:
    """The same lamps farther north, only so many of them where it is said."""
    head, *rows = text.strip().split("\n")
    cells = [row.split(",") for row in rows]
    for each in cells[:lines]:
        each[2] = f"{float(each[2]) + degrees:.5f}"
    return "\n".join([head, *map(",".join, cells)]) + "\n"


def test_another_town_with_the_same_codes_is_asked_about_before_it_overwrites_the_first(registry: Registry) -> None:
    registry.take(lamps(20))
    before = registry.counted()
    other = moved(lamps(20, "blue"), 0.05) + "L-X,24.9,60.2,New,blue\n"
    for dry_run in (True, False):
        shown = registry.take(other, dry_run=dry_run)
        assert (shown["state"], shown["error"]["type"]) == ("failed", "urn:waywarden:problem:moves-far")
        assert "20 of the 20" in shown["error"]["detail"]
        assert "moves_far true" in shown["error"]["detail"]
    assert registry.counted() == before
    named = registry.take(other, source="second town")
    assert (named["created"], named["rules"]) == (1, {"other-source": 20})
    said = registry.take(moved(lamps(20, "blue"), 0.05), moves_far=True)
    assert (said["updated"], said["rules"]) == (20, {"moved-far": 20})
    assert any("by over 1000 m: 20" in note for note in said["understood"]["notes"])


def test_a_few_that_move_far_are_marked_and_corrections_of_metres_are_not(registry: Registry) -> None:
    registry.take(lamps(20))
    assert registry.take(moved(lamps(20), 0.0001))["understood"]["notes"] == []
    for dry_run in (True, False):
        shown = registry.take(moved(lamps(20), 0.02, 3), dry_run=dry_run)
        assert shown["rules"] == {"moved-far": 3}
        assert any("by over 1000 m: 3." in note for note in shown["understood"]["notes"])
    repairs = registry.call("GET", f"/{shown['id']}/repairs.csv").get_data(as_text=True)
    assert "L-0 moves by 2,2" in repairs
    off = registry.take(moved(lamps(20), 0.005), dry_run=True)
    assert off["rules"] == {"moved-far": 3}
    assert any("20 of the 20" in note and "crs" in note for note in off["understood"]["notes"])


def test_a_file_that_names_districts_that_are_none_is_asked_about(registry: Registry) -> None:
    file = "code,lon,lat,district\nA,24.94,60.17,320508\nB,24.941,60.17,west\nC,24.942,60.17,320508\nD,24.943,60.17,\n"
    assert registry.take(file, source="before any was drawn")["created"] == 4
    square = {
        "type": "Polygon",
        "coordinates": [[[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.2], [24.9, 60.1]]],
    }
    with registry.database.begin() as session:
        add_areas(session, level=Level.DISTRICT, drafts=[{"code": "west", "geometry": square}])
    again = registry.take(file, source="before any was drawn")
    assert (again["unchanged"], again["understood"]["notes"]) == (4, [])
    new = re.sub(r"^(\w),", r"X\1,", file, flags=re.M)
    for dry_run in (True, False):
        shown = registry.take(new, dry_run=dry_run, source="new")
        assert (shown["created"], shown["rules"]) == (2, {"unknown-area": 2})
        assert [each["refused"] is None for each in shown["sample"]] == [False, True, False, True]
        (note,) = shown["understood"]["notes"]
        assert "no district '320508'. (2 rows)" in note
        assert 'unknown_areas "locate"' in note
    located = registry.take(new, unknown_areas="locate", source="new")
    assert (located["created"], located["repaired"], located["rules"]) == (2, 2, {"unknown-area": 2})
    with registry.database.read() as session:
        found = select(facilities.c.district).where(facilities.c.code.like("X%"))
        assert session.scalars(found).all() == ["west"] * 4
    assert registry.take(new.replace("X", "Y"), district="nope", mapping={"district": ""})["rules"] == {
        "unknown-area": 4
    }


def poles(*codes: str, column: str = "code", at: float = 24.9) -> str:
    """Lamps with these codes, ten metres apart."""
    rows = [f"{code},{at + number * 2e-4:.6f},60.16" for number, code in enumerate(codes)]
    return "\n".join([f"{column},lon,lat", *rows]) + "\n"


@pytest.mark.parametrize(
    "others",
    [("81500", "81501", "81502"), ("81500", "0081501", "0081502"), ("X7", "X8", "0081502")],
    ids=["all lost zeros", "one lost zeros", "most have other codes"],
)
def test_new_codes_on_the_spots_of_what_a_file_does_not_name_are_asked_about(
    registry: Registry, others: tuple[str, ...]
) -> None:
    registry.take(poles("0081500", "0081501", "0081502"))
    before = registry.counted()
    for dry_run in (True, False):
        shown = registry.take(poles(*others), dry_run=dry_run)
        assert (shown["state"], shown["error"]["type"]) == ("failed", "urn:waywarden:problem:same-places")
        assert f"{others[0]!r} on '0081500'" in shown["error"]["detail"]
        assert "new_codes true" in shown["error"]["detail"]
    assert registry.counted() == before
    said = registry.take(poles(*others), new_codes=True)
    assert said["created"] == sum(each not in ("0081501", "0081502") for each in others)
    assert any("on the spots" in note for note in said["understood"]["notes"])


@pytest.mark.parametrize(("there", "new"), [("ab-1", "AB-1"), ("A-1", "A1"), ("A-01", "a/1"), ("L_0-007", "l 0 7")])
def test_codes_that_differ_by_case_and_separators_are_asked_about_in_any_series(
    registry: Registry, there: str, new: str
) -> None:
    registry.take(poles(there, "C-9"), source="one")
    assert registry.take(poles(new, "D-8", "D-9"), source="two")["error"]["type"].endswith("same-places")
    assert registry.take(poles(new, "D-8", "D-9", at=24.95), source="two")["created"] == 3


def test_two_lamps_of_one_pole_and_few_new_ones_on_the_spot_of_old_ones_come_in(registry: Registry) -> None:
    registry.take(poles("P-1", "P-2", "P-3", "P-4"))
    assert registry.take("code,lon,lat\nP-1,24.9,60.16\nP1,24.9,60.16\n")["created"] == 1
    replaced = registry.take(poles("N-1", "P-2", "P-3", "P-4") + "N-2,24.93,60.16\nN-3,24.93,60.17\n")
    assert (replaced["created"], replaced["missing"]) == (3, 2)
    assert [note for note in replaced["understood"]["notes"] if "does not name: 1." in note]


def test_a_file_whose_codes_are_not_found_is_asked_about_where_its_lamps_are_registered(registry: Registry) -> None:
    registry.take(poles("P-1", "P-2", "P-3"))
    shown = registry.take("lon,lat\n24.9,60.16\n24.9002,60.16\n24.9004,60.16\n")
    assert shown["error"]["type"] == "urn:waywarden:problem:same-places"


def test_a_row_leaves_alone_what_is_of_another_kind_or_series(registry: Registry) -> None:
    registry.take(lamps(3))
    assert registry.take(lamps(3), kind="manhole")["rules"] == {"other-kind": 3}
    other = registry.take(lamps(4), source="north")
    assert (other["created"], other["rules"], other["missing"]) == (1, {"other-source": 3}, 0)


def test_refused_rows_come_back_as_they_came_and_do_nothing_in_a_spreadsheet(registry: Registry) -> None:
    shown = registry.take(lamps(1, "red", 'L-X,0,0,"=HYPERLINK(""http://x"")",-5'))
    text = registry.call("GET", f"/{shown['id']}/rejects.csv").get_data(as_text=True)
    (row,) = csv.DictReader(StringIO(text))
    assert row == {
        "code": "L-X", "lon": "0", "lat": "0", "name": "'=HYPERLINK(\"http://x\")", "colour": "-5",
        "line": "3", "rule": "null-island", "reason": row["reason"],
    }  # fmt: skip
    assert row["reason"]


def test_a_killed_worker_is_followed_by_one_that_goes_on_where_it_stopped(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = registry.order(lamps(2_500))
    monkeypatch.setitem(os.environ, "WAYWARDEN_FAILPOINT", "import-part-taken")
    assert run_worker(registry) == -9
    half = registry.show(import_id)
    assert half["state"] == "running"
    assert 0 < half["rows"] < 2_500
    monkeypatch.delitem(os.environ, "WAYWARDEN_FAILPOINT")
    assert run_worker(registry) == 0
    assert counts(registry.show(import_id)) == {"created": 2_500}
    assert registry.counted()["facility_history"] == 2_500
    assert not registry.wrong_sums()
    assert not list(registry.folder.glob("*/file")), "the file is gone when it is done"


@pytest.mark.parametrize("failpoint", ["import-begun", "import-understood", "import-part-taken"])
def test_a_file_that_killed_its_worker_goes_behind_all_that_wait_but_those_of_its_series(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, failpoint: str
) -> None:
    deadly = registry.order(lamps(600))
    newer = registry.order(lamps(600, "blue"))
    others = [registry.order(f"code,lon,lat\nX-{each},24.9,60.1\n", district=each) for each in ("east", "west")]
    monkeypatch.setitem(os.environ, "WAYWARDEN_FAILPOINT", failpoint)
    assert run_worker(registry) == -9
    monkeypatch.delitem(os.environ, "WAYWARDEN_FAILPOINT")
    registry.finish(deadly)
    ended = sorted([deadly, newer, *others], key=lambda each: str(registry.show(each)["finished_at"]))
    assert ended == [*others, deadly, newer]
    assert counts(registry.show(newer)) == {"updated": 600}
    assert not registry.wrong_sums()


def test_files_that_kill_their_workers_take_turns(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "WAYWARDEN_FAILPOINT", "import-begun")
    series = [registry.order(lamps(3), source=each) for each in ("a", "b")]
    died: list[str] = []
    for _ in range(4):
        with registry.database.read() as session:
            died.append(str(next_import(session)))
        assert run_worker(registry) == -9
    assert died == series * 2


CRASHES = ("import-begun", "import-understood", "import-part-taken", "import-part-retired", "import-ended")


@pytest.mark.parametrize("failpoint", CRASHES)
def test_death_at_any_boundary_of_an_import_changes_nothing_of_what_comes_of_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, failpoint: str
) -> None:
    registry.take(lamps(700))
    next_year = lamps(400, "blue", *(f"N-{i},24.9,60.15,New,blue" for i in range(50)), "L-X,0,0,Nowhere,blue")
    import_id = registry.order(next_year, retire_missing=True)
    monkeypatch.setitem(os.environ, "WAYWARDEN_FAILPOINT", failpoint)
    assert run_worker(registry) == -9
    monkeypatch.delitem(os.environ, "WAYWARDEN_FAILPOINT")
    registry.finish(import_id)
    came = {"created": 50, "updated": 400, "rejected": 1, "missing": 300, "retired": 300}
    assert counts(registry.show(import_id)) == came
    with registry.database.read() as session:
        (told,) = [json.loads(each) for each in session.scalars(select(outbox.c.body)) if import_id in each]
    assert {name: told["data"][name] for name in came} == came, "in one event"
    assert not registry.wrong_sums()
    sweep_files(registry.database, registry.folder)
    assert not list(registry.folder.glob("*/file"))


def test_an_import_that_is_stopped_at_every_deploy_is_carried_out_in_the_end(registry: Registry) -> None:
    import_id = registry.order(lamps(10_000))
    registry.order(lamps(3), source="waits")
    for _ in range(4):
        worker = start_worker(registry.settings)
        wait_for(lambda: begun(registry), "it is in the midst of reading", 60)
        end_worker(worker)
        assert worker.returncode == 0
        with registry.database.read() as session:
            here = session.scalar(select(imports.c.starts).where(imports.c.id == UUID(import_id)))
            assert here == 0, "a stop that was ordered is not the file's fault"
            assert next_import(session) == UUID(import_id), "nor does it cost it its place"
    assert counts(registry.finish(import_id)) == {"created": 10_000}
    assert not registry.wrong_sums()


def begun(registry: Registry) -> bool:
    with registry.database.read() as session:
        return bool(session.scalar(select(func.sum(imports.c.starts))))


def test_a_worker_whose_import_another_one_goes_on_with_leaves_it_alone(registry: Registry) -> None:
    import_id = registry.order(lamps(600))
    here = carrying_out._begin(registry.database, UUID(import_id))
    shown = registry.finish(import_id)
    with pytest.raises(carrying_out.Displaced):
        carrying_out._finish(registry.database, here)
    assert registry.show(import_id) == shown
    assert counts(shown) == {"created": 600}


def test_nobody_starts_a_worker_while_one_works_in_silence(registry: Registry) -> None:
    registry.order(lamps(1))
    registry.folder.mkdir(exist_ok=True)
    assert not somebody_works(registry.database, registry.folder)
    with alone(registry.database, registry.folder) as mine:
        assert mine
        assert somebody_works(registry.database, registry.folder)
    assert not somebody_works(registry.database, registry.folder)


def test_a_command_that_died_before_its_commit_is_simply_sent_again(registry: Registry) -> None:
    import_id = uuid4()
    half = registry.folder / str(import_id) / "file"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"what was sent before")
    again = registry.send(lamps(3), id=str(import_id), options={"kind": "street_light"})
    assert again.status_code == 202, again.get_data(as_text=True)
    assert counts(registry.finish(str(import_id))) == {"created": 3}


def test_what_dead_processes_left_goes_and_what_is_in_use_stays(registry: Registry) -> None:
    waiting = registry.order(lamps(1))
    long_ago = time.time() - 2 * FORGOTTEN_S
    dead, alive = registry.folder / f"{ARRIVING}dead", registry.folder / f"{ARRIVING}alive"
    orphan, young = registry.folder / str(uuid4()), registry.folder / str(uuid4())
    for path in (dead, alive):
        path.write_bytes(b"half a file")
    for path in (orphan, young):
        path.mkdir()
        (path / "file").write_bytes(b"whole")
    for path in (dead, alive, orphan, registry.folder / waiting):
        os.utime(path, (long_ago, long_ago))
    with alive.open() as somebody:
        lock(somebody.fileno())  # as another replica does while a slow file comes in
        sweep_files(registry.database, registry.folder)
    left = {each.name for each in registry.folder.iterdir()} - {"worker.lock"}
    assert left == {waiting, alive.name, young.name}
    assert counts(registry.finish(waiting)) == {"created": 1}


SQUARE = "24.9 60.1, 24.91 60.1, 24.91 60.11, 24.9 60.11, 24.9 60.1"
NESTED = b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":' + b"[" * 400_000


def send_areas(registry: Registry, content: bytes, **options: Any) -> TestResponse:
    head = "--b\r\nContent-Disposition: form-data; name="
    body = f'{head}"options"\r\n\r\n{json.dumps(options)}\r\n{head}"file"; filename="areas"\r\n\r\n'.encode()
    headers = {"Authorization": f"Bearer {registry.keys.sign(User('an operator', 'operator'))}"}
    kind = "multipart/form-data; boundary=b"
    whole = body + content + b"\r\n--b--\r\n"
    return registry.client.open(
        "/api/v1/districts/imports", method="POST", data=whole, content_type=kind, headers=headers
    )


def areas(count: int) -> bytes:
    return "\n".join(["code,name,wkt", *(f'D-{n},n,"POLYGON (({SQUARE}))"' for n in range(count))]).encode()


def test_areas_are_read_and_drawn_in_a_process_of_their_own_one_after_the_other(registry: Registry) -> None:
    for created, dry in ((3, True), (3, False), (0, False)):
        answer = send_areas(registry, areas(3), dry_run=dry)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert (answer.get_json()["created"], answer.get_json()["dry_run"]) == (created, dry)
    assert send_areas(registry, b"code\n1\n").status_code == 422
    assert not list(registry.folder.iterdir())


@pytest.mark.parametrize(
    ("content", "options", "why"),
    [
        pytest.param(NESTED, {}, "deep", id="nested"),
        pytest.param(areas(3), {"encoding": "idna"}, "encoding", id="no encoding of texts"),
        pytest.param(b"code,wkt\n1," + b"x" * 1_900_000, {}, "No column|no place", id="one line"),
    ],
)
def test_a_hostile_file_of_areas_is_a_clear_refusal(
    registry: Registry, content: bytes, options: dict[str, Any], why: str
) -> None:
    answer = send_areas(registry, content, **options)
    assert (answer.status_code, answer.get_json()["type"]) == (422, "urn:waywarden:problem:unusable-areas")
    assert re.search(why, answer.get_json()["detail"])


@pytest.mark.parametrize(
    ("bounds", "why"),
    [({"area_file_limit_s": 1}, "more than the 1 s"), ({"import_memory_bytes": 20_000_000}, "more than the memory")],
)
def test_a_file_of_areas_that_costs_too_much_ends_with_its_process(
    registry: Registry, bounds: dict[str, int], why: str
) -> None:
    before = registry.container.config["settings"]
    registry.container.config["settings"] = replace(before, **bounds)
    answer = send_areas(registry, areas(20_000))
    registry.container.config["settings"] = before
    assert answer.status_code == 422, answer.get_data(as_text=True)
    assert why in answer.get_json()["detail"]
    assert send_areas(registry, areas(2)).status_code == 200
    assert not list(registry.folder.iterdir())


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
def test_a_full_disk_is_said_clearly_and_leaves_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "write":
        monkeypatch.setattr("services.assets.routes.uploads.NamedTemporaryFile", full)
    else:
        monkeypatch.setattr(os, call, full)
    answer = registry.send(lamps(3), options={"kind": "street_light"})
    monkeypatch.undo()
    assert (answer.status_code, answer.get_json()["type"]) == (503, "urn:waywarden:problem:disk-full")
    assert answer.headers["Retry-After"]
    assert not registry.call("GET", "").get_json()["items"]
    assert not list(registry.folder.rglob("*file*"))
    assert counts(registry.take(lamps(3))) == {"created": 3}


def run_worker(registry: Registry) -> int:
    """A real process; its exit status."""
    worker = start_worker(registry.settings)
    wait_for(lambda: worker.poll() is not None, "the worker ends")
    end_worker(worker)
    return int(worker.returncode)


@pytest.mark.parametrize(
    "trigger",
    [
        pytest.param("TRIGGER picky BEFORE INSERT ON facilities", id="at the insert"),
        pytest.param(
            "CONSTRAINT TRIGGER picky AFTER INSERT ON facilities DEFERRABLE INITIALLY DEFERRED", id="at the commit"
        ),
    ],
)
def test_a_row_that_only_the_database_refuses_is_refused_alone(registry: Registry, trigger: str) -> None:
    if registry.database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite takes any value.")
    with registry.database.begin() as session:
        session.execute(
            text(
                "CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.code = 'L-77' "
                "THEN RAISE data_exception USING MESSAGE = 'not this one'; END IF; RETURN NEW; END $$"
            )
        )
        session.execute(text(f"CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION picky()"))
    try:
        done = registry.take(lamps(300))
    finally:
        with registry.database.begin() as session:
            session.execute(text("DROP FUNCTION picky CASCADE"))
    assert counts(done) == {"created": 299, "rejected": 1}
    assert done["rules"] == {"unstorable": 1}
    assert "L-77" in (rejects := registry.call("GET", f"/{done['id']}/rejects.csv").get_data(as_text=True))
    assert "not this one" in rejects
    assert not registry.wrong_sums()


def test_a_file_that_kills_every_worker_fails_in_the_end(registry: Registry) -> None:
    import_id = registry.order(lamps(3))
    with registry.database.begin() as session:
        session.execute(imports.update().values(starts=3, state="running"))
    assert registry.finish(import_id)["error"]["type"] == "urn:waywarden:problem:import-interrupted"


def test_the_same_form_again_is_one_import(registry: Registry) -> None:
    import_id = str(uuid4())
    first, again = (registry.send(lamps(3), id=import_id, options={"kind": "street_light"}) for _ in range(2))
    assert (first.status_code, again.get_json()) == (202, first.get_json())
    assert registry.send(lamps(4), id=import_id, options={"kind": "street_light"}).status_code == 409
    key = {"Idempotency-Key": "k-1"}
    keyed = {registry.send(lamps(3), headers=key, options={}).get_json()["id"] for _ in range(2)}
    assert len(keyed) == 1
    assert len(registry.call("GET", "").get_json()["items"]) == 2
    assert sorted(path.name for path in registry.folder.iterdir()) == sorted([import_id, *keyed])


@pytest.mark.parametrize(
    ("field", "status", "form"),
    [
        ("file", 422, {"file": "no file"}),
        ("options", 422, {"options": "{no json"}),
        ("options.dry_run", 422, {"options": {"dry_run": "yes"}}),
        ("options.no_such", 422, {"options": {"no_such": 1}}),
        ("options", 422, {"options": {"kind": "ghost"}}),
        ("profile", 404, {"profile": "ghost"}),
        ("surprise", 422, {"surprise": "x"}),
        ("id", 422, {"id": "x"}),
    ],
)
def test_a_field_of_the_form_that_is_wrong_is_named(
    registry: Registry, field: str, status: int, form: dict[str, Any]
) -> None:
    answer = registry.send(lamps(1), **form)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.get_json()["errors"][0]["field"] == field
    assert not list(registry.folder.glob("*")), "nothing is left behind"


def test_a_body_that_is_too_large_or_broken_off_leaves_nothing_behind(registry: Registry) -> None:
    cut = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\ncode,lo'
    for body, status in ((cut + b"x" * 2_600_000, 413), (cut + b"x" * 3_500_000, 413), (cut, 400)):
        answer = registry.call("POST", "", data=body, content_type="multipart/form-data; boundary=b")
        assert (answer.status_code, answer.headers.get("Connection")) == (status, "close" if status == 413 else None)
    assert not list(registry.folder.glob("*"))


def test_a_profile_says_how_next_years_file_is_read(registry: Registry) -> None:
    options = {"kind": "street_light", "mapping": {"name": "colour"}}
    saved = registry.call("PUT", "/profiles/lamps", json={"options": options})
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"1"')
    answer = registry.send(lamps(2), profile="lamps")
    assert counts(registry.finish(answer.get_json()["id"])) == {"created": 2}
    with registry.database.read() as session:
        assert queries.get_facility(session, "L-1").name == "red"
    stale = registry.call("PUT", "/profiles/lamps", json={"options": {}}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    assert registry.call("DELETE", "/profiles/lamps").status_code == 204
    assert registry.call("GET", "/profiles/lamps").status_code == 404


def test_a_manager_reads_imports_and_only_operators_start_them(registry: Registry) -> None:
    import_id = registry.order(lamps(1))
    assert registry.call("GET", f"/{import_id}", role="manager").status_code == 200
    assert registry.call("GET", f"/{import_id}", role="crew").status_code == 403
    assert registry.call("POST", "", role="manager").status_code == 403
