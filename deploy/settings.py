"""Settings, from the environment and a file, typed; what cannot be used stops the start, with what would be right.

Every name begins with ``WAYWARDEN_``; ``WAYWARDEN_SETTINGS`` names a file of ``NAME=value`` lines, which the
environment overrides. docs/settings.md lists them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from environs import Env, EnvValidationError
from marshmallow.validate import OneOf, Range, Regexp
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from shared.events.queues import SERVICES
from shared.settings import MEMORY, Settings

PREFIX = "WAYWARDEN_"
MOST_DAYS = 36_500
LONGEST_DELAY_S = 30 * 86_400
LEVELS = ("debug", "info", "warning", "error")


class UnusableSettings(Exception):
    """The settings cannot be used."""


@dataclass(frozen=True)
class Whole:
    """A setting that is a whole number."""

    default: int
    least: int
    most: int

    def __str__(self) -> str:
        return f"a whole number, {self.least} to {self.most}"


NUMBERS = {
    "PORT": Whole(8000, 0, 65_535),
    "DATABASE_CONNECTIONS": Whole(16, 2, 200),
    "WORKERS": Whole(32, 1, 1_000),
    "CONNECTIONS": Whole(2_000, 10, 100_000),
    "CONNECTIONS_PER_ADDRESS": Whole(200, 1, 100_000),
    "REQUESTS_PER_ACCOUNT": Whole(16, 1, 1_000),
    "STREAMS_PER_ACCOUNT": Whole(16, 1, 1_000),
    "REPORTS_PER_ADDRESS": Whole(20, 1, 1_000_000),
    "BODY_LIMIT_BYTES": Whole(1_000_000, 1_000, 2**40),
    "IMPORT_LIMIT_BYTES": Whole(1_000_000_000, 1_000, 2**40),
    "IMPORT_MEMORY_BYTES": Whole(1_500_000_000, 200_000_000, 2**40),
    "AREA_FILE_LIMIT_S": Whole(60, 1, 3_600),
    "RETENTION_DAYS": Whole(90, 1, MOST_DAYS),
    "UNNAMED_PHOTOS": Whole(1_000, 1, 2**31),
    "UNNAMED_PHOTO_BYTES": Whole(2_000_000_000, 1_000, 2**50),
    "UNNAMED_PHOTO_DAYS": Whole(30, 1, MOST_DAYS),
    "AUDIT_DAYS": Whole(184, 1, MOST_DAYS),
}
SECRET = {  # what is given is not shown: it may hold a password
    "BROKER_URL": f"amqp://user:password@host:5672/vhost, or {MEMORY}",
    **{
        f"DATABASE_URL_{each.upper()}": "postgresql+psycopg2://user:password@host/database, or sqlite:///file"
        for each in SERVICES
    },
}
TAKES: Mapping[str, object] = NUMBERS | SECRET | {
    "SETTINGS": "a file of NAME=value lines",
    "SERVICES": f"some of {', '.join(SERVICES)}, by commas, each once",
    "PUBLIC_URL": "a URL such as https://waywarden.example.org, without ? and #",
    "PROXIES": "networks (CIDR) by commas, such as 10.0.0.5/32",
    "RETRY_DELAYS_S": "seconds by commas, 0 to 2592000 (30 days) each, such as 1,10,60,600,3600",
    "LOG_LEVEL": f"one of {', '.join(LEVELS)}",
    "LOG_JSON": "true or false",
}  # fmt: skip
# Any text, or looked at where it is used.
ANYTHING = {
    "HOST",
    "DATA",
    "KEYS",
    "CATALOGUE",
    "EMPTY",
    "FAILPOINT",
    "SEED",
    "DRILLS",
}
KNOWN = sorted(f"{PREFIX}{name}" for name in TAKES.keys() | ANYTHING)


def load() -> Settings:
    """Read the settings of this process. Raises UnusableSettings: which ones, what was given, what is right."""
    env = Env(prefix=PREFIX, eager=False)
    if path := os.environ.get("WAYWARDEN_SETTINGS"):
        _read_file(env, path)
    services = tuple(env.list("SERVICES", list(SERVICES)) or ())
    data = Path(env.str("DATA", "data") or "").absolute()
    numbers: dict[str, Any] = {
        name: env.int(name, each.default, validate=Range(each.least, each.most)) for name, each in NUMBERS.items()
    }
    host, port = env.str("HOST", "127.0.0.1") or "", numbers["PORT"]
    chosen = Settings(
        services=services,
        host=host,
        public_url=env.str("PUBLIC_URL", "", validate=Regexp(r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?\Z"))
        # Never the Host that a request names: who sends it would choose where a printed label leads.
        or f"http://{f'[{host}]' if ':' in host else host}:{port}",
        data=data,
        keys=Path(env.str("KEYS", str(data / "keys")) or "").absolute(),
        catalogue=Path(path).absolute() if (path := env.str("CATALOGUE", "")) else None,
        broker_url=env.str("BROKER_URL", MEMORY),
        database_urls={
            name: env.str(f"DATABASE_URL_{name.upper()}", f"sqlite:///{data / name}.sqlite") for name in SERVICES
        },
        proxies=tuple(env.list("PROXIES", []) or ()),
        retry_delays_s=tuple(env.list("RETRY_DELAYS_S", [1, 10, 60, 600, 3600], subcast=float) or ()),
        log_level=env.str("LOG_LEVEL", "info", validate=OneOf(LEVELS)),
        log_json=env.bool("LOG_JSON", False),
        **{name.lower(): value for name, value in numbers.items()},
    )
    try:
        env.seal()
    except EnvValidationError as wrong:
        raise _wrong(*(name.removeprefix(PREFIX) for name in sorted(wrong.error_messages))) from None
    if bad := [name for name, good in _looked_at(chosen) if not good]:
        raise _wrong(*bad)
    if chosen.embedded and chosen.services != SERVICES:
        raise UnusableSettings("WAYWARDEN_BROKER_URL is needed when not all services run in one process.")
    return chosen


def _read_file(env: Env, path: str) -> None:
    """Two systems in one command are a slip: the file of one, exported before, and the data folder of another."""
    if not Path(path).is_file():
        raise _wrong("SETTINGS")
    try:
        named = dotenv_values(path).get("WAYWARDEN_DATA")
    except UnicodeDecodeError:
        raise _wrong("SETTINGS") from None
    given = os.environ.get("WAYWARDEN_DATA")
    if given and named and Path(given).absolute() != Path(named).absolute():
        raise UnusableSettings(
            f"WAYWARDEN_SETTINGS={path} is of the system with its data in {named}, and DATA= (WAYWARDEN_DATA) names "
            f"{given}. Unset the one that is not meant."
        )
    env.read_env(path, recurse=False)


def strangers() -> list[str]:
    """What is named like a setting and is none, a line each; to be asked after ``load``, which reads the file too."""
    return [
        f"{name} is no setting, and changes nothing" + "".join(f": is {PREFIX}{near} meant?" for near in _nearest(name))
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in KNOWN
    ]


def _nearest(name: str) -> list[str]:
    return get_close_matches(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in KNOWN], n=1)


def _wrong(*names: str) -> UnusableSettings:
    return UnusableSettings(" ".join(f"{PREFIX}{name} is {_given(name)}; it takes {TAKES[name]}." for name in names))


def _given(name: str) -> str:
    shown = repr(os.environ.get(f"{PREFIX}{name}", ""))
    return "something else, not shown since it may hold a password" if name in SECRET else shown


def _looked_at(chosen: Settings) -> Iterator[tuple[str, bool]]:
    """What a type alone does not tell."""
    known = [each for each in SERVICES if each in chosen.services]
    yield "SERVICES", bool(known) and len(known) == len(chosen.services)
    yield "PROXIES", all(map(_is_network, chosen.proxies))
    yield "RETRY_DELAYS_S", all(0 <= each <= LONGEST_DELAY_S for each in chosen.retry_delays_s)
    yield "BROKER_URL", chosen.embedded or _is_broker(chosen.broker_url)
    for name, url in chosen.database_urls.items():
        yield f"DATABASE_URL_{name.upper()}", _is_database(url)


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_broker(url: str) -> bool:
    try:
        split = urlsplit(url)
        return split.scheme in ("amqp", "amqps", "pyamqp") and bool(split.hostname) and split.port != 0
    except ValueError:
        return False


def _is_database(url: str) -> bool:
    try:
        return make_url(url).get_backend_name() in ("postgresql", "sqlite")
    except (ArgumentError, ValueError):
        return False
