"""The rules of the work order: its moves, its clocks, who does it, and who may sign in."""
