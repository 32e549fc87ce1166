"""The copy itself: one thing after the other, each compared with its source once it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
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
from framework_mlflow_mongodb.transfer.source import Source, open_source, trace_with_spans

# What has no place in this copy: SOURCE keeps it.
NOT_COPIED = "evaluation datasets, scorers, issues, label schemas, webhooks and deleted logged models"


@dataclass
class Report:
    """What was copied, and what differs from its source."""

    source: str
    target: str
    copied: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """The report for a reader."""
        kinds = sorted(self.copied | self.known)
        lines = [f"{kind:20}{self.copied[kind]:8} copied{self.known[kind]:8} there before" for kind in kinds]
        lines += [f"differs from its source: {difference}" for difference in self.differences]
        verdict = "Everything equals its source." if not self.differences else f"{len(self.differences)} differ."
        return "\n".join([f"{self.source} -> {self.target}", *lines, f"Not copied: {NOT_COPIED}.", verdict])


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
        self.now = get_current_time_millis()

    def run(self) -> None:
        self._check_target()
        for experiment in self.source.experiments():
            self._experiment(experiment)
        self._registered_models()

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

    def _copy(self, kind: str, name: str, said: Any, write: Callable[[], None], read: Callable[[], Any]) -> None:
        """Write one thing unless it is known to be there, and compare what the target then says with `said`."""
        key, digest = {"source": self.source.name, "kind": kind, "name": name}, content.digest(said)
        if self.database["imports"].find_one({"_id": key, "digest": digest}):
            self.report.known[kind] += 1
            return
        self.database["imports"].update_one({"_id": key}, {"$set": {"source": self.source.name}}, upsert=True)
        write()
        if content.digest(read()) != digest:
            self.report.differences.append(f"{kind} {name}")
            return
        self.database["imports"].update_one({"_id": key}, {"$set": {"digest": digest}})
        self.report.copied[kind] += 1

    def _experiment(self, experiment: Experiment) -> None:
        key = int(experiment.experiment_id)
        document = documents.experiment(experiment)
        # Active until its traces are in: a deleted experiment takes none.
        self._replace("experiments", {**document, "life": LifecycleStage.ACTIVE})
        self.database["counters"].update_one({"_id": "experiment_id"}, {"$max": {"seq": key}}, upsert=True)
        for run in self.source.runs(experiment.experiment_id):
            self._run(run)
        for model in self._logged_models(experiment.experiment_id):
            self._logged_model(model)
        for trace in self._traces(experiment.experiment_id):
            self._trace(experiment.experiment_id, trace)
        self._copy(
            "experiment",
            experiment.experiment_id,
            content.experiment(experiment),
            lambda: self._replace("experiments", document),
            lambda: content.experiment(self.tracking.get_experiment(experiment.experiment_id)),
        )
        if experiment.lifecycle_stage == LifecycleStage.DELETED:
            self._replace("experiments", document)
        self.progress(f"experiment {experiment.experiment_id} '{experiment.name}'")

    def _replace(self, collection: str, document: Document) -> None:
        self.database[collection].replace_one({"_id": document["_id"]}, document, upsert=True)

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
            self._replace("runs", document)

        def read() -> Any:
            copied = self.tracking.get_run(run_id)
            return content.run(copied, _history(self.tracking, copied))

        self._copy("run", run_id, content.run(run, history), write, read)

    def _input(self, experiment: int, used: DatasetInput) -> Document:
        return self.tracking.dataset_input(experiment, used)

    def _logged_models(self, experiment_id: str) -> Any:
        try:
            yield from self.source.logged_models(experiment_id)
        except NotImplementedError:
            return

    def _logged_model(self, model: Any) -> None:
        def write() -> None:
            self._replace("logged_models", documents.logged_model(model))
            by_run: dict[str, list[Metric]] = {}
            for metric in model.metrics or []:
                by_run.setdefault(metric.run_id, []).append(metric)
            for run_id, metrics in by_run.items():
                self.tracking.copy_model_metrics(run_id, metrics, int(model.experiment_id))

        self._copy(
            "logged model",
            model.model_id,
            content.logged_model(model),
            write,
            lambda: content.logged_model(self.tracking.get_logged_model(model.model_id)),
        )

    def _traces(self, experiment_id: str) -> Any:
        try:
            yield from self.source.traces(experiment_id)
        except (NotImplementedError, MlflowException) as error:
            if getattr(error, "error_code", "NOT_IMPLEMENTED") not in ("NOT_IMPLEMENTED", "FEATURE_DISABLED"):
                raise

    def _trace(self, experiment_id: str, trace: Any) -> None:
        def write() -> None:
            if trace.data.spans:
                self.tracking.log_spans(experiment_id, trace.data.spans)
            self.tracking.start_trace(trace.info)

        self._copy(
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
        self._copy(
            "registered model",
            model.name,
            content.registered_model(model),
            lambda: self._upsert("registered_models", {k: body[k] for k in ("ws", "name")}, body),
            lambda: content.registered_model(self.registry.get_registered_model(model.name)),
        )

    def _version(self, version: Any) -> None:
        try:
            location = self.source.registry.get_model_version_download_uri(version.name, version.version)
        except MlflowException:
            location = None
        body = documents.model_version(version, location)
        self._copy(
            "model version",
            f"{version.name}/{version.version}",
            content.model_version(version),
            lambda: self._upsert("model_versions", {k: body[k] for k in ("ws", "name", "version")}, body),
            lambda: content.model_version(self.registry.get_model_version(version.name, version.version)),
        )

    def _upsert(self, collection: str, key: Document, body: Document) -> None:
        self.database[collection].replace_one(key, body, upsert=True)


def _history(store: Any, run: Run) -> dict[str, list[Metric]]:
    return {key: list(store.get_metric_history(run.info.run_id, key)) for key in run.data.metrics}
