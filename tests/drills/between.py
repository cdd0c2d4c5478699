"""A TCP proxy that cuts, half-closes and delays what passes, as chance will have it."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Self

PIECE = 65_536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class Between:
    """Listens on ``port`` and leads to ``target`` on this machine. Of a thousand pieces it harms ``per_thousand``."""

    def __init__(self, target: int, chance: random.Random) -> None:
        self.target, self.chance = target, chance
        self.per_thousand = self.harmed = 0
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                threading.Thread(target=self._connect, args=(near, far), daemon=True).start()

    def _connect(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
            back.start()
            self._carry(near, far)
            back.join()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if self.chance.randrange(1_000) < self.per_thousand:
                    self.harmed += 1
                    piece = self._harm(piece, source, sink)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def _harm(self, piece: bytes, source: socket.socket, sink: socket.socket) -> bytes:
        """What remains of the piece; raises OSError where the connection does not go on."""
        how = self.chance.choice(("cut", "cut in the middle", "half-closed", "late"))
        if how == "late":
            time.sleep(self.chance.uniform(0.1, 2.0))
            return piece
        if how == "cut in the middle":
            sink.sendall(piece[: len(piece) // 2])
        if how == "half-closed":
            sink.shutdown(socket.SHUT_WR)
        else:
            for end in (source, sink):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)  # who reads it in the other direction wakes, and both are closed
        raise ConnectionAbortedError(how)
