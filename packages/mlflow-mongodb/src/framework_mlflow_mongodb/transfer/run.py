"""The copy itself: one thing after the other, each compared with its source once it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlflow.entities import DatasetInput, Experiment, LifecycleStage, Metric, Run
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.utils.time import get_current_time_millis
from pymongo import ReplaceOne
from pymongo.database import Database

from framework_mlflow_mongodb.connection import Document, connect
from framework_mlflow_mongodb.registry.store import MongoRegistryStore
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
from framework_mlflow_mongodb.transfer import content, documents
from framework_mlflow_mongodb.transfer.copier import Copier, Report, if_supported
from framework_mlflow_mongodb.transfer.evaluation import EvaluationCopy
from framework_mlflow_mongodb.transfer.source import Source, open_source, trace_with_spans
from framework_mlflow_mongodb.transfer.webhooks import copy_webhooks


def transfer(source_uri: str, target_uri: str, progress: Callable[[str], None]) -> Report:
    """Copy the store at `source_uri` into the database of `target_uri`, keeping every id.

    May be stopped and called again: what is copied and compared already is passed over.

    Raises:
        MlflowException: There is no such source, or the target holds data of its own.
    """
    source = open_source(source_uri)
    target = MongoTrackingStore(target_uri)
    report = Report(source.name, str(target.uri))
    _Transfer(source, target, MongoRegistryStore(target_uri), report, progress).run()
    return report


class _Transfer:
    def __init__(
        self,
        source: Source,
        tracking: MongoTrackingStore,
        registry: MongoRegistryStore,
        report: Report,
        progress: Callable[[str], None],
    ) -> None:
        self.source, self.tracking, self.registry = source, tracking, registry
        self.report, self.progress = report, progress
        self.database: Database[Document] = connect(tracking.uri.raw).database
        self.copier = Copier(source.name, self.database, report)
        self.evaluation = EvaluationCopy(source, tracking, self.copier)
        self.now = get_current_time_millis()

    def run(self) -> None:
        self._check_target()
        for experiment in self.source.experiments():
            self._experiment(experiment)
        for model in self.source.deleted_logged_models():
            self._logged_model(model, LifecycleStage.DELETED)
        self.evaluation.datasets()
        self._registered_models()
        copy_webhooks(self.source, self.registry, self.copier)

    def _check_target(self) -> None:
        others = self.database["experiments"].count_documents({"_id": {"$ne": 0}}, limit=1)
        others += self.database["runs"].count_documents({}, limit=1)
        others += self.database["registered_models"].count_documents({}, limit=1)
        ours = self.database["imports"].count_documents({"source": self.source.name}, limit=1)
        if others and not ours:
            raise MlflowException(
                f"{self.report.target} holds data of its own, whose ids may be the same. Import into an empty "
                f"database: add its name to the URI.",
                INVALID_STATE,
            )

    def _experiment(self, experiment: Experiment) -> None:
        key = int(experiment.experiment_id)
        document = documents.experiment(experiment)
        # Active until its traces are in: a deleted experiment takes none.
        self.copier.replace("experiments", {**document, "life": LifecycleStage.ACTIVE})
        self.database["counters"].update_one({"_id": "experiment_id"}, {"$max": {"seq": key}}, upsert=True)
        for run in self.source.runs(experiment.experiment_id):
            self._run(run)
        for model in if_supported(lambda: self.source.logged_models(experiment.experiment_id)):
            self._logged_model(model)
        for trace in if_supported(lambda: self.source.traces(experiment.experiment_id)):
            self._trace(experiment.experiment_id, trace)
        if experiment.lifecycle_stage == LifecycleStage.ACTIVE:
            self.evaluation.of_experiment(experiment.experiment_id)
        self.copier.copy(
            "experiment",
            experiment.experiment_id,
            content.experiment(experiment),
            lambda: self.copier.replace("experiments", document),
            lambda: content.experiment(self.tracking.get_experiment(experiment.experiment_id)),
        )
        if experiment.lifecycle_stage == LifecycleStage.DELETED:
            self.copier.replace("experiments", document)
        self.progress(f"experiment {experiment.experiment_id} '{experiment.name}'")

    def _run(self, run: Run) -> None:
        run_id = run.info.run_id
        history = _history(self.source.tracking, run)

        def write() -> None:
            chunks = documents.points(run_id, history)
            if chunks:
                self.database["points"].bulk_write(
                    [ReplaceOne({"_id": chunk["_id"]}, chunk, upsert=True) for chunk in chunks], ordered=False
                )
            document = documents.run(run, self.now)
            used = run.inputs.dataset_inputs if run.inputs else []
            document["in"] = [self._input(document["exp"], one) for one in used]
            document["model_in"] = [one.model_id for one in (run.inputs.model_inputs or [])] if run.inputs else []
            made = (run.outputs.model_outputs or []) if run.outputs else []
            document["model_out"] = [{"id": one.model_id, "step": one.step} for one in made]
            self.copier.replace("runs", document)

        def read() -> Any:
            copied = self.tracking.get_run(run_id)
            return content.run(copied, _history(self.tracking, copied))

        self.copier.copy("run", run_id, content.run(run, history), write, read)

    def _input(self, experiment: int, used: DatasetInput) -> Document:
        return self.tracking.dataset_input(experiment, used)

    def _logged_model(self, model: Any, life: str = LifecycleStage.ACTIVE) -> None:
        def write() -> None:
            self.copier.replace("logged_models", documents.logged_model(model, life))
            by_run: dict[str, list[Metric]] = {}
            for metric in model.metrics or []:
                by_run.setdefault(metric.run_id, []).append(metric)
            for run_id, metrics in by_run.items():
                self.tracking.copy_model_metrics(run_id, metrics, int(model.experiment_id))

        self.copier.copy(
            "logged model",
            model.model_id,
            content.logged_model(model),
            write,
            lambda: content.logged_model(self.tracking.get_logged_model(model.model_id, allow_deleted=True)),
        )

    def _trace(self, experiment_id: str, trace: Any) -> None:
        def write() -> None:
            if trace.data.spans:
                self.tracking.log_spans(experiment_id, trace.data.spans)
            self.tracking.start_trace(trace.info)

        self.copier.copy(
            "trace",
            trace.info.trace_id,
            content.trace(trace),
            write,
            lambda: content.trace(trace_with_spans(self.tracking, self.tracking.get_trace_info(trace.info.trace_id))),
        )

    def _registered_models(self) -> None:
        versions: dict[str, list[Any]] = {}
        for version in self.source.model_versions():
            versions.setdefault(version.name, []).append(version)
        for model in self.source.registered_models():
            found = versions.get(model.name, [])
            self._registered_model(model, max((int(version.version) for version in found), default=0))
            for version in found:
                self._version(version)

    def _registered_model(self, model: RegisteredModel, last_version: int) -> None:
        body = documents.registered_model(model, last_version)
        self.copier.copy(
            "registered model",
            model.name,
            content.registered_model(model),
            lambda: self.copier.upsert("registered_models", {k: body[k] for k in ("ws", "name")}, body),
            lambda: content.registered_model(self.registry.get_registered_model(model.name)),
        )

    def _version(self, version: Any) -> None:
        try:
            location = self.source.registry.get_model_version_download_uri(version.name, version.version)
        except MlflowException:
            location = None
        body = documents.model_version(version, location)
        self.copier.copy(
            "model version",
            f"{version.name}/{version.version}",
            content.model_version(version),
            lambda: self.copier.upsert("model_versions", {k: body[k] for k in ("ws", "name", "version")}, body),
            lambda: content.model_version(self.registry.get_model_version(version.name, version.version)),
        )


def _history(store: Any, run: Run) -> dict[str, list[Metric]]:
    return {key: list(store.get_metric_history(run.info.run_id, key)) for key in run.data.metrics}
