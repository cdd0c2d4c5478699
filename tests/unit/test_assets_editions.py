"""The catalogue file is watched: a good change is the next edition, a bad one is refused and told of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from deploy import cli
from deploy.migrations import migrate
from services.assets import figures, queries, use_cases
from services.assets.domain.catalogue import FILE, NoCatalogue, running, the_catalogue
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.tables import defects, mapping
from shared import clock
from shared.db import Database
from shared.events.inspections import FindingConfirmed
from shared.outbox import outbox

TEXT = FILE.read_text(encoding="utf-8")
GRITTING = """
[groups.winter]
en = "Winter service"
zh = "冬季养护"

[groups.winter.limits]
dispose = { amount = 2, clock = "urgent_hour", source = "city's choice" }

[kinds.grit_bin]
group = "winter"
unit = "count"
en = "Grit bin"
zh = "防滑砂箱"
weight = 1.0

[kinds.grit_bin.attributes]
volume_l = { en = "Volume", zh = "容积", type = "number", unit = "L", least = 0 }

[categories.bin_empty]
groups = ["winter"]
en = "Bin empty"
zh = "砂箱已空"
breaks_function = true
severity = "normal"
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/assets.sqlite", connections=2)
    migrate(database.engine, "assets", mapping.metadata)
    before = replace(running)
    yield database
    vars(running).update(vars(before))
    database.close()


@pytest.fixture
def file(tmp_path: Path) -> CatalogueFile:
    (tmp_path / "city.toml").write_text(TEXT, encoding="utf-8")
    return CatalogueFile(tmp_path / "city.toml")


def start(db: Database, file: CatalogueFile) -> None:
    """A replica starts."""
    use_cases.begin_with(file)
    use_cases.follow_catalogue(db, file)


def write(db: Database, file: CatalogueFile, text: str) -> None:
    """Somebody edits the file; it is looked at once while it is written, and once after."""
    file.path.write_text(text, encoding="utf-8")
    use_cases.follow_catalogue(db, file)
    use_cases.follow_catalogue(db, file)


def published(db: Database) -> list[str]:
    with db.read() as session:
        return list(session.scalars(select(outbox.c.event_type).order_by(outbox.c.id)))


def shown(db: Database) -> dict[str, Any]:
    with db.read() as session:
        return queries.newest_edition(session)


def test_a_good_change_is_the_next_edition_without_a_restart(db: Database, file: CatalogueFile) -> None:
    start(db, file)
    write(db, file, TEXT + GRITTING)
    assert "grit_bin" in the_catalogue().kinds
    assert (shown(db)["revision"], shown(db)["refused"]) == (2, None)
    assert published(db) == ["assets.catalogue_published.v1"] * 2


def test_a_change_of_words_nobody_reads_is_no_edition(db: Database, file: CatalogueFile) -> None:
    start(db, file)
    write(db, file, "# A comment.\n" + TEXT)
    assert shown(db)["revision"] == 1


def test_a_file_is_not_taken_while_it_is_written(db: Database, file: CatalogueFile) -> None:
    start(db, file)
    half = TEXT[: TEXT.index("[categories.city_order]")]
    file.path.write_text(half, encoding="utf-8")
    use_cases.follow_catalogue(db, file)
    assert "city_order" in the_catalogue().categories
    write(db, file, TEXT + GRITTING)
    assert {"city_order", "bin_empty"} <= the_catalogue().categories.keys()
    assert shown(db)["revision"] == 2


def test_a_replica_runs_on_what_another_one_published(db: Database, file: CatalogueFile, tmp_path: Path) -> None:
    start(db, file)
    with db.begin() as session:
        use_cases.publish_catalogue(session, TEXT + GRITTING)
    use_cases.follow_catalogue(db, file)
    assert ("grit_bin" in the_catalogue().kinds, running.revision) == (True, 2)
    use_cases.follow_catalogue(db, file)
    assert shown(db)["revision"] == 2, "a file that did not change was published over a newer edition"


def test_a_bad_change_is_refused_and_the_running_catalogue_stays(db: Database, file: CatalogueFile) -> None:
    start(db, file)
    bad = TEXT.replace('unit = "m2"', 'unit = "ft2"', 1)
    write(db, file, bad)
    refused = shown(db)["refused"]
    assert (refused.line, refused.key) == (line_of(bad, 'unit = "ft2"'), "kinds.carriageway.unit")
    assert (shown(db)["revision"], the_catalogue().kinds["carriageway"].unit) == (1, "m2")
    assert gauge(db, "waywarden_catalogue_refused") == 1
    write(db, file, TEXT)
    assert (shown(db)["refused"], gauge(db, "waywarden_catalogue_refused")) == (None, 0)


