"""What one can ask about facilities, areas, kinds and rates. Read-only."""

from services.assets.queries.areas import count_sweeps, get_area, list_areas
from services.assets.queries.catalogue import list_kinds, newest_edition
from services.assets.queries.facilities import get_facility, list_history
from services.assets.queries.rates import list_rates
from services.assets.queries.search import list_facilities
from services.assets.queries.tiles import draw_tile
from services.assets.queries.units import get_unit, list_units

__all__ = [
    "count_sweeps",
    "draw_tile",
    "get_area",
    "get_facility",
    "get_unit",
    "list_areas",
    "list_facilities",
    "list_history",
    "list_kinds",
    "list_rates",
    "list_units",
    "newest_edition",
]
