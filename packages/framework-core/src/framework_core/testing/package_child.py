"""Imports a plugin's modules in a process of its own and tells what happened: ``python -m ... DISTRIBUTION``.

Whatever a stranger's module does, it does it here: it may end the process, print, hang, or import half of the world.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

HEAVY = (
    *("torch", "lightning", "mlflow", "timm", "transformers", "torchvision", "torchaudio", "torchmetrics"),
    *("tensorflow", "jax", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "datasets", "librosa"),
)
LIGHT_GROUPS = ("framework.plugins", "framework.commands")
"""Entry points whose modules are imported when something is listed or explained."""


def main() -> None:
    """Import, and write what was seen as one line of JSON to the descriptor that is standard output now."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    modules = sorted(
        {
            entry.value.partition(":")[0]
            for entry in distribution(sys.argv[1]).entry_points
            if entry.group in LIGHT_GROUPS
        }
    )
    import framework_core.plugins.registry  # noqa: F401  # what every listing has imported anyway

    answer.write(json.dumps(seen(modules)))
    answer.flush()
    os._exit(0)


def seen(modules: list[str]) -> dict[str, Any]:
    """What importing these modules does."""
    out, files = io.StringIO(), set(Path().iterdir())
    begun, problem, threads = time.process_time(), "", _threads()
    with contextlib.redirect_stdout(out):
        for module in modules:
            try:
                importlib.import_module(module)
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is told
                problem = f"{module}: {type(error).__name__}: {error}".rstrip(": ")
                break
    return {
        "problem": problem,
        "seconds": time.process_time() - begun,
        "heavy": [name for name in HEAVY if name in sys.modules],
        "printed": out.getvalue(),
        "files": sorted(path.name for path in set(Path().iterdir()) - files),
        "threads": _threads() - threads,
    }


def _threads() -> int:
    import threading

    return threading.active_count()


if __name__ == "__main__":
    main()