def test_a_file_that_is_gone_or_no_text_is_refused(db: Database, file: CatalogueFile) -> None:
    start(db, file)
    file.path.write_bytes(TEXT.encode("gb18030"))
    use_cases.follow_catalogue(db, file)
    use_cases.follow_catalogue(db, file)
    assert "UTF-8" in shown(db)["refused"].reason
    file.path.unlink()
    use_cases.follow_catalogue(db, file)
    use_cases.follow_catalogue(db, file)
    assert "cannot be read" in shown(db)["refused"].reason


def test_a_start_with_a_bad_file_runs_on_the_edition_before(db: Database, file: CatalogueFile) -> None:
    with db.begin() as session:
        use_cases.publish_catalogue(session, TEXT + GRITTING)
    file.path.write_text("[kinds", encoding="utf-8")
    use_cases.begin_with(file)
    with pytest.raises(NoCatalogue):
        the_catalogue()
    use_cases.follow_catalogue(db, file)
    assert "grit_bin" in the_catalogue().kinds
    assert shown(db)["refused"].line == 1


def test_a_kind_that_facilities_are_of_stays_and_keeps_its_unit(db: Database, file: CatalogueFile) -> None:
    start(db, file)
    register(db, code="P-1", kind="guardrail", measure=10.0)
    gone = TEXT.replace("[kinds.guardrail]", "[kinds.fence]").replace("[kinds.guardrail.", "[kinds.fence.")
    gone = gone.replace('["guardrail"]', '["fence"]')
    write(db, file, gone)
    assert shown(db)["refused"].key == "kinds.guardrail"
    counted = TEXT.replace('group = "roads"\nunit = "m"\nen = "Guardrail"', 'group = "roads"\nunit = "count"\nen = "G"')
    write(db, file, counted)
    assert (shown(db)["refused"].key, shown(db)["refused"].line) == (
        "kinds.guardrail.unit",
        line_of(counted, 'unit = "count"\nen = "G"'),
    )
    write(db, file, TEXT.replace("[kinds.kerb]", "[kinds.kerbstone]").replace('["kerb"]', '["kerbstone"]'))
    assert (shown(db)["refused"], shown(db)["revision"]) == (None, 2), "a kind without facilities may go"


def test_a_new_kind_needs_no_code(db: Database, file: CatalogueFile) -> None:
    start(db, file)
    write(db, file, TEXT + GRITTING)
    bins = [register(db, code=f"B-{n}", kind="grit_bin", attributes={"volume_l": 200}) for n in range(2)]
    with db.begin() as session:
        use_cases.record_defects(session, [empty("B-1")])
    with db.read() as session:
        (rate,) = [each for each in queries.list_rates(session, by="kind").items if each.kind == "grit_bin"]
        assert (rate.numerator, rate.denominator, rate.unit) == (1, 2, "count")
        assert session.scalars(select(defects.c.breaks_function)).one()
    plain = asdict(the_catalogue().categories["bin_empty"].limits["dispose"])
    assert (plain["amount"], bins[0].kind) == (2, "grit_bin")


def register(db: Database, **described: Any) -> Any:
    place = {"type": "Point", "coordinates": [24.94, 60.17]}
    with db.begin() as session:
        return use_cases.register_facility(session, who="ada", **{"geometry": place, **described})


def empty(code: str) -> FindingConfirmed:
    now = clock.now()
    return FindingConfirmed(
        revision=1, happened_at=now, recorded_at=now, finding_id=uuid4(), state="confirmed", category="bin_empty",
        severity="normal", source="patrol", longitude=24.94, latitude=60.17, reported_at=now, confirmed_at=now,
        facility_code=code,
    )  # fmt: skip


def gauge(db: Database, name: str) -> float:
    with db.read() as session:
        return next(each.samples[0].value for each in figures.collect(session) if each.name == name)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    file = tmp_path / "city.toml"
    file.write_text(TEXT + GRITTING, encoding="utf-8")
    good = CliRunner().invoke(cli.main, ["catalogue", "check", str(file)])
    assert (good.exit_code, "19 kinds" in good.output) == (0, True)
    file.write_text(TEXT.replace('zh = "护栏"', 'zh = ""'), encoding="utf-8")
    bad = CliRunner().invoke(cli.main, ["catalogue", "check", str(file)])
    assert (bad.exit_code, "kinds.guardrail.zh: is empty" in bad.output) == (1, True)
