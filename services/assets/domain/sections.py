"""Tables of a TOML file, taken key by key, so that a mistake is told with its line and a leftover is an unknown key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any


class CatalogueError(Exception):
    """The catalogue file cannot be used. ``line`` is 0 and ``key`` empty where the mistake has none."""

    def __init__(self, file: str, line: int, key: str, reason: str) -> None:
        at = f", line {line}" if line else ""
        super().__init__(f"{file}{at}: {key}: {reason}" if key else f"{file}{at}: {reason}")
        self.file, self.line, self.key, self.reason = file, line, key, reason


def read_toml(text: str, file: str) -> Section:
    """The whole file as one section. Raises CatalogueError."""
    try:
        return Section(tomllib.loads(text), (), text, file)
    except tomllib.TOMLDecodeError as wrong:
        found = re.search(r"at line (\d+)", str(wrong))
        raise CatalogueError(file, int(found[1]) if found else _last_line(text), "", f"{wrong}.") from wrong


def _last_line(text: str) -> int:
    """Where a file that ends too early is wrong."""
    return text.count("\n") + 1


class Section:
    """One table of the file."""

    def __init__(self, values: dict[str, Any], path: tuple[str, ...], text: str, file: str) -> None:
        self.values, self.path, self.text, self.file = values, path, text, file
        self.taken: set[str] = set()

    @property
    def name(self) -> str:
        return self.path[-1]

    def wrong(self, key: str, why: str) -> CatalogueError:
        """The error to raise, with the line that the key stands on (or that of its table)."""
        return CatalogueError(self.file, line_of(self.text, self.path, key), ".".join((*self.path, key)), why)

    def take(self, key: str, *types: type, default: Any = ...) -> Any:
        self.taken.add(key)
        if key not in self.values:
            if default is ...:
                raise self.wrong(key, "is missing.")
            return default
        value = self.values[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self.wrong(key, f"must be {' or '.join(each.__name__ for each in types)}, not {value!r}.")
        return value

    def text_of(self, key: str) -> str:
        value = str(self.take(key, str)).strip()
        if not value:
            raise self.wrong(key, "is empty.")
        return value

    def number(self, key: str, low: float, high: float, default: Any = ...) -> float:
        value = self.take(key, int, float, default=default)
        if not low <= value <= high:
            raise self.wrong(key, f"must be {low} to {high}, not {value}.")
        return float(value)

    def number_if_there(self, key: str, low: float, high: float) -> float | None:
        return self.number(key, low, high) if key in self.values else None

    def one_of(self, key: str, allowed: Any, default: Any = ...) -> Any:
        value = self.take(key, str, default=default)
        if value not in list(allowed):
            raise self.wrong(key, f"must be one of {', '.join(allowed)}, not {value!r}.")
        return value

    def some_of(self, key: str, allowed: Any) -> tuple[str, ...]:
        values = self.take(key, list, default=[])
        for value in values:
            if value not in list(allowed):
                raise self.wrong(key, f"knows no {value!r}; there are {', '.join(allowed)}.")
        return tuple(values)

    def section(self, key: str, default: Any = ...) -> Section:
        return Section(self.take(key, dict, default=default), (*self.path, key), self.text, self.file)

    def sections(self, key: str, default: Any = ...) -> Iterator[Section]:
        """The tables below a key, whose names become identifiers in the API."""
        inside = self.section(key, default)
        for name in inside.values:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
                raise inside.wrong(name, "is no name: up to 40 small letters, digits and underscores.")
            yield inside.section(name)

    def nothing_else(self) -> None:
        for key in self.values.keys() - self.taken:
            raise self.wrong(key, "is no known key.")


def line_of(text: str, path: tuple[str, ...], key: str) -> int:
    """The line of a key, or of the table (inline or not) that it should stand in."""
    table, around = ".".join(path), ".".join(path[:-1])
    mine = {table: key} | ({around: path[-1]} if path else {})
    header, at = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[([^\]]+)\]", line):
            header = found[1].strip()
            at = number if header in (table, f"{table}.{key}") else at
        elif header in mine and re.match(rf"\s*{re.escape(mine[header])}\s*=", line):
            return number
    return at
