"""The embedded system's first start (keys, tables, sample city, administrator), and what it says when it is up."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from deploy import data_folder
from deploy.data_folder import City
from deploy.migrations import migrate, open_begun
from deploy.services import SERVICE_CLASSES
from deploy.settings import UnusableSettings
from services.alerts.sample import load_sample as load_gauges
from services.assets.domain.catalogue import read_catalogue
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.domain.sections import CatalogueError
from services.assets.sample import drafts
from services.assets.sample import load_sample as load_city
from services.assets.tables import catalogue_editions, facilities
from services.workorders.sample import load_sample as load_crews
from services.workorders.use_cases.accounts import ensure_admin
from shared import failpoints
from shared.db import Database
from shared.settings import Settings


def refuse_foreign(chosen: Settings) -> None:
    """Where no database of ours is in it, before anything is written there. Raises UnusableSettings."""
    files = [Path(make_url(url).database or "") for url in chosen.database_urls.values() if url.startswith("sqlite")]
    if not files or not chosen.data.is_dir() or any(each.exists() for each in files):
        return
    if data_folder.city_of(chosen.data) is None:
        data_folder.refuse_what_is_not_ours(chosen.data)


def refuse_first_catalogue(chosen: Settings) -> None:
    """A city's own file that cannot be used, while no edition before it could go on. Raises UnusableSettings."""
    if chosen.catalogue is None:
        return
    try:
        read_catalogue(CatalogueFile(chosen.catalogue).text(), chosen.catalogue.name)
    except CatalogueError as wrong:
        if not has_edition(chosen):
            raise UnusableSettings(
                f"WAYWARDEN_CATALOGUE is {chosen.catalogue}, which cannot be used: {wrong}"
            ) from wrong


def has_edition(chosen: Settings) -> bool:
    """Whether there is one to run on, or may be one: a database that does not answer is not waited for."""
    try:
        with closing(open_begun(chosen, "assets")) as database, database.read() as session:
            known = inspect(database.engine).has_table(catalogue_editions.name)
            return known and session.scalar(select(catalogue_editions.c.revision).limit(1)) is not None
    except UnusableSettings:
        return False
    except SQLAlchemyError:
        return True


def prepare(folder: Path, databases: dict[str, Database], *, empty: bool) -> None:
    """Bring the databases up to date. New ones get the sample city, unless they are to stay ``empty``.

    What was chosen is remembered in the folder. Killed at any moment, the next start does the rest. Raises
    UnusableSettings where another city is there than the one that is asked for.
    """
    city = data_folder.city_of(folder)
    old = city is None and any(inspect(each.engine).get_table_names() for each in databases.values())
    if city is None and not old:
        data_folder.refuse_what_is_not_ours(folder)
        data_folder.remember(folder, city := City.OWN if empty else City.LOADING)
    if empty and city in (City.LOADING, City.SAMPLE):
        raise UnusableSettings(f"{folder} holds the sample city. Choose a new folder for your own: DATA=")
    failpoints.pass_by("city-chosen")
    for name, database in databases.items():
        migrate(database.engine, name, SERVICE_CLASSES[name].metadata)
        failpoints.pass_by("database-migrated")
    if old:  # begun before this was remembered
        data_folder.remember(folder, City.SAMPLE if holds_the_sample(databases) else City.OWN)
    if city is City.LOADING:
        load_samples(databases)
        data_folder.remember(folder, City.SAMPLE)


def holds_the_sample(databases: dict[str, Database]) -> bool:
    """And no facility besides: then it is nobody's own city."""
    with databases["assets"].read() as session:
        return set(session.scalars(select(facilities.c.code))) == {draft["code"] for draft in drafts()}


def load_samples(databases: dict[str, Database]) -> None:
    """The sample city: facilities, areas, crews and gauges, through the use cases that the API calls.

    Each service's part in one transaction; what is there already stays as it is.
    """
    for name, load in (("assets", load_city), ("workorders", load_crews), ("alerts", load_gauges)):
        load(databases[name])
        failpoints.pass_by("sample-loaded")


@contextmanager
def administrator(workorders: Database) -> Iterator[str | None]:
    """Make the first account if there is none; its password, which is kept nowhere and shown once, within the block.

    The account is there when the block has ended, so that nobody dies between making it and showing its password.
    """
    with workorders.begin() as session:
        yield ensure_admin(session)


def greet(chosen: Settings, databases: dict[str, Database]) -> None:
    at = f"http://{chosen.host}:{chosen.port}"
    options = "".join(f" {shlex.quote(f'{name}={value}')}" for name, value in _unusual(chosen).items())
    lines = [
        "", f"Waywarden is up at {at}  (data in {chosen.data})",
        f"  the API, to read and try     {at}/docs",
        f"  figures for Prometheus       {at}/metrics",
        f"  a token to sign in with      make token ROLE=dispatcher{options}",
        f"  the story, played for you    make demo{options}",
    ]  # fmt: skip
    with administrator(databases["workorders"]) as password:
        if password:
            lines += ["", f"  First start: account admin, password {password}", "  It is shown this once."]
        print("\n".join([*lines, "", "Ctrl-C stops it; the data stays.", ""]), file=sys.stdout, flush=True)


def _unusual(chosen: Settings) -> dict[str, object]:
    data = os.environ.get("WAYWARDEN_DATA", "./data")
    found = {"PORT": (chosen.port, 8000), "DATA": (data, "./data")}
    return {name: value for name, (value, usual) in found.items() if value != usual}
