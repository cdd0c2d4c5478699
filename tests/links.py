"""Following the addresses that stand beside a rate: what they lead to must add up to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from services.assets.domain.rates import RateName

Shown = Mapping[str, Any]
Fetch = Callable[[str], Sequence[Shown]]
"""All items at an address, page by page."""


def must_add_up(rate: Shown, fetch: Fetch) -> None:
    """A rate as the API shows it: ``counted`` comes to its denominator, ``lacking`` to what the numerator lacks."""
    whole, less = ADDS[rate["rate"]]
    counted, lacking = (fetch(rate["facilities"][name]) for name in ("counted", "lacking"))
    assert sum(map(whole, counted)) == pytest.approx(rate["denominator"], abs=1e-6), rate
    assert sum(map(less, lacking)) == pytest.approx(rate["denominator"] - rate["numerator"], abs=1e-6), rate


def _one(_: Shown) -> int:
    return 1


def _known(night: Shown) -> float:
    return float(night["planned_min"] - night["unknown_min"])


ADDS: dict[str, tuple[Callable[[Shown], float], Callable[[Shown], float]]] = {
    RateName.INTACT: (lambda each: each["measure"], lambda each: each["defective"]),
    RateName.LIGHT_ON_SAMPLED: (_one, _one),
    RateName.LED_SHARE: (_one, _one),
    RateName.LIGHT_ON_METERED: (_known, lambda each: _known(each) - each["lit_min"]),
}
