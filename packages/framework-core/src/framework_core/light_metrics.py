"""torchmetrics, as light as what is used of it.

Importing anything of torchmetrics imports the whole of it, and with it SciPy, torchvision and transformers where they
are installed: more than half of what importing Lightning takes. Lightning and most models need two of its classes.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

PACKAGE = "torchmetrics"
WHOLE_LATER = (PACKAGE, f"{PACKAGE}.functional")
"""Packages whose modules can be imported without their ``__init__``, which runs when a name is asked of it."""

HOMES = {"Metric": "metric", "MetricCollection": "collections", "__version__": "__about__"}
"""What Lightning and models ask of the package, and the module that has it."""

ALONE = (
    *("__about__", "aggregation", "classification", "collections", "functional", "metric", "regression"),
    *("segmentation", "utilities", "wrappers"),
)
"""Modules that need nothing of what the package does first; before any other all of it runs."""

FIRST = f"{PACKAGE}.utilities"
"""It and the metrics import each other, which works from here."""

_running = threading.RLock()


def import_lightly() -> None:
    """From now on, leave the whole of torchmetrics until it is needed; nothing where it was imported already."""
    if PACKAGE not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds the packages as Python does, and lets their ``__init__`` wait."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, module = name.partition(".")
        if package != PACKAGE:
            return None
        if name in WHOLE_LATER:
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None:
                waiting: Any = _Waiting(spec.loader)
                spec.loader = waiting
            return spec
        if module.partition(".")[0] not in ALONE:
            _complete(sys.modules[PACKAGE])
        elif FIRST not in sys.modules and name != FIRST:
            import_module(FIRST)
        return None


class _Waiting:
    """Loads a package without running it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__class__ = _Package


class _Package(ModuleType):
    """A package whose ``__init__`` has not run."""

    def __getattr__(self, name: str) -> Any:
        if self.__name__ == PACKAGE and name in HOMES:
            return getattr(import_module(f"{PACKAGE}.{HOMES[name]}"), name)
        if name == "_logger":
            import logging

            return logging.getLogger(PACKAGE)
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        _complete(self)
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        _complete(self)
        return dir(self)


def _complete(module: ModuleType) -> None:
    """Run the ``__init__`` of a package that waits for it."""
    waiting: Any = module
    with _running:
        if type(module) is not _Package:
            return
        waiting.__class__ = ModuleType
        try:
            waiting.__loader__.exec_module(module)
        except BaseException:
            waiting.__class__ = _Package
            raise
