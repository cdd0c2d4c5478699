"""What of an order follows from its moves, counted anew and mended where it differs."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, func, not_, select, update
from sqlalchemy.orm import Session

from services.workorders.tables import order_moves, work_orders
from shared.proofs import Keys, Proof

orders, moves = work_orders.c, order_moves.c


def orders_astray(session: Session, ids: Keys) -> set[int]:
    """Orders that are not where their last move left them."""
    rows = _with_last_moves(ids).where(not_(and_(orders.state == moves.to_state, _same_crew())))
    return {row.id for row in session.execute(rows)}


def follow_moves_anew(session: Session, ids: Keys) -> None:
    locked = select(orders.id).where(orders.id.in_(ids)).order_by(orders.id).with_for_update()
    session.execute(locked)
    for row in session.execute(_with_last_moves(ids)).all():
        new = {"state": row.to_state, "crew": row.crew, "revision": row.revision + 1}
        session.execute(update(work_orders).where(orders.id == row.id).values(new))


def _with_last_moves(ids: Keys) -> Select[tuple[int, int, object, str | None]]:
    columns = select(orders.id, orders.revision, moves.to_state, moves.crew)
    last = select(func.max(moves.id)).where(moves.order_id.in_(ids)).group_by(moves.order_id)
    return columns.join_from(work_orders, order_moves, moves.order_id == orders.id).where(moves.id.in_(last))


def _same_crew() -> ColumnElement[bool]:
    return func.coalesce(orders.crew, "") == func.coalesce(moves.crew, "")


PROOFS = (Proof("orders", orders.id, orders_astray, follow_moves_anew),)
