"""Every refusal has a slug of its own for machines, and a title in English and in Chinese for people."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import deploy.services  # noqa: F401  imports every service, and with it every refusal
from shared.errors import Refused
from shared.web import STATUS


def below(kind: type[Refused]) -> Iterator[type[Refused]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


REFUSALS = sorted(set(below(Refused)), key=lambda each: (each.__module__, each.__name__))
every_refusal = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.__name__)


@every_refusal
def test_a_refusal_has_a_title_in_both_languages(refusal: type[Refused]) -> None:
    assert refusal.__doc__, "its docstring is its English title"
    assert re.fullmatch(r"[A-Z].*[.]", refusal.title())
    assert re.search(r"[\u4e00-\u9fff]", vars(refusal).get("zh", "")), "its own Chinese title"


@every_refusal
def test_a_refusal_has_a_slug_in_kebab_case(refusal: type[Refused]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", vars(refusal).get("slug", ""))


@every_refusal
def test_a_refusal_has_a_status(refusal: type[Refused]) -> None:
    assert any(kind in STATUS for kind in refusal.__mro__)


def test_a_slug_means_one_thing_within_a_service_and_has_one_status_everywhere() -> None:
    meant: dict[tuple[str, str], type[Refused]] = {}
    for each in REFUSALS:
        service = ".".join(each.__module__.split(".")[:2])
        assert meant.setdefault((service, each.slug), each) is each
    statuses = {(each.slug, next(STATUS[kind] for kind in each.__mro__ if kind in STATUS)) for each in REFUSALS}
    assert len(statuses) == len({slug for slug, _ in statuses})
