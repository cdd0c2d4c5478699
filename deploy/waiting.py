"""Lets other greenlets run while psycopg2 waits for its server, and bounds the wait: its own limits do nothing then."""

from __future__ import annotations

from typing import Any

import psycopg2
from eventlet.hubs import trampoline
from psycopg2 import extensions

from shared.db import CONNECT_S


def cooperate() -> None:
    """Have every connection of this process wait so. Call it once, after eventlet's monkey-patching."""
    extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    """Raises in the waiting greenlet, which makes psycopg2 close the connection."""
    connecting = connection.status == extensions.STATUS_SETUP
    limit_s = CONNECT_S if connecting else getattr(connection, "patience_s", None)
    silent = psycopg2.OperationalError("The database does not answer.")
    while (state := connection.poll()) != extensions.POLL_OK:
        reading = state == extensions.POLL_READ
        trampoline(connection.fileno(), read=reading, write=not reading, timeout=limit_s, timeout_exc=silent)
