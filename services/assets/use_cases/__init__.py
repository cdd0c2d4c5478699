"""What one can do with facilities, defects, looks at lamps, areas and the catalogue. One transaction each."""

from services.assets.use_cases.areas import add_area, add_areas, change_area, import_areas
from services.assets.use_cases.defects import follow_orders, record_defects
from services.assets.use_cases.documents import add_document, is_unwanted, remove_document, remove_unnamed
from services.assets.use_cases.editions import begin_with, follow_catalogue, publish_catalogue, tell_catalogue
from services.assets.use_cases.lives import move_facility, renumber_facility, replace_facility
from services.assets.use_cases.looks import expire_looks, record_looks
from services.assets.use_cases.network import join_pipes
from services.assets.use_cases.orders import keep_orders
from services.assets.use_cases.registry import (
    act_on_facilities,
    act_on_facility,
    register_facilities,
    register_facility,
    revise_facilities,
    revise_facility,
)
from services.assets.use_cases.sweeps import sweep_areas
from services.assets.use_cases.units import add_unit, change_unit

__all__ = [
    "act_on_facilities",
    "act_on_facility",
    "add_area",
    "add_areas",
    "add_document",
    "add_unit",
    "begin_with",
    "change_area",
    "change_unit",
    "expire_looks",
    "follow_catalogue",
    "follow_orders",
    "import_areas",
    "is_unwanted",
    "join_pipes",
    "keep_orders",
    "move_facility",
    "publish_catalogue",
    "record_defects",
    "record_looks",
    "register_facilities",
    "register_facility",
    "remove_document",
    "remove_unnamed",
    "renumber_facility",
    "replace_facility",
    "revise_facilities",
    "revise_facility",
    "sweep_areas",
    "tell_catalogue",
]
