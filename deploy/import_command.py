"""``import FILE``: takes a file of facilities into the registry from the command line, as the API does."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import UUID, uuid4

import click
from marshmallow import ValidationError

from deploy import logs, settings
from deploy.migrations import open_begun
from deploy.settings import UnusableSettings
from services.assets.domain.catalogue import FILE
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.domain.imports import Retiring
from services.assets.import_worker import end_worker, start_worker
from services.assets.queries import imports as queries
from services.assets.schemas.imports import OptionsIn
from services.assets.schemas.noted_rows import as_csv
from services.assets.use_cases import imports as use_cases
from services.assets.use_cases.editions import join_in
from shared.db import Database
from shared.errors import Refused
from shared.files import room
from shared.settings import Settings

LOOK_EVERY_S = 0.3
STEPS = 1_000
REFUSED_ROWS = 3  # the exit code when it is done but for some rows

Shown = dict[str, Any]


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kind", help="The kind of every row; without it the file names the kinds.")
@click.option("--profile", help="A saved profile (PUT /facilities/imports/profiles/NAME).")
@click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="Which column holds a field; repeatable.")
@click.option("--source", help="The series that the file continues; by default that of its kind.")
@click.option("--district", help="The district of every row.")
@click.option("--crs", help="EPSG code or name, GCJ-02 or BD-09; found out otherwise.")
@click.option("--encoding", help="Found out otherwise.")
@click.option("--layer", help="The layer of a GeoPackage, the sheet of a workbook.")
@click.option("--option", "others", multiple=True, metavar="NAME=VALUE", help="Any other option, as JSON or text.")
@click.option("--dry-run", is_flag=True, help="Only show what was understood and what would be done.")
@click.option("--retire-missing", is_flag=True, help="Retire what the series has and the file has not, up to half.")
@click.option("--retire-all-missing", is_flag=True, help="The same without that bound.")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Write the refused rows to this CSV.")
def import_file(file: Path, profile: str | None, rejects: Path | None, **given: Any) -> None:
    """Import a file of facilities: CSV, XLSX, GeoJSON, zipped shapefile or GeoPackage.

    Works on the database directly; a running service goes on with it when this is stopped. Exit code 1 when the import
    failed, 3 when it is done but for refused rows.
    """
    with _opened() as (chosen, database):
        import_id = _order(database, use_cases.folder_of(chosen.data), file, profile, _options(**given))
        shown = _follow(chosen, database, import_id)
        _tell(shown)
        if rejects and shown["rejected"]:
            columns = list((shown["understood"] or {}).get("columns", ()))
            rejects.write_text(
                "".join(as_csv(database, import_id, columns, repaired=False)), encoding="utf-8", newline=""
            )
            click.echo(f"The refused rows are in {rejects}.")
    sys.exit(1 if shown["error"] else REFUSED_ROWS if shown["rejected"] else 0)


@contextmanager
def _opened() -> Iterator[tuple[Settings, Database]]:
    try:
        chosen = settings.load()
        database = open_begun(chosen, "assets")
    except UnusableSettings as wrong:
        raise click.ClickException(str(wrong)) from wrong
    logs.start(level="warning", as_json=chosen.log_json)
    join_in(database, CatalogueFile(chosen.catalogue or FILE))
    yield chosen, database
    database.close()


def _options(
    *,
    mapping: tuple[str, ...],
    others: tuple[str, ...],
    retire_missing: bool,
    retire_all_missing: bool,
    dry_run: bool,
    **plain: str | None,
) -> Shown:
    options: Shown = {name: value for name, value in plain.items() if value}
    if any("=" not in each for each in (*mapping, *others)):
        raise click.BadParameter("is NAME=VALUE, such as code=PoleID or decimal=.", param_hint="--map or --option")
    options |= {name: _read(value) for name, _, value in (each.partition("=") for each in others)}
    if mapping:
        options["mapping"] = dict(each.split("=", 1) for each in mapping)
    if retire_missing or retire_all_missing:
        options["retire_missing"] = Retiring.ALL.value if retire_all_missing else True
    if dry_run:
        options["dry_run"] = True
    try:
        loaded: Shown = OptionsIn().load(options)
        return loaded
    except ValidationError as wrong:
        raise click.ClickException(f"{wrong.messages}") from wrong


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _order(database: Database, folder: Path, file: Path, profile: str | None, options: Shown) -> UUID:
    """The file is copied, so that it may be moved away, and another process can go on with it."""
    import_id = uuid4()
    try:
        with _copied(file, folder) as copy, database.begin() as session:
            use_cases.order_import(
                session, import_id=import_id, file_name=file.name, size=file.stat().st_size,
                options=options, profile=profile, who=getpass.getuser(),
            )  # fmt: skip
            use_cases.keep_file(folder, import_id, copy)
    except Refused as refused:
        raise click.ClickException(refused.detail) from refused
    return import_id


@contextmanager
def _copied(file: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with room(), NamedTemporaryFile(dir=folder, prefix=use_cases.ARRIVING) as copy:
        use_cases.lock(copy.fileno())
        with file.open("rb") as source:
            shutil.copyfileobj(source, copy)
        copy.flush()
        os.fsync(copy.fileno())
        yield Path(copy.name)


def _follow(chosen: Settings, database: Database, import_id: UUID) -> Shown:
    """Have a worker at it, ours or a running service's, and show how far it is, until it has ended."""
    worker = start_worker(chosen)
    try:
        with click.progressbar(length=STEPS, label="importing") as bar:
            while (shown := _look(database, import_id))["state"] == "running":
                bar.update(round((shown["progress"] or 0) * STEPS) - bar.pos)
                time.sleep(LOOK_EVERY_S)
                if worker.poll() is not None and _waits(database):
                    end_worker(worker)
                    worker = start_worker(chosen)
            bar.update(STEPS - bar.pos)
    finally:
        end_worker(worker)
    return shown


def _look(database: Database, import_id: UUID) -> Shown:
    with database.read() as session:
        return queries.get_import(session, import_id)


def _waits(database: Database) -> bool:
    with database.read() as session:
        return queries.one_waits(session)


def _tell(shown: Shown) -> None:
    """What was understood, and what came of it."""
    click.echo(f"import {shown['id']} of {shown['file_name']}, series {shown['source']}")
    for name, value in (shown["understood"] or {}).items():
        if value not in (None, "", [], {}) and name != "columns":
            click.echo(f"  {name}: {value}")
    names = ("rows", "created", "updated", "unchanged", "rejected", "repaired", "missing", "retired")
    click.echo(", ".join(f"{shown[name]} {name}" for name in names if shown[name] is not None))
    for rule, count in sorted(shown["rules"].items(), key=lambda each: (_repairs(each[0], shown), each[0])):
        click.echo(f"  {'repaired' if _repairs(rule, shown) else 'refused'}: {count} {rule}")
    if shown["dry_run"]:
        click.echo("Nothing was changed: this was a dry run.")
    if shown["error"]:
        click.echo(f"It failed: {shown['error']['detail']}", err=True)


def _repairs(rule: str, shown: Shown) -> bool:
    """Whether rows were taken by this rule; one of them refuses or repairs, as the options say."""
    from services.assets.importing.rules import REPAIRED  # here: what reads files takes a second to load

    warned = (shown["understood"] or {}).get("check_bounds") == "warn"
    return rule in REPAIRED and (rule != "outside-bounds" or warned)
