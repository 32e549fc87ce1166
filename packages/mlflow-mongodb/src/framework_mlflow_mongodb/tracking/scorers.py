"""Scorers, their versions, and how they judge new traces by themselves."""

from __future__ import annotations

import json
import uuid
from dataclasses import fields
from typing import Any

from mlflow.entities import ScorerVersion, ViewType
from mlflow.entities.gateway_endpoint import GatewayResourceType
from mlflow.genai.scorers.online.entities import OnlineScorer, OnlineScoringConfig
from mlflow.genai.scorers.scorer_utils import (
    build_gateway_model,
    extract_endpoint_ref,
    extract_model_from_serialized_scorer,
    is_gateway_model,
    update_model_in_serialized_scorer,
    validate_scorer_model,
    validate_scorer_name,
)
from mlflow.utils.search_utils import SearchTraceUtils
from mlflow.utils.time import get_current_time_millis
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.tracking.gateway.attachments import AttachmentArea

_SCORER = GatewayResourceType.SCORER.value


class ScorerArea(AttachmentArea):
    """Scorers of experiments."""

    def register_scorer(self, experiment_id: str, name: str, serialized_scorer: str) -> ScorerVersion:
        """Store the next version of a scorer."""
        validate_scorer_name(name)
        key = self._find_active_experiment(experiment_id)["_id"]
        serialized = json.loads(serialized_scorer)
        validate_scorer_model(extract_model_from_serialized_scorer(serialized))
        endpoint_id = None
        if endpoint := _endpoint(serialized_scorer):
            # The id is kept, as an endpoint may get another name.
            endpoint_id = self.get_gateway_endpoint(name=endpoint).endpoint_id
            with_id = update_model_in_serialized_scorer(serialized, build_gateway_model(endpoint_id))
            serialized_scorer = json.dumps(with_id)
        scorer = self._scorer_named(key, name)
        version = self._add_version(scorer, serialized_scorer)
        if endpoint_id is not None:
            self._bind_only(endpoint_id, _SCORER, scorer["_id"], name)
        return self._versions([(scorer, version)])[0]

    def _add_version(self, scorer: Document, serialized_scorer: str) -> Document:
        while True:
            last = self._latest(scorer["_id"])
            version = {
                "scorer": scorer["_id"],
                "version": last["version"] + 1 if last else 1,
                "serialized": serialized_scorer,
                "created": get_current_time_millis(),
            }
            try:
                self._collection("scorer_versions").insert_one(version)
            except DuplicateKeyError:
                continue  # another client took this number
            return version

    def _scorer_named(self, experiment: int, name: str) -> Document:
        place = {"exp": experiment, "name": name}
        update = {"$setOnInsert": {"_id": str(uuid.uuid4()), "online": None}}
        scorers = self._collection("scorers")
        while True:
            try:
                found = scorers.find_one_and_update(place, update, upsert=True, return_document=ReturnDocument.AFTER)
            except DuplicateKeyError:
                found = scorers.find_one(place)
            if found is not None:
                return found

    def _latest(self, scorer_id: str) -> Document | None:
        return self._collection("scorer_versions").find_one({"scorer": scorer_id}, sort=[("version", -1)])

    def list_scorers(self, experiment_id: str) -> list[ScorerVersion]:
        """Return the latest version of each scorer of an active experiment."""
        key = self._find_active_experiment(experiment_id)["_id"]
        return self.list_scorers_across_experiments([str(key)])

    def list_scorers_across_experiments(self, experiment_ids: list[str]) -> list[ScorerVersion]:
        """Return the latest version of each scorer of the experiments."""
        keys = self._own_experiment_ids(experiment_ids)
        found = self._collection("scorers").find({"exp": {"$in": keys}}).sort([("exp", 1), ("name", 1)])
        pairs = [(scorer, self._latest(scorer["_id"])) for scorer in found]
        return self._versions([(scorer, version) for scorer, version in pairs if version is not None])

    def _versions(self, pairs: list[tuple[Document, Document]]) -> list[ScorerVersion]:
        """Return versions of scorers, with the names of their endpoints in place of the ids."""
        names = self._names("gateway_endpoints", [_endpoint(version["serialized"]) for _, version in pairs])
        return [_version(scorer, version, names) for scorer, version in pairs]

    def resolve_endpoint_in_scorer(self, scorer_version: ScorerVersion) -> ScorerVersion:
        """Return a version of a scorer as it is: its endpoint has its name here already."""
        return scorer_version

    def get_scorer(self, experiment_id: str, name: str, version: int | None = None) -> ScorerVersion:
        """Return a version of a scorer, the latest if none is named."""
        scorer = self._find_scorer(experiment_id, name)
        found = self._latest(scorer["_id"])
        if version is not None:
            found = self._collection("scorer_versions").find_one({"scorer": scorer["_id"], "version": version})
        if found is None:
            raise _missing(experiment_id, name, version)
        return self._versions([(scorer, found)])[0]

    def _scorer_version_by_id(self, scorer_id: str, version: int) -> ScorerVersion:
        scorer = self._collection("scorers").find_one({"_id": scorer_id})
        if scorer is None or not self._own_experiment_ids([scorer["exp"]]):
            raise not_found(f"Scorer with ID '{scorer_id}' not found.")
        found = self._collection("scorer_versions").find_one({"scorer": scorer_id, "version": version})
        if found is None:
            raise not_found(f"Scorer with ID '{scorer_id}' and version {version} not found.")
        return self._versions([(scorer, found)])[0]

    def _find_scorer(self, experiment_id: str, name: str) -> Document:
        key = self._find_active_experiment(experiment_id)["_id"]
        found = self._collection("scorers").find_one({"exp": key, "name": name})
        if found is None:
            raise _missing(experiment_id, name)
        return found

    def list_scorer_versions(self, experiment_id: str, name: str) -> list[ScorerVersion]:
        """Return all versions of a scorer, the oldest first."""
        scorer = self._find_scorer(experiment_id, name)
        found = list(self._collection("scorer_versions").find({"scorer": scorer["_id"]}).sort("version", 1))
        if not found:
            raise _missing(experiment_id, name)
        return self._versions([(scorer, version) for version in found])

    def delete_scorer(self, experiment_id: str, name: str, version: int | None = None) -> None:
        """Delete a version of a scorer, or all of it."""
        scorer = self._find_scorer(experiment_id, name)

        def delete(session: ClientSession | None) -> int:
            chosen = {"scorer": scorer["_id"]} | ({} if version is None else {"version": version})
            deleted = self._collection("scorer_versions").delete_many(chosen, session=session).deleted_count
            if version is None:
                self._release(_SCORER, scorer["_id"], session)
                self._collection("scorers").delete_one({"_id": scorer["_id"]}, session=session)
            return deleted

        if not self._transaction(delete):
            raise _missing(experiment_id, name, version)

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        key = self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"]
        scorers = self._collection("scorers").distinct("_id", {"exp": key})
        self._collection("scorer_versions").delete_many({"scorer": {"$in": scorers}})
        self._collection("scorers").delete_many({"exp": key})
        super()._hard_delete_experiment(experiment_id)

    def get_online_scoring_configs(self, scorer_ids: list[str]) -> list[OnlineScoringConfig]:
        """Return how those of the scorers that judge by themselves do so."""
        found = self._collection("scorers").find({"_id": {"$in": list(scorer_ids)}, "online": {"$ne": None}})
        return [_online(scorer) for scorer in found if self._own_experiment_ids([scorer["exp"]])]

    def upsert_online_scoring_config(
        self, experiment_id: str, scorer_name: str, sample_rate: float, filter_string: str | None = None
    ) -> OnlineScoringConfig:
        """Say which share of which traces a scorer judges by itself."""
        _check_online(sample_rate, filter_string)
        scorer = self._find_scorer(experiment_id, scorer_name)
        latest = self._latest(scorer["_id"])
        if latest is not None and sample_rate > 0 and not _endpoint(latest["serialized"]):
            raise invalid(
                f"Scorer '{scorer_name}' does not use a gateway model. Automatic evaluation is only supported for "
                f"scorers that use gateway models."
            )
        online = {"id": uuid.uuid4().hex, "rate": sample_rate, "filter": filter_string}
        self._collection("scorers").update_one({"_id": scorer["_id"]}, {"$set": {"online": online}})
        return _online({**scorer, "online": online})

    def get_active_online_scorers(self) -> list[OnlineScorer]:
        """Return the scorers that judge traces by themselves."""
        pairs = []
        for scorer in self._collection("scorers").find({"online.rate": {"$gt": 0}}):
            latest = self._latest(scorer["_id"])
            if latest is not None and _endpoint(latest["serialized"]) and self._own_experiment_ids([scorer["exp"]]):
                pairs.append((scorer, latest))
        versions = self._versions(pairs)
        return [_online_scorer(version, _online(scorer)) for version, (scorer, _) in zip(versions, pairs, strict=True)]


