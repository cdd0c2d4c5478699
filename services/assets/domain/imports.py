"""Imports of facilities: their states, the series that they belong to, and what a row of a file changes."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from encodings.aliases import aliases
from enum import StrEnum
from typing import Any

from shared.errors import Conflict, Invalid, NotFound
from shared.lists.spelling import folded

FAR_M = 1_000  # that a facility moves: no survey was so wrong
SPOT_M = 2  # two things of a kind do not stand so near, but on one pole
LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
SEPARATORS = re.compile(r"[\W_]+")
OFF_M = 100  # the same of most: another coordinate system, perhaps
SAME_DEG = 1e-6  # a tenth of a metre
FEW_DECIMALS = 3  # a number with less is no place that a spreadsheet shortened
MOST_STARTS = 3  # of a worker that dies again and again at the same row


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


# What Python knows as an encoding and is none of text files, or one that nobody's text is in: idna, rot13, zip, …
NO_TEXT = {
    "base64_codec",
    "bz2_codec",
    "hex_codec",
    "mbcs",
    "quopri_codec",
    "rot_13",
    "uu_codec",
    "utf_7",
    "zlib_codec",
}
MORE_TEXT = {"cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "iso8859_1", "utf_8_sig"}
TEXT_ENCODINGS = ({*aliases.values()} | MORE_TEXT) - NO_TEXT

OPEN = (State.QUEUED.value, State.RUNNING.value)


class Retiring(StrEnum):
    """What becomes of facilities of the series that the file no longer holds."""

    NO = "no"
    MISSING = "missing"
    ALL = "all"  # also when that is more than half of them


class UnknownImport(NotFound):
    """There is no import with this id."""

    slug = "unknown-import"
    zh = "没有此导入任务"


class UnknownProfile(NotFound):
    """There is no import profile of this name."""

    slug = "unknown-profile"
    zh = "没有此导入方案"


class NoFile(Invalid):
    """The form holds no file."""

    slug = "no-file"
    zh = "表单中没有文件"


class UnusableFile(Invalid):
    """The file makes no sense as a whole."""

    slug = "unusable-file"
    zh = "文件整体无法使用"


class RetiresTooMany(Conflict):
    """More than half of the series would be retired."""

    slug = "retires-too-many"
    zh = "将注销的设施超过该批次的一半"


class MovesFar(Conflict):
    """Most of the facilities that the file names would move far."""

    slug = "moves-far"
    zh = "文件将大部分设施移动到很远的位置"


class TwoPlaces(Conflict):
    """Longitude and latitude say another place than the geometry."""

    slug = "two-places"
    zh = "经纬度与几何位置不一致"


class SamePlaces(Conflict):
    """New codes of the file stand where facilities of the same kind are registered that it does not name."""

    slug = "same-places"
    zh = "文件中的新编码与已登记的同类设施位于同一位置"


class Interrupted(Conflict):
    """The import was begun several times and always broke off at the same row."""

    slug = "import-interrupted"
    zh = "导入多次在同一行中断"


def text_encoding(name: str) -> str | None:
    """A text encoding as Python names it, by any of its names; None for what is none."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if found.replace("-", "_") in TEXT_ENCODINGS else None


def series_of(options: Mapping[str, Any]) -> str:
    """The series that a file continues, when none is named: what next year's file of the same things has as well."""
    if source := options.get("source"):
        return str(source)
    parts = (options.get("kind") or "mixed", options.get("district"))
    return "/".join(str(each) for each in parts if each)


@dataclass
class Counts:
    """What became of rows. ``rules``: how many rows each rule refused or repaired."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    repaired: int = 0
    rules: Counter[str] = field(default_factory=Counter)


NAMES = ("rows", "created", "updated", "unchanged", "rejected", "repaired")


def refusal_of(draft: Mapping[str, Any], there: Mapping[str, Any], source: str) -> tuple[str, str] | None:
    """Why a row must leave the facility that has its code alone: (rule, reason)."""
    code = there["code"]
    if there["kind"] != draft["kind"]:
        return "other-kind", f"{code} is registered as {there['kind']}, not {draft['kind']}."
    if there["condition"] == "retired":
        return "retired-code", f"{code} was retired; a new facility needs a new code."
    if there["source"] not in (None, source, draft.get("source")):
        return "other-source", f"{code} belongs to the series {there['source']!r}: import with that source."
    return None


def changes_of(draft: Mapping[str, Any], there: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What the row says otherwise than the registry. What it leaves empty stays as it is."""
    said = {name: value for name, value in draft.items() if value not in (None, "") and name not in ("code", "kind")}
    if there["source"] is None and "source" not in draft:  # an export says of each row to which series it belongs
        said["source"] = source
    if "attributes" in said:
        said["attributes"] = {**there["attributes"], **said["attributes"]}
    return {name: value for name, value in said.items() if not _same(name, value, there)}


