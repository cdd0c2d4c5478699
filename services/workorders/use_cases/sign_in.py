"""Signing in, staying signed in, signing out.

A password is compared between ``begin_sign_in`` and ``finish_sign_in``, in no transaction: that takes its time.

Rows are locked in this order: tries, the member, the session. A refresh holds its session only, so that whoever ends
sessions either comes before it, or ends what came of it.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, delete, or_, select, update
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.members import (
    FORGET_AFTER,
    REFRESH_LIFETIME,
    REMEMBERED,
    SAME_ANSWER,
    DeviceKey,
    Member,
    RefreshToken,
    SignedIn,
    Tries,
    WrongCredentials,
)
from shared import clock
from shared.db import insert_new

FORGET_AT_ONCE = 1_000
NO_KEY_UPDATE = {"key_share": True}  # rows that refer to the member may come meanwhile: else a refresh would deadlock


@dataclass(frozen=True)
class Client:
    """Who sends a request: its address, what it calls itself, and the secret in its cookie, if it has one."""

    address: str
    agent: str = ""
    secret: str | None = None

    @property
    def device_hash(self) -> str | None:
        return hash_of(self.secret) if self.secret else None


@dataclass(frozen=True)
class Grant:
    """Somebody who is signed in, and the token that keeps them so; it is known to nobody else."""

    member: Member
    session_id: UUID
    refresh_token: str
    issued_at: datetime
    secret: str | None = None
    """For the device's cookie."""


def begin_sign_in(session: Session, *, name: str, client: Client) -> str | None:
    """Count a try, and return the hash that the secret must fit; ``None`` when there is no such active account.

    Raises TooManyTries while it has to wait. The tries are rows, so that all replicas count.
    """
    for tries in hold_tries(session, tries_of(session, name, client)):
        tries.count(clock.now())
    members = tables.members.c
    ends = or_(members.secret_ends_at.is_(None), members.secret_ends_at > clock.now())
    return session.scalar(select(members.secret_hash).where(members.name == name, members.active, ends))


def finish_sign_in(session: Session, *, name: str, client: Client, proven: str) -> Grant:
    """Sign in somebody whose secret was right. Raises WrongCredentials where that has just ceased to be so.

    ``proven`` is the hash that the secret fitted: of the password, or of the device's key.
    """
    for tries in hold_tries(session, tries_of(session, name, client)):
        tries.forgive(clock.now())
    held = select(Member).where(tables.members.c.name == name, tables.members.c.active)
    member = session.scalars(held.with_for_update(key_share=True)).first()
    if member is None or not (member.secret_hash == proven or use_key(session, member, proven)):
        raise WrongCredentials()
    known = client.secret if is_usual(session, member.id, tables.sessions.c.device_hash == client.device_hash) else None
    secret = known or secrets.token_urlsafe(32)
    begun = SignedIn(
        id=uuid4(), member_id=member.id, started_at=clock.now(), last_used_at=clock.now(), address=client.address,
        device=client.agent[:200], device_hash=hash_of(secret),
    )  # fmt: skip
    session.add(begun)
    return grant(session, member, begun, secrets.token_urlsafe(32), secret)


def key_of(session: Session, *, name: str, key: str) -> str | None:
    """The hash of a device's key, if it is one of this account's."""
    keys, members = tables.device_keys.c, tables.members.c
    fits = select(keys.key_hash).join_from(tables.device_keys, tables.members).where(members.name == name)
    ends = or_(keys.ends_at.is_(None), keys.ends_at > clock.now())
    return session.scalar(fits.where(keys.key_hash == hash_of(key), members.active, ends))


def use_key(session: Session, member: Member, key_hash: str) -> bool:
    keys = tables.device_keys.c
    now = clock.now()
    wanted = select(DeviceKey).where(keys.key_hash == key_hash, keys.member_id == member.id)
    key = session.scalars(wanted.where(or_(keys.ends_at.is_(None), keys.ends_at > now))).first()
    if key is not None:
        key.last_used_at = now
    return key is not None


def refresh(session: Session, *, token: str, client: Client, key: str = "") -> Grant | None:
    """Change a refresh token for the next one of its session; ``None`` when it is not good, or no more.

    Sent again with the same ``key`` (Idempotency-Key) from the same device, it gets the same answer, since the first
    one may have been lost. Any other token that comes a second time has been stolen, from its owner or by its owner's
    copier: its whole session ends.
    """
    held = session.get(RefreshToken, hash_of(token))
    if held is None:
        return None
    signed_in = hold_session(session, held)
    session.refresh(held)
    member, now = session.get_one(Member, held.member_id), clock.now()
    again_key = hash_of(f"{key}\n{client.secret or ''}\n{client.agent}") if key else None
    if signed_in.ended_at is None and member.active and held.revoked_at is None:
        if held.is_fresh(now):
            held.used_at, held.again_key = now, again_key
            held.again_salt = secrets.token_urlsafe(32)
            signed_in.last_used_at, signed_in.address = now, client.address
            return grant(session, member, signed_in, next_of(token, held.again_salt))
        if held.answers_again(again_key, now):
            return the_same(session, held, token, member)
    end_session(session, signed_in)
    return None


