"""Makes the key that tokens are signed with."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.settings import UnusableSettings
from shared.auth import Keys
from shared.files import write_whole


def read_keys(folder: Path) -> Keys:
    """The keys in a folder. Raises UnusableSettings."""
    try:
        return Keys(folder)
    except (ValueError, LookupError, TypeError, UnsupportedAlgorithm, jwt.PyJWTError) as wrong:
        raise UnusableSettings(f"The keys in {folder} cannot be used: {wrong!r}") from wrong


def make_keys(folder: Path) -> None:
    """Make a signing key and its public half, unless they are there."""
    if (folder / "jwks.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    jwks = {"keys": [{**public, "kid": f"{datetime.now():%Y%m%d}-{uuid4().hex[:8]}", "use": "sig", "alg": "EdDSA"}]}
    write_whole(folder / "signing.pem", pem, folder)
    write_whole(folder / "jwks.json", json.dumps(jwks, indent=1).encode(), folder)  # last: with it the pair is whole
