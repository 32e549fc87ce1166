"""Aliases: names of a registered model's versions."""

from __future__ import annotations

from mlflow.entities.model_registry import ModelVersion
from mlflow.utils.validation import (
    _REGISTERED_MODEL_ALIAS_LATEST,
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
    _validate_model_version,
)
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.keys import escape, unescaped
from framework_mlflow_mongodb.registry.entities import aliases_of, model_version
from framework_mlflow_mongodb.registry.versions import ModelVersionArea


class AliasArea(ModelVersionArea):
    """Aliases of registered models."""

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        """Point the alias to a version, from wherever it pointed before."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        _validate_model_alias_name_reserved(alias)
        _validate_model_version(version)

        def point(session: ClientSession | None) -> None:
            found = self._find_version(name, version, session)
            self._collection("registered_models").update_one(
                {"ws": found["ws"], "name": name},
                {"$set": {f"aliases.{escape(alias)}": found["version"]}},
                session=session,
            )

        self._transaction(point)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove the alias, if the registered model has it."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        self._change_model(name, {"$unset": {f"aliases.{escape(alias)}": ""}})

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that the alias points to; `latest` is the newest one."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        if alias.lower() == _REGISTERED_MODEL_ALIAS_LATEST:
            return self._newest_version(name)
        model = self._find_model(name)
        version = unescaped(model["aliases"]).get(alias)
        if version is None:
            raise invalid(f"Registered model alias {alias} not found.")
        return model_version(self._find_version(name, version), aliases_of(model, version))

    def _newest_version(self, name: str) -> ModelVersion:
        versions = self.get_latest_versions(name)
        if not versions:
            raise not_found(f"Latest version not found for model {name}.")
        return max(versions, key=lambda found: int(found.version))
