"""What one can ask about facilities, areas, kinds and rates. Read-only."""

from services.assets.queries.areas import list_areas
from services.assets.queries.catalogue import list_kinds, newest_edition
from services.assets.queries.facilities import get_facility, list_history
from services.assets.queries.rates import list_rates
from services.assets.queries.search import list_facilities
from services.assets.queries.tiles import draw_tile

__all__ = [
    "draw_tile",
    "get_facility",
    "list_areas",
    "list_facilities",
    "list_history",
    "list_kinds",
    "list_rates",
    "newest_edition",
]
