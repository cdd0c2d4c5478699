"""What the command of imports tells."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.import_command import _options, _tell

SHOWN: dict[str, Any] = {
    "id": 1, "file_name": "lamps.csv", "series": "", "source": "lamps", "rows": 9, "created": 4, "updated": 0,
    "unchanged": 0, "rejected": 3, "repaired": 2, "missing": 0, "retired": 0, "dry_run": False, "error": None,
    "rules": {"null-island": 2, "unit-converted": 1, "other-kind": 1, "outside-bounds": 1},
}  # fmt: skip


@pytest.mark.parametrize(("bounds", "what"), [("warn", "repaired"), ("refuse", "refused")])
def test_refusals_and_repairs_are_counted_apart(capsys: pytest.CaptureFixture[str], bounds: str, what: str) -> None:
    _tell(SHOWN | {"understood": {"check_bounds": bounds}})
    told = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  re")]
    assert {"refused: 2 null-island", "refused: 1 other-kind", f"{what}: 1 outside-bounds"} <= {*told}
    assert told == sorted(told, key=lambda each: each.startswith("repaired"))
    assert "repaired: 1 unit-converted" in told


def test_every_option_can_be_given() -> None:
    given = _options(
        mapping=("code=Pole",), others=("decimal=,", "header=true", 'kinds={"MH*": "manhole"}'),
        retire_missing=False, retire_all_missing=False, dry_run=True, kind="manhole",
    )  # fmt: skip
    assert given == {
        "kind": "manhole", "mapping": {"code": "Pole"}, "decimal": ",", "header": True, "kinds": {"MH*": "manhole"},
        "dry_run": True,
    }  # fmt: skip
