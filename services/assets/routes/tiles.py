"""The map: vector tiles, and where to get them."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from services.assets import queries
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.geometry import FINEST
from services.assets.domain.tiles import UnknownTile
from services.assets.schemas.tiles import TileJsonOut, TileQuery
from shared.auth import STAFF
from shared.settings import Settings
from shared.web import API, Call, http

MVT = "application/vnd.mapbox-vector-tile"
FRESH_S = 15
LAYERS = {
    "facilities": {"code": "String", "kind": "String", "condition": "String"},
    "counts": {"count": "Number", "defective": "Number", "out_of_service": "Number"},
}


class TileRoutes:
    settings: Settings

    @http("GET", "/tiles/<int:z>/<int:x>/<int:y>.mvt", roles=STAFF, query=TileQuery, media=MVT, also_status=304,
          refuses=(UnknownTile,), summary="Draw a map tile: counts when far, single facilities when near")  # fmt: skip
    def draw_tile(self, call: Call, z: int, x: int, y: int) -> Response:
        response = Response(queries.draw_tile(call.session, z=z, x=x, y=y, **call.query), content_type=MVT)
        response.cache_control.private = True
        response.cache_control.max_age = FRESH_S
        response.add_etag()
        return response.make_conditional(call.request)

    @http("GET", "/tiles.json", roles=STAFF, answer=TileJsonOut, transaction=False,
          summary="Describe the map tiles, as TileJSON")  # fmt: skip
    def describe_tiles(self, call: Call) -> dict[str, Any]:
        catalogue = the_catalogue()
        return {
            "tilejson": "3.0.0",
            "name": catalogue.city.name,
            "tiles": [f"{self.settings.public_url.rstrip('/')}{API}/tiles/{{z}}/{{x}}/{{y}}.mvt"],
            "minzoom": 0,
            "maxzoom": FINEST,
            "bounds": list(catalogue.city.bounds),
            "vector_layers": [
                {"id": "facilities", "fields": LAYERS["facilities"]},
                {"id": "counts", "fields": LAYERS["counts"] | dict.fromkeys(catalogue.kinds, "Number")},
            ],
        }
