"""Findings as a file; see shared/lists/exports.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from services.inspections import queries
from services.inspections.domain.findings import Finding, Sight, State
from services.inspections.domain.orders import Light, Order, OrderState
from services.inspections.domain.places import PlaceCheck
from services.inspections.domain.rulebook import Rulebook, Severity
from services.inspections.schemas import FindingsExportQuery
from shared import clock
from shared.lists import files
from shared.lists.exports import Asked
from shared.lists.files import YES_NO_ZH, Format, Words, local

COLUMNS = {  # by name, in Chinese
    "id": "线索编号", "state": "状态", "category": "类别", "severity": "严重程度", "source": "来源",
    "reporter": "上报人", "description": "问题描述", "facility_code": "上报设施编码", "linked_code": "关联设施编码",
    "kind": "设施类型", "district": "区划代码", "street": "道路", "grid": "网格",
    "longitude": "经度", "latitude": "纬度",
    "place_check": "位置核对", "owner": "权属单位", "authority": "主管部门", "maintainer": "养护单位",
    "quantity": "数量", "found_at": "发现时间", "reported_at": "上报时间", "confirmed_at": "核实时间",
    "last_seen_at": "再次发现时间", "ended_at": "办结时间", "reason": "不予受理原因", "merged_into": "并入线索",
}  # fmt: skip
OF_ORDER = {"order_number": "number", "order_state": "state", "due_at": "due_at", "supervised": "supervised"}
OF_NOW = ("light", "overdue")
OF_ORDER_ZH = {
    "order_number": "工单号", "order_state": "工单状态", "due_at": "处置截止时间", "supervised": "督办",
    "light": "红绿灯", "overdue": "超期",
}  # fmt: skip
HEADING = (*COLUMNS, *OF_ORDER, *OF_NOW)
IDS = ("id", "merged_into")
VALUES: dict[str, Mapping[Any, str]] = {
    **YES_NO_ZH,
    "state": {
        State.REPORTED: "待核实", State.CONFIRMED: "已核实", State.RESOLVED: "已解决", State.REJECTED: "不予受理",
        State.MERGED: "重复",
    },
    "severity": {Severity.NORMAL: "一般", Severity.SERIOUS: "严重", Severity.EMERGENCY: "紧急"},
    "place_check": {PlaceCheck.INSIDE: "市内", PlaceCheck.OUTSIDE: "市外", PlaceCheck.UNCHECKED: "未核对"},
    "light": {Light.GREEN: "绿", Light.YELLOW: "黄", Light.RED: "红"},
    "order_state": {
        OrderState.OPEN: "处置中", OrderState.COMPLETED: "处置完成", OrderState.CLOSED: "结案", OrderState.VOID: "作废",
    },
}  # fmt: skip


def rows(session: Session, asked: Asked) -> Iterator[list[Any]]:
    now, book = clock.now(), queries.rulebook(session)
    words = words_in(_asked(asked)["lang"], book)
    for finding, order in queries.every_finding(session, sight=Sight(**asked["sight"]), **_search(asked)):
        cells = (*_of_finding(finding), *_of_order(order, now))
        yield [words.told(name, local(each, book.zone)) for name, each in zip(HEADING, cells, strict=True)]


def words_in(lang: str, book: Rulebook | None = None) -> Words:
    if lang != "zh":
        return Words()
    return Words(COLUMNS | OF_ORDER_ZH, {**VALUES, **(book.names if book else {})})


def _of_finding(finding: Finding) -> Iterator[Any]:
    for name in COLUMNS:
        value = getattr(finding, name)
        yield str(value) if name in IDS and value else value


def _of_order(order: Order | None, now: datetime) -> list[Any]:
    if order is None:
        return [None] * (len(OF_ORDER) + len(OF_NOW))
    return [*(getattr(order, name) for name in OF_ORDER.values()), *(getattr(order, name)(now) for name in OF_NOW)]


def are_over(session: Session, count: int, asked: Asked) -> bool:
    return queries.are_over(session, count, sight=Sight(**asked["sight"]), **_search(asked))


def write(found: Iterable[list[Any]], asked: Asked, file: BinaryIO) -> None:
    wanted = _asked(asked)
    heading = words_in(wanted["lang"]).heading(HEADING)
    files.write(Format(wanted["format"]), "findings", heading, found, file)


def _asked(asked: Asked) -> dict[str, Any]:
    wanted: dict[str, Any] = FindingsExportQuery().load(asked["arguments"])
    return wanted


def _search(asked: Asked) -> dict[str, Any]:
    return {name: value for name, value in _asked(asked).items() if name not in ("format", "lang")}
