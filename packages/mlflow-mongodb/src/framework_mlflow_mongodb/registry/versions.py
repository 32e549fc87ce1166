"""Versions of registered models: their numbers, tags and stages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlparse

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag
from mlflow.entities.model_registry.model_version_stages import (
    ALL_STAGES,
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    STAGE_ARCHIVED,
    STAGE_DELETED_INTERNAL,
    STAGE_NONE,
    get_canonical_stage,
)
from mlflow.entities.model_registry.model_version_status import ModelVersionStatus
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import _parse_model_uri, get_model_name_and_version
from mlflow.tracking.client import MlflowClient
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.validation import (
    _validate_model_name,
    _validate_model_version,
    _validate_model_version_tag,
    _validate_tag_name,
)
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import not_found
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.registry.entities import aliases_of, model_version, tag_map, tag_value
from framework_mlflow_mongodb.registry.models import RegisteredModelArea

_CREATE_ATTEMPTS = 3
_REDACTED = {
    "stage": STAGE_DELETED_INTERNAL,
    "description": None,
    "source": "REDACTED-SOURCE-PATH",
    "storage_location": None,
    "run_id": "REDACTED-RUN-ID",
    "run_link": "REDACTED-RUN-LINK",
    "model_id": None,
}


class ModelVersionArea(RegisteredModelArea):
    """Versions of registered models."""

    _tracking_uri: str | None

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: list[ModelVersionTag] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Create the next version of a registered model; `local_model_path` is for stores that upload."""
        _validate_model_name(name)
        for tag in tags or []:
            _validate_model_version_tag(tag.key, tag.value)
        storage_location, run_id = self._resolve_source(source, run_id)
        if not run_id and model_id:
            run_id = MlflowClient(self._tracking_uri).get_logged_model(model_id).source_run_id
        now = get_current_time_millis()
        content = {
            "description": description,
            "stage": STAGE_NONE,
            "status": ModelVersionStatus.to_string(ModelVersionStatus.READY),
            "source": source,
            "storage_location": storage_location,
            "run_id": run_id,
            "run_link": run_link,
            "model_id": model_id,
            "created": now,
            "updated": now,
            "tags": tag_map(tags),
        }
        for _ in range(_CREATE_ATTEMPTS):
            try:
                return model_version(self._transaction(lambda session: self._insert_version(name, content, session)))
            except DuplicateKeyError:
                continue  # left by a model whose deletion was cut off on a standalone server
        raise MlflowException(
            f"Model Version creation error (name={name}). Giving up after {_CREATE_ATTEMPTS} attempts."
        )

    def _resolve_source(self, source: str, run_id: str | None) -> tuple[str, str | None]:
        """Return where the files of `source` are and the run they come from."""
        if urlparse(source).scheme != "models":
            return source, run_id
        try:
            model_id = _parse_model_uri(source).model_id
            if model_id is None:
                return self.get_model_version_download_uri(*get_model_name_and_version(self, source)), run_id
            model = MlflowClient(self._tracking_uri).get_logged_model(model_id)
            return model.artifact_location, run_id or model.source_run_id
        except Exception as error:
            raise MlflowException(
                f"Unable to fetch model from model URI source artifact location '{source}'.Error: {error}"
            ) from error

    def _insert_version(self, name: str, content: Document, session: ClientSession | None) -> Document:
        model = self._collection("registered_models").find_one_and_update(
            {"ws": self._workspace, "name": name},
            {"$inc": {"last_version": 1}, "$set": {"updated": content["created"]}},
            projection={"last_version": 1},
            session=session,
        )
        if model is None:
            raise not_found(f"Registered Model with name={name} not found")
        document = {"ws": self._workspace, "name": name, "version": model["last_version"] + 1, **content}
        self._collection("model_versions").insert_one(document, session=session)
        return document

    def get_model_version(self, name: str, version: int | str) -> ModelVersion:
        """Return the model version with its aliases."""
        found = self._find_version(name, version)
        return model_version(found, aliases_of(self._find_model(name), found["version"]))

    def _find_version(self, name: str, version: int | str, session: ClientSession | None = None) -> Document:
        _validate_model_name(name)
        found = self._collection("model_versions").find_one(self._one_version(name, version), session=session)
        if found is None:
            raise _no_version(name, version)
        return found

    def _one_version(self, name: str, version: int | str) -> dict[str, Any]:
        _validate_model_version(version)
        return {"ws": self._workspace, "name": name, "version": int(version), "stage": {"$ne": STAGE_DELETED_INTERNAL}}

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Return where the files of the model version are."""
        found = self._find_version(name, version)
        return str(found["storage_location"] or found["source"])

    def get_latest_versions(self, name: str, stages: list[str] | None = None) -> list[ModelVersion]:
        """Return the latest version of each of `stages`; of every stage if none is named."""
        model = self._find_model(name)
        wanted = {get_canonical_stage(stage) for stage in stages or ALL_STAGES}
        latest = self._latest_versions([name]).get(name, [])
        return [
            model_version(found, aliases_of(model, found["version"])) for found in latest if found["stage"] in wanted
        ]

    def update_model_version(self, name: str, version: int | str, description: str | None = None) -> ModelVersion:
        """Give the model version another description."""
        found = self._find_version(name, version)
        change = {"description": description, "updated": get_current_time_millis()}
        self._change_version(name, version, {"$set": change})
        return model_version({**found, **change}, aliases_of(self._find_model(name), found["version"]))

    def transition_model_version_stage(
        self, name: str, version: int | str, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        """Move the model version to `stage`; those that are there may be archived."""
        target = get_canonical_stage(stage)
        if archive_existing_versions and target not in DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS:
            raise MlflowException(
                f"Model version transition cannot archive existing model versions because '{stage}' is not an Active "
                f"stage. Valid stages are {DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS}"
            )
        now = get_current_time_millis()

        def move(session: ClientSession | None) -> ModelVersion:
            found = self._find_version(name, version, session)
            one, versions = {"ws": found["ws"], "name": name}, self._collection("model_versions")
            change = {"stage": target, "updated": now}
            versions.update_one({"_id": found["_id"]}, {"$set": change}, session=session)
            if archive_existing_versions:
                others = {**one, "stage": target, "version": {"$ne": found["version"]}}
                versions.update_many(others, {"$set": {"stage": STAGE_ARCHIVED, "updated": now}}, session=session)
            # The model is written in every transaction that moves versions, so two of them follow one another.
            models = self._collection("registered_models")
            models.update_one(one, {"$set": {"updated": now}}, session=session)
            return model_version({**found, **change}, aliases_of(self._find_model(name, session), found["version"]))

        return self._transaction(move)

    def delete_model_version(self, name: str, version: int | str) -> None:
        """Delete the model version with its aliases; its number is not given again."""
        _validate_model_version(version)
        now = get_current_time_millis()

        def delete(session: ClientSession | None) -> None:
            found = self._find_version(name, version, session)
            model = self._find_model(name, session)
            gone = {f"aliases.{escape(alias)}": "" for alias in aliases_of(model, found["version"])}
            change: dict[str, Any] = {"$set": {"updated": now}, **({"$unset": gone} if gone else {})}
            # The aliases first: without a transaction a stop in between must leave none that points to nothing.
            self._collection("registered_models").update_one({"_id": model["_id"]}, change, session=session)
            self._collection("model_versions").update_one(
                {"_id": found["_id"]}, {"$set": {**_REDACTED, "updated": now}}, session=session
            )

        self._transaction(delete)

    def set_model_version_tag(self, name: str, version: int | str, tag: ModelVersionTag) -> None:
        """Set a tag of the model version."""
        _validate_model_name(name)
        _validate_model_version(version)
        _validate_model_version_tag(tag.key, tag.value)
        self._change_version(name, version, {"$set": {f"tags.{escape(tag.key)}": tag_value(tag.value)}})

    def delete_model_version_tag(self, name: str, version: int | str, key: str) -> None:
        """Remove a tag of the model version, if it has it."""
        _validate_model_name(name)
        _validate_model_version(version)
        _validate_tag_name(key)
        self._change_version(name, version, {"$unset": {f"tags.{escape(key)}": ""}})

    def _change_version(self, name: str, version: int | str, change: dict[str, Any]) -> None:
        changed = self._collection("model_versions").update_one(self._one_version(name, version), change)
        if not changed.matched_count:
            raise _no_version(name, version)


def _no_version(name: str, version: int | str) -> MlflowException:
    return not_found(f"Model Version (name={name}, version={version}) not found")
