"""What is run in a process of its own: importing libraries, one after another, and looking at what they see."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any

from framework_core.doctor.child import tell


def main() -> None:
    """Import the modules named on the command line; tell of each how that went."""
    for name in sys.argv[1:]:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            answer = _attempt(name)
        tell({**answer, "warnings": [str(each.message) for each in said] if name == "torch" else []})


def _attempt(name: str) -> dict[str, Any]:
    try:
        module = import_module(name)
        return {"module": name, **(_seen_by_torch(module) if name == "torch" else {})}
    except BaseException as error:  # noqa: BLE001  # whatever a library raises on import is the answer
        first = str(error).strip().partition("\n")[0]
        return {"module": name, "error": f"{type(error).__name__}: {first}" if first else type(error).__name__}


def _seen_by_torch(torch: Any) -> dict[str, Any]:
    return {
        "build": torch.version.cuda or getattr(torch.version, "hip", None) or "",
        "gpus": [_gpu(torch, index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else [],
        "mps": bool(torch.backends.mps.is_available()),
    }


def _gpu(torch: Any, index: int) -> dict[str, Any]:
    """A GPU's name and memory, and what stops it from computing."""
    facts: dict[str, Any] = {"name": torch.cuda.get_device_name(index), "error": ""}
    try:
        facts["memory"] = torch.cuda.get_device_properties(index).total_memory
        torch.ones(2, device=f"cuda:{index}").sum().item()
    except Exception as error:  # noqa: BLE001  # a driver's error may be anything
        facts["error"] = str(error).strip().partition("\n")[0]
    return facts
