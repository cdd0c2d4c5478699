"""Editions of the catalogue: a good file becomes the next one, and every replica runs on the newest.

The table of editions is the truth that replicas share. Each of them watches its own file and publishes it when it
changes; so all must be given the same file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import Catalogue, Kind, read_catalogue, running
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.domain.sections import CatalogueError, line_of
from services.assets.tables import catalogue_editions, facilities
from services.assets.use_cases.network import note_rules
from shared import clock, logs, outbox
from shared.db import Database, insert_new
from shared.events.assets import CataloguePublished

NAME = "catalogue"
log = logs.get(__name__)


def begin_with(file: CatalogueFile) -> None:
    """Run on what the file says until the database answers; on nothing when it says nothing sensible."""
    running.catalogue, running.revision, running.refused = None, 0, None
    try:
        running.catalogue = read_catalogue(file.text(), file.path.name)
    except CatalogueError as wrong:
        running.refused = wrong


def join_in(db: Database, file: CatalogueFile) -> None:
    """Run on what a running service runs on, in a process beside it; before there was one, on the file."""
    begin_with(file)
    with db.read() as session:
        if _newest(session, catalogue_editions.c.revision):
            _run_on_newest(session)


def follow_catalogue(db: Database, file: CatalogueFile) -> None:
    """Publish the file if it has changed and is good, and run on the newest edition, whoever published it."""
    if file.changed():
        _take(db, file)
        file.taken()
    with db.read() as session:
        newest = _newest(session, catalogue_editions.c.revision)
        if newest is not None and newest.revision != running.revision:
            _run_on_newest(session)


def _take(db: Database, file: CatalogueFile) -> None:
    """A file that is refused is told of once; the newest edition goes on."""
    try:
        text = file.text()
        read_catalogue(text, file.path.name)
        with db.begin() as session:
            publish_catalogue(session, text, file.path.name)
        running.refused = None
    except CatalogueError as wrong:
        running.refused = wrong
        log.error("catalogue refused", file=str(file.path), line=wrong.line, key=wrong.key, reason=wrong.reason)


def publish_catalogue(session: Session, text: str, file: str = "catalogue.toml") -> int:
    """Make what a file says the next edition, if it says something new; returns the revision that holds.

    Raises CatalogueError, also where facilities of a kind would be left without it or with another unit.
    """
    catalogue = read_catalogue(text, file)
    plain = catalogue.as_published()
    while True:  # a replica that was faster may have published something else
        newest = _newest(session, *catalogue_editions.c)
        if newest is not None and newest.catalogue == plain:
            return int(newest.revision)
        if newest is not None:
            _check_kinds_in_use(session, newest.catalogue["kinds"], catalogue, text, file)
            note_rules(session, read_catalogue(newest.source, f"edition {newest.revision}"), catalogue)
        if _publish(session, revision := (newest.revision if newest is not None else 0) + 1, plain, text):
            return revision


def publish_again(session: Session, step: int) -> None:
    """Make the newest edition one with a revision that is higher by so much, if there is any."""
    if newest := _newest(session, *catalogue_editions.c):
        _publish(session, newest.revision + step, newest.catalogue, newest.source)


def _publish(session: Session, revision: int, catalogue: dict[str, Any], text: str) -> bool:
    now = clock.now()
    edition = {"revision": revision, "catalogue": catalogue, "source": text, "published_at": now}
    if not insert_new(session, catalogue_editions, [edition], catalogue_editions.c.revision):
        return False
    _tell(session, edition)
    return True


def tell_catalogue(session: Session) -> None:
    """Say again what the newest edition is: a reader that is new has it then."""
    if newest := _newest(session, *catalogue_editions.c):
        _tell(session, dict(newest._mapping))


def _tell(session: Session, edition: Mapping[str, Any]) -> None:
    said = {"revision": edition["revision"], "catalogue": edition["catalogue"], "happened_at": edition["published_at"]}
    outbox.record(session, CataloguePublished(**said, recorded_at=clock.now(), name=NAME))


def _check_kinds_in_use(
    session: Session, before: dict[str, dict[str, Any]], catalogue: Catalogue, text: str, file: str
) -> None:
    """Facilities are counted in the unit of their kind, also those of the past: it cannot go or change under them."""
    touched = [slug for slug, kind in before.items() if _lost(kind, catalogue.kinds.get(slug))]
    used = select(facilities.c.kind).where(facilities.c.kind.in_(touched)).distinct().order_by(facilities.c.kind)
    for slug in session.scalars(used) if touched else ():
        if slug in catalogue.kinds:
            line, why = line_of(text, ("kinds", slug), "unit"), f"must stay {before[slug]['unit']!r}"
            raise CatalogueError(file, line, f"kinds.{slug}.unit", f"{why}: there are facilities that are so measured.")
        raise CatalogueError(file, 0, f"kinds.{slug}", "is missing, and there are facilities of this kind.")


def _lost(before: dict[str, Any], now: Kind | None) -> bool:
    return now is None or now.unit != before["unit"]


def _run_on_newest(session: Session) -> None:
    newest = _newest(session, *catalogue_editions.c)
    assert newest is not None
    running.catalogue = read_catalogue(newest.source, f"edition {newest.revision}")
    running.revision = newest.revision
    log.info("catalogue", revision=newest.revision)


def _newest(session: Session, *columns: Any) -> Row[Any] | None:
    newest_first = catalogue_editions.c.revision.desc()
    return session.execute(select(*columns).order_by(newest_first).limit(1)).one_or_none()
