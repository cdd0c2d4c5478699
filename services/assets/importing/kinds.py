"""Of which kind a row is: as given, by the value of a column, or by OpenStreetMap's tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from services.assets.domain.catalogue import Catalogue, Kind, Unit
from services.assets.importing.model import Options, Unusable
from services.assets.importing.words import KINDS, OSM_KINDS, by_pattern, plain, words_in

LONGEST, MOST_KNOWN = 500, 10_000
POINTS, LINES, AREAS = 0, 1, 2
FITS = {Unit.COUNT: (POINTS, AREAS, LINES), Unit.METRE: (LINES,), Unit.SQUARE_METRE: (LINES, AREAS)}


class Kinds:
    """Looks kinds up by their names, remembering what was asked; a file has few different values."""

    def __init__(self, catalogue: Catalogue, given: Mapping[str, str], fallback: str | None = None) -> None:
        self.catalogue, self.fallback, self.said = catalogue, fallback, given
        self.given = {plain(value): kind for value, kind in given.items()}
        self.names = dict(_names(catalogue.kinds.values()))
        self.inside = sorted(((words_in(word), kind) for word, kind in _words(catalogue)), key=lambda it: -len(it[0]))
        self.known: dict[tuple[str, int], str | None] = {}

    def of(self, value: Any, dimension: int) -> str | None:
        """The kind that a value names: outright, or by a word inside it that fits a point (0), line (1) or area (2)."""
        text = str(value)[:LONGEST]
        if len(self.known) > MOST_KNOWN:
            self.known.clear()
        if (text, dimension) not in self.known:
            self.known[text, dimension] = self._look_up(text, dimension)
        return self.known[text, dimension]

    def _look_up(self, text: str, dimension: int) -> str | None:
        name = plain(text)
        if outright := self.given.get(name) or by_pattern(self.said, text) or self.names.get(name):
            return outright
        words = words_in(text)
        for word, kind in self.inside:
            within = (word in words or f"{word[:-1]}s " in words) if word.isascii() else word.strip() in words
            if within and dimension in FITS[self.catalogue.kinds[kind].unit]:
                return kind
        return None

    def by_tags(self, tags: Mapping[str, Any]) -> str | None:
        """The kind that OpenStreetMap's tags say."""
        for key, values, kind in OSM_KINDS:
            if key in tags and (values is None or tags[key] in values) and kind in self.catalogue.kinds:
                return kind
        return None


def _names(kinds: Iterable[Kind]) -> Iterable[tuple[str, str]]:
    for kind in kinds:
        for name in (kind.slug, kind.en, kind.zh, *kind.zh.split("/")):
            yield plain(name), kind.slug


def _words(catalogue: Catalogue) -> Iterable[tuple[str, str]]:
    for kind in catalogue.kinds.values():
        for word in (kind.en, *kind.zh.split("/"), *KINDS.get(kind.slug, ())):
            yield word, kind.slug


def check_given(options: Options, catalogue: Catalogue) -> None:
    """Raise Unusable for a kind that the catalogue lacks."""
    for kind in filter(None, (options.kind, *options.kinds.values())):
        if kind not in catalogue.kinds:
            raise Unusable(f"There is no kind {kind!r}; the catalogue has {', '.join(catalogue.kinds)}.")
    for slug, given in options.choices.items():
        known = [kind.attributes[slug].values for kind in catalogue.kinds.values() if slug in kind.attributes]
        for choice in given.values():
            if not any(choice in values for values in known):
                raise Unusable(f"{slug!r} has no choice {choice!r}; there are {', '.join(sorted({*chain(*known)}))}.")
