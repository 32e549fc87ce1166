"""Finding a run again: by its id, the beginning of its id, its name, its folder, or ``last``."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from framework_core.contracts.config import TrackingConfig
from framework_core.errors import RunNotFoundError
from framework_core.secrets import concealed
from framework_core.tracking.checkpoints import newest
from framework_core.tracking.store import SQLITE, tracking_uri

RUNS = Path("runs")
"""Where runs make their folders, unless they are told another place."""

FOLDERS = "[!.]*"
"""Their folders; one that is still being made begins with a dot."""

RECORD = "run.json"
CONFIG = "config.yaml"
DATA = "data.json"
CHECKPOINTS = "checkpoints"
RESAMPLED = "resampled.json"
"""The test of a run drawn again many times, by which it is compared with that of another."""

TESTED = "tested_samples.json"
"""What is kept of each sample of the test, in numbers: slices and drift are told from it."""

DUPLICATES = "duplicates.json"
"""What was found of samples of the test that training has too."""

STEPS = "steps.json"
"""How long a step of training took, and what it waited for."""


@dataclass(frozen=True)
class RunRecord:
    """A run's folder and what it says of itself.

    Attributes:
        status: ``running``, ``finished``, ``failed``, ``interrupted`` or ``killed``; empty where an older version ran.
    """

    directory: Path
    run_id: str
    name: str
    started: str
    tracking_uri: str = ""
    best_checkpoint: str = ""
    status: str = ""

    def write(self) -> None:
        """Write it into the run's folder, whole."""
        facts = concealed({key: value for key, value in vars(self).items() if key != "directory"})
        write_whole(self.directory / RECORD, json.dumps(facts, indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> RunRecord:
        """Read it from a run's folder."""
        facts = json.loads((directory / RECORD).read_text("utf-8"))
        known = {each.name for each in fields(cls)}
        return cls(directory, **{name: value for name, value in facts.items() if name in known})

    @property
    def last_checkpoint(self) -> Path | None:
        """The newest checkpoint that is whole, where there is one."""
        return newest(self.directory / CHECKPOINTS)[0]

    @property
    def checkpoint(self) -> Path:
        """The best checkpoint, else the newest.

        Raises:
            RunNotFoundError: The run has no checkpoint.
        """
        best = self.directory / self.best_checkpoint if self.best_checkpoint else None
        if best is not None and best.exists():
            return best
        if self.last_checkpoint is None:
            raise RunNotFoundError(self.name, f"it has no checkpoint in {self.directory / CHECKPOINTS}.")
        return self.last_checkpoint


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a kill leaves the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def runs_in(output_dir: Path) -> list[RunRecord]:
    """The runs of a folder, the newest last."""
    return sorted(
        (RunRecord.read(path.parent) for path in output_dir.glob(f"{FOLDERS}/{RECORD}")), key=lambda r: r.started
    )


def find_run(run: str, *, output_dir: Path) -> RunRecord:
    """Find a run.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        output_dir: The folder in which runs make their folders.

    Raises:
        RunNotFoundError: There is none, or more than one.
    """
    if (Path(run) / RECORD).is_file():
        return RunRecord.read(Path(run))
    here = runs_in(output_dir)
    if run == "last" and here:
        return here[-1]
    exact = [record for record in here if run in (record.run_id, record.name)]
    begun = exact or [record for record in here if len(run) >= 4 and record.run_id.startswith(run)]
    if len(begun) == 1:
        return begun[0]
    names = [record.name for record in reversed(here)][:5]
    if len(begun) > 1:
        raise RunNotFoundError(run, f"{len(begun)} runs begin so.", known=[record.name for record in begun])
    return _from_store(run) or _not_found(run, output_dir, names)


def _from_store(run: str) -> RunRecord | None:
    """The folder that the tracking store knows for a full run id."""
    if len(run) != 32 or not run.isalnum():
        return None
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri = tracking_uri(TrackingConfig())
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return None
    try:
        tags = MlflowClient(uri).get_run(run).data.tags
    except MlflowException:
        return None
    directory = Path(tags.get("framework.run_dir", ""))
    if not (directory / RECORD).is_file():
        raise RunNotFoundError(run, f"the store knows it, but its folder {directory} is not on this machine.")
    return RunRecord.read(directory)


def _not_found(run: str, output_dir: Path, names: list[str]) -> RunRecord:
    where = (
        f"none in {output_dir}/ and none in the tracking store." if output_dir.is_dir() else f"no {output_dir}/ here."
    )
    raise RunNotFoundError(run, where, known=names)
