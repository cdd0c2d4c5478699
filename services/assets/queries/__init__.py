"""What one can ask about facilities, areas, kinds and rates. Read-only."""

from services.assets.queries.areas import get_area, list_areas
from services.assets.queries.catalogue import list_kinds, newest_edition
from services.assets.queries.codes import get_facility
from services.assets.queries.facilities import list_history
from services.assets.queries.files import find_document, get_document, get_file, list_documents
from services.assets.queries.labels import list_labels
from services.assets.queries.lives import count_lives
from services.assets.queries.network import list_gaps, walk_network
from services.assets.queries.public import show_to_public
from services.assets.queries.rates import list_rates
from services.assets.queries.search import are_over, every_facility, list_facilities
from services.assets.queries.tiles import draw_tile
from services.assets.queries.units import get_unit, list_units

__all__ = [
    "are_over",
    "count_lives",
    "draw_tile",
    "every_facility",
    "find_document",
    "get_area",
    "get_document",
    "get_facility",
    "get_file",
    "get_unit",
    "list_areas",
    "list_documents",
    "list_facilities",
    "list_gaps",
    "list_history",
    "list_kinds",
    "list_labels",
    "list_rates",
    "list_units",
    "newest_edition",
    "show_to_public",
    "walk_network",
]
