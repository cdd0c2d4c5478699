"""Keeping photos. The bytes are in a file before their row says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import CompoundSelect, func, select, union
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.photos import Bound, Holder, Photo, Picture, TooManyUnnamed
from services.workorders.tables import photos, unnamed
from shared import clock
from shared.db import Database, insert_new
from shared.events.inspections import FindingEvent
from shared.files import forget

NAMING = (tables.order_photos, tables.finding_photos)
AT_ONCE = 500


def note_photo(session: Session, *, sha256: str, picture: Picture, by: Holder, named: bool) -> bool:
    """Say that a photo's bytes are there, and who has them; return whether they are news. ``named``: see check_room.

    Sent again, a photo that nothing names is as new: nobody removes it while its sender is told that it is there.
    """
    row = vars(picture) | {"sha256": sha256, "stored_by": by.name, "stored_at": clock.now(), "named": named}
    while not (new := bool(insert_new(session, photos, [row], photos.c.sha256))) and not renew(session, sha256):
        pass  # it was removed in between
    insert_new(session, tables.photo_holders, [vars(by) | {"sha256": sha256}])
    return new


def renew(session: Session, sha256: str) -> bool:
    """Count a photo as sent just now, if it is there."""
    change = photos.update().where(photos.c.sha256 == sha256).values(stored_at=clock.now())
    return session.scalar(change.returning(photos.c.sha256)) is not None


def check_room(session: Session, *, sha256: str, size: int, by: Holder, bound: Bound) -> bool:
    """Whether an order or a finding awaits this photo; what names it while it arrives is noticed later.

    Raises TooManyUnnamed where with it more of one account would wait to be named than may; those that an account
    sends at the same time do not count each other.
    """
    waiting = select(func.count(), func.coalesce(func.sum(photos.c.size), 0), _naming([sha256]).exists())
    count, total, named = session.execute(waiting.where(photos.c.stored_by == by.name, unnamed)).one()
    full = count >= bound.photos or total + size > bound.bytes
    if full and not named and not session.get(Photo, sha256):
        most = f"At most {bound.photos:,} photos and {bound.bytes:,} bytes of one account wait to be named"
        raise TooManyUnnamed(f"{most}: send the findings and orders that name them first.")
    return bool(named)


def _naming(hashes: Sequence[str]) -> CompoundSelect[str]:
    return union(*(select(each.c.sha256).where(each.c.sha256.in_(hashes)) for each in NAMING))


def note_named(session: Session, hashes: Iterable[str]) -> None:
    """Say that these photos, as far as they are there, are named from now on. Whoever removes one is waited for."""
    if found := set(hashes):
        here = select(photos.c.sha256).where(photos.c.sha256.in_(found), unnamed).order_by(photos.c.sha256)
        session.execute(photos.update().where(photos.c.sha256.in_(here.with_for_update())).values(named=True))


def keep_finding_photos(session: Session, events: Sequence[FindingEvent]) -> None:
    """Keep which photos findings name that have no order."""
    rows = [{"finding_id": each.finding_id, "sha256": sha256} for each in events for sha256 in set(each.photos)]
    rows.sort(key=lambda row: (str(row["finding_id"]), row["sha256"]))
    insert_new(session, tables.finding_photos, rows)
    if rows:
        note_named(session, {digest for each in events for digest in each.photos})


def end_unnamed(session: Session, days: int) -> int:
    """Remove photos that nothing has named for so many days; returns how many. Their files are swept afterwards.

    What somebody is naming, or another replica removes, is passed over; what was named while it arrived stays.
    """
    before = clock.now() - timedelta(days=days)
    old = (unnamed, photos.c.stored_at < before)
    some = select(photos.c.sha256).where(*old).order_by(photos.c.sha256).limit(AT_ONCE)
    held = session.scalars(some.with_for_update(skip_locked=True)).all()
    named = set(session.scalars(_naming(held)))
    gone = [sha256 for sha256 in held if sha256 not in named]
    session.execute(photos.update().where(photos.c.sha256.in_(named)).values(named=True))
    session.execute(tables.photo_holders.delete().where(tables.photo_holders.c.sha256.in_(gone)))
    session.execute(photos.delete().where(photos.c.sha256.in_(gone)))
    return len(gone)


def remove_unnamed(db: Database, found: Mapping[str, Path], before: float) -> None:
    """Of files last written before a time, by name, remove those that no row names, drafts included.

    They are of commands that died before their commit.
    """
    with db.read() as session:
        named = set(session.scalars(select(tables.photos.c.sha256).where(tables.photos.c.sha256.in_([*found]))))
    for name in found.keys() - named:
        forget(found[name], before)
