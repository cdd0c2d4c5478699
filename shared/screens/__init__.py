"""Small pages that a service renders itself, for whoever has a browser and no account.

A page loads nothing: its style is in it, and it holds no script. What comes from outside is escaped by Jinja, and the
page's policy lets nothing run, nothing load, and no other site hold it in a frame.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.wrappers import Request, Response

HERE = Path(__file__).parent
HTML = "text/html"
LANGUAGES = {"en": "English", "zh": "中文"}
OTHER = {"en": "zh", "zh": "en"}
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
CLOSED = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
Words = Mapping[str, tuple[str, str]]  # what a page says, in English and in Chinese


def guarded(policy: str) -> dict[str, str]:
    """The headers of a page that no other one holds in a frame, and that tells no other site where a link was."""
    return {"Content-Security-Policy": policy, "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}


def inline(element: str, page: str) -> str:
    """What a policy calls the page's own elements of a kind, so that no other one runs."""
    found = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in found)


def language_of(request: Request) -> str:
    """``en`` or ``zh``: what the address asks for, else what the reader's browser likes best."""
    asked = request.args.get("lang", "")
    return asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES, "en") or "en"


def moment(at: datetime, zone: str, language: str) -> str:
    """A time as one says it in the city."""
    local = at.astimezone(ZoneInfo(zone))
    if language == "zh":
        return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"
    return f"{local.day} {local:%B} {local.year}, {local:%H:%M}"


class Pages:
    """The pages whose templates lie in a folder."""

    def __init__(self, folder: Path, words: Words) -> None:
        loader = FileSystemLoader([folder, HERE])
        self._templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._words = {language: _in(language, words) for language in LANGUAGES}

    def show(self, request: Request, template: str, *, status: int = 200, cache: str, **said: Any) -> Response:
        """The page in the reader's language. ``cache``: its Cache-Control."""
        language = language_of(request)
        said |= {"language": language, "say": self._words[language], "style": Markup(STYLE)}
        said["other"] = _other(request, language) if request.method == "GET" else None
        text = self._templates.get_template(template).render(said)
        policy = f"{CLOSED}; form-action 'self'; style-src {inline('style', text)}"
        headers = guarded(policy) | {"Cache-Control": cache, "Content-Language": language}
        headers["Vary"] = "Accept, Accept-Language"
        return Response(text, status, headers, content_type=f"{HTML}; charset=utf-8")


def _in(language: str, words: Words) -> dict[str, str]:
    return {name: both[list(LANGUAGES).index(language)] for name, both in words.items()}


def _other(request: Request, language: str) -> dict[str, str]:
    """The same page in the other language."""
    other = OTHER[language]
    query = urlencode({**request.args.to_dict(), "lang": other})
    return {"code": other, "name": LANGUAGES[other], "address": f"?{query}"}
