"""Named places where a drill makes a process die as by ``kill -9``. Without the setting they do nothing.

``WAYWARDEN_FAILPOINT=relay-published:3`` kills the process at the third passage.
"""

from __future__ import annotations

import os
import signal

_name, _, _times = os.environ.get("WAYWARDEN_FAILPOINT", "").partition(":")
_left = int(_times or 1)


def pass_by(name: str) -> None:
    """Die here if this failpoint is the one that is set and its count is used up."""
    global _left
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
