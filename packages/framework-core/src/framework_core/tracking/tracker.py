"""A run in the tracking store, from its first parameter to its status."""

from __future__ import annotations

import getpass
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from framework_core.config.saved import as_text, flattened, saved_settings, settings_text, without_credentials
from framework_core.contracts.config import RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.contracts.run import Status
from framework_core.errors import TrackingError
from framework_core.secrets import conceal
from framework_core.tracking import logged_model
from framework_core.tracking.lineage import code_state, machine, packages, plugins
from framework_core.tracking.runs import TAG_STATUS
from framework_core.tracking.store import shown_uri, tracking_uri
from framework_core.tracking.writer import MetricWriter

if TYPE_CHECKING:
    from mlflow import MlflowClient

MLFLOW_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
PARAM_LIMIT = 6000
"""MLflow keeps this many characters of a parameter."""

PARAMS_A_CALL = 100
TAG_RUN_DIR = "framework.run_dir"
TAG_COMMAND = "framework.command"

_log = logging.getLogger("framework_core")


@dataclass
class Tracker:
    """A run that is being recorded.

    Args:
        client: The store.
        run_id: The run's id there.
        uri: The store's address, without credentials.
        writer: Where points of curves go.
    """

    client: MlflowClient
    run_id: str
    uri: str
    writer: MetricWriter
    problems: list[str] = field(default_factory=list)
    """What could not be recorded."""

    def log_file(self, file: Path, folder: str) -> None:
        """Store a file of the run's folder; ``.`` is the top."""
        with self._tolerant(file.name), _tidy_mlflow():
            self.client.log_artifact(self.run_id, str(file), None if folder == "." else folder)

    def log_text(self, text: str, path: str) -> None:
        """Store a text."""
        with self._tolerant(path):
            self.client.log_text(self.run_id, conceal(text), path)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record final values."""
        self.writer.write(metrics, step)

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
        """Store the model with its signature and an input example.

        Args:
            model: The trained model.
            config: The settings of the run.
            data: What it was trained on.
            example: A few inputs.
            metrics: What it reached; linked to the model and to the data.
            card: Its model card.
        """
        import mlflow
        from mlflow.models import ModelSignature

        example_array = example.detach().cpu().numpy()
        with torch.inference_mode():
            outputs = logged_model.to_numpy(model.cpu().eval()(example.cpu()))
        with self._tolerant("the model"), tempfile.TemporaryDirectory() as folder, _tidy_mlflow():
            logged_model.save(model, saved_settings(config)["model"], data, Path(folder) / "model")
            stored = mlflow.pyfunc.log_model(
                name="model",
                loader_module="framework_core.tracking.logged_model",
                data_path=str(Path(folder) / "model"),
                signature=ModelSignature(inputs=_schema(example_array), outputs=_schema(outputs)),
                input_example=example_array,
                pip_requirements=_requirements(),
                metadata={"task": data.task, "class_names": list(data.class_names)},
            )
            self._link(str(stored.model_id), config, data, metrics)
            if card is not None and card.is_file():
                self.client.log_model_artifact(str(stored.model_id), str(card))

    def _link(self, model_id: str, config: RunConfig, data: DataSpec, metrics: Mapping[str, float]) -> None:
        """The final metrics once more, as those of this model on this data."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        of_data = {"dataset_name": config.dataset.name, "dataset_digest": _digest(data)}
        linked = [
            Metric(name, value, now, 0, model_id=model_id, run_id=self.run_id, **of_data)
            for name, value in metrics.items()
            if name.startswith("test/")
        ]
        self.client.log_batch(self.run_id, metrics=linked)

    def finish(self, status: Status) -> None:
        """Write what is left and set the run's status."""
        import mlflow

        left = self.writer.close()
        if left:
            self.problems.append(f"{left} points of curves")
        with self._tolerant("the run's status"), _tidy_mlflow():
            # First of all, so that where the store fails no run stays open in this process.
            mlflow.end_run(MLFLOW_STATUS[status])
            self.client.set_tag(self.run_id, TAG_STATUS, status)
            self.client.set_terminated(self.run_id, MLFLOW_STATUS[status])

    @contextmanager
    def _tolerant(self, what: str) -> Iterator[None]:
        """A store that fails costs what could not be stored, not the training."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # each store's driver has errors of its own
            self.problems.append(what)
            _log.warning("Could not record %s: %s", what, str(error).partition("\n")[0][:300])


def start(
    config: RunConfig, data: DataSpec, *, name: str, directory: Path, command: str, run_id: str | None = None
) -> Tracker:
    """Open a run in the store, or open one again, and record what it is.

    Args:
        config: Everything the run was asked to be.
        data: What its data turned out to be.
        name: Its name.
        directory: Its folder.
        command: The command that repeats it.
        run_id: The run to continue.

    Raises:
        TrackingError: The store does not take it.
    """
    uri = tracking_uri(config.mlops.tracking)
    with _tidy_mlflow(), _store_errors(uri):
        client, run_id = _open_run(uri, config, data, name, directory, command, run_id)
    tracking = config.mlops.tracking
    sample = None
    if tracking.system_metrics:
        from framework_core.tracking.system import SystemMetrics

        sample = SystemMetrics().sample
    writer = MetricWriter(
        client,
        run_id,
        unsent=directory / "unsent-points.jsonl",
        sample=sample,
        sample_seconds=tracking.system_metrics_interval,
    )
    return Tracker(client, run_id, without_credentials(uri), writer)


def _open_run(
    uri: str, config: RunConfig, data: DataSpec, name: str, directory: Path, command: str, run_id: str | None
) -> tuple[MlflowClient, str]:
    import mlflow
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    if run_id is None:
        experiment = _experiment(client, config.experiment.name)
        run = client.create_run(experiment, run_name=name, tags=_tags(config, data, directory, command))
        run_id = str(run.info.run_id)
        _record(client, run_id, config, data)
    else:
        client.update_run(run_id, status="RUNNING")
    mlflow.set_tracking_uri(uri)
    mlflow.start_run(run_id=run_id, log_system_metrics=False)
    return client, run_id


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(shown_uri(uri), f"{str(error).strip().partition(chr(10))[0][:300]}.") from error


def _experiment(client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"}))
    except MlflowException:
        made_meanwhile = client.get_experiment_by_name(name)
        if made_meanwhile is None:
            raise
        return str(made_meanwhile.experiment_id)


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


def _record(client: MlflowClient, run_id: str, config: RunConfig, data: DataSpec) -> None:
    """What the run is, before it starts."""
    from mlflow.entities import Param

    settings = saved_settings(config)
    params = [Param(key, as_text(value)[:PARAM_LIMIT]) for key, value in flattened(settings).items()]
    for first in range(0, len(params), PARAMS_A_CALL):
        client.log_batch(run_id, params=params[first : first + PARAMS_A_CALL])
    client.log_text(run_id, settings_text(config), "config.yaml")
    client.log_text(run_id, conceal(data.model_dump_json(indent=2)), "data.json")
    environment = {"machine": machine(), "plugins": plugins(), "packages": packages()}
    client.log_text(run_id, conceal(json.dumps(environment, indent=2)), "environment.json")
    code = code_state(Path.cwd())
    if code.diff:
        client.log_text(run_id, conceal(code.diff), "code/uncommitted.diff")
    if code.untracked:
        client.log_text(run_id, "\n".join(code.untracked), "code/untracked-files.txt")
    _record_dataset(client, run_id, config, data)


def _record_dataset(client: MlflowClient, run_id: str, config: RunConfig, data: DataSpec) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = {"splits": data.split_sizes, "classes": data.num_classes, "task": data.task}
    dataset = Dataset(
        name=config.dataset.name,
        digest=_digest(data),
        source_type="local",
        source=conceal(json.dumps({"uri": data.source})),
        schema=json.dumps({"input_shape": data.input_shape, "input_dtype": data.input_dtype}),
        profile=json.dumps(profile),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _digest(data: DataSpec) -> str:
    return data.fingerprint.rpartition(":")[2][:36] or "unknown"


def _schema(values: Any) -> Any:
    from mlflow.types.schema import Schema, TensorSpec

    if isinstance(values, dict):
        return Schema([TensorSpec(value.dtype, (-1, *value.shape[1:]), name) for name, value in values.items()])
    array = np.asarray(values)
    return Schema([TensorSpec(array.dtype, (-1, *array.shape[1:]))])


def _requirements() -> list[str]:
    """What loading the model needs: core and every plugin, as installed."""
    from framework_core import __version__
    from framework_core.plugins.registry import registry

    plugins = {plugin.distribution: plugin.version for plugin in registry.plugins.found if plugin.state == "active"}
    named = {**plugins, "framework-core[train]": __version__, "torch": torch.__version__.partition("+")[0]}
    named.pop("framework-core", None)
    return [f"{name}=={version}" for name, version in sorted(named.items())]


@contextmanager
def _tidy_mlflow() -> Iterator[None]:
    """MLflow without its hints for other uses, on a terminal that shows a run."""
    names = ("mlflow", "alembic", "mlflow.store.db.utils", "mlflow.tracking.fluent")
    levels = {name: logging.getLogger(name).level for name in names}
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
