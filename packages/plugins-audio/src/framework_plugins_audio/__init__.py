"""Audio for framework-core: classes, tags and numbers of recordings, from raw files.

Names are imported when they are used, so listing the models imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_plugins_audio.datamodule import BaseAudioDataModule as BaseAudioDataModule
    from framework_plugins_audio.model import BaseAudioModel as BaseAudioModel

__version__ = "0.1.0"

_HOMES = {
    "BaseAudioDataModule": "datamodule",
    "BaseAudioModel": "model",
}
__all__ = sorted(_HOMES)  # the lazy names of PEP 562


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
