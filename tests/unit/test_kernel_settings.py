"""Settings fail loudly, and name the variable at fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy import settings
from deploy.keys import make_keys, read_keys
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


NO_NUMBER = "a,b"
REFUSED: dict[str, tuple[str, ...]] = {
    **{name: (NO_NUMBER, "1.5", "", str(each.least - 1)) for name, each in settings.NUMBERS.items()},
    **dict.fromkeys(settings.SECRET, ("nonsense", "http://host/", "://", "")),
    "SETTINGS": ("/no/such/file",),
    "SERVICES": ("assets,ghosts", "assets,assets", ""),
    "PUBLIC_URL": ("waywarden.example.org", "https://a.example/?x=1"),
    "PROXIES": ("10.0.0.300", "10.0.0.5,proxy"),
    "RETRY_DELAYS_S": (NO_NUMBER, "1,soon", "1,-5", "nan", "1,inf", "1,,2"),
    "LOG_LEVEL": ("loud", ""),
    "LOG_JSON": ("perhaps",),
}


@pytest.mark.parametrize("name", settings.TAKES)
def test_a_setting_that_cannot_be_used_is_named_with_what_was_given_and_what_is_right(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in REFUSED[name]:
        monkeypatch.setenv(f"WAYWARDEN_{name}", value)
        with pytest.raises(UnusableSettings) as refused:
            settings.load()
        assert str(refused.value) == f"WAYWARDEN_{name} is {shown_of(name, value)}; it takes {settings.TAKES[name]}."


def shown_of(name: str, value: str) -> str:
    return "something else, not shown since it may hold a password" if name in settings.SECRET else repr(value)


def test_a_number_above_what_is_allowed_is_refused_with_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, each in settings.NUMBERS.items():
        monkeypatch.setenv(f"WAYWARDEN_{name}", str(each.most + 1))
        with pytest.raises(UnusableSettings, match=f"{name} is '{each.most + 1}'; .*{each.least} to {each.most}"):
            settings.load()
        monkeypatch.delenv(f"WAYWARDEN_{name}")


def test_the_file_of_one_system_and_the_folder_of_another_are_refused_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stack.env").write_text(f"WAYWARDEN_DATA={tmp_path}/data\n")
    monkeypatch.setenv("WAYWARDEN_SETTINGS", str(tmp_path / "stack.env"))
    monkeypatch.setenv("WAYWARDEN_DATA", f"{tmp_path}/other")
    with pytest.raises(UnusableSettings, match=rf"its data in {tmp_path}/data, and .* names {tmp_path}/other"):
        settings.load()
    monkeypatch.setenv("WAYWARDEN_DATA", f"{tmp_path}/data")
    assert settings.load().data == tmp_path / "data"


def test_a_file_of_settings_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "stack.env").write_bytes(b"WAYWARDEN_HOST=\xff\xfe\n")
    monkeypatch.setenv("WAYWARDEN_SETTINGS", str(tmp_path / "stack.env"))
    with pytest.raises(UnusableSettings, match=r"WAYWARDEN_SETTINGS is .*; it takes a file of NAME=value lines"):
        settings.load()


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"keys": [{"kid": "a"}]}', '{"keys": 5}'])
def test_keys_that_are_none_are_told_in_one_line(tmp_path: Path, garbage: str) -> None:
    make_keys(tmp_path)
    (tmp_path / "jwks.json").write_text(garbage)
    with pytest.raises(UnusableSettings, match=f"The keys in {tmp_path} cannot be used"):
        read_keys(tmp_path)
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    (tmp_path / "signing.pem").write_text("none")
    with pytest.raises(UnusableSettings, match=f"The keys in {tmp_path} cannot be used"):
        read_keys(tmp_path)


def test_everything_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYWARDEN_PORT", "eight")
    monkeypatch.setenv("WAYWARDEN_RETRY_DELAYS_S", "a,b")
    with pytest.raises(UnusableSettings, match=r"WAYWARDEN_PORT is 'eight'.*WAYWARDEN_RETRY_DELAYS_S is 'a,b'"):
        settings.load()


def test_not_all_services_in_one_process_need_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYWARDEN_SERVICES", "assets")
    with pytest.raises(UnusableSettings, match="WAYWARDEN_BROKER_URL"):
        settings.load()


def test_a_misspelled_name_is_told_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.strangers() == []
    for name in ("RETENTION_DAY", "QXZ"):
        monkeypatch.setenv(f"WAYWARDEN_{name}", "7")
    unlike, near = settings.strangers()
    assert unlike.endswith("_QXZ is no setting, and changes nothing")
    assert near.endswith("_RETENTION_DAY is no setting, and changes nothing: is WAYWARDEN_RETENTION_DAYS meant?")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings"
    file.write_text("WAYWARDEN_PORT=8123\nWAYWARDEN_WORKERS=5\n")
    monkeypatch.setenv("WAYWARDEN_SETTINGS", str(file))
    monkeypatch.setenv("WAYWARDEN_PORT", "8124")
    monkeypatch.setattr(os, "environ", os.environ.copy())  # reading the file adds to it
    chosen = settings.load()
    assert (chosen.port, chosen.workers) == (8124, 5)
