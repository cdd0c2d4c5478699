"""Makes the key that tokens are signed with."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_keys(folder: Path) -> None:
    """Make a signing key and its public half, unless they are there."""
    if (folder / "jwks.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with open(os.open(folder / "signing.pem", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(pem)
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    jwks = {"keys": [{**public, "kid": f"{datetime.now():%Y%m%d}-{uuid4().hex[:8]}", "use": "sig", "alg": "EdDSA"}]}
    (folder / "jwks.json").write_text(json.dumps(jwks, indent=1))
