"""Who may sign in, and how guessing is slowed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from uuid import UUID, uuid4

from shared.errors import Invalid, TooMany, Unauthenticated

ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=14)
FORGET_AFTER = timedelta(hours=1)
LONGEST_DELAY = timedelta(minutes=1)
FREE_TRIES = {"account": 5, "address": 50, "device": 5, "place": 5, "password": 5}
REMEMBERED = timedelta(days=90)  # how long a device or address that signed in counts as usual
SAME_ANSWER = timedelta(minutes=5)  # a refresh sent again gets the same access token, later a new one
ANSWERED_AGAIN = timedelta(hours=24)
OVERLAP = timedelta(days=7)  # of a device's old key with its new one


class Role(StrEnum):
    INSPECTOR = "inspector"
    OPERATOR = "operator"
    DISPATCHER = "dispatcher"
    CONTROLLER = "controller"
    CREW = "crew"
    MANAGER = "manager"
    ADMIN = "admin"
    DEVICE = "device"
    CITIZEN = "citizen"


class WrongCredentials(Unauthenticated):
    """Name and secret do not fit together."""

    slug = "wrong-credentials"
    zh = "用户名或凭据不正确"


class TooManyTries(TooMany):
    """Too many failed sign-ins: wait before the next one."""

    slug = "too-many-tries"
    zh = "登录失败次数过多，请稍后再试"


@dataclass(eq=False, kw_only=True)
class Member:
    """Somebody, or a device, that signs in. People have a password, devices a key; only hashes of them are kept."""

    id: UUID = field(default_factory=uuid4)
    name: str
    role: Role
    crew: str | None = None
    unit: str | None = None
    secret_hash: str
    secret_ends_at: datetime | None = None
    """Of a device that had a password or a slow hash before it got a key."""
    active: bool = True
    created_at: datetime
    revision: int = 1

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises Invalid where the account makes no sense."""
        if self.role == Role.CREW and self.crew is None:
            raise Invalid("A member with the role crew belongs to one.", field="crew")


@dataclass(eq=False, kw_only=True)
class RefreshToken:
    """One use of a sign-in. All that descend from one sign-in are a family; only the SHA-256 of the token is kept."""

    token_hash: str
    family: UUID
    member_id: UUID
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    again_key: str | None = None
    """The hash of who may have the answer again: Idempotency-Key and device of the request that used it."""
    again_salt: str | None = None
    """What the next token is derived from, with this one."""

    def answers_again(self, again_key: str | None, now: datetime) -> bool:
        """Whether it was used by this very request, whose answer was lost."""
        used_by_it = self.used_at is not None and self.again_key is not None and self.again_key == again_key
        return used_by_it and now - (self.used_at or now) < ANSWERED_AGAIN

    def is_fresh(self, now: datetime) -> bool:
        return self.used_at is None and self.revoked_at is None and now < self.expires_at


@dataclass(eq=False, kw_only=True)
class SignedIn:
    """A sign-in and all that came of it; its id is the family of its refresh tokens.

    ``device`` is what the client calls itself, ``device_hash`` the SHA-256 of the secret in its cookie, by which it is
    known again. A session that its owner ended from elsewhere keeps neither that nor the address.
    """

    id: UUID
    member_id: UUID
    started_at: datetime
    last_used_at: datetime
    address: str
    device: str
    device_hash: str | None = None
    ended_at: datetime | None = None


@dataclass(eq=False, kw_only=True)
class DeviceKey:
    """A key of a device, kept as its SHA-256: it is drawn from 2²⁵⁶, so that nothing slower is needed."""

    id: UUID = field(default_factory=uuid4)
    key_hash: str
    member_id: UUID
    made_at: datetime
    ends_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(eq=False, kw_only=True)
class Tries:
    """Failed sign-ins. ``key`` says of whom: ``account:<name>``, ``address:<ip>``, ``device:<hash>``, …"""

    key: str
    failures: int = 0
    last_at: datetime
    free_at: datetime

    def count(self, now: datetime) -> None:
        """Count a try before its secret is looked at, so that guesses sent at once do not all slip through.

        Raises TooManyTries, with the seconds to wait, until the delay of the tries before has passed. Each failure
        beyond the free ones doubles the delay, up to a minute: nobody is ever locked out for good.
        """
        if timedelta() < self.free_at - now <= LONGEST_DELAY:  # more than that was set by a clock that was ahead
            raise TooManyTries("Wait before the next try.", retry_after_s=ceil((self.free_at - now).total_seconds()))
        self.failures = 1 if now - self.last_at > FORGET_AFTER else self.failures + 1
        self.last_at, self.free_at = now, now + delay_after(self.failures - FREE_TRIES[self.key.partition(":")[0]])

    def forgive(self, now: datetime) -> None:
        """Take back a try that turned out right. An address only gets this one back, everything else starts afresh."""
        self.failures = max(self.failures - 1, 0) if self.key.startswith("address:") else 0
        self.free_at = now


def delay_after(failures_beyond_free: int) -> timedelta:
    """0, then 1 s, 2 s, 4 s … up to a minute."""
    if failures_beyond_free <= 0:
        return timedelta()
    return min(timedelta(seconds=2 ** min(failures_beyond_free - 1, 16)), LONGEST_DELAY)
