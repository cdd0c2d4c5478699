"""Signing in, staying signed in, signing out.

The secret is compared between ``begin_sign_in`` and ``finish_sign_in``, in no transaction: that takes its time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, delete, select, update
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.members import (
    FORGET_AFTER,
    REFRESH_LIFETIME,
    Member,
    RefreshToken,
    Tries,
    WrongCredentials,
)
from shared import clock
from shared.db import insert_new

FORGET_AT_ONCE = 1_000


@dataclass(frozen=True)
class Grant:
    """Somebody who is signed in, and the token that keeps them so; it is known to nobody else."""

    member: Member
    refresh_token: str


def begin_sign_in(session: Session, *, name: str, address: str) -> str | None:
    """Count a try, and return the hash that the secret must fit; ``None`` when there is no such active account.

    Raises TooManyTries while the account or the address has to wait. The tries are rows, so that all replicas count.
    """
    for tries in hold_tries(session, name, address):
        tries.count(clock.now())
    members = tables.members.c
    return session.scalar(select(members.secret_hash).where(members.name == name, members.active))


def finish_sign_in(session: Session, *, name: str, address: str) -> Grant:
    """Sign in somebody whose secret was right. Raises WrongCredentials where the account has just been closed."""
    for tries in hold_tries(session, name, address):
        tries.forgive(clock.now())
    members = tables.members.c
    member = session.scalars(select(Member).where(members.name == name, members.active)).first()
    if member is None:
        raise WrongCredentials()
    return grant(session, member, family=uuid4())


def refresh(session: Session, *, token: str) -> Grant | None:
    """Change a refresh token for the next one of its family; ``None`` when it is not good, or no more.

    A token that comes a second time has been stolen, from its owner or by its owner's copier: its whole family ends.
    """
    held = session.get(RefreshToken, hash_of(token), with_for_update=True)
    if held is None:
        return None
    member = session.get_one(Member, held.member_id)
    if not held.is_fresh(clock.now()) or not member.active:
        end_family(session, held.family)
        return None
    held.used_at = clock.now()
    return grant(session, member, family=held.family)


def revoke(session: Session, *, token: str) -> None:
    """Sign out: nothing of this token's family works any more. A token that is not known is as good as revoked."""
    held = session.get(RefreshToken, hash_of(token))
    if held is not None:
        end_family(session, held.family)


def forget_old(session: Session) -> bool:
    """Remove some of what can no longer matter: tokens that ran out, tries that no longer count. True for: more."""
    now = clock.now()
    tokens, tries = tables.refresh_tokens.c, tables.sign_in_tries.c
    old = (tokens.token_hash, tokens.expires_at, now), (tries.key, tries.last_at, now - FORGET_AFTER)
    return max([_forget(session, *each) for each in old]) == FORGET_AT_ONCE


def _forget(session: Session, key: Column[str], at: Column[datetime], before: datetime) -> int:
    """What somebody uses at this moment waits for the next time."""
    some = select(key).where(at < before).order_by(at).limit(FORGET_AT_ONCE).with_for_update(skip_locked=True)
    gone: Any = session.execute(delete(key.table).where(key.in_(some)))
    return int(gone.rowcount)


def grant(session: Session, member: Member, family: UUID) -> Grant:
    token, now = secrets.token_urlsafe(32), clock.now()
    session.add(
        RefreshToken(
            token_hash=hash_of(token),
            family=family,
            member_id=member.id,
            issued_at=now,
            expires_at=now + REFRESH_LIFETIME,
        )
    )
    return Grant(member, token)


def end_family(session: Session, family: UUID) -> None:
    tokens = tables.refresh_tokens
    session.execute(
        update(tokens).where(tokens.c.family == family, tokens.c.revoked_at.is_(None)).values(revoked_at=clock.now())
    )


def hold_tries(session: Session, name: str, address: str) -> Iterator[Tries]:
    """The counts of this account and this address, always held in this order: no two sign-ins wait for each other."""
    for key in (f"account:{name}", f"address:{address}"):
        now = clock.now()
        row = {"key": key, "failures": 0, "last_at": now, "free_at": now}
        held = None
        while held is None:  # an old one may be forgotten in between
            insert_new(session, tables.sign_in_tries, [row], tables.sign_in_tries.c.key)
            held = session.get(Tries, key, with_for_update=True)
        yield held


def hash_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()
