"""Endpoints of the gateway: made, changed, listed, deleted."""

from __future__ import annotations

import uuid

from mlflow.entities import (
    ExperimentTag,
    FallbackConfig,
    GatewayEndpoint,
    GatewayEndpointModelConfig,
    GatewayEndpointTag,
    GatewayModelDefinition,
    RoutingStrategy,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.utils.mlflow_tags import (
    MLFLOW_EXPERIMENT_IS_GATEWAY,
    MLFLOW_EXPERIMENT_SOURCE_ID,
    MLFLOW_EXPERIMENT_SOURCE_TYPE,
)
from mlflow.utils.time import get_current_time_millis
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.tracking.experiment_ids import parse_experiment_id
from framework_mlflow_mongodb.tracking.gateway.endpoint_documents import (
    attached_model,
    endpoint,
    fallback,
    has_fallback,
)
from framework_mlflow_mongodb.tracking.gateway.models import GatewayModelArea
from framework_mlflow_mongodb.tracking.gateway.part import OLDEST_FIRST, exists, made_by, one_of


class EndpointArea(GatewayModelArea):
    """Endpoints of the gateway."""

    def create_gateway_endpoint(
        self,
        name: str,
        model_configs: list[GatewayEndpointModelConfig],
        created_by: str | None = None,
        routing_strategy: RoutingStrategy | None = None,
        fallback_config: FallbackConfig | None = None,
        experiment_id: str | None = None,
        usage_tracking: bool = True,
    ) -> GatewayEndpoint:
        """Make an endpoint of models; its calls are traced in an experiment unless `usage_tracking` is off."""
        if not model_configs:
            raise invalid("Endpoint must have at least one model configuration")
        self._check_models(model_configs)
        endpoint_id = f"e-{uuid.uuid4().hex}"
        if usage_tracking and experiment_id is None:
            experiment_id = self._experiment_of_endpoint(endpoint_id, name)
        document = {
            "_id": endpoint_id,
            "ws": self._workspace,
            "name": name,
            "models": [attached_model(config, created_by) for config in model_configs],
            "routing": routing_strategy.value if routing_strategy else None,
            "fallback": fallback(fallback_config) if fallback_config or has_fallback(model_configs) else None,
            "exp": None if experiment_id is None else parse_experiment_id(experiment_id),
            "usage": usage_tracking,
            "tags": {},
            "bindings": [],
            "guardrails": [],
            **made_by(created_by),
        }

        def create(session: ClientSession | None) -> None:
            self._mark_attached({config.model_definition_id for config in model_configs}, session)
            self._collection("gateway_endpoints").insert_one(document, session=session)

        try:
            self._transaction(create)
        except DuplicateKeyError:
            raise _taken(name) from None
        return self._endpoints([document])[0]

    def _check_models(self, configs: list[GatewayEndpointModelConfig]) -> None:
        wanted = {config.model_definition_id for config in configs}
        chosen = {"_id": {"$in": list(wanted)}, "ws": self._workspace}
        missing = wanted - {found["_id"] for found in self._collection("gateway_models").find(chosen, {"_id": 1})}
        if missing:
            raise not_found(f"Model definitions not found: {', '.join(sorted(missing))}")

    def _experiment_of_endpoint(self, endpoint_id: str, name: str) -> str:
        tags = {
            MLFLOW_EXPERIMENT_SOURCE_TYPE: "GATEWAY",
            MLFLOW_EXPERIMENT_SOURCE_ID: endpoint_id,
            MLFLOW_EXPERIMENT_IS_GATEWAY: "true",
        }
        try:
            return self.create_experiment(f"gateway/{name}", tags=[ExperimentTag(*tag) for tag in tags.items()])
        except MlflowException as error:
            found = self.get_experiment_by_name(f"gateway/{name}")
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS) or found is None:
                raise
            return str(found.experiment_id)

    def _endpoints(self, documents: list[Document]) -> list[GatewayEndpoint]:
        models = self._models_of(documents)
        return [endpoint(document, models) for document in documents]

    def _models_of(self, documents: list[Document]) -> dict[str, GatewayModelDefinition]:
        ids = {attached["model"] for document in documents for attached in document["models"]}
        found = list(self._collection("gateway_models").find({"_id": {"$in": list(ids)}})) if ids else []
        return {model.model_definition_id: model for model in self._gateway_models(found)}

    def get_gateway_endpoint(self, endpoint_id: str | None = None, name: str | None = None) -> GatewayEndpoint:
        """Return an endpoint by its id or its name."""
        one_of("endpoint_id", endpoint_id, "name", name)
        if endpoint_id:
            return self._endpoints([self._find_endpoint(endpoint_id)])[0]
        found = self._find_in_gateway("gateway_endpoints", "GatewayEndpoint", {"name": name}, {"name": name})
        return self._endpoints([found])[0]

    def _find_endpoint(
        self, endpoint_id: str, session: ClientSession | None = None, entity: str = "GatewayEndpoint"
    ) -> Document:
        shown = {"endpoint_id": endpoint_id}
        return self._find_in_gateway("gateway_endpoints", entity, shown, {"_id": endpoint_id}, session)

    def update_gateway_endpoint(
        self,
        endpoint_id: str,
        name: str | None = None,
        updated_by: str | None = None,
        routing_strategy: RoutingStrategy | None = None,
        fallback_config: FallbackConfig | None = None,
        model_configs: list[GatewayEndpointModelConfig] | None = None,
        experiment_id: str | None = None,
        usage_tracking: bool | None = None,
    ) -> GatewayEndpoint:
        """Change what is given; given models take the place of all."""
        found = self._find_endpoint(endpoint_id)
        changes: Document = {"updated": get_current_time_millis()} | ({"updated_by": updated_by} if updated_by else {})
        if name is not None:
            changes["name"] = name
        if usage_tracking is not None:
            changes["usage"] = usage_tracking
        if usage_tracking and experiment_id is None and found["exp"] is None:
            experiment_id = self._experiment_of_endpoint(endpoint_id, name or found["name"])
        if experiment_id is not None:
            changes["exp"] = parse_experiment_id(experiment_id)
        if routing_strategy is not None:
            changes["routing"] = routing_strategy.value
        if model_configs is not None:
            for config in model_configs:
                self._find_gateway_model(config.model_definition_id)
            changes["models"] = [attached_model(config, updated_by) for config in model_configs]
        if model_configs is not None or fallback_config is not None:
            changes["fallback"] = fallback(fallback_config)
        self._change_endpoint(endpoint_id, changes, {config.model_definition_id for config in model_configs or []})
        return self.get_gateway_endpoint(endpoint_id)

    def _change_endpoint(self, endpoint_id: str, changes: Document, attached: set[str]) -> None:
        def change(session: ClientSession | None) -> None:
            if attached:
                self._mark_attached(attached, session)
            self._collection("gateway_endpoints").update_one({"_id": endpoint_id}, {"$set": changes}, session=session)

        try:
            self._transaction(change)
        except DuplicateKeyError:
            raise _taken(changes["name"]) from None

    def delete_gateway_endpoint(self, endpoint_id: str) -> None:
        """Delete an endpoint with all that is bound to it; guardrails that asked it no longer do."""

        def delete(session: ClientSession | None) -> None:
            self._find_endpoint(endpoint_id, session)
            users, gone = {"endpoint": endpoint_id}, {"$set": {"endpoint": None}}
            self._collection("gateway_guardrails").update_many(users, gone, session=session)
            self._collection("gateway_endpoints").delete_one({"_id": endpoint_id}, session=session)

        self._transaction(delete)

    def list_gateway_endpoints(
        self, provider: str | None = None, secret_id: str | None = None
    ) -> list[GatewayEndpoint]:
        """Return all endpoints, or those with a model of a provider or with a secret."""
        condition: Document = {"ws": self._workspace, "models.0": {"$exists": True}}
        if provider or secret_id:
            wanted = ({"provider": provider} if provider else {}) | ({"secret": secret_id} if secret_id else {})
            models = self._collection("gateway_models").distinct("_id", {"ws": self._workspace, **wanted})
            condition["models.model"] = {"$in": models}
        return self._endpoints(list(self._collection("gateway_endpoints").find(condition).sort(OLDEST_FIRST)))

    def set_gateway_endpoint_tag(self, endpoint_id: str, tag: GatewayEndpointTag) -> None:
        """Set a tag of an endpoint."""
        self._find_endpoint(endpoint_id)
        changes = {f"tags.{escape(tag.key)}": tag.value}
        self._collection("gateway_endpoints").update_one({"_id": endpoint_id}, {"$set": changes})

    def delete_gateway_endpoint_tag(self, endpoint_id: str, key: str) -> None:
        """Remove a tag of an endpoint; one that is not there may be removed too."""
        self._find_endpoint(endpoint_id)
        gone = {f"tags.{escape(key)}": ""}
        self._collection("gateway_endpoints").update_one({"_id": endpoint_id}, {"$unset": gone})

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        key = self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"]
        self._collection("gateway_endpoints").update_many({"exp": key}, {"$set": {"exp": None}})
        super()._hard_delete_experiment(experiment_id)


def _taken(name: str) -> MlflowException:
    return exists(f"Endpoint with name '{name}'")
