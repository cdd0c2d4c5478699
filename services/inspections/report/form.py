"""What somebody sent with the form, or what a link brought for it. All of it may be anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from uuid import UUID, uuid4, uuid5

import msgspec
from marshmallow import ValidationError

from services.inspections.report.choices import Choices
from shared.fields import CONTROL, Code, no_fix

LONGEST_WORDS = 2_000
LINKED = ("facility", "kind", "lon", "lat")  # what a link may fill in; nobody puts words into another one's mouth
DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,12})?")


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The fields as they came, without what cannot be typed. ``id`` names the form that was served."""

    id: str = ""
    facility: str = ""
    kind: str = ""
    lon: str = ""
    lat: str = ""
    category: str = ""
    words: str = ""

    @property
    def location(self) -> dict[str, float] | None:
        """The place that the link brought, in WGS 84; None where that is none."""
        if not (DEGREES.fullmatch(self.lon) and DEGREES.fullmatch(self.lat)):
            return None
        lon, lat = float(self.lon), float(self.lat)
        return None if abs(lon) > 180 or abs(lat) > 90 or no_fix(lon, lat) else {"lon": lon, "lat": lat}

    @property
    def finding_id(self) -> UUID:
        """Of the same form with the same in it, the same: sent twice it is one report, changed it is another."""
        said = {name: value for name, value in vars(self).items() if name != "id"}
        return uuid5(UUID(self.id), msgspec.json.encode(said, order="sorted").hex())

    def without_place(self) -> Typed:
        return replace(self, lon="", lat="")


def read(sent: Mapping[str, str]) -> Typed:
    """What came, with a new id where none of ours came."""
    plain = {each.name: CONTROL.sub("", sent.get(each.name, "")) for each in fields(Typed)}
    plain = {name: value.replace("\r\n", "\n").strip() for name, value in plain.items()}
    return Typed(**{**plain, "id": plain["id"] if _is_id(plain["id"]) else str(uuid4())})


def served(asked: Mapping[str, str]) -> Typed:
    """What a link brought, for a form with an id of its own: the link may have gone to several people."""
    return read({name: asked.get(name, "") for name in LINKED})


def _is_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def mistakes(typed: Typed, offered: Choices) -> dict[str, str]:
    """What keeps a report from being taken: by field, the name of what the page says of it."""
    found = {}
    if not offered.holds(typed.category):
        found["category"] = "choose"
    if typed.facility and not is_code(typed.facility):
        found["facility"] = "no_code"
    if not typed.facility and typed.location is None:
        found["facility"] = "nowhere"
    if len(typed.words) > LONGEST_WORDS:
        found["words"] = "too_long"
    return found


def is_code(text: str) -> bool:
    """Whether some facility could have this code."""
    try:
        Code().deserialize(text)
    except ValidationError:
        return False
    return True
