"""Settings, from the environment and a file, typed; a missing or malformed one stops the start and is named.

Every name begins with ``WAYWARDEN_``; ``WAYWARDEN_SETTINGS`` names a file of ``NAME=value`` lines, which the
environment overrides. docs/settings.md lists them.
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

from environs import Env
from marshmallow.validate import OneOf, Range, Regexp

from shared.events.queues import SERVICES
from shared.settings import MEMORY, Settings


class UnusableSettings(Exception):
    """The settings cannot be used."""


def load() -> Settings:
    """Read the settings of this process. Raises UnusableSettings, which says what is wrong with which one."""
    env = Env(prefix="WAYWARDEN_", eager=False)
    if path := os.environ.get("WAYWARDEN_SETTINGS"):
        if not Path(path).is_file():
            raise UnusableSettings(f"WAYWARDEN_SETTINGS names {path}, which is no file.")
        env.read_env(path, recurse=False)
    services = tuple(env.list("SERVICES", list(SERVICES)) or ())
    data = Path(env.str("DATA", "data") or "").absolute()
    host, port = env.str("HOST", "127.0.0.1") or "", env.int("PORT", 8000, validate=Range(0, 65535))
    chosen = Settings(
        services=services,
        host=host,
        port=port,
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
        database_connections=env.int("DATABASE_CONNECTIONS", 16, validate=Range(2, 200)),
        workers=env.int("WORKERS", 32, validate=Range(1, 1000)),
        proxies=tuple(env.list("PROXIES", []) or ()),
        connections=env.int("CONNECTIONS", 2_000, validate=Range(10, 100_000)),
        connections_per_address=env.int("CONNECTIONS_PER_ADDRESS", 200, validate=Range(1, 100_000)),
        requests_per_account=env.int("REQUESTS_PER_ACCOUNT", 16, validate=Range(1, 1_000)),
        streams_per_account=env.int("STREAMS_PER_ACCOUNT", 16, validate=Range(1, 1_000)),
        body_limit_bytes=env.int("BODY_LIMIT_BYTES", 1_000_000, validate=Range(1_000, None)),
        import_limit_bytes=env.int("IMPORT_LIMIT_BYTES", 1_000_000_000, validate=Range(1_000, None)),
        import_memory_bytes=env.int("IMPORT_MEMORY_BYTES", 1_500_000_000, validate=Range(200_000_000, None)),
        area_file_limit_s=env.int("AREA_FILE_LIMIT_S", 60, validate=Range(1, 3_600)),
        retry_delays_s=tuple(env.list("RETRY_DELAYS_S", [1, 10, 60, 600, 3600], subcast=float) or ()),
        retention_days=env.int("RETENTION_DAYS", 90, validate=Range(1, None)),
        unnamed_photos=env.int("UNNAMED_PHOTOS", 1_000, validate=Range(1, None)),
        unnamed_photo_bytes=env.int("UNNAMED_PHOTO_BYTES", 2_000_000_000, validate=Range(1_000, None)),
        unnamed_photo_days=env.int("UNNAMED_PHOTO_DAYS", 30, validate=Range(1, None)),
        audit_days=env.int("AUDIT_DAYS", 184, validate=Range(1, None)),
        log_level=env.str("LOG_LEVEL", "info", validate=OneOf(["debug", "info", "warning", "error"])),
        log_json=env.bool("LOG_JSON", False),
    )
    try:
        env.seal()
    except Exception as wrong:
        raise UnusableSettings(str(wrong)) from None
    _check(chosen)
    return chosen


def _check(chosen: Settings) -> None:
    if unknown := sorted(set(chosen.services) - set(SERVICES)):
        raise UnusableSettings(f"WAYWARDEN_SERVICES names {', '.join(unknown)}; there are {', '.join(SERVICES)}.")
    for network in chosen.proxies:
        try:
            ip_network(network, strict=False)
        except ValueError as wrong:
            raise UnusableSettings(f"WAYWARDEN_PROXIES: {wrong}") from None
    if any(delay < 0 for delay in chosen.retry_delays_s):
        raise UnusableSettings("WAYWARDEN_RETRY_DELAYS_S holds a negative delay.")
    urls = {f"DATABASE_URL_{name.upper()}": url for name, url in chosen.database_urls.items()}
    for name, url in {"BROKER_URL": chosen.broker_url, **urls}.items():
        if "://" not in url:  # the text is not shown: it may hold a password
            raise UnusableSettings(f"WAYWARDEN_{name} is no URL.")
    if chosen.embedded and chosen.services != SERVICES:
        raise UnusableSettings("WAYWARDEN_BROKER_URL is needed when not all services run in one process.")
