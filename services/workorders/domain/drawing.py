"""The drawing of the moves, made from their table: ``python -m services.workorders.domain.drawing > docs/…``."""

from __future__ import annotations

from services.workorders.domain.orders import MOVES, State

HEAD = """# The states of a work order

Made from the table of moves in `services/workorders/domain/orders.py`; a test says when it is out of date. To make it
again: `python -m services.workorders.domain.drawing > docs/work-order-states.md`.

```mermaid
stateDiagram-v2
    [*] --> registered
"""
TAIL = """    closed --> [*]
    void --> [*]
```
"""


def draw() -> str:
    """The page with the diagram: one arrow per move and state that it may start from."""
    arrows = [
        f"    {source.value} --> {(move.target or source).value}: {name.replace('_', ' ')}\n"
        for source in State
        for name, move in MOVES.items()
        if source in move.sources
    ]
    return HEAD + "".join(arrows) + TAIL


if __name__ == "__main__":
    print(draw(), end="")