def the_same(session: Session, held: RefreshToken, token: str, member: Member) -> Grant | None:
    """The answer that a used token got; None when what it gave has been used since, so that it did arrive."""
    following = next_of(token, held.again_salt or "")
    successor, used_at = session.get(RefreshToken, hash_of(following)), held.used_at or clock.now()
    if successor is None or not successor.is_fresh(clock.now()):
        return None
    issued_at = used_at if clock.now() - used_at < SAME_ANSWER else clock.now()
    return Grant(member, held.family, following, issued_at)


def next_of(token: str, salt: str) -> str:
    """The token after this one: reckoned from it and a salt in the database, neither of which is enough alone."""
    return urlsafe_b64encode(hmac.digest(token.encode(), salt.encode(), "sha256")).decode().rstrip("=")


def revoke(session: Session, *, token: str) -> None:
    """Sign out: nothing of this session works any more. A token that is not known is as good as revoked."""
    held = session.get(RefreshToken, hash_of(token))
    if held is not None:
        end_session(session, hold_session(session, held))


def hold_session(session: Session, held: RefreshToken) -> SignedIn:
    """The token's session, locked; one that began before there were sessions gets its row."""
    begun = {"id": held.family, "member_id": held.member_id, "started_at": held.issued_at}
    row = begun | {"last_used_at": held.issued_at, "address": "", "device": ""}
    if (known := session.get(SignedIn, held.family, with_for_update=True)) is not None:
        return known
    insert_new(session, tables.sessions, [row], tables.sessions.c.id)
    return session.get_one(SignedIn, held.family, with_for_update=True)


def forget_old(session: Session) -> bool:
    """Remove some of what can no longer matter: True for: more."""
    now = clock.now()
    tokens, tries, keys = tables.refresh_tokens.c, tables.sign_in_tries.c, tables.device_keys.c
    sessions, unusual = tables.sessions.c, now - REMEMBERED
    old = (tokens.token_hash, tokens.expires_at, now), (tries.key, tries.last_at, now - FORGET_AFTER)
    older = (sessions.id, sessions.last_used_at, unusual), (keys.id, keys.ends_at, unusual)
    return max([_forget(session, *each) for each in (*old, *older)]) == FORGET_AT_ONCE


def _forget(session: Session, key: Column[Any], at: Column[datetime], before: datetime) -> int:
    """What somebody uses at this moment waits for the next time."""
    some = select(key).where(at < before).order_by(at).limit(FORGET_AT_ONCE).with_for_update(skip_locked=True)
    gone: Any = session.execute(delete(key.table).where(key.in_(some)))
    return int(gone.rowcount)


def grant(session: Session, member: Member, signed_in: SignedIn, token: str, secret: str | None = None) -> Grant:
    now = clock.now()
    session.add(
        RefreshToken(
            token_hash=hash_of(token),
            family=signed_in.id,
            member_id=member.id,
            issued_at=now,
            expires_at=now + REFRESH_LIFETIME,
        )
    )
    return Grant(member, signed_in.id, token, now, secret)


def end_session(session: Session, signed_in: SignedIn) -> None:
    signed_in.ended_at = signed_in.ended_at or clock.now()
    tokens = tables.refresh_tokens
    ended = update(tokens).where(tokens.c.family == signed_in.id, tokens.c.revoked_at.is_(None))
    session.execute(ended.values(revoked_at=clock.now()))


def tries_of(session: Session, name: str, client: Client) -> list[str]:
    """What a try counts for. A usual device counts for itself, so that strangers' guesses do not keep its owner out.

    OWASP calls it device cookies. An address from which the account signed in before is the next best.
    """
    member_id = session.scalar(select(tables.members.c.id).where(tables.members.c.name == name))
    if member_id is not None:
        if client.device_hash and is_usual(session, member_id, tables.sessions.c.device_hash == client.device_hash):
            return [f"device:{member_id}:{client.device_hash}"]
        if is_usual(session, member_id, tables.sessions.c.address == client.address):
            return [f"place:{member_id}:{client.address}"]
    return [f"account:{name}", f"address:{client.address}"]


def is_usual(session: Session, member_id: UUID, known: object) -> bool:
    sessions = tables.sessions.c
    recent = select(sessions.id).where(
        sessions.member_id == member_id, sessions.last_used_at > clock.now() - REMEMBERED
    )
    return session.scalar(recent.where(known).limit(1)) is not None  # type: ignore[arg-type]


def hold_tries(session: Session, keys: list[str]) -> Iterator[Tries]:
    """The counts under these keys, always held in this order: no two sign-ins wait for each other."""
    for key in keys:
        now = clock.now()
        row = {"key": key, "failures": 0, "last_at": now, "free_at": now}
        held = None
        while held is None:  # an old one may be forgotten in between
            insert_new(session, tables.sign_in_tries, [row], tables.sign_in_tries.c.key)
            held = session.get(Tries, key, with_for_update=True)
        yield held


def hash_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()
