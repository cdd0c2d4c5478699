"""Settings fail loudly, and name the variable at fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy import settings
from deploy.settings import UnusableSettings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("WAYWARDEN_"):
            monkeypatch.delenv(name)


def test_without_any_setting_all_services_run_embedded() -> None:
    chosen = settings.load()
    assert list(chosen.services) == ["assets", "inspections", "workorders", "alerts"]
    assert chosen.embedded
    assert chosen.port == 8000
    assert list(chosen.retry_delays_s) == [1, 10, 60, 600, 3600]
    assert chosen.keys == chosen.data / "keys"
    assert chosen.database_urls["alerts"] == f"sqlite:///{chosen.data}/alerts.sqlite"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eight"), ("PORT", "70000"), ("DATABASE_CONNECTIONS", "0"), ("WORKERS", "-1"), ("WORKERS", "1.5"),
        ("BODY_LIMIT_BYTES", "10"), ("RETRY_DELAYS_S", "1,soon"), ("RETRY_DELAYS_S", "1,-5"), ("RETENTION_DAYS", "0"),
        ("LOG_LEVEL", "loud"), ("LOG_JSON", "perhaps"), ("SERVICES", "assets,ghosts"), ("SERVICES", "assets"),
        ("SETTINGS", "/no/such/file"), ("DATABASE_URL_ASSETS", "nonsense"), ("BROKER_URL", "nonsense"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WAYWARDEN_{name}", value)
    with pytest.raises(UnusableSettings, match=name if name != "SERVICES" else "WAYWARDEN_"):
        settings.load()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings"
    file.write_text("WAYWARDEN_PORT=8123\nWAYWARDEN_WORKERS=5\n")
    monkeypatch.setenv("WAYWARDEN_SETTINGS", str(file))
    monkeypatch.setenv("WAYWARDEN_PORT", "8124")
    monkeypatch.setattr(os, "environ", os.environ.copy())  # reading the file adds to it
    chosen = settings.load()
    assert (chosen.port, chosen.workers) == (8124, 5)
