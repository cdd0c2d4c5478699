"""Members: people and devices that sign in. Secrets come in already hashed, since hashing takes its time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.members import DeviceKey, Member, Role, SignedIn, WrongCredentials
from services.workorders.passwords import hash_secret, new_password
from services.workorders.use_cases.copies import check_unit
from services.workorders.use_cases.crews import CodeTaken
from services.workorders.use_cases.moving import check_crew_exists
from services.workorders.use_cases.sign_in import NO_KEY_UPDATE, hold_tries
from shared import clock
from shared.db import insert_new
from shared.errors import Invalid, NotFound, Repeated, expect

SAME_AGAIN = ("name", "role", "crew", "unit")


def add_member(
    session: Session,
    *,
    secret_hash: str,
    name: str,
    role: str,
    crew: str | None,
    unit: str | None,
    id: UUID | None,
    key_hash: str | None = None,
) -> tuple[Member, bool]:
    """Add somebody, with a password or, a device, with a key; and whether they are new.

    The same ``id`` again is the same member. Raises Repeated or CodeTaken where it is another one.
    """
    if crew is not None:
        check_crew_exists(session, crew)
    check_unit(session, unit)
    member = Member(
        id=id or uuid4(), name=name, role=Role(role), crew=crew, unit=unit,
        secret_hash=secret_hash, created_at=clock.now(),
    )  # fmt: skip
    row = {column.key: getattr(member, column.key) for column in tables.members.c}
    if not insert_new(session, tables.members, [row], tables.members.c.id):
        return same_member(session.get(Member, member.id), member), False
    if key_hash is not None:
        session.add(DeviceKey(key_hash=key_hash, member_id=member.id, made_at=clock.now()))
    return member, True


def same_member(known: Member | None, member: Member) -> Member:
    if known is None:
        raise CodeTaken(f"There is a member {member.name}.", field="name")
    if any(getattr(known, field) != getattr(member, field) for field in SAME_AGAIN):
        raise Repeated("This id is another member's.")
    return known


def change_member(session: Session, *, member_id: UUID, changes: dict[str, Any], expected: int | None) -> Member:
    """Change role, crew, unit, secret, or whether the account is active. What they were signed in with ends."""
    member = hold_member(session, member_id)
    expect(member.revision, expected)
    if (crew := changes.get("crew")) is not None:
        check_crew_exists(session, crew)
    if changes.get("unit") != member.unit:
        check_unit(session, changes.get("unit"))
    for name, value in changes.items():
        setattr(member, name, value)
    member.check()
    member.revision += 1
    end_sessions(session, member_id)
    return member


def replace_secret(
    session: Session, *, member_id: UUID, secret_hash: str, key_hash: str | None, expected: int | None
) -> Member:
    """Give a person another password, a device another key; what they had ends at once. Raises Invalid."""
    member = hold_member(session, member_id)
    if (member.role == Role.DEVICE) != (key_hash is not None):
        raise Invalid("A device has a device_key, anybody else a password.", field="password")
    change_member(session, member_id=member_id, changes={"secret_hash": secret_hash}, expected=expected)
    if key_hash is not None:
        rotate_key(session, member_id=member_id, key_hash=key_hash, overlap=timedelta())
    return member


def rotate_key(session: Session, *, member_id: UUID, key_hash: str, overlap: timedelta) -> DeviceKey:
    """Give a device a new key; what it had goes on for the overlap. Raises NotFound where it is none."""
    member = hold_device(session, member_id)
    now, keys = clock.now(), tables.device_keys
    older = update(keys).where(keys.c.member_id == member_id)
    session.execute(
        older.where(or_(keys.c.ends_at.is_(None), keys.c.ends_at > now + overlap)).values(ends_at=now + overlap)
    )
    if member.secret_hash and member.secret_ends_at is None:
        member.secret_ends_at = now + overlap
    made = DeviceKey(key_hash=key_hash, member_id=member_id, made_at=now)
    session.add(made)
    return made


def end_key(session: Session, *, member_id: UUID, key_id: UUID) -> None:
    """End a device's key, and what it is signed in with. Raises NotFound."""
    hold_device(session, member_id)
    key = session.get(DeviceKey, key_id)
    if key is None or key.member_id != member_id:
        raise NotFound(f"There is no key {key_id}.")
    key.ends_at = min(key.ends_at or clock.now(), clock.now())
    end_sessions(session, member_id)


