"""Carrying out imports: a file is taken in parts, each with the position in one transaction.

Only the process that imports loads this (import_worker.py): what reads files is large.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, insert, select, update
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from services.assets import importing
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.imports import (
    FAR_M,
    MOST_STARTS,
    OPEN,
    Interrupted,
    Retiring,
    State,
    Twin,
    UnusableFile,
    may_be_new,
    may_move,
    may_retire,
    series_of,
)
from services.assets.importing import Row, Unusable
from services.assets.importing.rules import MOVED_FAR
from services.assets.tables import facilities, import_rejects, imports
from services.assets.use_cases import census
from services.assets.use_cases.imports import file_of
from shared import clock, failpoints, logs, outbox
from shared.db import Database
from shared.errors import Refused
from shared.events.assets import FacilitiesImported

AT_ONCE = {"postgresql": 2_000, "sqlite": 250}  # SQLite lets one write at a time: others get their turn in between
LOOKED_AT = 10  # chunks of a file, before anything of it is written
FEW_OF_SERIES = 0.1  # less of a series in a file: another one was probably meant
MOST_NAMED = 10  # areas in a note
UNANSWERED = (
    "The rows are refused: name areas by their codes, or leave the column out by an empty mapping, or say "
    'unknown_areas "locate" to take the area in which each lies.'
)
MOST_REPAIRS = 1_000  # of one rule that are kept with their rows; all are counted
log = logs.get(__name__)


class Displaced(Exception):
    """Another worker is at this import: the database let go of our lock, as it does when a connection is lost."""


@dataclass
class Job:
    """An import in hand. ``noted``: how many rows are kept as refused or repaired; ``held``: how many facilities that
    the series has at this moment are in the file."""

    id: UUID
    name: str
    options: Mapping[str, Any]
    who: str
    counts: Counter[str]
    rules: Counter[str]
    noted: int
    position: int
    codes: set[str] = field(default_factory=set)

    @property
    def source(self) -> str:
        return series_of(self.options)

    @property
    def dry(self) -> bool:
        return bool(self.options.get("dry_run"))

    @property
    def locates(self) -> bool:
        return self.options.get("unknown_areas") == "locate"

    @property
    def retiring(self) -> str:
        return str(self.options.get("retire_missing", Retiring.NO))

    def reading(self) -> importing.Options:
        return importing.Options.from_json({**self.options, "source": self.source})


COUNTED = ("rows", "created", "updated", "unchanged", "rejected", "repaired", "held", "retired")


def carry_out(db: Database, folder: Path, import_id: UUID, *, alive: Callable[[], object] = lambda: None) -> None:
    """Take the whole file, or what is left of it; ``alive`` is called before each part. The import ends done or failed.

    Raises what says that the database is gone: then another worker goes on later.
    """
    try:
        job = _begin(db, import_id)
        failpoints.pass_by("import-begun")
        alive()
        _take(db, file_of(folder, import_id), job, alive)
        _finish(db, job)
    except (OperationalError, InterfaceError):
        raise
    except Displaced:
        return
    except Exception as wrong:
        _fail(db, import_id, wrong)
    failpoints.pass_by("import-ended")
    shutil.rmtree(folder / str(import_id), ignore_errors=True)


def give_back(db: Database, import_id: UUID) -> None:
    """Leave an import to another worker without holding this stop against its file: it waits in its place."""
    fewer = case((imports.c.starts > 0, imports.c.starts - 1), else_=0)
    with db.begin() as session:
        begun = imports.c.id == import_id, imports.c.state == State.RUNNING.value
        session.execute(update(imports).where(*begun).values(state=State.QUEUED.value, starts=fewer))


def _begin(db: Database, import_id: UUID) -> Job:
    """Raises Interrupted for a file that has stopped several workers at the same row, and Displaced."""
    now = clock.now()
    with db.begin() as session:
        row = session.execute(select(*imports.c).where(imports.c.id == import_id)).one()
        noted = session.scalar(select(func.count()).where(import_rejects.c.import_id == import_id))
        started = {"state": State.RUNNING.value, "starts": row.starts + 1, "started_at": row.started_at or now}
        ours = imports.c.id == import_id, imports.c.state.in_(OPEN)
        begun: Any = session.execute(update(imports).where(*ours).values(**started, heartbeat_at=now))
    if not begun.rowcount:
        raise Displaced
    if row.starts >= MOST_STARTS:
        raise Interrupted(f"Row {row.position + 1} or one soon after it stopped the work {row.starts} times.")
    counts = Counter({name: getattr(row, name) for name in COUNTED})
    return Job(row.id, row.file_name, row.options, row.who, counts, Counter(row.rules), noted or 0, row.position)


def _take(db: Database, path: Path, job: Job, alive: Callable[[], object]) -> None:
    options, catalogue = job.reading(), the_catalogue()
    understood = importing.understand(path, job.name, options, catalogue)
    _note(db, job, understood=understood.as_json(), rows_total=understood.rows_total)
    failpoints.pass_by("import-understood")
    code_column = understood.mapping.get("code")
    if job.retiring != Retiring.NO:
        job.codes = _codes(importing.rows(path, understood, options, catalogue), code_column, alive)
        with db.read() as session:
            job.codes |= census.renumbered_of(session, job.source, job.codes)
            known = census.codes_of(session, job.source)
        may_retire(len(known - job.codes), len(known), job.retiring)
    at_once = AT_ONCE[db.engine.dialect.name]
    if job.position == 0:
        _look_ahead(db, job, importing.rows(path, understood, options, catalogue), code_column, alive)
    for chunk in importing.rows(path, understood, options, catalogue, skip=job.position):
        for start in range(0, len(chunk), at_once):
            alive()
            _take_or_halve(db, job, chunk[start : start + at_once], code_column)


def _look_ahead(
    db: Database, job: Job, chunks: Iterator[list[Row]], code_column: str | None, alive: Callable[[], object]
) -> None:
    """Before anything is written: what the first rows do to facilities that are there. Raises MovesFar, SamePlaces."""
    with db.read() as session:
        if not census.has_any(session):
            return
    moved: list[float] = []
    twins: list[Twin] = []
    codes: set[str] = set()
    rows = 0
    for chunk in islice(chunks, LOOKED_AT):
        alive()
        with db.read() as session:
            moved += census.moves(session, chunk, source=job.source)
            twins += census.twins(session, chunk)
        rows += len(chunk)
        codes.update(code for row in chunk if (code := census.code_of(row, code_column)))
    if note := may_move(moved, job.source, bool(job.options.get("moves_far"))):
        _add_note(db, job, note)
    if twins:
        codes |= _codes(chunks, code_column, alive)  # of the rest of the file
        with db.read() as session:
            twins = census.unnamed(session, twins, codes)
        if note := may_be_new(twins, rows, job.source, bool(job.options.get("new_codes"))):
            _add_note(db, job, note)


def _take_or_halve(db: Database, job: Job, rows: Sequence[Row], code_column: str | None) -> None:
    """Where the database refuses a value that we let pass, find its row: the others are taken."""
    before = replace(job, counts=Counter(job.counts), rules=Counter(job.rules))
    try:
        _take_part(db, job, rows, code_column)
    except DataError as refused:
        vars(job).update(vars(before))  # refused as late as at the commit, the rows are counted already
        half = len(rows) // 2
        parts = [rows[:half], rows[half:]] if half else [[_unstorable(rows[0], refused)]]
        for part in parts:
            _take_or_halve(db, job, part, code_column)


def _unstorable(row: Row, refused: DataError) -> Row:
    if row.reject:
        raise refused  # it is not the draft that cannot be stored
    return replace(
        row, draft=None, reject=("unstorable", f"The database refuses it: {str(refused.orig).strip()[:200]}")
    )


def _codes(chunks: Iterator[list[Row]], code_column: str | None, alive: Callable[[], object]) -> set[str]:
    """Every code in the file, also of rows that will be refused."""
    codes: set[str] = set()
    for chunk in chunks:
        alive()
        codes.update(code for row in chunk if (code := census.code_of(row, code_column)))
    return codes


def _take_part(db: Database, job: Job, rows: Sequence[Row], code_column: str | None) -> None:
    """Plan without a lock, then write what the plan says, unless somebody changed one of its facilities meanwhile."""
    while True:
        now = clock.now()
        with db.read() as session:
            plan = census.plan_rows(
                session, rows, source=job.source, code_column=code_column, now=now, locate=job.locates
            )
        began = time.monotonic()
        try:
            with db.begin() as session:
                if not job.dry:
                    census.carry_out(session, plan, who=job.who, import_id=job.id, now=now)
                _account(session, job, plan, len(rows))
        except census.Overtaken:
            continue
        failpoints.pass_by("import-part-taken")
        if db.engine.dialect.name == "sqlite":
            time.sleep(time.monotonic() - began)
        return


def _account(session: Session, job: Job, plan: census.Plan, taken: int) -> None:
    """Counts, notes and position, in the transaction of the rows themselves."""
    old, job.position = job.position, job.position + taken
    job.counts.update(plan.counts(dry=job.dry), rows=taken)
    _keep_notes(session, job, plan)
    values = {
        **{name: job.counts[name] for name in COUNTED},
        "rules": dict(job.rules),
        "position": job.position,
        "starts": 0,
    }
    if old == 0:
        values["sample"] = plan.sample
    _advance(session, job, imports.c.position == old, **values)


def _advance(session: Session, job: Job, *as_we_left_it: ColumnElement[bool], **values: Any) -> None:
    """Write how far the import is. Raises Displaced when it is not where this worker left it."""
    ours = imports.c.id == job.id, imports.c.state == State.RUNNING.value, *as_we_left_it
    done: Any = session.execute(update(imports).where(*ours).values(heartbeat_at=clock.now(), **values))
    if done.rowcount != 1:
        raise Displaced


def _keep_notes(session: Session, job: Job, plan: census.Plan) -> None:
    notes = []
    for note in plan.notes:
        job.rules[note.rule] += 1
        if not note.repaired or job.rules[note.rule] <= MOST_REPAIRS:
            job.noted += 1
            notes.append({"import_id": job.id, "id": job.noted, **vars(note)})
    if notes:
        session.execute(insert(import_rejects), notes)


def _finish(db: Database, job: Job) -> None:
    """What the file no longer holds, then the event, unless the file changed nothing."""
    with db.read() as session:
        active = census.size_of(session, job.source)
    missing = max(0, active + job.counts["retired"] - job.counts["held"])
    _note_strangers(db, job, missing)
    if far := job.rules[MOVED_FAR]:
        _add_note(
            db, job, f"Facilities that the file moves by over {FAR_M} m: {far:,}. They are among the repaired rows."
        )
    _note_areas(db, job)
    if job.retiring != Retiring.NO:
        _retire_missing(db, job)
    now = clock.now()
    with db.begin() as session:
        done = {"state": State.DONE.value, "missing": missing, "retired": job.counts["retired"], "finished_at": now}
        _advance(session, job, **done)
        if not job.dry and any(job.counts[name] for name in ("created", "updated", "retired")):
            outbox.record(session, _event(session, job, missing, now))


def _note_strangers(db: Database, job: Job, missing: int) -> None:
    """Say so where a file holds next to nothing of its series: it is probably another town's."""
    known = job.counts["held"] - (0 if job.dry else job.counts["created"])
    if missing == 0 or known > (missing + known) * FEW_OF_SERIES or job.options.get("source"):
        return
    note = (
        f"Of the {missing + known:,} facilities of the series {job.source!r} the file holds {known:,}: is it another "
        "town's or office's? Then give it a source or district of its own, so that the others do not count as missing."
    )
    _add_note(db, job, note)


