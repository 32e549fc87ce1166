"""Registered models and their tags."""

from __future__ import annotations

from typing import Any, NoReturn

from mlflow.entities.model_registry import RegisteredModel, RegisteredModelTag
from mlflow.entities.model_registry.model_version_stages import ALL_STAGES
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import handle_resource_already_exist_error, has_prompt_tag
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.validation import (
    _validate_model_name,
    _validate_model_renaming,
    _validate_registered_model_tag,
    _validate_tag_name,
)
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.base import MongoStore
from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import not_found
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.registry.entities import registered_model, tag_map, tag_value


class RegisteredModelArea(MongoStore):
    """Registered models and their tags."""

    def create_registered_model(
        self,
        name: str,
        tags: list[RegisteredModelTag] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Create a registered model; `deployment_job_id` means something to Databricks only."""
        _validate_model_name(name)
        for tag in tags or []:
            _validate_registered_model_tag(tag.key, tag.value)
        now = get_current_time_millis()
        document = {
            "ws": self._workspace,
            "name": name,
            "description": description,
            "created": now,
            "updated": now,
            "last_version": 0,
            "tags": tag_map(tags),
            "aliases": {},
        }
        try:
            self._collection("registered_models").insert_one(document)
        except DuplicateKeyError:
            self._refuse_taken_name(name, tags)
        return registered_model(document, [])

    def _refuse_taken_name(self, name: str, tags: list[RegisteredModelTag] | None) -> NoReturn:
        existing = self.get_registered_model(name)
        handle_resource_already_exist_error(name, has_prompt_tag(existing._tags), has_prompt_tag(tags))
        raise AssertionError("unreachable")

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return the registered model with the latest version of each stage."""
        return self._with_latest_versions(self._find_model(name))

    def _with_latest_versions(self, document: Document) -> RegisteredModel:
        return registered_model(document, self._latest_versions([document["name"]]).get(document["name"], []))

    def _find_model(self, name: str, session: ClientSession | None = None) -> Document:
        _validate_model_name(name)
        found = self._collection("registered_models").find_one({"ws": self._workspace, "name": name}, session=session)
        if found is None:
            raise not_found(f"Registered Model with name={name} not found")
        return found

    def _latest_versions(self, names: list[str]) -> dict[str, list[Document]]:
        """Return, for each model that has versions, the latest one of every stage."""
        first, *others = [_latest_of_stage(self._workspace, names, stage) for stage in ALL_STAGES]
        unions = [{"$unionWith": {"coll": "model_versions", "pipeline": stages}} for stages in others]
        latest: dict[str, list[Document]] = {}
        for row in self._collection("model_versions").aggregate([*first, *unions]):
            latest.setdefault(row["_id"], []).append(row["latest"])
        return {name: sorted(versions, key=lambda found: found["version"]) for name, versions in latest.items()}

    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Give the registered model another description."""
        found = self._find_model(name)
        change = {"description": description, "updated": get_current_time_millis()}
        self._collection("registered_models").update_one({"_id": found["_id"]}, {"$set": change})
        return self._with_latest_versions({**found, **change})

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give the registered model, with its versions, another name."""
        _validate_model_renaming(new_name)
        change = {"name": new_name, "updated": get_current_time_millis()}

        def rename(session: ClientSession | None) -> Document:
            found = self._find_model(name, session)
            models, workspace = self._collection("registered_models"), self._workspace
            if new_name != name and models.find_one({"ws": workspace, "name": new_name}, {"_id": 1}, session=session):
                raise _exists(new_name)
            # The versions first: without a transaction a stop in between is mended by asking again.
            self._collection("model_versions").update_many(
                {"ws": workspace, "name": name}, {"$set": change}, session=session
            )
            models.update_one({"_id": found["_id"]}, {"$set": change}, session=session)
            return {**found, **change}

        try:
            return self._with_latest_versions(self._transaction(rename))
        except DuplicateKeyError:
            raise _exists(new_name) from None

    def delete_registered_model(self, name: str) -> None:
        """Delete the registered model with all its versions."""

        def delete(session: ClientSession | None) -> None:
            found = self._find_model(name, session)
            self._collection("model_versions").delete_many({"ws": self._workspace, "name": name}, session=session)
            self._collection("registered_models").delete_one({"_id": found["_id"]}, session=session)

        self._transaction(delete)

    def set_registered_model_tag(self, name: str, tag: RegisteredModelTag) -> None:
        """Set a tag of the registered model."""
        _validate_model_name(name)
        _validate_registered_model_tag(tag.key, tag.value)
        self._change_model(name, {"$set": {f"tags.{escape(tag.key)}": tag_value(tag.value)}})

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of the registered model, if it has it."""
        _validate_model_name(name)
        _validate_tag_name(key)
        self._change_model(name, {"$unset": {f"tags.{escape(key)}": ""}})

    def _change_model(self, name: str, change: dict[str, Any]) -> None:
        changed = self._collection("registered_models").update_one({"ws": self._workspace, "name": name}, change)
        if not changed.matched_count:
            raise not_found(f"Registered Model with name={name} not found")


def _latest_of_stage(workspace: str, names: list[str], stage: str) -> list[dict[str, Any]]:
    # In this order of keys the index finds the first version of each name without reading the others.
    return [
        {"$match": {"ws": workspace, "stage": stage, "name": {"$in": names}}},
        {"$sort": {"ws": 1, "stage": 1, "name": 1, "version": -1}},
        {"$group": {"_id": "$name", "latest": {"$first": "$$ROOT"}}},
    ]


def _exists(name: str) -> MlflowException:
    return MlflowException(f"Registered Model (name={name}) already exists.", RESOURCE_ALREADY_EXISTS)
