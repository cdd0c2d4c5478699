"""Logs of a process whose threads log beside its greenlets, as GDAL's reader does while it writes a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = 3_000
BOTH_SIDES = f"""
import eventlet
eventlet.monkey_patch()
import logging, sys
from eventlet import tpool
from deploy import logs
sys.setswitchinterval(1e-6)  # so that they meet
logs.start(level="info", as_json=True)

def tell():
    for number in range({LINES}):
        logging.getLogger(f"told.{{number % 7}}").info("line")
        if not number % 10:
            eventlet.sleep(0)

def tell_aside():
    for number in range({LINES}):
        logging.getLogger(f"aside.{{number % 7}}").info("line")

told = [eventlet.spawn(tell) for _ in range(3)] + [eventlet.spawn(tpool.execute, tell_aside) for _ in range(2)]
for each in told:
    each.wait()
"""


def test_threads_and_greenlets_log_at_once_and_nobody_waits_for_ever() -> None:
    command = [sys.executable, "-W", "ignore", "-c", BOTH_SIDES]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert ended.stderr.count('"event":"line"') + ended.stderr.count('"event": "line"') == 5 * LINES
