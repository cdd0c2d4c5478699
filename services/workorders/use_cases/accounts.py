"""Members: people and devices that sign in. Secrets come in already hashed, since hashing takes its time."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.members import Member, Role
from services.workorders.passwords import hash_secret, new_password
from services.workorders.use_cases.crews import CodeTaken
from services.workorders.use_cases.moving import check_crew_exists
from shared import clock
from shared.db import insert_new
from shared.errors import NotFound, Repeated, expect

SAME_AGAIN = ("name", "role", "crew", "unit")


def add_member(
    session: Session, *, secret_hash: str, name: str, role: str, crew: str | None, unit: str | None, id: UUID | None
) -> Member:
    """Add somebody; the same ``id`` again is the same member. Raises Repeated or CodeTaken where it is another one."""
    if crew is not None:
        check_crew_exists(session, crew)
    member = Member(
        id=id or uuid4(), name=name, role=Role(role), crew=crew, unit=unit,
        secret_hash=secret_hash, created_at=clock.now(),
    )  # fmt: skip
    row = {column.key: getattr(member, column.key) for column in tables.members.c}
    if insert_new(session, tables.members, [row], tables.members.c.id):
        return member
    return same_member(session.get(Member, member.id), member)


def same_member(known: Member | None, member: Member) -> Member:
    if known is None:
        raise CodeTaken(f"There is a member {member.name}.", field="name")
    if any(getattr(known, field) != getattr(member, field) for field in SAME_AGAIN):
        raise Repeated("This id is another member's.")
    return known


def change_member(session: Session, *, member_id: UUID, changes: dict[str, Any], expected: int | None) -> Member:
    """Change role, crew, unit, secret, or whether the account is active. What they were signed in with ends."""
    member = session.get(Member, member_id, with_for_update=True)
    if member is None:
        raise NotFound(f"There is no member {member_id}.")
    expect(member.revision, expected)
    if (crew := changes.get("crew")) is not None:
        check_crew_exists(session, crew)
    for name, value in changes.items():
        setattr(member, name, value)
    member.check()
    member.revision += 1
    revoke_all(session, member_id)
    return member


def revoke_all(session: Session, member_id: UUID) -> None:
    tokens = tables.refresh_tokens
    session.execute(
        update(tokens)
        .where(tokens.c.member_id == member_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=clock.now())
    )


def ensure_admin(session: Session) -> str | None:
    """Make the account ``admin`` when there is no account at all; return its password, which is kept nowhere else."""
    if session.scalar(select(tables.members.c.id).limit(1)) is not None:
        return None
    password = new_password()
    secret_hash = hash_secret(password)  # on the first start, with nobody served yet
    add_member(session, secret_hash=secret_hash, name="admin", role=Role.ADMIN, crew=None, unit=None, id=None)
    return password
