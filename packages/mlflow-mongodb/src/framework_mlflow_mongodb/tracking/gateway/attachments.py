"""What hangs on an endpoint of the gateway: its models one by one, and the resources that are bound to it."""

from __future__ import annotations

from mlflow.entities import GatewayEndpointBinding, GatewayEndpointModelConfig, GatewayEndpointModelMapping
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import not_found
from framework_mlflow_mongodb.tracking.gateway.endpoint_documents import attached_model, binding, mapping
from framework_mlflow_mongodb.tracking.gateway.endpoints import EndpointArea
from framework_mlflow_mongodb.tracking.gateway.part import OLDEST_FIRST, exists, made_by


class AttachmentArea(EndpointArea):
    """What hangs on an endpoint."""

    def attach_model_to_endpoint(
        self, endpoint_id: str, model_config: GatewayEndpointModelConfig, created_by: str | None = None
    ) -> GatewayEndpointModelMapping:
        """Add a model to an endpoint."""
        attached = attached_model(model_config, created_by)
        author = {"updated_by": created_by} if created_by else {}
        same = {"model": attached["model"], "linkage": attached["linkage"]}

        def attach(session: ClientSession | None) -> Document:
            self._find_endpoint(endpoint_id, session)
            found = self._find_gateway_model(attached["model"], session)
            self._mark_attached({attached["model"]}, session)
            added = self._collection("gateway_endpoints").update_one(
                {"_id": endpoint_id, "models": {"$not": {"$elemMatch": same}}},
                {"$push": {"models": attached}, "$set": {"updated": attached["created"], **author}},
                session=session,
            )
            if not added.matched_count:
                raise MlflowException(
                    f"Model definition '{attached['model']}' is already attached to endpoint '{endpoint_id}'",
                    RESOURCE_ALREADY_EXISTS,
                )
            return found

        model = self._gateway_models([self._transaction(attach)])[0]
        return mapping(endpoint_id, attached, {model.model_definition_id: model})

    def detach_model_from_endpoint(
        self, endpoint_id: str, model_definition_id: str, linkage_type: str | None = None
    ) -> None:
        """Take a model from an endpoint; the model stays."""
        attached = [
            known
            for known in self._find_endpoint(endpoint_id)["models"]
            if known["model"] == model_definition_id and linkage_type in (None, "", known["linkage"])
        ]
        if not attached:
            linkage = f" with linkage type '{linkage_type}'" if linkage_type else ""
            raise not_found(
                f"Model definition '{model_definition_id}' is not attached to endpoint '{endpoint_id}'{linkage}"
            )
        gone = {"models": {"id": attached[0]["id"]}}
        self._collection("gateway_endpoints").update_one({"_id": endpoint_id}, {"$pull": gone})

    def create_endpoint_binding(
        self, endpoint_id: str, resource_type: str, resource_id: str, created_by: str | None = None
    ) -> GatewayEndpointBinding:
        """Bind a resource of MLflow to an endpoint."""
        self._find_endpoint(endpoint_id)
        key = {"type": resource_type, "resource": resource_id}
        bound = {**key, "shown": None, **made_by(created_by)}
        added = self._collection("gateway_endpoints").update_one(
            {"_id": endpoint_id, "bindings": {"$not": {"$elemMatch": key}}}, {"$push": {"bindings": bound}}
        )
        if not added.matched_count:
            raise exists(f"The binding of {resource_type} '{resource_id}' to endpoint '{endpoint_id}'")
        return binding(endpoint_id, bound)

    def delete_endpoint_binding(self, endpoint_id: str, resource_type: str, resource_id: str) -> None:
        """Release a resource from an endpoint."""
        key = {"type": resource_type, "resource": resource_id}
        own = {"_id": endpoint_id, "ws": self._workspace, "bindings": {"$elemMatch": key}}
        if not self._collection("gateway_endpoints").update_one(own, {"$pull": {"bindings": key}}).matched_count:
            raise not_found(
                f"GatewayEndpointBinding not found (endpoint_id='{endpoint_id}', resource_type='{resource_type}', "
                f"resource_id='{resource_id}')"
            )

    def list_endpoint_bindings(
        self, endpoint_id: str | None = None, resource_type: str | None = None, resource_id: str | None = None
    ) -> list[GatewayEndpointBinding]:
        """Return what is bound to endpoints."""
        condition: Document = {"ws": self._workspace} | ({} if endpoint_id is None else {"_id": endpoint_id})
        wanted = {"type": resource_type, "resource": resource_id}
        wanted = {key: value for key, value in wanted.items() if value is not None}
        condition["bindings"] = {"$elemMatch": wanted} if wanted else {"$ne": []}
        return [
            binding(found["_id"], bound)
            for found in self._collection("gateway_endpoints").find(condition).sort(OLDEST_FIRST)
            for bound in found["bindings"]
            if all(bound[key] == value for key, value in wanted.items())
        ]

    def _bind_only(self, endpoint_id: str, resource_type: str, resource_id: str, shown: str) -> None:
        """Bind a resource to this endpoint and to no other."""
        bound = {"type": resource_type, "resource": resource_id, "shown": shown, **made_by(None)}

        def bind(session: ClientSession | None) -> None:
            self._release(resource_type, resource_id, session)
            push = {"$push": {"bindings": bound}}
            self._collection("gateway_endpoints").update_one({"_id": endpoint_id}, push, session=session)

        self._transaction(bind)

    def _release(self, resource_type: str, resource_id: str, session: ClientSession | None = None) -> None:
        """Release a resource from all endpoints."""
        key = {"type": resource_type, "resource": resource_id}
        self._collection("gateway_endpoints").update_many(
            {"bindings": {"$elemMatch": key}}, {"$pull": {"bindings": key}}, session=session
        )
