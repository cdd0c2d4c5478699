"""What a facility is found by when people type a part of its code, name or street.

PostgreSQL finds parts of text by the trigrams of its words. Chinese, Japanese and Korean write no spaces, and a single
character such as 路 stands in every street. So each two neighbours make a word, and the last character one by itself:
南海路 is kept as 南海, 海路, 路, and found by one of its characters or more.
"""

from __future__ import annotations

import re
from itertools import pairwise

from shared.lists.spelling import folded

IDEOGRAPH = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
RUN = re.compile(f"{IDEOGRAPH}+")
SPACED = re.compile(rf"(?<={IDEOGRAPH})\s+(?={IDEOGRAPH})")
SPACES = re.compile(r"\s+")
BETWEEN = "\n"  # no text that is looked for runs from one field into the next


def searchable(*texts: str | None) -> str:
    """The text that is kept of a facility's code, name and street to search in."""
    return BETWEEN.join(_in_words(text) for text in texts if text)


def sought(q: str) -> str:
    """What people typed, as it stands in ``searchable`` text: what it ends with may go on there."""
    return _in_words(q.strip(), goes_on=True)


def _in_words(text: str, *, goes_on: bool = False) -> str:
    text = folded(text)
    if text.isascii():
        return SPACES.sub(" ", text)
    text = SPACED.sub("", text)

    def words(run: re.Match[str]) -> str:
        characters = run[0]
        pairs = [a + b for a, b in pairwise(characters)]
        if not goes_on or run.end() < len(text):
            return f" {' '.join([*pairs, characters[-1]])} "
        return f" {' '.join(pairs)} " if pairs else f" {characters}"

    return SPACES.sub(" ", RUN.sub(words, text))
