"""Trained models that answer over HTTP. Nothing here imports torch, lightning or mlflow.

Names are imported when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_core.serving.processing import Asking as Asking
    from framework_core.serving.processing import Postprocessing as Postprocessing
    from framework_core.serving.processing import Preprocessing as Preprocessing
    from framework_core.serving.processing import Sample as Sample

_HOMES = {
    "Asking": "processing",
    "Postprocessing": "processing",
    "Preprocessing": "processing",
    "Sample": "processing",
}
__all__ = sorted(_HOMES)  # the lazy names of PEP 562


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
