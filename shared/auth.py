"""Who is calling, and what may they do. Tokens are JWTs (EdDSA) that every service checks offline.

The keys lie in a folder: ``signing.pem`` where tokens are made, ``jwks.json`` where they are checked. A key is
replaced by adding the new one to ``jwks.json`` first, signing with it next, and removing the old one last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization

from shared import clock
from shared.errors import Forbidden, Unauthenticated

ISSUER = "waywarden"
COOKIE = "waywarden_stream"  # for streams only: a browser's EventSource sends no header
ROLES = ("admin", "manager", "operator", "dispatcher", "controller", "inspector", "crew", "citizen", "device")
STAFF = tuple(role for role in ROLES if role != "device")
UNBOUND = ("admin", "crew", "device")  # by a unit
PUBLIC: tuple[str, ...] = ("public",)
ACCESS_LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True)
class User:
    """``crew`` and ``unit`` bound what they see, where the role is bound to one. Their token ends at ``expires_at``."""

    name: str
    role: str
    crew: str | None = None
    unit: str | None = None
    expires_at: float = field(default=inf, compare=False)
    session: str | None = field(default=None, compare=False)

    @property
    def bound_unit(self) -> str | None:
        """The unit whose things alone this user sees; None: all units. What bounds a crew is the crew."""
        return None if self.role in UNBOUND else self.unit


class Keys:
    """The keys of this process: the public ones by id and, where there is one, the signing key."""

    def __init__(self, folder: Path) -> None:
        self.jwks: dict[str, Any] = json.loads((folder / "jwks.json").read_text())
        self.public = {key["kid"]: jwt.PyJWK(key) for key in self.jwks["keys"]}
        signing = folder / "signing.pem"
        self.signing = serialization.load_pem_private_key(signing.read_bytes(), None) if signing.exists() else None
        self.verify = lru_cache(maxsize=10_000)(self._verify)

    def sign(
        self, user: User, lifetime: timedelta = ACCESS_LIFETIME, *, at: datetime | None = None, token_id: str = ""
    ) -> str:
        """A token for the user; of the same time and id it is the same. Raises RuntimeError without a signing key."""
        at = at or clock.now()
        if self.signing is None:
            raise RuntimeError("This process holds no signing key.")
        claims = {"iss": ISSUER, "sub": user.name, "role": user.role, "crew": user.crew, "unit": user.unit}
        claims |= {"sid": user.session} if user.session else {}
        times = {"iat": at, "exp": at + lifetime, "jti": token_id or str(uuid4())}
        headers = {"kid": self.jwks["keys"][0]["kid"]}
        return jwt.encode({**claims, **times}, self.signing, algorithm="EdDSA", headers=headers)  # type: ignore[arg-type]

    def user(self, token: str) -> User:
        """Whose token this is. Raises Unauthenticated when it is forged, foreign or expired."""
        user = self.verify(token)
        if clock.now().timestamp() >= user.expires_at:
            raise Unauthenticated("The token has expired.")
        return user

    def _verify(self, token: str) -> User:
        try:
            key = self.public[jwt.get_unverified_header(token)["kid"]]
            required = ["exp", "iss", "sub", "role"]
            options: Any = {"require": required, "verify_exp": False, "verify_iat": False}  # times: by our clock
            claims = jwt.decode(token, key, algorithms=["EdDSA"], issuer=ISSUER, options=options)
        except (jwt.InvalidTokenError, KeyError) as wrong:
            raise Unauthenticated("The token is not one of ours.") from wrong
        return User(
            claims["sub"], claims["role"], claims.get("crew"), claims.get("unit"), claims["exp"], claims.get("sid")
        )


def allow(user: User, roles: tuple[str, ...], *, reading: bool) -> None:
    """Refuse with Forbidden unless the user's role is among these; admin may all, manager may read all."""
    if user.role in roles or user.role == "admin" or (reading and user.role == "manager"):
        return
    raise Forbidden(f"This is for {', '.join(roles)}; you are {user.role}.")
