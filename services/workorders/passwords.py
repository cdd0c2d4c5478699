"""Passwords: their hashes, each of which takes tens of milliseconds on purpose, and which are too easy to guess."""

from __future__ import annotations

import re
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from services.workorders.domain.members import WrongCredentials
from shared.errors import Invalid

# OWASP's second recommendation for argon2id: 19 MiB, two passes, one lane.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# The hash of a secret that nobody knows: looking an unknown name up takes as long as looking a known one up.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$YQyKIooEfb8xhgmhJL/A8A$wwN6LEf1RmWitYhRqZPW7HQqx7MTAY6VOuAvpS/FpuQ"


LEAST_GUESSES = 2 * 10**8
LEAST_LETTERS = 10  # different ones in a device's key
LOOKED_AT = 40  # characters: what follows makes it no weaker, and looking takes longer and longer
# What zxcvbn, whose lists are English, lacks: words and numbers that sound like words.
CHINESE = (
    "woaini", "woaiwojia", "woaizhongguo", "aini", "nihao", "mima", "zhongguo", "beijing", "shanghai", "guangzhou",
    "shenzhen", "wuhan", "chengdu", "hangzhou", "nanjing", "laopo", "laogong", "baobao", "baobei", "wangzhe",
    "5201314", "1314520", "521521", "520520", "147258369", "woaini1314", "admin888", "wo ai ni", "woshishui",
    "我爱你", "中国", "密码", "你好", "管理员", "路灯", "城管", "市政",
)  # fmt: skip
OURS = ("waywarden", "admin", "administrator", "streetlight", "dispatcher", "inspector", "operator", "controller")


class WeakPassword(Invalid):
    """This password is too easy to guess."""

    slug = "weak-password"
    zh = "密码过于简单"


def checked_and_hashed(password: str, name: str, field: str = "password") -> str:
    """The hash of a new password for this account. Raises WeakPassword."""
    check_strength(password, name, field)
    return hash_secret(password)


def check_strength(password: str, name: str, field: str = "password") -> None:
    """Raises WeakPassword where it is common, a pattern, or made of the account's name."""
    from zxcvbn import zxcvbn  # here, since its lists take memory, and few ever change a password

    parts = re.split(r"\W|_", name.lower())
    words = [name, *parts, "".join(parts), name[::-1], "".join(parts)[::-1], *CHINESE, *OURS]
    if len(set(password)) < 5 or zxcvbn(password[:LOOKED_AT].lower(), words)["guesses"] < LEAST_GUESSES:
        raise WeakPassword("It is common, or follows a pattern. Some words in a row are better.", field=field)


def check_key(key: str) -> None:
    """Raises WeakPassword where a device's key was hardly drawn at random: a quick hash does not protect such a one."""
    if len(set(key)) < LEAST_LETTERS:
        raise WeakPassword("It is not random. Leave it out, and one is made.", field="device_key")


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


def new_device_key() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def new_password() -> str:
    """A password that nobody can guess: 120 bits, easy to copy."""
    return secrets.token_urlsafe(15)