def _check_online(sample_rate: Any, filter_string: Any) -> None:
    if not isinstance(sample_rate, (int, float)):
        raise invalid(f"sample_rate must be a number, got {type(sample_rate).__name__}")
    if not 0.0 <= sample_rate <= 1.0:
        raise invalid(f"sample_rate must be between 0.0 and 1.0, got {sample_rate}")
    if filter_string:
        if not isinstance(filter_string, str):
            raise invalid(f"filter_string must be a string, got {type(filter_string).__name__}")
        SearchTraceUtils.parse_search_filter_for_search_traces(filter_string)


def _endpoint(serialized_scorer: str) -> str | None:
    """Return the gateway's endpoint that a scorer asks, if it does."""
    model = extract_model_from_serialized_scorer(json.loads(serialized_scorer))
    return str(extract_endpoint_ref(model)) if model and is_gateway_model(model) else None


def _missing(experiment_id: str, name: str, version: int | None = None) -> Exception:
    which = f"'{name}'" if version is None else f"'{name}' and version {version}"
    return not_found(f"Scorer with name {which} not found for experiment {experiment_id}.")


def _version(scorer: Document, version: Document, endpoints: dict[str, str]) -> ScorerVersion:
    serialized = version["serialized"]
    if endpoint := _endpoint(serialized):
        name = endpoints.get(endpoint)
        named = update_model_in_serialized_scorer(json.loads(serialized), build_gateway_model(name) if name else None)
        serialized = json.dumps(named)
    return ScorerVersion(
        experiment_id=str(scorer["exp"]),
        scorer_name=scorer["name"],
        scorer_version=version["version"],
        serialized_scorer=serialized,
        creation_time=version["created"],
        scorer_id=scorer["_id"],
    )


def _online(scorer: Document) -> OnlineScoringConfig:
    return OnlineScoringConfig(
        online_scoring_config_id=scorer["online"]["id"],
        scorer_id=scorer["_id"],
        sample_rate=scorer["online"]["rate"],
        experiment_id=str(scorer["exp"]),
        filter_string=scorer["online"]["filter"],
    )


def _online_scorer(version: ScorerVersion, config: OnlineScoringConfig) -> OnlineScorer:
    facts: dict[str, Any] = {"name": version.scorer_name, "serialized_scorer": version._serialized_scorer}
    if "scorer_version" in {field.name for field in fields(OnlineScorer)}:  # since MLflow 3.17
        facts["scorer_version"] = version.scorer_version
    return OnlineScorer(online_config=config, **facts)
