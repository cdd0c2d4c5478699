"""What must not leave inspections in words: numbers to call or to know people by, addresses, names after a title."""

from __future__ import annotations

import re

STRUCK = "…"
# No part of these can match in two ways: they take a time that grows with the text and no faster.
ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
DATE = r"\b(\d{4}-\d\d-\d\d|\d\d?\.\d\d?\.\d{4})\b"
NUMBER = re.compile(DATE + r"|(?<![A-Za-z0-9_.-])\+?\(?\d(?:[ ()./-]{0,2}\d){6,17}[Xx]?(?![A-Za-z0-9_-])")
TITLED = re.compile(r"\b(Mr|Mrs|Ms|Miss|Dr|Herr|Frau|Rouva|Herra)(\.? )[^\W\d_][\w'-]*(?: [A-ZÀ-ÖØ-Þ][\w'-]*)?")
TITLED_ZH = re.compile("[\u4e00-\u9fff]{1,2}(?=先生|女士|小姐|师傅|阿姨|大爷|大妈)")


def without_people(words: str) -> str:
    """The words, with what looks like a telephone or identity number, an e-mail address or a titled name struck out.

    It cannot know every name: who wrote of people is shown these words only as who may read the finding or its order.
    """
    words = NUMBER.sub(_struck, ADDRESS.sub(STRUCK, words))
    return TITLED_ZH.sub(STRUCK, TITLED.sub(rf"\1\2{STRUCK}", words))


def _struck(number: re.Match[str]) -> str:
    return number[1] or STRUCK  # a date stays
