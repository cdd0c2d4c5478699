"""Work orders as a file; see shared/lists/exports.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from services.workorders import queries
from services.workorders.domain.clocks import Light
from services.workorders.domain.orders import Order, Severity, Sight, State, VoidReason
from services.workorders.schemas import OrderExportQuery
from shared import clock
from shared.lists import files
from shared.lists.exports import Asked
from shared.lists.files import YES_NO_ZH, Format, Words, local

COLUMNS = {  # by name, in Chinese
    "number": "工单号", "state": "状态", "light": "红绿灯", "overdue": "超期", "category": "类别", "group": "专业",
    "severity": "严重程度", "source": "来源", "summary": "问题描述", "quantity": "数量", "facility_code": "设施编码",
    "kind": "设施类型", "district": "区划代码", "district_name": "区划", "street": "道路", "grid": "网格",
    "longitude": "经度", "latitude": "纬度", "owner": "权属单位", "authority": "主管部门", "maintainer": "养护单位",
    "maintainer_name": "养护单位名称", "registered_at": "立案时间", "due_at": "处置截止时间", "crew": "班组",
    "supervised": "督办", "rework_count": "返工次数", "disposed_at": "处置完成时间", "quantity_done": "完成数量",
    "note": "处置情况", "seen_at": "再次发现时间", "closed_at": "结案时间", "void_reason": "作废原因",
    "finding_id": "线索编号", "alert_id": "告警编号",
}  # fmt: skip
VALUES: dict[str, Mapping[Any, str]] = {
    **YES_NO_ZH,
    "state": {
        State.REGISTERED: "立案", State.DISPATCHED: "派遣", State.ACCEPTED: "接单", State.IN_PROGRESS: "处置中",
        State.COMPLETED: "处置完成", State.CLOSED: "结案", State.VOID: "作废",
    },
    "light": {Light.GREEN: "绿", Light.YELLOW: "黄", Light.RED: "红"},
    "severity": {Severity.NORMAL: "一般", Severity.SERIOUS: "严重", Severity.EMERGENCY: "紧急"},
    "void_reason": {
        VoidReason.UNFOUNDED: "不属实", VoidReason.DUPLICATE: "重复", VoidReason.HANDED_OVER: "移交",
    },
}  # fmt: skip
OF_NOW = ("light", "overdue")


def rows(session: Session, asked: Asked) -> Iterator[list[Any]]:
    search, now = _search(asked), clock.now()
    catalogue = queries.present_catalogue(session)
    words = words_in(_asked(asked)["lang"], catalogue.content)
    for order in queries.every_order(session, sight=Sight(**asked["sight"]), **search):
        yield [words.told(name, _cell(order, name, now, catalogue.zone)) for name in COLUMNS]


def words_in(lang: str, catalogue: Mapping[str, Any]) -> Words:
    if lang != "zh":
        return Words()
    named = {"category": catalogue.get("categories", {}), "kind": catalogue.get("kinds", {})}
    names = {
        what: {slug: each["zh"] for slug, each in known.items() if each.get("zh")} for what, known in named.items()
    }
    return Words(COLUMNS, VALUES | names)


def _cell(order: Order, name: str, now: datetime, zone: tzinfo) -> Any:
    value = getattr(order, name)(now) if name in OF_NOW else getattr(order, name)
    return str(value) if name.endswith("_id") and value is not None else local(value, zone)


def are_over(session: Session, count: int, asked: Asked) -> bool:
    return queries.are_over(session, count, sight=Sight(**asked["sight"]), **_search(asked))


def write(found: Iterable[list[Any]], asked: Asked, file: BinaryIO) -> None:
    wanted = _asked(asked)
    heading = words_in(wanted["lang"], {}).heading(COLUMNS)
    files.write(Format(wanted["format"]), "work orders", heading, found, file)


def _asked(asked: Asked) -> dict[str, Any]:
    wanted: dict[str, Any] = OrderExportQuery().load(asked["arguments"])
    return wanted


def _search(asked: Asked) -> dict[str, Any]:
    return {name: value for name, value in _asked(asked).items() if name not in ("format", "lang")}
