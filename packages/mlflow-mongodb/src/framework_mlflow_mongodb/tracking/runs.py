"""Runs: made, changed, deleted, restored, and removed for good."""

from __future__ import annotations

import uuid
from typing import Any

from mlflow.entities import Dataset, LifecycleStage, Run, RunInfo, RunStatus, RunTag, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, _get_run_name_from_tags
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.uri import append_to_uri_path
from pymongo import ReadPreference, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.keys import escape, escaped
from framework_mlflow_mongodb.single import find_by_key, insert_with_random_key, inserted
from framework_mlflow_mongodb.tracking import entities
from framework_mlflow_mongodb.tracking.experiment_ids import parse_experiment_id
from framework_mlflow_mongodb.tracking.experiments import ExperimentArea

ARTIFACTS_FOLDER_NAME = "artifacts"
_EXPERIMENTS_REMEMBERED = 10_000
RUN_NAME_FIELD = f"t.{escape(MLFLOW_RUN_NAME)}"


class RunArea(ExperimentArea):
    """Runs: made, changed, deleted, restored, and removed for good."""

    def __init__(self) -> None:
        super().__init__()
        # What a new run needs to know of its experiment. Whether that is active still is asked each time.
        self._seen_experiments: dict[tuple[str, int], Document] = {}

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: list[RunTag] | None, run_name: str | None
    ) -> Run:
        """Start a run in an active experiment."""
        run_id, tags, key = uuid.uuid4().hex, list(tags or []), parse_experiment_id(experiment_id or 0)
        tag_name = _get_run_name_from_tags(tags)
        has_two_names = bool(run_name and tag_name and run_name != tag_name)
        name = run_name or tag_name or _generate_random_name()
        if not tag_name:
            tags.append(RunTag(MLFLOW_RUN_NAME, name))

        def new_run(experiment: Document) -> Document:
            return _new_run(experiment, run_id, user_id, start_time, name, tags)

        seen = self._seen_experiments.get((self._workspace, key))
        if seen and not has_two_names:
            document = new_run(seen)
            run = entities.run(document, {})
            if self._insert_into_active(seen, document):
                return run
        experiment = self._find_active_experiment(experiment_id)
        if has_two_names:
            raise invalid(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with "
                f"different values (run_name='{run_name}', mlflow.runName='{tag_name}')."
            )
        self._remember(experiment)
        document = new_run(experiment)
        run = entities.run(document, {})
        insert_with_random_key(self._collection("runs"), document)
        return run

    def _insert_into_active(self, seen: Document, run: Document) -> bool:
        """Insert `run` and look meanwhile whether its experiment is active and as it was seen; say whether all is well.

        A run of any other experiment is taken back.
        """
        runs, experiments = self._collection("runs"), self._collection("experiments")
        experiments = experiments.with_options(read_preference=ReadPreference.PRIMARY)
        try:
            look = self._connection.executor.submit(find_by_key, experiments, {**seen, "life": LifecycleStage.ACTIVE})
        except RuntimeError:  # the interpreter is about to end
            return False
        is_in = inserted(runs, run)
        try:
            is_active = look.result() is not None
        except PyMongoError:
            is_active = False
        if not is_active:
            runs.delete_one({"_id": run["_id"]})
        return is_in and is_active

    def _remember(self, experiment: Document) -> None:
        if len(self._seen_experiments) >= _EXPERIMENTS_REMEMBERED:
            self._seen_experiments.clear()
        seen = {field: experiment[field] for field in ("_id", "ws", "artifact_location")}
        self._seen_experiments[experiment["ws"], experiment["_id"]] = seen

    def get_run(self, run_id: str) -> Run:
        """Return the run with its latest metrics, parameters, tags, inputs and outputs."""
        return self._run_entities([self._find_run(run_id, entities.FIELDS)])[0]

    def _run_entities(self, documents: list[Document]) -> list[Run]:
        datasets = self._datasets({used["id"] for document in documents for used in document["in"]})
        return [entities.run(document, datasets) for document in documents]

    def _datasets(self, ids: set[str]) -> dict[str, Dataset]:
        if not ids:
            return {}
        found = self._collection("datasets").find({"_id": {"$in": list(ids)}})
        return {document["_id"]: entities.dataset(document) for document in found}

    def _own(self, run_id: str, **more: Any) -> Document:
        condition = {"_id": run_id, **more}
        return {**condition, "ws": self._workspace} if self.supports_workspaces else condition

    def _find_run(
        self, run_id: str, projection: dict[str, Any] | None = None, session: ClientSession | None = None
    ) -> Document:
        found = self._collection("runs").find_one(self._own(run_id), projection, session=session)
        if found is None:
            raise not_found(f"Run with id={run_id} not found")
        return found

    def _find_active_run(
        self, run_id: str, projection: dict[str, Any] | None = None, session: ClientSession | None = None
    ) -> Document:
        found = self._find_run(run_id, projection and {**projection, "life": 1}, session)
        if found["life"] != LifecycleStage.ACTIVE:
            raise invalid(f"The run {run_id} must be in the 'active' state. Current state is {found['life']}.")
        return found

    def _update_active_run(self, run_id: str, update: Document, **guard: Any) -> bool:
        """Change an active run in one step; say whether `guard` held.

        Raises:
            MlflowException: There is no such run, or it is deleted.
        """
        condition = self._own(run_id, life=LifecycleStage.ACTIVE, **guard)
        if self._collection("runs").update_one(condition, update).matched_count:
            return True
        self._find_active_run(run_id, {"_id": 1})
        return False

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Change status, end and name of an active run; what is None stays."""
        changes: Document = {}
        if run_status is not None:
            changes["status"] = RunStatus.to_string(run_status)
        if end_time is not None:
            changes["end"] = end_time
        if run_name:
            changes |= {"name": run_name, RUN_NAME_FIELD: run_name}
        if not changes:
            return entities.run_info(self._find_active_run(run_id))
        found = self._collection("runs").find_one_and_update(
            self._own(run_id, life=LifecycleStage.ACTIVE),
            {"$set": changes},
            projection=entities.INFO_FIELDS,
            return_document=ReturnDocument.AFTER,
        )
        if found is None:
            found = self._find_active_run(run_id)
        return entities.run_info(found)

    def delete_run(self, run_id: str) -> None:
        """Mark the run as deleted; its assessments go."""

        def delete(session: ClientSession | None) -> None:
            self._find_run(run_id, {"_id": 1}, session)
            self._forget_assessments_of_runs([run_id], session)
            changes = {"life": LifecycleStage.DELETED, "deleted": get_current_time_millis()}
            self._collection("runs").update_one({"_id": run_id}, {"$set": changes}, session=session)

        self._transaction(delete)

    def restore_run(self, run_id: str) -> None:
        """Make a deleted run active again."""
        self._find_run(run_id, {"_id": 1})
        changes = {"life": LifecycleStage.ACTIVE, "deleted": None}
        self._collection("runs").update_one({"_id": run_id}, {"$set": changes})

    def _get_deleted_runs(self, older_than: int = 0) -> list[str]:
        condition: Document = {
            "life": LifecycleStage.DELETED,
            "deleted": {"$lte": get_current_time_millis() - older_than},
        }
        if self.supports_workspaces:
            condition["ws"] = self._workspace
        return [document["_id"] for document in self._collection("runs").find(condition, {"_id": 1})]

    def _hard_delete_run(self, run_id: str) -> None:
        self._find_run(run_id, {"_id": 1})
        # The run last: what was cut off is found and finished by the next `mlflow gc`.
        self._collection("points").delete_many({"r": run_id})
        self._collection("overflow").delete_many({"r": run_id})
        self._collection("model_metrics").delete_many({"run": run_id})
        self._collection("runs").delete_one({"_id": run_id})

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        key = self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"]
        for run in self._collection("runs").find({"exp": key}, {"_id": 1}):
            self._hard_delete_run(run["_id"])
        for name in ("datasets", "logged_models"):
            self._collection(name).delete_many({"exp": key})
        super()._hard_delete_experiment(experiment_id)


def _new_run(
    experiment: Document, run_id: str, user_id: str, start_time: int, name: str, tags: list[RunTag]
) -> Document:
    return {
        "_id": run_id,
        "exp": experiment["_id"],
        "ws": experiment["ws"],
        "name": name,
        "user": user_id,
        "status": RunStatus.to_string(RunStatus.RUNNING),
        "start": start_time,
        "end": None,
        "deleted": None,
        "life": LifecycleStage.ACTIVE,
        "artifact_uri": append_to_uri_path(experiment["artifact_location"], run_id, ARTIFACTS_FOLDER_NAME),
        "mv": {},
        "mm": {},
        "tail": [],
        "p": {},
        "t": escaped({tag.key: tag.value for tag in tags}),
        "in": [],
        "model_in": [],
        "model_out": [],
    }
