"""Row 7: a city's census, against psql's ``\\copy`` of the same rows into a copy of the table with its indexes."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, text

from deploy.migrations import migrate
from deploy.process import descendants
from deploy.servers import Servers
from deploy.stack import ROOT
from services.assets.sample import features, load_sample
from services.assets.tables import mapping
from shared.db import Database
from tests.bench.table import Line

ROWS = 540_000  # Linyi's manhole covers
HEAD = ("code", "lon", "lat", "name", "street", "owner", "maintainer", "network", "cover_material", "installed")
NETWORKS = ("storm", "sewage", "water", "power", "telecom", "gas", "heat", "combined")


def write_census(path: Path, rows: int) -> None:
    """Manhole covers as a city lists them, strewn about those of the sample."""
    chance = random.Random(540_000)
    places = [each["geometry"]["coordinates"] for each in features("manholes")]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEAD)
        for number in range(rows):
            lon, lat = chance.choice(places)
            lon, lat = round(lon + chance.uniform(-0.05, 0.05), 7), round(lat + chance.uniform(-0.03, 0.03), 7)
            table.writerow((
                f"3713010301{number:06}", lon, lat, f"井盖 {number}", f"Street {number % 900}",
                "City of Linyi", f"Maintainer {number % 7}", chance.choice(NETWORKS), "ductile iron",
                f"20{chance.randrange(10, 26)}-0{chance.randrange(1, 10)}-1{chance.randrange(10)}",
            ))  # fmt: skip


def take_census(servers: Servers, rows: int) -> Iterator[Line]:
    """The import as a worker does it, again unchanged, and ``\\copy``; memory is the worker's peak."""
    folder = Path(servers.folder) / "bench-imports"
    folder.mkdir()
    write_census(folder / "census.csv", rows)
    url = servers.postgres.create_database("bench_imports")
    database = Database(url, connections=2)
    migrate(database.engine, "assets", mapping.metadata)
    load_sample(database)
    database.close()
    first, peak = _import(folder, url)
    copied = _copy(folder, url)
    again, _ = _import(folder, url)
    ratio = first / copied
    yield Line(
        f"import {rows:,} rows of CSV",
        f"{first:.1f} s",
        f"{copied:.1f} s for \\copy",
        f"{ratio:.2f}",
        "<= 8",
        ratio <= 8,
    )
    yield Line("its memory", f"{peak / 1e6:.0f} MB", "", "", "<= 300 MB", peak <= 300e6)
    yield Line("the same file again", f"{again:.1f} s")


def _import(folder: Path, url: str) -> tuple[float, int]:
    """Seconds from the command to its end, and the most memory that its worker held, in bytes."""
    environment = os.environ | {"WAYWARDEN_DATA": str(folder), "WAYWARDEN_DATABASE_URL_ASSETS": url}
    command = [sys.executable, "-m", "deploy.cli", "import", str(folder / "census.csv"), "--kind", "manhole"]
    began = time.monotonic()
    running = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    peak = 0
    while running.poll() is None:
        peak = max(peak, _peak_of_children(running.pid))
        time.sleep(0.2)
    said = running.communicate()[0]
    if running.returncode:
        raise RuntimeError(said)
    return time.monotonic() - began, peak


def _peak_of_children(pid: int) -> int:
    """The peak resident size that Linux noted for any of them."""
    peaks = [0]
    for child in descendants(pid):
        try:
            status = Path(f"/proc/{child}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        peaks += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max(peaks)


def _copy(folder: Path, url: str) -> float:
    """Seconds that psql takes for the same rows, out of the table into another one just like it."""
    rows = folder / "rows.copy"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE copied (LIKE facilities INCLUDING ALL)"))
    engine.dispose()
    psql(url, f"\\copy (SELECT * FROM facilities WHERE source IS NOT NULL) TO '{rows}'")
    began = time.monotonic()
    psql(url, f"\\copy copied FROM '{rows}'")
    return time.monotonic() - began


def psql(url: str, command: str) -> None:
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", url.replace("+psycopg2", ""), "-c", command], check=True)
