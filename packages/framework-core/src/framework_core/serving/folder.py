"""The folder of an exported model as a source: whatever is put in its place is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from framework_core.serving.exported import ABOUT, ExportedModel


class FolderSource:
    """What ``fw export`` wrote; a folder that is moved over it, or a link that points elsewhere, is another model.

    Args:
        folder: The folder.
        name: What the model is called in addresses; empty is the model's own name.
        threads: How many threads a batch is computed by; 0 is one a core.
        max_batch: How many inputs are computed together at most.
    """

    def __init__(self, folder: Path, *, name: str = "", threads: int = 0, max_batch: int = 64) -> None:
        self._folder = folder
        self._name = name
        self._threads = threads
        self._max_batch = max_batch

    def state(self) -> Any:
        """The file that says what is in the folder, and when it was written."""
        found = (self._folder / ABOUT).stat() if (self._folder / ABOUT).exists() else None
        return found and (found.st_ino, found.st_mtime_ns, found.st_size)

    def load(self) -> ExportedModel:
        """The model that is there now."""
        return ExportedModel(self._folder, name=self._name, threads=self._threads, max_batch=self._max_batch)