def _same(name: str, value: Any, there: Mapping[str, Any]) -> bool:
    if name == "measure":
        return round(value * 1000) == there["measure_milli"] and not there["measure_estimated"]
    known = there[name]
    return value == known or (isinstance(value, dict) and _as_stored(value) == known)


def _as_stored(value: dict[str, Any]) -> Any:
    """Tuples become lists on their way through the database."""
    return json.loads(json.dumps(value))


def says_same(said: Sequence[float], place: Sequence[float], decimals: Sequence[int] | None = None) -> bool:
    """Whether two numbers, perhaps shortened to so many decimals, mean a place (longitude, latitude)."""
    shown = decimals or [len(repr(each).partition(".")[2]) for each in said]
    return all(
        abs(number - exact) <= (max(SAME_DEG, 0.51 * 10**-digits) if digits >= FEW_DECIMALS else SAME_DEG)
        for number, exact, digits in zip(said, place, shown, strict=True)
    )


def edited_place(
    geometry: Mapping[str, Any], said: tuple[float, float], there: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The geometry that is meant where the numbers of an export lie elsewhere: what somebody changed of the two.

    Raises TwoPlaces.
    """
    if there is not None and says_same(said, (there["longitude"], there["latitude"])):
        return geometry
    if there is None or geometry["type"] != "Point" or geometry != there["geometry"]:
        raise TwoPlaces(f"Longitude and latitude say {said[0]}, {said[1]}, and the geometry says another place.")
    return {"type": "Point", "coordinates": [*said]}


def may_retire(missing: int, of: int, how: str) -> None:
    """A file cut off half-way must not retire half a city. Raises RetiresTooMany."""
    if how != Retiring.ALL and 2 * missing > of:
        raise RetiresTooMany(f'{missing} of {of} would be retired. If that is meant, say retire_missing "all".')


def may_move(moved: Sequence[float], source: str, said: bool) -> str | None:
    """What to say of how far a file moves the facilities whose codes it names, in metres each. Raises MovesFar.

    ``said``: whether somebody said that they were moved. Two towns may have the same codes (P-001, P-002 …).
    """
    far, off = (sum(each > limit for each in moved) for limit in (FAR_M, OFF_M))
    if 2 * far > len(moved) and not said:
        raise MovesFar(
            f"{far} of the {len(moved)} facilities of {source!r} that the file names would move by over {FAR_M} m, the "
            f"farthest by {max(moved):,.0f} m. Are they another town's, with the same codes? Then give the file a "
            "source or district of its own, and other codes. If they were moved, say moves_far true."
        )
    if 2 * off > len(moved):
        return f"{off} of the {len(moved)} facilities that the file names move by over {OFF_M} m: is its crs right?"
    return None


@dataclass(frozen=True)
class Twin:
    """A new code of a file and the registered facility of the same kind that stands on its spot."""

    code: str
    known: str
    facility_id: int
    source: str | None

    @property
    def alike(self) -> bool:
        """Whether the codes differ by zeros before numbers, case and separators only."""
        return _core(self.code) == _core(self.known)


def _core(code: str) -> str:
    return SEPARATORS.sub("", LEADING_ZEROS.sub("", folded(code)))


def may_be_new(twins: Sequence[Twin], rows: int, source: str, said: bool) -> str | None:
    """What to say of new codes on the spots of registered facilities that a file does not name. Raises SamePlaces.

    ``rows``: how many the file has, as far as it was looked at. ``said``: whether somebody said that they are
    other things.
    """
    alike = {each.code: each for each in twins if each.alike}
    ours = {each.code: each for each in twins if each.source == source}
    found = alike or (ours if 2 * len(ours) > rows else {})
    if found and not said:
        some = ", ".join(f"{each.code!r} on {each.known!r}" for each in list(found.values())[:3])
        raise SamePlaces(
            f"{len(found)} new codes stand on the spots of registered facilities of their kind that the file does not "
            f"name: {some}. Did they lose their zeros, or another column is the code? Then mend the file, or name the "
            "column as code_column. If they are other things, say new_codes true."
        )
    if not (count := len(alike | ours)):
        return None
    return f"New codes on the spots of registered facilities of their kind that the file does not name: {count:,}."
