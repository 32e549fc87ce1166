"""A run in the tracking store, from its first parameter to its status."""

from __future__ import annotations

import getpass
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch

from framework_core.config.saved import as_text, flattened, saved_settings, without_credentials
from framework_core.contracts.config import RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.contracts.run import Status
from framework_core.errors import TrackingError
from framework_core.secrets import conceal
from framework_core.tracking import logged_model
from framework_core.tracking.cuts import cut
from framework_core.tracking.journal import FILES, FOLDER, SYSTEM, Body, Journal, points_of, read
from framework_core.tracking.lineage import code_state, machine, origins, packages, plugins
from framework_core.tracking.progress import Progress
from framework_core.tracking.runs import TAG_STATUS
from framework_core.tracking.sender import Sender, first_line
from framework_core.tracking.sending import Sending
from framework_core.tracking.store import shown_uri, tracking_uri
from framework_core.tracking.store_calls import client_of, silent_mlflow, store_of_program, tidy_mlflow
from framework_core.tracking.writer import JournalWriter, Sample

if TYPE_CHECKING:
    from framework_core.tracking.system import SystemMetrics

PARAM_LIMIT = 6000
"""MLflow keeps this many characters of a parameter."""

MODEL = f"{FILES}/model"
RUN_VARIABLE, STORE_VARIABLE = "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"
"""By which MLflow knows a run and its store that it was not told of otherwise."""

TAG_RUN_DIR = "framework.run_dir"
TAG_COMMAND = "framework.command"

_log = logging.getLogger("framework_core")


@dataclass
class Tracker:
    """A run that is being recorded.

    Args:
        directory: The run's folder.
        run_id: The run's id in the store; empty while no store has it.
        uri: The store's address, without credentials.
        journal: What is recorded, before the store has it.
        writer: Where points of curves go.
        sending: What sends the journal to the store; nothing where that is done later.
        put_back: Leaves MLflow's own functions the store that they had before the run.
    """

    directory: Path
    run_id: str
    uri: str
    journal: Journal
    writer: JournalWriter
    sending: Sending | None
    put_back: Callable[[], None]

    def begin(self) -> None:
        """Send from now on, where that waits for the first step of a run that goes on."""
        if self.sending is not None:
            self.sending.begin()

    def log_file(self, file: Path, folder: str) -> None:
        """Record a file of the run's folder; ``.`` is the top."""
        self.writer.record("file", path=os.path.relpath(file, self.directory), to=folder)

    def log_model(
        self,
        model: torch.nn.Module,
        config: RunConfig,
        data: DataSpec,
        example: torch.Tensor,
        *,
        metrics: Mapping[str, float],
        card: Path | None = None,
    ) -> None:
        """Record the model with its signature and an input example.

        Args:
            model: The trained model.
            config: The settings of the run.
            data: What it was trained on.
            example: A few inputs.
            metrics: What it reached; linked to the model and to the data.
            card: Its model card.
        """
        if self.sending is not None:
            self.sending.ready()
        from mlflow.models import ModelSignature

        folder = self.journal.folder / MODEL
        example_array = example.detach().cpu().numpy()
        try:
            with torch.inference_mode(), tidy_mlflow():
                outputs = logged_model.to_numpy(model.cpu().eval()(example.cpu()))
                axes = 1 if data.input_shape else example_array.ndim
                signature = ModelSignature(inputs=schema(example_array, axes), outputs=schema(outputs, axes))
            logged_model.save(model, saved_settings(config)["model"], data, folder / "model")
            np.save(folder / "example.npy", example_array, allow_pickle=False)
            (folder / "signature.json").write_text(json.dumps(signature.to_dict()), encoding="utf-8")
            if card is not None and card.is_file():
                shutil.copy(card, folder)
        except Exception as error:  # noqa: BLE001  # a model of the user's must not cost the run its end
            _log.warning("The model is not recorded: %s", first_line(error))
            return
        self.writer.record(
            "model",
            path=f"{FOLDER}/{MODEL}",
            at=int(time.time() * 1000),
            requirements=model_requirements(),
            metadata={"task": data.task, "class_names": list(data.class_names)},
            metrics={name: value for name, value in metrics.items() if name.startswith("test/")},
            data={"dataset_name": config.dataset.name, "dataset_digest": _digest(data)},
        )

    def take_back(self, step: int) -> None:
        """Take back what was recorded after the checkpoint of a step, which the training goes on from."""
        self.writer.catch_up()
        body = cut(self.journal.folder, step)
        self.writer.record(**body)

    def finish(self, status: Status) -> str:
        """Record how the run ended, and send what is left as long as the store takes it.

        Returns:
            What the store does not have, and what to do about it, in words; empty where it has everything.
        """
        self.writer.record("status", word=status, at=int(time.time() * 1000))
        if self.sending is not None:
            self.sending.ready()
        self.writer.close()
        if self.sending is not None:
            with tidy_mlflow():
                self.sending.close()
            _leave_active_run(self.run_id)
        self.put_back()
        self.journal.close()
        return self._unsent()

    def _unsent(self) -> str:
        name = self.directory.name
        if self.sending is None:
            return f"Nothing is in a tracking store yet. Send it: fw runs sync {name}"
        left, sender = self.sending.sender.left(), self.sending.sender
        if left:
            points, files = sender.left_points(left), sum(each.kind in ("file", "model") for each in left)
            what = f"{points} points and {files} files" if points or files else "the end of the run"
            return f"The tracking store does not have {what} yet. Send the rest: fw runs sync {name}"
        if sender.standing:
            return (
                f"{sender.standing} points of before the run was continued still stand in its curves: a server cannot "
                f"remove them, its database can: fw runs sync {name} --uri DATABASE"
            )
        return ""


