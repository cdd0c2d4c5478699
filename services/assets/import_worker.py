"""The process that carries out imports: apart from the service, so that no file can stop or starve it.

Started by routes/importer.py and by ``import`` of the command line. One works at a time on a database: whoever finds
another at it ends at once. Killed at any moment, the next one goes on with the first row that was not committed.
"""

from __future__ import annotations

import fcntl
import gc
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import text

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each thread of it reserves memory

from services.assets.domain.catalogue import FILE
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.queries import imports as queries
from services.assets.use_cases.editions import join_in
from services.assets.use_cases.imports import LOCK_FILE, folder_of, own_folder, sweep_files
from shared.db import Database
from shared.settings import Settings

LINGER_S, LOOK_EVERY_S = 20, 0.2  # the next file does not wait for another process to start
LONGEST_SILENCE_S = 600  # for one batch of rows: a file that keeps a parser longer is hostile
# Whatever a file says it is, GDAL has nothing else to read it by, nor anything that asks another machine.
NO_DRIVERS = (
    "ADBC,AIVector,AVCBin,AVCE00,AmigoCloud,CSV,CSW,Carto,DGN,DXF,EDIGEO,EEDA,ESRIJSON,Elasticsearch,FlatGeobuf,GDALG,"
    "GML,GPSBabel,GPX,GTFS,GeoJSON,GeoJSONSeq,GeoRSS,HTTP,Idrisi,JML,JSONFG,KML,LIBKML,LVBAG,MBTiles,MEM,MVT,"
    "MapInfo File,MapML,MiraMonVector,NGW,OAPIF,ODS,OGCAPI,OGR_GMT,OGR_PDS,OGR_VRT,OSM,OpenFileGDB,PCIDSK,PDF,PDS4,"
    "PGDUMP,PLSCENES,PMTiles,S57,SQLite,SXF,Selafin,TopoJSON,VDV,VFK,VICAR,WAsP,WFS,XLSX"
)
GRACE_S = 5  # to put down what is in hand
ROOT = Path(__file__).parents[2]
LOCK = 4_711_001  # of PostgreSQL's advisory locks in this database
HELD = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = :lock AND classid = 0 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


def start_worker(settings: Settings) -> subprocess.Popen[bytes]:
    """A process that works off what waits. It ends when its standard input does, as when we die.

    What it needs goes through that input: a command line, which may hold a password, is for everybody to read.
    """
    worker = subprocess.Popen(
        [sys.executable, "-m", "services.assets.import_worker"],
        stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    assert worker.stdin
    folder = folder_of(settings.data)
    told = {"database_url": settings.database_urls["assets"], "folder": str(folder)}
    told["catalogue"] = str(settings.catalogue or FILE)
    worker.stdin.write(json.dumps(told | {"memory_bytes": settings.import_memory_bytes}).encode() + b"\n")
    worker.stdin.flush()
    return worker


def end_worker(worker: subprocess.Popen[bytes]) -> None:
    """Let it put down the rows in hand; whoever starts next goes on from there."""
    assert worker.stdin
    worker.stdin.close()
    try:
        worker.wait(2 * GRACE_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def main() -> None:
    told = json.loads(_first_line())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    os.nice(5)
    be_careful(told["memory_bytes"])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)  # rows come and go by thousands, and none refers to itself
    database, folder = Database(told["database_url"], connections=3, patient=True), Path(told["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = CatalogueFile(Path(told["catalogue"]))
    with alone(database, folder) as mine:
        if not mine:
            return
        with own_folder(folder) as tempfile.tempdir:
            work_off(database, folder, linger_s=LINGER_S, begin=lambda: join_in(database, catalogue))
    database.close()


def work_off(
    database: Database, folder: Path, *, linger_s: float = 0, begin: Callable[[], object] = lambda: None
) -> None:
    """Every import that waits or comes within ``linger_s``, each in its turn; ``begin`` is called before each."""
    # Here, since a service that only starts this process does without what reads files: it takes a second.
    from services.assets.use_cases import carrying_out

    sweep_files(database, folder)
    until = time.monotonic() + linger_s
    while True:
        with database.read() as session:
            turn = queries.next_import(session)
        if turn is not None:
            try:
                begin()
                carrying_out.carry_out(database, folder, turn, alive=_alive)
            except (SystemExit, KeyboardInterrupt):
                carrying_out.give_back(database, turn)
                raise
            finally:
                signal.alarm(0)  # the command line goes on after it
            until = time.monotonic() + linger_s
        elif time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        else:
            return


def _alive() -> None:
    signal.alarm(LONGEST_SILENCE_S)


def _end_with_the_starter() -> None:
    """A transaction that is open then is rolled back, and taken again by the next worker."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(0)


def _first_line() -> bytes:
    """Byte by byte: a buffer would be locked by the thread that waits for the end."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def be_careful(memory_bytes: int) -> None:
    """Bound what this process can take and do, before it loads what reads files."""
    os.environ["OGR_SKIP"] = NO_DRIVERS
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextmanager
def alone(database: Database, folder: Path) -> Iterator[bool]:
    """Whether nobody else carries out imports of this database; nobody begins meanwhile."""
    if database.engine.dialect.name != "postgresql":
        with (folder / LOCK_FILE).open("w") as file:
            yield _locked(file.fileno())
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield bool(connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}))
        connection.execute(text("SELECT pg_advisory_unlock_all()"))


def somebody_works(database: Database, folder: Path) -> bool:
    """Whether a process carries out imports of this database, however long it has said nothing."""
    if database.engine.dialect.name == "postgresql":
        with database.read() as session:
            return bool(session.scalar(text(HELD), {"lock": LOCK}))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as file:
        return not _locked(file.fileno())


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
