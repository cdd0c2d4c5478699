"""The figures that a story moves, read from /metrics before, between and after its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.client import System, wait_for

STATES = ("registered", "dispatched", "accepted", "in_progress", "completed", "closed", "void")
Board = dict[str, float]


@dataclass
class Watch:
    """Findings, facilities and orders of one category, kind and district, as they were at first."""

    system: System
    district: str
    kind: str = "street_light"
    category: str = "lamp_out"
    source: str = "patrol"
    first: Board = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.read()

    def read(self) -> Board:
        """All figures as they are now; orders by their state."""
        assets, orders = self.system.figures("assets"), self.system.figures("workorders")
        place = {"kind": self.kind, "district": self.district}
        mine = {"category": self.category, "district": self.district}
        return {
            "findings": self.system.count(
                "inspections", "waywarden_findings_total", source=self.source, category=self.category
            ),
            "intact": assets.get("waywarden_facilities", **place, condition="intact") or 0,
            "defective": assets.get("waywarden_facilities", **place, condition="defective") or 0,
            **{state: orders.get("waywarden_work_orders", **mine, state=state) or 0 for state in STATES},
        }

    def moved(self, **by: int) -> None:
        """Wait until exactly these figures have moved by so much since the first look, and the ratio fits them."""
        wanted = {name: value + by.get(name, 0) for name, value in self.first.items()}
        wait_for(lambda: self.read() == wanted, lambda: f"figures {wanted}, they are {self.read()}")
        self._check_ratio(wanted)

    def _check_ratio(self, now: Board) -> None:
        """Lamps are counted one by one, so that the intact ratio is known from the counts."""
        if whole := now["intact"] + now["defective"]:
            ratio = self.system.figure("assets", "waywarden_intact_ratio", kind=self.kind, district=self.district)
            assert ratio == pytest.approx(now["intact"] / whole, abs=1e-12)


@dataclass
class Looks:
    """The sampled light-on figures of a district's street lights, as they were at first."""

    system: System
    district: str
    first: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.read()

    def read(self) -> tuple[float, float]:
        """Lamps looked at, and lamps seen lit."""
        figures, labels = self.system.figures("assets"), self._labels()
        checked = figures.get("waywarden_lamps_checked", **labels) or 0
        return checked, figures.get("waywarden_lamps_lit", **labels) or 0

    def moved(self, *, checked: int, lit: int) -> None:
        wanted = self.first[0] + checked, self.first[1] + lit
        wait_for(lambda: self.read() == wanted, lambda: f"lamps looked at, lit {wanted}; they are {self.read()}")
        ratio = self.system.figure("assets", "waywarden_light_on_ratio", **self._labels())
        assert ratio == (pytest.approx(wanted[1] / wanted[0]) if wanted[0] else None)

    def _labels(self) -> dict[str, str]:
        return {"method": "sampled", "kind": "street_light", "district": self.district}