def _add_note(db: Database, job: Job, note: str) -> None:
    with db.read() as session:
        understood: Any = session.scalar(select(imports.c.understood).where(imports.c.id == job.id))
    _note(db, job, understood={**understood, "notes": [*understood["notes"], note]})


def _note_areas(db: Database, job: Job) -> None:
    """Say which areas the file names that are none."""
    if not (count := job.rules[census.UNKNOWN_AREA]):
        return
    mine = import_rejects.c.import_id == job.id, import_rejects.c.rule == census.UNKNOWN_AREA
    reasons = select(import_rejects.c.reason, func.count()).where(*mine).group_by(import_rejects.c.reason)
    with db.read() as session:
        said = sorted(session.execute(reasons).all(), key=lambda each: (-each[1], each[0]))
        understood: Any = session.scalar(select(imports.c.understood).where(imports.c.id == job.id))
    named = " ".join(f"{reason} ({rows:,} rows)" for reason, rows in said[:MOST_NAMED])
    more = f" And {len(said) - MOST_NAMED:,} more." if len(said) > MOST_NAMED else ""
    done = "They get the area that they lie in." if job.locates else UNANSWERED
    note = f"Of areas that the city does not have, {count:,} are named: {named}{more} {done}"
    _note(db, job, understood={**understood, "notes": [*understood["notes"], note]})


