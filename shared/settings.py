"""What a process is set to. deploy/settings.py reads it from the environment and a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEMORY = "memory://"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``services`` run in this process. With the broker ``memory://`` the system is embedded: see outbox.py.

    ``proxies`` are networks (CIDR) whose word on a client's address counts.

    ``catalogue`` is a city's own file of kinds; None: the one that comes with assets.
    """

    services: tuple[str, ...]
    host: str
    port: int
    public_url: str
    data: Path
    keys: Path
    catalogue: Path | None
    broker_url: str
    database_urls: dict[str, str]
    database_connections: int
    workers: int
    proxies: tuple[str, ...]
    connections: int
    connections_per_address: int
    requests_per_account: int
    streams_per_account: int
    reports_per_address: int
    body_limit_bytes: int
    import_limit_bytes: int
    import_memory_bytes: int
    area_file_limit_s: int
    retry_delays_s: tuple[float, ...]
    retention_days: int
    unnamed_photos: int
    unnamed_photo_bytes: int
    unnamed_photo_days: int
    audit_days: int
    log_level: str
    log_json: bool

    @property
    def embedded(self) -> bool:
        return self.broker_url == MEMORY
