"""Documents of the registry as MLflow's entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import escaped, unescaped


def registered_model(document: Document, latest_versions: list[Document]) -> RegisteredModel:
    """Return the registered model that `document` holds."""
    return RegisteredModel(
        document["name"],
        document["created"],
        document["updated"],
        document["description"],
        [model_version(version) for version in latest_versions],
        [RegisteredModelTag(key, value) for key, value in sorted(unescaped(document["tags"]).items())],
        [RegisteredModelAlias(alias, version) for alias, version in sorted(unescaped(document["aliases"]).items())],
        workspace=document["ws"],
    )


def model_version(document: Document, aliases: list[str] | None = None) -> ModelVersion:
    """Return the model version that `document` holds."""
    return ModelVersion(
        document["name"],
        document["version"],
        document["created"],
        document["updated"],
        document["description"],
        None,
        document["stage"],
        document["source"],
        document["run_id"],
        document["status"],
        None,
        [ModelVersionTag(key, value) for key, value in sorted(unescaped(document["tags"]).items())],
        document["run_link"],
        aliases or [],
        model_id=document["model_id"],
        workspace=document["ws"],
    )


def aliases_of(model: Document, version: int) -> list[str]:
    """Return the aliases of a registered model that point to `version`."""
    return sorted(alias for alias, target in unescaped(model["aliases"]).items() if target == version)


def tag_map(tags: Iterable[Any] | None) -> Document:
    """Return tags as they are stored; of two with one key the last counts."""
    return escaped({tag.key: tag_value(tag.value) for tag in tags or []})


def tag_value(value: Any) -> str | None:
    """Return a tag's value as it is stored: text, as in a column of SQL."""
    return None if value is None else str(value)