def _retire_missing(db: Database, job: Job) -> None:
    """In parts, each with the count in one transaction: whoever goes on after a kill counts the rest."""
    with db.read() as session:
        gone = sorted(census.codes_of(session, job.source) - job.codes)
    if job.dry:
        job.counts["retired"] = len(gone)
        return
    todo = iter(gone)
    while part := list(islice(todo, AT_ONCE[db.engine.dialect.name])):
        old, job.counts["retired"] = job.counts["retired"], job.counts["retired"] + len(part)
        with db.begin() as session:
            _advance(session, job, imports.c.retired == old, retired=job.counts["retired"], starts=0)
            census.retire(session, part, who=job.who, import_id=job.id)
        failpoints.pass_by("import-part-retired")


def _note(db: Database, job: Job, **values: Any) -> None:
    with db.begin() as session:
        _advance(session, job, **values)


def _event(session: Session, job: Job, missing: int, now: Any) -> FacilitiesImported:
    kinds = session.scalars(select(facilities.c.kind).where(facilities.c.source == job.source).distinct())
    counts = {name: job.counts[name] for name in COUNTED if name != "held"}
    return FacilitiesImported(
        revision=1, happened_at=now, recorded_at=now, import_id=job.id, source=job.source,
        kinds=sorted(kinds), missing=missing, **counts,
    )  # fmt: skip


def _fail(db: Database, import_id: UUID, wrong: Exception) -> None:
    refused = _refusal(wrong)
    problem = {
        "type": f"urn:waywarden:problem:{refused.slug}",
        "title": refused.title(),
        "status": 422,
        "detail": refused.detail,
    }
    failed = {"state": State.FAILED.value, "error": problem, "finished_at": clock.now()}
    with db.begin() as session:
        session.execute(update(imports).where(imports.c.id == import_id, imports.c.state.in_(OPEN)).values(failed))


def _refusal(wrong: Exception) -> Refused:
    if isinstance(wrong, Refused):
        return wrong
    if isinstance(wrong, Unusable):
        return UnusableFile(str(wrong))
    if isinstance(wrong, MemoryError):
        return UnusableFile("It needs more memory than an import may have.")
    if isinstance(wrong, FileNotFoundError):
        return UnusableFile("The file is gone: was the data folder changed?")
    log.error("import failed", error=repr(wrong), exc_info=wrong)
    return UnusableFile(f"It could not be read: {type(wrong).__name__}.")
