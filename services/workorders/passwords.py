"""Hashes of passwords and device keys. Each takes tens of milliseconds on purpose: not for the hub."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from services.workorders.domain.members import WrongCredentials

# OWASP's second recommendation for argon2id: 19 MiB, two passes, one lane.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# The hash of a secret that nobody knows: looking an unknown name up takes as long as looking a known one up.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$YQyKIooEfb8xhgmhJL/A8A$wwN6LEf1RmWitYhRqZPW7HQqx7MTAY6VOuAvpS/FpuQ"


def hash_secret(secret: str) -> str:
    return HASHER.hash(secret)


def check_secret(known: str | None, secret: str) -> None:
    """Compare a secret with the account's hash, ``None`` where there is no account. Raises WrongCredentials."""
    try:
        HASHER.verify(known or NOBODY, secret)
    except (VerifyMismatchError, InvalidHashError) as wrong:
        raise WrongCredentials() from wrong
    if known is None:
        raise WrongCredentials()


def new_password() -> str:
    """A password that nobody can guess: 120 bits, easy to copy."""
    return secrets.token_urlsafe(15)