def start(
    config: RunConfig,
    data: DataSpec,
    *,
    name: str,
    directory: Path,
    command: str,
    run_id: str | None = None,
    from_step: int | None = None,
) -> Tracker:
    """Open a run in its journal and in the store, or open one again, and record what it is.

    Args:
        config: Everything the run was asked to be.
        data: What its data turned out to be.
        name: Its name.
        directory: Its folder.
        command: The command that repeats it.
        run_id: The run to continue.
        from_step: The step of the checkpoint that it is continued from: what came after it is taken back.

    Raises:
        RunInUseError: Another process records this run.
        TrackingError: The store does not take it.
    """
    tracking = config.mlops.tracking
    uri = "" if tracking.offline else tracking_uri(tracking)
    journal = Journal(directory / FOLDER)
    before, put_back = _status(journal.folder), store_of_program()
    try:
        if journal.last == 0:
            _record(journal, config, data, name, directory, command, run_id)
        if run_id is not None:
            journal.append(_continued(journal.folder, from_step))
        later = not tracking.offline and _can_wait(journal.folder)
        sending = None if tracking.offline or later else _sending(uri, directory)
    except BaseException:
        # The run stands as it stood.
        journal.append([before])
        journal.close()
        put_back()
        raise
    writer = JournalWriter(
        journal,
        sample=_sampler() if tracking.system_metrics else None,
        sample_seconds=tracking.system_metrics_interval,
        samples=_samples(journal.folder),
        later=later,
    )
    if later:
        sending = _sending_later(uri, directory, writer)
    run = Progress.read(journal.folder).run_id
    return Tracker(directory, run, without_credentials(uri), journal, writer, sending, put_back)


def _status(folder: Path) -> Body:
    """How a run stands that is not running; one that says nothing of it was killed."""
    found = [each.body for each in read(folder) if each.kind == "status" and each.body["word"] != "running"]
    last = found[-1] if found else {"word": "killed", "at": int(time.time() * 1000)}
    return {"kind": "status", "word": last["word"], "at": last["at"]}


def _continued(folder: Path, from_step: int | None) -> list[Body]:
    """What a run records that is continued."""
    taken_back = [] if from_step is None else [cut(folder, from_step)]
    return [*taken_back, {"kind": "status", "word": "running", "at": int(time.time() * 1000)}]


def _sending(uri: str, directory: Path) -> Sending:
    """Send what there is at once, so that a store that takes nothing is told, and from then on on a thread."""
    import mlflow

    with tidy_mlflow(), _store_errors(uri):
        mlflow.set_tracking_uri(uri)
        sender = Sender(directory, client_of(uri), uri)
        sender.send(strict=True)
        with _of_any_experiment():
            mlflow.start_run(run_id=sender.progress.run_id, nested=True, log_system_metrics=False)
    return Sending(sender)


@contextmanager
def _of_any_experiment() -> Iterator[None]:
    """Let a run be active whatever experiment the program around it has set, and leave that as it is."""
    from mlflow.tracking import fluent

    before, fluent._active_experiment_id = fluent._active_experiment_id, None
    try:
        yield
    finally:
        fluent._active_experiment_id = before


def _can_wait(folder: Path) -> bool:
    """Whether the store can wait until the first step is made: it has the run, and nobody here uses MLflow yet."""
    return bool(Progress.read(folder).run_id) and "mlflow" not in sys.modules and RUN_VARIABLE not in os.environ


def _sending_later(uri: str, directory: Path, writer: JournalWriter) -> Sending:
    """Send on a thread that imports MLflow when the first step is made: that takes as long as many steps."""
    sender = Sender(directory, None, uri)
    # Should the user's code import MLflow before, its functions write to this run.
    os.environ[RUN_VARIABLE], os.environ[STORE_VARIABLE] = sender.progress.run_id, uri

    def first() -> None:
        import mlflow

        mlflow.set_tracking_uri(uri)
        writer.begin()
        with silent_mlflow():
            sender.send()

    return Sending(sender, first=first)


def _leave_active_run(run_id: str) -> None:
    """No run stays open in this process; MLflow's ``end_run`` would ask the store, which may be away."""
    if os.environ.get(RUN_VARIABLE) == run_id:
        del os.environ[RUN_VARIABLE]
    from mlflow.tracking import fluent

    stack = fluent._active_run_stack.get()
    stack[:] = [run for run in stack if run.info.run_id != run_id]