def begin_change(session: Session, *, name: str) -> str:
    """Count a try at somebody's own password, and return its hash. Raises TooManyTries, NotFound."""
    for tries in hold_tries(session, [f"password:{name}"]):
        tries.count(clock.now())
    members = tables.members.c
    known: str | None = session.scalar(select(members.secret_hash).where(members.name == name, members.active))
    if known is None:
        raise NotFound("This token has no account.")
    return known


def change_own_password(session: Session, *, name: str, proven: str, secret_hash: str, session_id: UUID | None) -> None:
    """Give oneself another password; every other session ends. ``proven`` is the hash that the old one fitted.

    Raises WrongCredentials where somebody has changed it meanwhile.
    """
    for tries in hold_tries(session, [f"password:{name}"]):
        tries.forgive(clock.now())
    wanted = select(Member).where(tables.members.c.name == name, tables.members.c.active)
    member = session.scalars(wanted.with_for_update(key_share=True)).first()
    if member is None or member.secret_hash != proven:
        raise WrongCredentials()
    member.secret_hash = secret_hash
    member.revision += 1
    end_sessions(session, member.id, but=session_id)


def end_own_session(session: Session, *, name: str, session_id: UUID) -> None:
    """End one of somebody's sessions; its device is usual no more. Raises NotFound."""
    held = session.get(SignedIn, session_id)
    member = session.get(Member, held.member_id) if held else None
    if held is None or member is None or member.name != name or held.ended_at is not None:
        raise NotFound(f"There is no session {session_id}.")
    forget_and_end(session, tables.sessions.c.id == session_id, tables.refresh_tokens.c.family == session_id)


def end_sessions(session: Session, member_id: UUID, but: UUID | None = None) -> None:
    """End what a member is signed in with, and forget the devices and addresses; ``but`` one session."""
    sessions, tokens = tables.sessions.c, tables.refresh_tokens.c
    mine, given = sessions.member_id == member_id, tokens.member_id == member_id
    if but is not None:
        mine, given = and_(mine, sessions.id != but), and_(given, tokens.family != but)
    forget_and_end(session, mine, given)


def forget_and_end(session: Session, which: ColumnElement[bool], tokens: ColumnElement[bool]) -> None:
    """The sessions first: a refresh under way holds its one, and what it gives is there once it lets go."""
    ended = {"ended_at": func.coalesce(tables.sessions.c.ended_at, clock.now()), "device_hash": None, "address": ""}
    session.execute(update(tables.sessions).where(which).values(ended))
    given = tables.refresh_tokens
    session.execute(update(given).where(tokens, given.c.revoked_at.is_(None)).values(revoked_at=clock.now()))


def hold_member(session: Session, member_id: UUID) -> Member:
    member = session.get(Member, member_id, with_for_update=NO_KEY_UPDATE)
    if member is None:
        raise NotFound(f"There is no member {member_id}.")
    return member


def hold_device(session: Session, member_id: UUID) -> Member:
    member = hold_member(session, member_id)
    if member.role != Role.DEVICE:
        raise NotFound(f"There is no device {member_id}.")
    return member


def ensure_admin(session: Session) -> str | None:
    """Make the account ``admin`` when there is no account at all; return its password, which is kept nowhere else."""
    if session.scalar(select(tables.members.c.id).limit(1)) is not None:
        return None
    password = new_password()
    secret_hash = hash_secret(password)  # on the first start, with nobody served yet
    add_member(session, secret_hash=secret_hash, name="admin", role=Role.ADMIN, crew=None, unit=None, id=None)
    return password
