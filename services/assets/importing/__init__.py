"""Reading any city's file into drafts for the registry. Pure: no database, no web. See docs/importing.md."""

from services.assets.importing.drafting import rows
from services.assets.importing.model import CHUNK, Options, Row, Understood, Unusable
from services.assets.importing.understanding import understand

__all__ = ["CHUNK", "Options", "Row", "Understood", "Unusable", "rows", "understand"]
