"""The page that a label's code opens: for a phone in the street, in Chinese and English."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from werkzeug.wrappers import Request, Response

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import LONGEST_CODE
from services.assets.queries.public import Face
from shared import clock
from shared.lists.spelling import spelt_code
from shared.screens import HTML, Pages, language_of, moment
from shared.web import API, JSON

WORDS = {
    "code": ("Code", "编码"),
    "street": ("Street", "街道"),
    "district": ("District", "区域"),
    "kind": ("Kind", "类别"),
    "intact": ("In order", "完好"),
    "defective": ("A defect is known", "已知有故障"),
    "out_of_service": ("Out of service", "停用"),
    "retired": ("Removed", "已拆除"),
    "intact_words": ("No defect is known.", "目前没有已知的故障。"),
    "defective_words": ("The city knows of it. Nobody needs to report it again.", "已登记在案，无需重复上报。"),
    "out_of_service_words": ("It is not in use for the time being.", "该设施暂时停止使用。"),
    "retired_words": (
        "It is no longer kept by the city. If something still stands here and is in the way, report it.",
        "该设施已不在册。如果现场仍有残留并造成妨碍，请上报。",
    ),
    "since": ("Since {0}", "自{0}起"),
    "as_of": ("As of {0}", "截至{0}"),
    "renumbered": ("The label says {0}. That is its former code.", "标签上的编码是 {0}，为旧编码。"),
    "report": ("Report a problem", "上报问题"),
    "report_other": ("Report something else", "上报其他问题"),
    "unknown": ("No facility has this code", "没有此编码的设施"),
    "unknown_words": (
        "Perhaps the label is of another city, or a letter was mistyped. You can report the problem all the same.",
        "可能是其他城市的标签，或编码输入有误。您仍然可以上报问题。",
    ),
    "staff": ("For staff:", "工作人员："),
    "staff_link": ("The facility's file", "设施档案"),
    "staff_words": (
        "It is data for programs (JSON), and answers only with a token in the Authorization header. "
        "There is no page to sign in on yet.",
        "返回供程序读取的数据（JSON），请求须在 Authorization 头中携带令牌。目前还没有登录页面。",
    ),
}
PAGES = Pages(Path(__file__).parent, WORDS)
CACHE = "no-cache"  # a page of an hour ago says of a lamp what is no longer so


def facility_page(request: Request, asked: str, face: Face) -> Response:
    """How a facility stands. ``asked``: the code in the address, which may be a former one."""
    facility, language = face.facility, language_of(request)
    about = {"facility": facility.code, "kind": facility.kind, "lang": language}
    place = {"lon": f"{facility.longitude:.6f}", "lat": f"{facility.latitude:.6f}"}
    return PAGES.show(
        request,
        "facility.html",
        cache=CACHE,
        city=_city(),
        face=face,
        former=asked if spelt_code(asked) != facility.code else None,
        since=on_page(face.since, language),
        now=on_page(clock.now(), language),
        report=f"/report/?{urlencode(about | place)}",
        file=f"{API}/facilities/{quote(facility.code, safe='')}/file",
    )


def unknown_page(request: Request, asked: str) -> Response:
    """That nothing has such a code."""
    known = {"facility": asked} if len(asked) <= LONGEST_CODE else {}
    address = f"/report/?{urlencode(known | {'lang': language_of(request)})}"
    shown = asked if known else f"{asked[:LONGEST_CODE]}…"
    return PAGES.show(request, "no_facility.html", status=404, cache=CACHE, city=_city(), asked=shown, report=address)


def _city() -> dict[str, str]:
    city = the_catalogue().city
    return {"en": city.name, "zh": city.name_zh}


def on_page(at: datetime | date | None, language: str) -> str | None:
    if isinstance(at, datetime):
        return moment(at, the_catalogue().city.timezone, language)
    if at is None:
        return None
    return f"{at.year}年{at.month}月{at.day}日" if language == "zh" else f"{at.day} {at:%B} {at.year}"


def is_wanted(request: Request) -> bool:
    """Whether a client asks for HTML by name, as browsers do; a program that takes anything does not."""
    named = dict(request.accept_mimetypes)
    return named.get(HTML, 0) > 0 and named[HTML] >= named.get(JSON, 0)
