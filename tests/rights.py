"""Who may do what with whose things, as data: what the contract and docs/api.md say of roles, crews and units.

Every route has exactly one rule here; a route without one fails tests/contracts/test_rights.py. What a rule says of
foreign things is tried on every route by tests/integration/test_rights.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from shared.auth import PUBLIC, STAFF
from shared.web import Declared


class Thing(Enum):
    """What somebody may see of depends on who they are; all else is open to the roles of its route."""

    ORDER = auto()
    FINDING = auto()
    CHECK = auto()
    PHOTO = auto()
    FILE = auto()  # of a facility: itself open, but not all that hangs on it
    OPEN = auto()


@dataclass(frozen=True)
class Rule:
    """``thing`` is what the path names, or what a list holds. ``path``, a pattern, is matched whole, less /api/v1."""

    methods: str
    path: str
    roles: tuple[str, ...]
    thing: Thing = Thing.OPEN

    def fits(self, route: Declared) -> bool:
        bare = route.path.removeprefix("/api/v1")
        return route.method in self.methods.split() and re.fullmatch(self.path, bare) is not None


ANYBODY = (*STAFF, "device")
OPERATOR, ADMIN, CREW, DISPATCHER, DEVICE = ("operator",), ("admin",), ("crew",), ("dispatcher",), ("device",)
DECIDERS, CONTROL = ("operator", "dispatcher"), ("controller", "dispatcher", "operator")
FINDERS, WORKERS = ("inspector", *CONTROL), ("crew", *CONTROL)
NAME = r"/<[^/]+>"
AREAS = "/(districts|streets|communities|large-grid-cells|grid-cells)"
REGISTRY = r"(facilities|units|lighting-schedules)"

RULES = (
    # the registry: read by every signed-in role but device, kept by operators
    Rule("GET", f"/{REGISTRY}", STAFF),
    Rule("POST", f"/{REGISTRY}", OPERATOR),
    Rule("GET", f"/{REGISTRY}{NAME}", STAFF),
    Rule("PATCH", f"/{REGISTRY}{NAME}", OPERATOR),
    Rule("GET", f"/facilities{NAME}/(file|history|documents)", STAFF, Thing.FILE),
    Rule("POST", f"/facilities{NAME}/[a-z-]+", OPERATOR),
    Rule("PUT DELETE", f"/facilities{NAME}/documents{NAME}", OPERATOR),
    Rule("GET", f"/facilities{NAME}/documents{NAME}", STAFF),
    Rule("GET", r"/facilities/(export|life-counts|labels\.pdf)", STAFF),
    Rule("GET POST", "/facilities/imports", OPERATOR),
    Rule("GET", rf"/facilities/imports{NAME}(/(rejects|repairs)\.csv)?", OPERATOR),
    Rule("GET", "/facilities/imports/profiles", OPERATOR),
    Rule("GET PUT DELETE", f"/facilities/imports/profiles{NAME}", OPERATOR),
    Rule("GET", f"{AREAS}({NAME})?", STAFF),
    Rule("POST", f"{AREAS}(/imports)?", OPERATOR),
    Rule("PATCH", f"{AREAS}{NAME}", OPERATOR),
    Rule("GET", r"/(catalogue|kinds|rates|lamp-states|lamp-nights|tiles\.json)", STAFF),
    Rule("GET", f"/(lighting-schedules|lamp-states){NAME}/nights", STAFF),
    Rule("GET", rf"/tiles{NAME}{NAME}{NAME}\.mvt", STAFF),
    Rule("GET", "/drainage/(gaps|upstream|downstream)", STAFF),
    Rule("POST", "/lamp-states", DEVICE),
    Rule("GET", f"/f{NAME}", PUBLIC),
    Rule("GET POST", "/report/", PUBLIC),
    # findings and lighting checks
    Rule("POST", "/findings", ("inspector", "operator")),
    Rule("GET", f"/findings({NAME}(/moves)?)?", FINDERS, Thing.FINDING),
    Rule("GET", "/findings/export", FINDERS),
    Rule("POST", f"/findings{NAME}/(confirm|reject|merge)", DECIDERS, Thing.FINDING),
    Rule("GET", "/finding-sources", FINDERS),
    Rule("PUT", f"/finding-sources{NAME}", ADMIN),
    Rule("POST", "/light-checks", ("inspector",)),
    Rule("GET", f"/light-checks({NAME})?", FINDERS, Thing.CHECK),
    # work orders, crews, rules
    Rule("GET", f"/work-orders({NAME})?", WORKERS, Thing.ORDER),
    Rule("GET", "/work-orders/export", WORKERS),
    Rule("POST", f"/work-orders{NAME}/(accept|decline|start|complete|undo-complete)", CREW, Thing.ORDER),
    Rule("POST", f"/work-orders{NAME}/(dispatch|reassign|check|void|supervise)", DISPATCHER, Thing.ORDER),
    Rule("POST", f"/work-orders{NAME}/call-back", OPERATOR, Thing.ORDER),
    Rule("GET", f"/crews({NAME})?", STAFF),
    Rule("POST PATCH", f"/crews({NAME})?", ADMIN),
    Rule("GET", f"/dispatch-rules({NAME})?", WORKERS),
    Rule("POST PUT PATCH DELETE", f"/dispatch-rules({NAME})?", DECIDERS),
    # photos: who has the bytes may send them
    Rule("GET", f"/photos{NAME}", ("inspector", *WORKERS), Thing.PHOTO),
    Rule("PUT", f"/photos{NAME}", ("inspector", "crew", "operator", "dispatcher")),
    # people
    Rule("GET POST PATCH PUT DELETE", "/members(/.*)?", ADMIN),
    Rule("POST", "/auth/(token|revoke)", PUBLIC),
    Rule("GET", r"/auth/jwks\.json", PUBLIC),
    Rule("GET", "/me", ANYBODY),
    Rule("GET POST PUT DELETE", "/me/.+", STAFF),
    # gauges and alerts
    Rule("GET", f"/(sensors|rules)({NAME}(/readings)?)?", CONTROL),
    Rule("POST PATCH", f"/(sensors|rules)({NAME})?", ADMIN),
    Rule("POST", "/readings", DEVICE),
    Rule("GET", f"/alerts({NAME})?", CONTROL),
    Rule("GET", "/alerts/stream", CONTROL),
    Rule("POST", f"/alerts{NAME}/[a-z]+", ("controller",)),
)


def rules_of(route: Declared) -> list[Rule]:
    return [each for each in RULES if each.fits(route)]


@dataclass(frozen=True)
class Actor:
    """Somebody who asks."""

    role: str
    name: str
    crew: str | None = None
    unit: str | None = None

    def may(self, rule: Rule, *, reading: bool) -> bool:
        """Whether the rule is for this role at all."""
        return self.role in (*rule.roles, "admin") or (reading and self.role == "manager")


@dataclass(frozen=True)
class Whose:
    """Whose the things of one case are: who reported it, which crew has its order, whose unit the facility is."""

    reporter: str
    crew: str
    unit: str


def sees(actor: Actor, thing: Thing, whose: Whose) -> bool:
    """Whether this is there for somebody whose role may look at such things."""
    if thing in (Thing.OPEN, Thing.FILE) or actor.role == "admin":
        return True
    if actor.role == "inspector":
        return actor.name == whose.reporter and thing is not Thing.ORDER
    if actor.role == "crew":
        return actor.crew == whose.crew and thing in (Thing.ORDER, Thing.PHOTO)
    if actor.role == "citizen":
        return False
    return actor.unit is None or (actor.unit == whose.unit and thing is not Thing.CHECK)
