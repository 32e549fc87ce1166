"""What is known of a registered version: its run in the store, and the files that the run left there."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.model_registry.version import Version
from framework_core.tracking.lookup import DATA, DUPLICATES, RESAMPLED
from framework_core.tracking.store_calls import TAG_GROUP, TAG_PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARITY = "parity.json"


@dataclass
class Measured:
    """What is known of a version.

    Attributes:
        client: The store.
        version: The version.
    """

    client: MlflowClient
    version: Version
    _read: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def run(self) -> Run | None:
        """Its run; nothing where the store does not have it."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(self.version.run_id) if self.version.run_id else None
        except MlflowException:
            return None

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {} if self.run is None else dict(self.run.data.metrics)

    @property
    def fingerprint(self) -> str:
        """That of the data."""
        return "" if self.run is None else self.run.data.tags.get("framework.data_fingerprint", "")

    @property
    def resampled(self) -> dict[str, Any] | None:
        """Its test drawn again many times."""
        return self._file(RESAMPLED)

    @property
    def data(self) -> dict[str, Any] | None:
        """What it was trained on."""
        return self._file(DATA)

    @property
    def duplicates(self) -> dict[str, Any] | None:
        """What was found of samples that training has too."""
        return self._file(DUPLICATES)

    @property
    def parity(self) -> dict[str, Any] | None:
        """Its parity certificate."""
        return self._file(PARITY)

    def siblings(self) -> list[Run]:
        """The runs of its group; none where it was trained alone."""
        parent = "" if self.run is None else self.run.data.tags.get(TAG_PARENT, "")
        if not parent or self.run is None or TAG_GROUP not in self.client.get_run(parent).data.tags:
            return []
        asked = f"tags.`{TAG_PARENT}` = '{parent}'"
        return list(self.client.search_runs([self.run.info.experiment_id], asked, max_results=1000))

    def _file(self, name: str) -> dict[str, Any] | None:
        """A file of the run: from the store, and else from the run's folder."""
        if name not in self._read:
            self._read[name] = self._from_store(name) or self._from_folder(name)
        found: dict[str, Any] | None = self._read[name]
        return found

    def _from_store(self, name: str) -> dict[str, Any] | None:
        if self.run is None or name not in {each.path for each in self.client.list_artifacts(self.run.info.run_id)}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = self.client.download_artifacts(self.run.info.run_id, name, folder)
            return _mapping(Path(path))

    def _from_folder(self, name: str) -> dict[str, Any] | None:
        folder = "" if self.run is None else self.run.data.tags.get("framework.run_dir", "")
        return _mapping(Path(folder) / name) if folder else None


def _mapping(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
