"""What test_kernel_bounded.py asks its processes to do."""

from __future__ import annotations

import os
from typing import Any

from shared.bounded import Unfit


def doubled(thing: Any) -> Any:
    return thing * 2


def refused() -> None:
    raise Unfit("not like this")


def spin() -> None:
    while True:
        pass


def swell() -> int:
    return len(bytearray(10**9))


def crash() -> None:
    os.abort()


def write() -> None:
    with open("/tmp/waywarden-must-not-be", "wb") as file:
        file.write(b"x")
        file.flush()
