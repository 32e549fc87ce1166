"""A process that runs the command on many lines, one after another, and says what each of them came to.

It reads lines of JSON, a list of words each, and writes for each the exit code, stdout and stderr; at last, the heavy
modules that were imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys

from framework_core.cli.program import main

HEAVY = ("torch", "lightning", "hydra", "omegaconf", "mlflow")


def result_of(words: list[str]) -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as stop:
            code = int(stop.code or 0)
    logging.getLogger("framework_core").handlers.clear()
    return code, out.getvalue(), err.getvalue()


results = [(result_of(json.loads(line)), [name for name in HEAVY if name in sys.modules]) for line in sys.stdin]
for (code, out, err), heavy in results:
    print(json.dumps({"code": code, "out": out, "err": err, "heavy": heavy}))
