"""The photos and documents of facilities. Their bytes are in a file before their row says so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.orm import Session

from services.assets import document_files, queries
from services.assets.domain.documents import Content, Document
from services.assets.tables import facilities
from services.assets.use_cases import ledger
from services.assets.use_cases.registry import load_facility
from shared import clock
from shared.db import Database


def add_document(
    session: Session, code: str, *, sha256: str, content: Content, title: str | None, who: str
) -> tuple[bool, Document]:
    """Put a document into a facility's file; whether it is new there, and how it stands.

    Adding it again changes its title, if one is given, and nothing else. Raises UnknownFacility.
    """
    facility = load_facility(session, code, expected=None)
    assert facility.id is not None
    if known := queries.find_document(session, facility.id, sha256):
        known.title = known.title if title is None else title
        return False, known
    new = Document(
        facility_id=facility.id,
        sha256=sha256,
        kind=content.kind,
        title=title or "",
        media_type=content.media_type,
        size=content.size,
        who=who,
        added_at=clock.now(),
    )
    session.add(new)
    _note(session, new, "document_added", who)
    return True, new


def remove_document(session: Session, code: str, *, sha256: str, who: str) -> Document:
    """Take a document out of a facility's file; its entry stays for past days. Raises UnknownDocument."""
    facility = load_facility(session, code, expected=None)
    assert facility.id is not None
    document = queries.get_document(session, facility.id, sha256)
    document.removed_by, document.removed_at = who, clock.now()
    _note(session, document, "document_removed", who)
    return document


def is_unwanted(session: Session, facility_id: int, sha256: str) -> bool:
    """Whether the bytes of a removed document are of no use any more. Locks its facility: nobody adds it meanwhile."""
    ledger.lock_facilities(session, facilities.c.id, [facility_id])
    return queries.find_document(session, facility_id, sha256) is None


def remove_unnamed(db: Database, data: Path, found: Iterable[tuple[int, str]]) -> None:
    """Of files that were written long ago (facility, name), remove those that no document has, drafts included.

    They are of commands that died before their commit, or after the one that removed a document.
    """
    for facility_id, name in found:
        with db.read() as session:
            known = queries.find_document(session, facility_id, name)
        if known is None:
            _remove_unwanted(db, data, facility_id, name)


def _remove_unwanted(db: Database, data: Path, facility_id: int, name: str) -> None:
    with db.begin() as session:
        if is_unwanted(session, facility_id, name):
            document_files.drop(data, facility_id, name)


def _note(session: Session, document: Document, what: str, who: str) -> None:
    now = clock.now()
    about = {"sha256": document.sha256, "title": document.title}
    ledger.write_history(session, [ledger.deed(document.facility_id, what, who=who, happened_at=now, now=now, **about)])
