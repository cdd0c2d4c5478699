"""OpenStreetMap's own elements, as its XML and Overpass' JSON give them: nodes, and ways drawn through nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from services.assets.importing.model import Unusable

Feature = tuple[dict[str, Any], Any]
ELEMENTS = ("node", "way", "relation")
AREAS = {"building", "landuse", "natural", "leisure", "amenity", "area"}  # keys by which a closed way is an outline


@contextmanager
def _making_sense(element: object) -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, ValueError) as wrong:
        raise Unusable(f"An element of OpenStreetMap makes no sense: {element!r:.200}") from wrong


class Map:
    """Turns elements into features; nodes come before the ways that they draw. Untagged ones only draw others."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[float, float]] = {}
        self.lost, self.taken = 0, 0

    def know(self, element: Mapping[str, Any]) -> None:
        """Raises Unusable."""
        with _making_sense(element):
            self._know(element)

    def _know(self, element: Mapping[str, Any]) -> None:
        if isinstance(element, dict) and element.get("type") == "node" and "lat" in element:
            self.places[str(element["id"])] = (float(element["lon"]), float(element["lat"]))

    def take(self, element: Mapping[str, Any]) -> Feature | None:
        """(tags with the id, geometry) of an element that has tags. Raises Unusable."""
        with _making_sense(element):
            return self._take(element)

    def _take(self, element: Mapping[str, Any]) -> Feature | None:
        self._know(element)
        tags = element.get("tags") if isinstance(element, dict) else None
        if not isinstance(tags, dict) or not tags or element.get("type") not in ELEMENTS:
            return None
        shape = self._shape(element, tags)
        self.lost, self.taken = self.lost + (shape is None), self.taken + 1
        return {"@id": f"{element['type']}/{element.get('id')}", **tags}, shape

    def check(self) -> None:
        """Raises Unusable where next to nothing says where it is."""
        if self.taken and self.lost == self.taken:
            raise Unusable("The ways lack the places of their nodes: ask for them too (in Overpass, with 'out geom').")

    def _shape(self, element: Mapping[str, Any], tags: Mapping[str, Any]) -> Any:
        if element["type"] == "node":
            place = self.places.get(str(element.get("id")))
            return {"type": "Point", "coordinates": [*place]} if place else None
        line = [*self._line(element)]
        if len(line) > 1:
            closed = len(line) > 3 and line[0] == line[-1] and (tags.keys() & AREAS) and tags.get("area") != "no"
            return {"type": "Polygon", "coordinates": [line]} if closed else {"type": "LineString", "coordinates": line}
        centre = element.get("center")
        if isinstance(centre, dict):
            return {"type": "Point", "coordinates": [float(centre["lon"]), float(centre["lat"])]}
        return None

    def _line(self, element: Mapping[str, Any]) -> Iterator[list[float]]:
        drawn: Iterable[Any] = element.get("geometry") or ()
        if element["type"] == "way" and isinstance(drawn, list) and drawn:
            yield from ([float(each["lon"]), float(each["lat"])] for each in drawn if each)
            return
        places = (self.places.get(str(each)) for each in element.get("nodes") or ())
        yield from ([*place] for place in places if place)
