"""Attributes in one argument of a query string."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import ValidationError, fields

from shared.fields import CONTROL

MOST_ATTRIBUTES = 10


class AttributesAsked(fields.String):
    """``name:value`` with commas between, or a JSON object for values that hold a comma; answers texts by name."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = str(value)
        asked = _of_json(text) if text.startswith("{") else dict(map(_pair, text.split(",")))
        if not 0 < len(asked) <= MOST_ATTRIBUTES:
            raise ValidationError(f"Asks for no attribute, or for over {MOST_ATTRIBUTES}.")
        if any(CONTROL.search(each) for pair in asked.items() for each in pair):
            raise ValidationError("Holds a control character.")
        return asked


def _pair(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (name and colon and value):
        raise ValidationError("Is no name:value with commas between.")
    return name.strip(), value.strip()


def _of_json(text: str) -> dict[str, str]:
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise ValidationError("Is no JSON object.") from wrong
    if not isinstance(asked, dict) or any(isinstance(each, dict | list) or each is None for each in asked.values()):
        raise ValidationError("Is no JSON object of plain values.")
    return {name: each if isinstance(each, str) else json.dumps(each) for name, each in asked.items()}
