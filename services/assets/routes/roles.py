"""Who may change what assets keeps; all staff may read it."""

WRITERS = ("operator",)