def _sampler() -> Sample:
    """What asks for the use of the machine, and imports what it needs when it is first asked."""

    @cache
    def metrics() -> SystemMetrics:
        from framework_core.tracking.system import SystemMetrics

        return SystemMetrics()

    return lambda: metrics().sample()


def _samples(folder: Path) -> int:
    """How many samples of the use of the machine a journal has."""
    steps = [point.step for each in read(folder) for point in points_of(each) if point.key.startswith(SYSTEM)]
    return max(steps, default=-1) + 1


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:  # each store's driver has errors of its own
        raise TrackingError(shown_uri(uri), f"{first_line(error)}.") from error


def _tags(config: RunConfig, data: DataSpec, directory: Path, command: str) -> dict[str, str]:
    from framework_core import __version__

    commit = code_state(Path.cwd()).commit
    tags = {
        "mlflow.note.content": config.experiment.description,
        "mlflow.source.git.commit": commit,
        "mlflow.source.name": "fw train",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
        TAG_RUN_DIR: str(directory.resolve()),
        TAG_COMMAND: command,
        TAG_STATUS: "running",
        "framework.version": __version__,
        "framework.data_fingerprint": data.fingerprint,
    }
    written = {**{key: value for key, value in tags.items() if value}, **config.experiment.tags}
    return {conceal(key): conceal(value) for key, value in written.items()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _record(
    journal: Journal,
    config: RunConfig,
    data: DataSpec,
    name: str,
    directory: Path,
    command: str,
    run_id: str | None,
) -> None:
    """What the run is, before it starts. One that a store has already, from before there were journals, begins one."""
    if run_id not in (None, name):
        Progress(run_id=str(run_id)).write(journal.folder)
        return
    settings = flattened(saved_settings(config))
    run = {
        "kind": "run",
        "journal": uuid4().hex,
        "offline": config.mlops.tracking.offline,
        "experiment": config.experiment.name,
        "name": name,
        "started": int(time.time() * 1000),
        "store": without_credentials(tracking_uri(config.mlops.tracking)),
        "tags": _tags(config, data, directory, command),
    }
    params = {key: as_text(value)[:PARAM_LIMIT] for key, value in settings.items()}
    own = [{"kind": "file", "path": file, "to": "."} for file in ("config.yaml", "data.json")]
    texts = [_text(journal.folder, path, text) for path, text in _texts().items()]
    journal.append([run, {"kind": "params", "params": params}, *own, *texts, _data(config, data)])


def _texts() -> dict[str, str]:
    environment = {"machine": machine(), "plugins": plugins(), "packages": packages(), "origins": origins()}
    code = code_state(Path.cwd())
    found = {
        "environment.json": json.dumps(environment, indent=2),
        "code/uncommitted.diff": code.diff,
        "code/untracked-files.txt": "\n".join(code.untracked),
    }
    return {path: text for path, text in found.items() if text}


def _text(folder: Path, path: str, text: str) -> Body:
    """Keep a text for the store."""
    file = folder / FILES / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(conceal(text), encoding="utf-8")
    return {"kind": "file", "path": f"{FOLDER}/{FILES}/{path}", "to": Path(path).parent.as_posix()}


def _data(config: RunConfig, data: DataSpec) -> Body:
    profile = {"splits": data.split_sizes, "classes": data.num_classes, "task": data.task}
    dataset = {
        "name": config.dataset.name,
        "digest": _digest(data),
        "source_type": "local",
        "source": conceal(json.dumps({"uri": data.source})),
        "schema": json.dumps({"input_shape": data.input_shape, "input_dtype": data.input_dtype}),
        "profile": json.dumps(profile),
    }
    return {"kind": "data", "dataset": dataset}


def _digest(data: DataSpec) -> str:
    return data.fingerprint.rpartition(":")[2][:36] or "unknown"


def schema(values: Any, axes: int) -> Any:
    """The form of inputs or outputs, the first axes of any length."""
    from mlflow.types.schema import Schema, TensorSpec

    def spec(array: np.ndarray[Any, Any], name: str | None = None) -> TensorSpec:
        return TensorSpec(array.dtype, tuple(-1 if axis < axes else n for axis, n in enumerate(array.shape)), name)

    if isinstance(values, dict):
        return Schema([spec(value, name) for name, value in values.items()])
    return Schema([spec(np.asarray(values))])


def model_requirements() -> list[str]:
    """What loading the model needs: core and every plugin, as installed."""
    from framework_core import __version__
    from framework_core.plugins.registry import registry

    plugins = {plugin.distribution: plugin.version for plugin in registry.plugins.found if plugin.state == "active"}
    named = {**plugins, "framework-core[train]": __version__, "torch": torch.__version__.partition("+")[0]}
    named.pop("framework-core", None)
    return [f"{name}=={version}" for name, version in sorted(named.items())]
