"""The folder that a run makes for itself, and the places it needs."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from framework_core.config.saved import run_settings_text
from framework_core.config.validate import short_name
from framework_core.contracts.config import RunConfig
from framework_core.errors import OutputError, RunNotFoundError
from framework_core.process import is_main_process
from framework_core.tracking.checkpoints import newest
from framework_core.tracking.heartbeat import Heartbeat
from framework_core.tracking.lookup import CHECKPOINTS, CONFIG, RECORD, RunRecord, find_run, runs_in
from framework_core.tracking.store import check_store, tracking_uri

_log = logging.getLogger("framework_core")

CHILDREN_USE = "FRAMEWORK_RUN_DIRECTORY"
"""Environment variable: processes that Lightning starts for a run use the first one's folder."""

AUTO = "auto"
"""In place of a run's name: the one that these settings were used for and that has not ended."""


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


def new_folder(config: RunConfig, files: Mapping[str, str]) -> RunRecord:
    """A folder of its own for a new run, made by the first process; those that Lightning starts use the same.

    The first process of another node, where nothing tells it of that folder, makes none: strategies tell it where
    checkpoints are when processes meet.

    Args:
        config: The settings.
        files: What is in it from its first moment, by name: a run that is killed then can go on like any other.
    """
    now = datetime.now().astimezone()
    label = f"{short_name(config.model.name)}-{short_name(config.dataset.name)}-{now:%Y%m%d-%H%M%S}"
    name = config.experiment.run_name or label
    if not is_main_process():
        there = Path(os.environ.get(CHILDREN_USE) or Path(config.output_dir) / name)
        return RunRecord(there, there.name, there.name, "")
    for attempt in range(1, 1000):
        unique = name if attempt == 1 else f"{name}-{attempt}"
        directory = Path(config.output_dir) / unique
        record = RunRecord(directory, unique, unique, now.isoformat())
        try:
            _make(replace(record, status="running"), files)
        except FileExistsError:
            continue
        except OSError as error:
            step = "Start it in another folder, or choose one: output_dir=FOLDER"
            raise OutputError(directory, f"{error.strerror or error}.", next_step=step) from error
        os.environ[CHILDREN_USE] = str(directory.resolve())
        return record
    raise OutputError(Path(config.output_dir) / name, "a thousand runs have this name.")


def _make(record: RunRecord, files: Mapping[str, str]) -> None:
    """Make the folder of a run, under another name until everything is in it."""
    directory = record.directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    if directory.exists():
        raise FileExistsError(directory)
    new = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        for name, text in files.items():
            (new / name).write_text(text, encoding="utf-8")
        replace(record, directory=new).write()
        Heartbeat(new).write()
        new.rename(directory)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(directory) from error
        raise


@dataclass(frozen=True)
class Resumed:
    """A run that goes on."""

    record: RunRecord
    checkpoint: Path | None
    """From where; ``None`` starts it again."""

    @property
    def step(self) -> int:
        """The optimizer steps behind it."""
        from framework_core.training.checkpoint_io import step_of

        return 0 if self.checkpoint is None else step_of(self.checkpoint)


def resumable(run: str, config: RunConfig) -> Resumed:
    """A run that can be continued.

    Raises:
        RunNotFoundError: There is none, all its checkpoints are damaged, or it has ended and has none.
        OutputError: A process trains it now.
    """
    record = find_run(run, output_dir=Path(config.output_dir))
    process = Heartbeat(record.directory).process if is_main_process() else None
    if process is not None:
        step = "Wait for its end, or stop it: it goes on from there."
        raise OutputError(record.directory, f"process {process.pid} trains it now.", next_step=step)
    found = _from_newest(record)
    if found.checkpoint is None and record.status == "finished":
        raise RunNotFoundError(run, f"it has no checkpoint to continue from in {record.directory / CHECKPOINTS}.")
    return found


def unfinished(config: RunConfig) -> Resumed | None:
    """The newest run here with these settings that was not trained to its end.

    Raises:
        RunNotFoundError: All its checkpoints are damaged.
    """
    inherited = os.environ.get(CHILDREN_USE)
    if not is_main_process() and inherited:
        begun = (Path(inherited) / RECORD).is_file()
        return _from_newest(RunRecord.read(Path(inherited))) if begun else None
    wanted = run_settings_text(config)
    for record in reversed(runs_in(Path(config.output_dir))):
        settings = record.directory / CONFIG
        same = settings.is_file() and settings.read_text("utf-8") == wanted
        if same and record.status not in ("", "finished") and not Heartbeat(record.directory).is_alive():
            return _from_newest(record)
    return None


def _from_newest(record: RunRecord) -> Resumed:
    folder = record.directory / CHECKPOINTS
    checkpoint, damaged = newest(folder, thoroughly=True)
    if is_main_process():
        for path, wrong in damaged.items():
            _log.warning("The checkpoint %s is damaged: %s.", path, wrong)
    if checkpoint is None and damaged:
        raise RunNotFoundError(record.name, f"none of its checkpoints in {folder} is whole.")
    os.environ[CHILDREN_USE] = str(record.directory.resolve())
    return Resumed(record, checkpoint)
