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
FREE_TRIES = {"account": 5, "address": 50}


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

    def is_fresh(self, now: datetime) -> bool:
        return self.used_at is None and self.revoked_at is None and now < self.expires_at


@dataclass(eq=False, kw_only=True)
class Tries:
    """Failed sign-ins of one account or from one address. ``key`` is ``account:<name>`` or ``address:<ip>``."""

    key: str
    failures: int = 0
    last_at: datetime
    free_at: datetime

    def count(self, now: datetime) -> None:
        """Count a try before its secret is looked at, so that guesses sent at once do not all slip through.

        Raises TooManyTries, with the seconds to wait, until the delay of the tries before has passed. Each failure
        beyond the free ones doubles the delay, up to a minute: nobody is ever locked out for good.
        """
        if now < self.free_at:
            raise TooManyTries("Wait before the next try.", retry_after_s=ceil((self.free_at - now).total_seconds()))
        self.failures = 1 if now - self.last_at > FORGET_AFTER else self.failures + 1
        self.last_at, self.free_at = now, now + delay_after(self.failures - FREE_TRIES[self.key.partition(":")[0]])

    def forgive(self, now: datetime) -> None:
        """Take back a try that turned out right. An account starts afresh, an address only gets this one back."""
        self.failures = 0 if self.key.startswith("account:") else max(self.failures - 1, 0)
        self.free_at = now


def delay_after(failures_beyond_free: int) -> timedelta:
    """0, then 1 s, 2 s, 4 s … up to a minute."""
    if failures_beyond_free <= 0:
        return timedelta()
    return min(timedelta(seconds=2 ** min(failures_beyond_free - 1, 16)), LONGEST_DELAY)
