"""What happens to a thing in its life: it is replaced, moved, renumbered. Its file stays one and the same."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import CodeTaken, Facility, checked_code
from services.assets.queries.codes import former_codes_of, ids_of_codes
from services.assets.tables import facility_history, former_codes
from services.assets.use_cases import ledger
from services.assets.use_cases.defects import retell_defects
from services.assets.use_cases.registry import amend, load_facility
from shared import clock, outbox
from shared.events.assets import FacilityRenumbered
from shared.lists.spelling import spelt_code


def move_facility(
    session: Session,
    code: str,
    *,
    who: str,
    expected: int | None,
    reason: str,
    at: datetime | None = None,
    **changes: Any,
) -> Facility:
    """Say that the thing stands elsewhere now; it falls into the areas there, unless they are named."""
    facility = load_facility(session, code, expected=expected)
    facility.must_stand()
    return amend(session, facility, "moved", changes, who=who, at=at, reason=reason)


def renumber_facility(
    session: Session,
    code: str,
    *,
    new_code: str,
    who: str,
    expected: int | None,
    reason: str,
    at: datetime | None = None,
) -> Facility:
    """Give it another code; the old one still finds it. Raises CodeTaken, BadCode."""
    facility, new_code = load_facility(session, code, expected=expected), spelt_code(new_code)
    facility.must_stand()
    _give_up_code(session, facility, new_code)
    changed = amend(session, facility, "renumbered", {"code": new_code}, who=who, at=at, reason=reason)
    _tell_renumbered(session, changed, at or changed.stands_since)
    return changed


def replace_facility(
    session: Session,
    code: str,
    *,
    who: str,
    expected: int | None,
    reason: str,
    at: datetime | None = None,
    new_code: str | None = None,
    **changes: Any,
) -> Facility:
    """Say that another thing stands in its place, since ``at`` unless ``installed_on`` says otherwise.

    What is not given is as it was. Open defects stay: an order closes them.
    """
    facility = load_facility(session, code, expected=expected)
    facility.must_stand()
    _remember_installation(session, facility, who)
    changes.setdefault("installed_on", the_catalogue().city.day_of(at or clock.now()))
    new_code = new_code and spelt_code(new_code)
    if new_code not in (None, facility.code):
        _give_up_code(session, facility, new_code)
        changes["code"] = new_code
    changed = amend(session, facility, "replaced", changes, who=who, at=at, reason=reason)
    if "code" in changes:
        _tell_renumbered(session, changed, at or changed.stands_since)
    return changed


def _tell_renumbered(session: Session, facility: Facility, at: datetime) -> None:
    """Let the others, who know it by its codes only, follow."""
    former = former_codes_of(session, [facility.id or 0])
    outbox.record(
        session,
        FacilityRenumbered(
            revision=facility.revision,
            happened_at=at,
            recorded_at=facility.stands_since,
            code=facility.code,
            former_codes=sorted(*former.values()),
        ),
    )
    retell_defects(session, facility, at)


def _give_up_code(session: Session, facility: Facility, new_code: str) -> None:
    """Keep the old code so that labels and reports with it still find the facility."""
    meant = ids_of_codes(session, [checked_code(new_code)]).get(new_code)
    if new_code == facility.code or meant not in (None, facility.id):
        raise CodeTaken(f"The code {new_code!r} means a facility already.", field="code")
    session.execute(delete(former_codes).where(former_codes.c.code == new_code))  # its own, taken back
    row = {"code": facility.code, "facility_id": facility.id, "given_up_at": clock.now()}
    session.execute(insert(former_codes).values(row))


def _remember_installation(session: Session, facility: Facility, who: str) -> None:
    """When the first thing was installed would be lost with its replacement, and is counted in reports."""
    told = select(facility_history.c.id).where(
        facility_history.c.facility_id == facility.id, facility_history.c.what == "replaced"
    )
    if facility.installed_on is None or session.scalar(told.limit(1)) is not None:
        return
    now = ledger.known_at(facility.stands_since, clock.now())
    zone = ZoneInfo(the_catalogue().city.timezone)
    happened_at = datetime.combine(facility.installed_on, time(), zone)
    deed = ledger.deed(facility.id, "installed", who=who, happened_at=happened_at, now=now)
    ledger.write_history(session, [deed])
