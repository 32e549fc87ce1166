"""The batches that a run takes no step with; kept beside it, so that it leaves them out when it is continued."""

from __future__ import annotations

import json
from pathlib import Path

from framework_core.process import is_main_process
from framework_core.training.failures import FOLDER

FILE = "skipped.json"


class Skips:
    """Batches by epoch and number, both from 0.

    Args:
        run: The run's folder.
    """

    def __init__(self, run: Path) -> None:
        self._file = run / FOLDER / FILE
        known = json.loads(self._file.read_text("utf-8")) if self._file.is_file() else []
        self._known = {(int(epoch), int(batch)) for epoch, batch in known}

    def __contains__(self, place: object) -> bool:
        return place in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, epoch: int, batch: int) -> None:
        """Leave a batch out from now on."""
        self._known.add((epoch, batch))
        if not is_main_process():
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(sorted(self._known)), encoding="utf-8")
        new.replace(self._file)
