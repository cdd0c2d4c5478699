"""The process that writes one export; see exports.py.

``python -m shared.lists.export_worker <module>`` reads what is asked from its standard input, as JSON, and writes the
file to its output.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

BEHIND = 5  # in niceness: who asks for a file waits for it, and others for their turn


def main() -> None:
    os.nice(BEHIND)  # before the imports, which keep a processor busy for a second
    from shared.db import Database

    job, wanted = importlib.import_module(sys.argv[1]), json.load(sys.stdin)
    database = Database(wanted["url"], connections=1, patient=True)
    with database.read() as session:
        job.write(job.rows(session, wanted["asked"]), wanted["asked"], sys.stdout.buffer)


if __name__ == "__main__":
    main()
