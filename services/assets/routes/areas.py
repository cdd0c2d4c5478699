"""Areas: the same four routes for each level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Row

from services.assets import area_worker, queries, use_cases
from services.assets.domain.areas import (
    Area,
    AreaTaken,
    CrossesItself,
    Level,
    NoPolygon,
    NoSuchArea,
    UnknownArea,
    UnknownDistrict,
    UnusableAreas,
)
from services.assets.domain.geometry import TooLarge
from services.assets.routes.roles import WRITERS
from services.assets.routes.uploads import FORM, receive_form
from services.assets.schemas.areas import AreaChangeIn, AreaFileIn, AreaFileOut, AreaIn, AreaOut, AreasQuery
from shared.auth import STAFF, User
from shared.errors import Stale, TooMany
from shared.errors import TooLarge as FileTooLarge
from shared.paging import Page
from shared.web import Call, http

C = TypeVar("C", bound=type)
Method = Callable[..., Any]
LARGEST_FILE = 50_000_000  # read while the client waits
DRAWING = (NoPolygon, CrossesItself, TooLarge, UnknownDistrict, NoSuchArea)


def level(which: Level, path: str, one: str, many: str) -> Callable[[C], C]:
    """Give a class the routes of a level of areas, below ``path``."""

    def decorate(routes: C) -> C:
        for method in (
            _lists(which, path, many),
            _shows(which, path, one),
            _draws(which, path, one),
            _changes(which, path, one),
            _imports(which, path, many),
        ):
            setattr(routes, method.__name__, method)
        return routes

    return decorate


def named(name: str) -> Callable[[Method], Method]:
    """A method's name is its operation in the API."""

    def rename(method: Method) -> Method:
        method.__name__ = name.replace(" ", "_")
        return method

    return rename


def seen_by(user: User, area: Row[Any]) -> dict[str, Any]:
    """Who is responsible for an area is for staff to know."""
    person = {} if user.role != "citizen" else {"responsible_name": None, "responsible_phone": None}
    return {**area._mapping, **person}


def _lists(which: Level, path: str, many: str) -> Method:
    @http(
        "GET",
        f"/{path}",
        roles=STAFF,
        audit="read",
        query=AreasQuery,
        answer=AreaOut,
        paged=True,
        summary=f"List {many}",
    )
    @named(f"list {many}")
    def list_areas(self: Any, call: Call) -> Page:
        found = queries.list_areas(call.session, level=which, **call.query)
        return Page([seen_by(call.user, each) for each in found.items], found.next)

    return list_areas


def _shows(which: Level, path: str, one: str) -> Method:
    @http(
        "GET",
        f"/{path}/<code>",
        roles=STAFF,
        audit="read",
        answer=AreaOut,
        refuses=(UnknownArea,),
        summary=f"Show a {one}",
    )
    @named(f"show {one}")
    def show_area(self: Any, call: Call, code: str) -> dict[str, Any]:
        return seen_by(call.user, queries.get_area(call.session, level=which, code=code))

    return show_area


def _draws(which: Level, path: str, one: str) -> Method:
    @http("POST", f"/{path}", roles=WRITERS, body=AreaIn, answer=AreaOut, status=201, natural_key="code",
          refuses=(AreaTaken, *DRAWING),
          summary=f"Draw a {one}; the facilities that lie in it follow within moments")  # fmt: skip
    @named(f"add {one}")
    def add_area(self: Any, call: Call) -> Area:
        return use_cases.add_area(call.session, level=which, who=call.user.name, **call.body)

    return add_area


def _changes(which: Level, path: str, one: str) -> Method:
    @http("PATCH", f"/{path}/<code>", roles=WRITERS, body=AreaChangeIn, answer=AreaOut,
          refuses=(UnknownArea, Stale, *DRAWING),
          summary=f"Change a {one}; the facilities follow its polygon within moments")  # fmt: skip
    @named(f"change {one}")
    def change_area(self: Any, call: Call, code: str) -> Mapping[str, Any]:
        return use_cases.change_area(
            call.session, level=which, code=code, changes=call.body, expected=call.expected, who=call.user.name
        )

    return change_area


def _imports(which: Level, path: str, many: str) -> Method:
    @http("POST", f"/{path}/imports", roles=WRITERS, body=AreaFileIn, reads=FORM, receive=receive_form,
          answer=AreaFileOut, transaction=False, refuses=(UnusableAreas, FileTooLarge, TooMany),
          summary=f"Draw and change {many} from a file; running it again changes nothing")  # fmt: skip
    @named(f"import {many}")
    def import_areas(self: Any, call: Call) -> dict[str, Any]:
        options, file = dict(call.body["options"]), call.body["file"]
        dry_run = options.pop("dry_run", False)
        if file["bytes"] > LARGEST_FILE:
            raise FileTooLarge(f"A file of areas has at most {LARGEST_FILE:,} bytes.")
        spool: Any = call.request.files["file"].stream
        return area_worker.take_file(
            self.settings, self.db, path=str(spool.path), name=file["name"], options=options, level=which.value,
            who=call.user.name, dry_run=dry_run,
        )  # fmt: skip

    return import_areas


@level(Level.DISTRICT, "districts", "district", "districts")
@level(Level.STREET, "streets", "street", "streets")
@level(Level.COMMUNITY, "communities", "community", "communities")
@level(Level.LARGE_GRID, "large-grid-cells", "large grid cell", "large grid cells")
@level(Level.GRID, "grid-cells", "grid cell", "grid cells")
class AreaRoutes:
    """Districts, streets, communities, large and small grid cells."""
