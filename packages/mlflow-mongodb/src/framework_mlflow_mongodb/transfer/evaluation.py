"""The copy of what evaluation needs: datasets with their records, scorers, issues, label schemas."""

from __future__ import annotations

import json
from typing import Any

from mlflow.entities import DatasetRecord, EvaluationDataset, Issue, IssueSeverity, ScorerVersion
from mlflow.genai.scorers.online.entities import OnlineScoringConfig
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import escaped
from framework_mlflow_mongodb.tracking.evaluation_records import inputs_hash
from framework_mlflow_mongodb.tracking.issues import severity_fields
from framework_mlflow_mongodb.tracking.label_schemas import label_schema_document
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
from framework_mlflow_mongodb.transfer.copier import Copier, if_supported
from framework_mlflow_mongodb.transfer.source import Source


class EvaluationCopy:
    """Copies datasets, scorers, issues and label schemas.

    Args:
        source: Where from.
        target: The store that says what has arrived.
        copier: What writes.
    """

    def __init__(self, source: Source, target: MongoTrackingStore, copier: Copier) -> None:
        self.source, self.target, self.copier = source, target, copier
        self.arrived = Source("", target, None)

    def datasets(self) -> None:
        """Copy all datasets, each with its records."""
        for dataset in if_supported(self.source.evaluation_datasets):
            self._dataset(dataset)

    def _dataset(self, dataset: EvaluationDataset) -> None:
        experiments = sorted(map(str, self.source.tracking.get_dataset_experiment_ids(dataset.dataset_id)))
        records = list(self.source.evaluation_records(dataset.dataset_id))

        def write() -> None:
            for record in records:
                self.copier.replace("eval_records", _record(record))
            self.copier.replace("eval_datasets", {**_dataset(dataset), "experiments": experiments})

        def read() -> Any:
            found = self.target.get_dataset(dataset.dataset_id)
            known = sorted(map(str, self.target.get_dataset_experiment_ids(dataset.dataset_id)))
            return _said_of_dataset(found, known, list(self.arrived.evaluation_records(dataset.dataset_id)))

        said = _said_of_dataset(dataset, experiments, records)
        self.copier.copy("evaluation dataset", dataset.dataset_id, said, write, read)

    def of_experiment(self, experiment_id: str) -> None:
        """Copy what an active experiment has."""
        for issue in if_supported(lambda: self.source.issues(experiment_id)):
            self._issue(issue)
        for schema in if_supported(lambda: self.source.label_schemas(experiment_id)):
            self._label_schema(schema)
        scorers: dict[str, list[ScorerVersion]] = {}
        for version in if_supported(lambda: self.source.scorers(experiment_id)):
            scorers.setdefault(str(version.scorer_id), []).append(version)
        for scorer_id, versions in scorers.items():
            self._scorer(scorer_id, versions)

    def _issue(self, issue: Issue) -> None:
        document = {
            "_id": issue.issue_id,
            "exp": int(issue.experiment_id),
            "ws": DEFAULT_WORKSPACE_NAME,
            "name": issue.name,
            "description": issue.description,
            "status": issue.status.value,
            **severity_fields(IssueSeverity(issue.severity) if issue.severity else None),
            "root_causes": issue.root_causes or None,
            "run": issue.source_run_id,
            "categories": issue.categories or None,
            "created": issue.created_timestamp,
            "updated": issue.last_updated_timestamp,
            "created_by": issue.created_by,
        }
        self.copier.copy(
            "issue",
            issue.issue_id,
            _said_of_issue(issue),
            lambda: self.copier.replace("issues", document),
            lambda: _said_of_issue(self.target.get_issue(issue.issue_id)),
        )

    def _label_schema(self, schema: Any) -> None:
        document = label_schema_document(schema, int(schema.experiment_id), DEFAULT_WORKSPACE_NAME)
        key = {"exp": document["exp"], "name": document["name"]}

        def write() -> None:
            # The default one may have been made by a look at the target, with an id of its own.
            self.copier.database["label_schemas"].delete_many({**key, "_id": {"$ne": document["_id"]}})
            self.copier.replace("label_schemas", document)

        self.copier.copy(
            "label schema",
            schema.schema_id,
            vars(schema),
            write,
            lambda: vars(self.target.get_label_schema(schema.schema_id)),
        )

    def _scorer(self, scorer_id: str, versions: list[ScorerVersion]) -> None:
        online = self.source.tracking.get_online_scoring_configs([scorer_id])
        first = versions[0]
        scorer = {"_id": scorer_id, "exp": int(first.experiment_id), "name": first.scorer_name}

        def write() -> None:
            self.copier.replace("scorers", {**scorer, "online": _online(online[0]) if online else None})
            for version in versions:
                key = {"scorer": scorer_id, "version": version.scorer_version}
                body = {"serialized": version._serialized_scorer, "created": version.creation_time}
                self.copier.upsert("scorer_versions", key, {**key, **body})

        def read() -> Any:
            found = self.target.list_scorer_versions(first.experiment_id, first.scorer_name)
            return _said_of_scorer(found, self.target.get_online_scoring_configs([scorer_id]))

        self.copier.copy("scorer", scorer_id, _said_of_scorer(versions, online), write, read)


def _dataset(found: EvaluationDataset) -> Document:
    return {
        "_id": found.dataset_id,
        "ws": DEFAULT_WORKSPACE_NAME,
        "name": found.name,
        "digest": found.digest,
        "created": found.created_time,
        "updated": found.last_update_time,
        "created_by": found.created_by,
        "updated_by": found.last_updated_by,
        "tags": escaped(found.tags or {}),
        "schema": found.schema,
        "profile": found.profile,
    }


def _record(found: DatasetRecord) -> Document:
    return {
        "_id": found.dataset_record_id,
        "dataset": found.dataset_id,
        "hash": inputs_hash(found.inputs),
        "created": found.created_time,
        "updated": found.last_update_time,
        "created_by": found.created_by,
        "updated_by": found.last_updated_by,
        "inputs": json.dumps(found.inputs),
        "outputs": json.dumps(found.outputs),
        "expectations": json.dumps(found.expectations),
        "tags": json.dumps(found.tags),
        "source": json.dumps(found.source.to_dict()) if found.source else None,
        "source_id": found.source_id,
    }


def _said_of_dataset(found: EvaluationDataset, experiments: list[str], records: list[DatasetRecord]) -> Any:
    facts = {key: value for key, value in _dataset(found).items() if key != "ws"}
    return [facts, experiments, sorted((record.to_dict() for record in records), key=_by_id)]


def _by_id(record: dict[str, Any]) -> str:
    return str(record["dataset_record_id"])


def _said_of_issue(issue: Issue) -> Any:
    facts = {key: value for key, value in vars(issue).items() if key != "trace_count"}
    return {**facts, "root_causes": issue.root_causes or None, "categories": issue.categories or None}


def _said_of_scorer(versions: list[ScorerVersion], online: list[OnlineScoringConfig]) -> Any:
    said = [[one.scorer_version, one.creation_time, json.loads(one._serialized_scorer)] for one in versions]
    return [versions[0].scorer_name, sorted(said, key=lambda one: int(one[0])), [_online(one) for one in online]]


def _online(config: OnlineScoringConfig) -> Document:
    return {
        "id": config.online_scoring_config_id,
        "rate": config.sample_rate,
        "filter": config.filter_string,
    }
