"""The folder that a run makes for itself, and the places it needs."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from framework_core.config.validate import short_name
from framework_core.contracts.config import RunConfig
from framework_core.errors import OutputError, RunNotFoundError
from framework_core.process import is_main_process
from framework_core.tracking.lookup import CHECKPOINTS, RunRecord, find_run
from framework_core.tracking.store import check_store, tracking_uri

CHILDREN_USE = "FRAMEWORK_RUN_DIRECTORY"
"""Environment variable: processes that Lightning starts for a run use the first one's folder."""


def check_places(config: RunConfig) -> None:
    """See that the run can be written and tracked, before anything is.

    Raises:
        OutputError: The folder of runs, or a local store, cannot be written.
        TrackingError: The tracking store cannot be used.
    """
    folder = Path(config.output_dir).absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(folder, "it is a file, not a folder.", next_step="Choose another: output_dir=FOLDER")
    if not os.access(folder, os.W_OK):
        step = "Start it in another folder, or choose one: output_dir=FOLDER"
        raise OutputError(folder, "it is read-only.", next_step=step)
    if config.mlops.tracking.backend == "mlflow" and not config.mlops.tracking.offline:
        check_store(tracking_uri(config.mlops.tracking))


def new_folder(config: RunConfig) -> RunRecord:
    """A folder of its own for a new run; processes that Lightning starts use the first one's."""
    inherited = os.environ.get(CHILDREN_USE)
    if not is_main_process() and inherited:
        return RunRecord(Path(inherited), Path(inherited).name, Path(inherited).name, "")
    now = datetime.now().astimezone()
    label = f"{short_name(config.model.name)}-{short_name(config.dataset.name)}-{now:%Y%m%d-%H%M%S}"
    name = config.experiment.run_name or label
    for attempt in range(1, 1000):
        unique = name if attempt == 1 else f"{name}-{attempt}"
        directory = Path(config.output_dir) / unique
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            step = "Start it in another folder, or choose one: output_dir=FOLDER"
            raise OutputError(directory, f"{error.strerror or error}.", next_step=step) from error
        os.environ[CHILDREN_USE] = str(directory.resolve())
        return RunRecord(directory, unique, unique, now.isoformat())
    raise OutputError(Path(config.output_dir) / name, "a thousand runs have this name.")


def resumable(run: str, config: RunConfig) -> RunRecord:
    """A run that can be continued.

    Raises:
        RunNotFoundError: There is none, or it has no checkpoint.
    """
    record = find_run(run, output_dir=Path(config.output_dir))
    if record.last_checkpoint is None:
        raise RunNotFoundError(run, f"it has no checkpoint to continue from in {record.directory / CHECKPOINTS}.")
    os.environ[CHILDREN_USE] = str(record.directory.resolve())
    return record
