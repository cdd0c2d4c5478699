"""What a facility is found by when people type a part of its code, name or street.

PostgreSQL finds parts of text by their trigrams, which stop at the ends of words. Chinese, Japanese and Korean write no
spaces, so each of their characters becomes a word of its own: then one or two of them are enough to be found by.
"""

from __future__ import annotations

import re

IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
SPACES = re.compile(r"\s+")
BETWEEN = "\n"  # no text that is looked for runs from one field into the next


def searchable(*texts: str | None) -> str:
    """The text that is kept of a facility's code, name and street to search in."""
    return BETWEEN.join(_spaced(text) for text in texts if text)


def sought(q: str) -> str:
    """What people typed, as it stands in ``searchable`` text."""
    return _spaced(q.strip())


def _spaced(text: str) -> str:
    spaced = text if text.isascii() else IDEOGRAPH.sub(r" \g<0> ", text)
    return SPACES.sub(" ", spaced.casefold())
