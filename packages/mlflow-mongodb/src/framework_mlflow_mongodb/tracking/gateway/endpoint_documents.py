"""Endpoints of the gateway as documents, and back: the models, tags, bindings and guardrails of one stand in it."""

from __future__ import annotations

import uuid
from typing import Any

from mlflow.entities import (
    FallbackConfig,
    GatewayEndpoint,
    GatewayEndpointBinding,
    GatewayEndpointModelConfig,
    GatewayEndpointModelMapping,
    GatewayEndpointTag,
    GatewayModelDefinition,
    RoutingStrategy,
)
from mlflow.entities.gateway_endpoint import FallbackStrategy, GatewayModelLinkageType, GatewayResourceType
from mlflow.utils.time import get_current_time_millis

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import unescaped
from framework_mlflow_mongodb.tracking.gateway.part import origin


def attached_model(config: GatewayEndpointModelConfig, user: str | None) -> Document:
    """Return a model as an endpoint keeps it."""
    return {
        "id": f"m-{uuid.uuid4().hex}",
        "model": config.model_definition_id,
        "weight": config.weight,
        "linkage": config.linkage_type.value,
        "order": config.fallback_order,
        "created": get_current_time_millis(),
        "created_by": user,
    }


def fallback(config: FallbackConfig | None) -> Document:
    """Return what to do when a model fails as an endpoint keeps it."""
    return {
        "strategy": config.strategy.value if config and config.strategy else None,
        "attempts": config.max_attempts if config else None,
    }


def has_fallback(configs: list[GatewayEndpointModelConfig]) -> bool:
    """Whether one of the models is there for when others fail."""
    return any(config.linkage_type == GatewayModelLinkageType.FALLBACK for config in configs)


def mapping(
    endpoint_id: str, attached: Document, models: dict[str, GatewayModelDefinition]
) -> GatewayEndpointModelMapping:
    """Return a model of an endpoint as MLflow's entity."""
    return GatewayEndpointModelMapping(
        mapping_id=attached["id"],
        endpoint_id=endpoint_id,
        model_definition_id=attached["model"],
        model_definition=models.get(attached["model"]),
        weight=attached["weight"],
        linkage_type=GatewayModelLinkageType(attached["linkage"]),
        fallback_order=attached["order"],
        created_at=attached["created"],
        created_by=attached["created_by"],
    )


def endpoint(document: Document, models: dict[str, GatewayModelDefinition]) -> GatewayEndpoint:
    """Return an endpoint as MLflow's entity."""
    return GatewayEndpoint(
        endpoint_id=document["_id"],
        name=document["name"],
        model_mappings=[mapping(document["_id"], attached, models) for attached in document["models"]],
        tags=[GatewayEndpointTag(key, value) for key, value in unescaped(document["tags"]).items()],
        routing_strategy=RoutingStrategy(document["routing"]) if document["routing"] else None,
        fallback_config=_fallback_config(document["fallback"]),
        experiment_id=None if document["exp"] is None else str(document["exp"]),
        usage_tracking=document["usage"],
        **origin(document),
    )


def _fallback_config(kept: Document | None) -> FallbackConfig | None:
    if kept is None:
        return None
    strategy = FallbackStrategy(kept["strategy"]) if kept["strategy"] else None
    return FallbackConfig(strategy=strategy, max_attempts=kept["attempts"])


def binding(endpoint_id: str, kept: dict[str, Any]) -> GatewayEndpointBinding:
    """Return what is bound to an endpoint as MLflow's entity."""
    return GatewayEndpointBinding(
        endpoint_id=endpoint_id,
        resource_type=GatewayResourceType(kept["type"]),
        resource_id=kept["resource"],
        created_at=kept["created"],
        last_updated_at=kept["updated"],
        created_by=kept["created_by"],
        last_updated_by=kept["updated_by"],
        display_name=kept["shown"],
    )
