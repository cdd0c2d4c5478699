"""The embedded system's first start (keys, tables, sample city, administrator), and what it says when it is up."""

from __future__ import annotations

import os
import sys

from deploy.keys import make_keys
from deploy.migrations import migrate
from deploy.services import SERVICE_CLASSES
from services.alerts.sample import load_sample as load_gauges
from services.assets.sample import load_sample as load_city
from services.workorders.sample import load_sample as load_crews
from services.workorders.use_cases.accounts import ensure_admin
from shared.db import Database
from shared.settings import Settings


def prepare(chosen: Settings, databases: dict[str, Database]) -> None:
    """Bring everything up to date that needs no service to run. Safe to repeat."""
    chosen.data.mkdir(parents=True, exist_ok=True)
    make_keys(chosen.keys)
    for name, database in databases.items():
        migrate(database.engine, name, SERVICE_CLASSES[name].metadata)
    if not os.environ.get("WAYWARDEN_EMPTY"):
        load_samples(databases)


def load_samples(databases: dict[str, Database]) -> None:
    """The sample city: facilities, areas, crews and gauges, through the use cases that the API calls."""
    for name, load in (("assets", load_city), ("workorders", load_crews), ("alerts", load_gauges)):
        load(databases[name])


def administrator(workorders: Database) -> str | None:
    """Make the first account if there is none; its password, which is kept nowhere and shown once."""
    with workorders.begin() as session:
        return ensure_admin(session)


def greet(chosen: Settings, databases: dict[str, Database]) -> None:
    at = f"http://{chosen.host}:{chosen.port}"
    options = "".join(f" {name}={value}" for name, value in _unusual(chosen).items())
    lines = [
        "", f"Waywarden is up at {at}  (data in {chosen.data})",
        f"  the API, to read and try     {at}/docs",
        f"  figures for Prometheus       {at}/metrics",
        f"  a token to sign in with      make token ROLE=dispatcher{options}",
        f"  the story, played for you    make demo{options}",
    ]  # fmt: skip
    if password := administrator(databases["workorders"]):
        lines += ["", f"  First start: account admin, password {password}", "  It is shown this once."]
    print("\n".join([*lines, "", "Ctrl-C stops it; the data stays.", ""]), file=sys.stdout, flush=True)


def _unusual(chosen: Settings) -> dict[str, object]:
    data = os.environ.get("WAYWARDEN_DATA", "./data")
    found = {"PORT": (chosen.port, 8000), "DATA": (data, "./data")}
    return {name: value for name, (value, usual) in found.items() if value != usual}
