"""Models that endpoints of the gateway use: a provider's model with the secret for it."""

from __future__ import annotations

import uuid

from mlflow.entities import GatewayModelDefinition
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.utils.time import get_current_time_millis
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.tracking.gateway.part import OLDEST_FIRST, exists, made_by, one_of, origin
from framework_mlflow_mongodb.tracking.gateway.secrets import SecretArea


class GatewayModelArea(SecretArea):
    """Models that endpoints of the gateway use."""

    def create_gateway_model_definition(
        self, name: str, secret_id: str, provider: str, model_name: str, created_by: str | None = None
    ) -> GatewayModelDefinition:
        """Store a model with its secret."""
        self._find_secret(secret_id)
        document = {
            "_id": f"d-{uuid.uuid4().hex}",
            "ws": self._workspace,
            "name": name,
            "secret": secret_id,
            "provider": provider,
            "model": model_name,
            "attached": 0,
            **made_by(created_by),
        }
        try:
            self._collection("gateway_models").insert_one(document)
        except DuplicateKeyError:
            raise _taken(name) from None
        return self._gateway_models([document])[0]

    def _gateway_models(self, documents: list[Document]) -> list[GatewayModelDefinition]:
        names = self._names("gateway_secrets", {document["secret"] for document in documents})
        return [_definition(document, names.get(document["secret"])) for document in documents]

    def get_gateway_model_definition(
        self, model_definition_id: str | None = None, name: str | None = None
    ) -> GatewayModelDefinition:
        """Return a model by its id or its name."""
        one_of("model_definition_id", model_definition_id, "name", name)
        if model_definition_id:
            return self._gateway_models([self._find_gateway_model(model_definition_id)])[0]
        found = self._find_in_gateway("gateway_models", "GatewayModelDefinition", {"name": name}, {"name": name})
        return self._gateway_models([found])[0]

    def _find_gateway_model(self, model_id: str, session: ClientSession | None = None) -> Document:
        shown = {"model_definition_id": model_id}
        return self._find_in_gateway("gateway_models", "GatewayModelDefinition", shown, {"_id": model_id}, session)

    def list_gateway_model_definitions(
        self, provider: str | None = None, secret_id: str | None = None
    ) -> list[GatewayModelDefinition]:
        """Return all models, or those of a provider or with a secret."""
        wanted = {"provider": provider, "secret": secret_id}
        condition = {"ws": self._workspace} | {key: value for key, value in wanted.items() if value is not None}
        return self._gateway_models(list(self._collection("gateway_models").find(condition).sort(OLDEST_FIRST)))

    def update_gateway_model_definition(
        self,
        model_definition_id: str,
        name: str | None = None,
        secret_id: str | None = None,
        model_name: str | None = None,
        updated_by: str | None = None,
        provider: str | None = None,
    ) -> GatewayModelDefinition:
        """Change what is given; the rest stays as it is."""
        self._find_gateway_model(model_definition_id)
        if secret_id is not None:
            self._find_secret(secret_id)
        given = {"name": name, "secret": secret_id, "model": model_name, "provider": provider}
        changes = {key: value for key, value in given.items() if value is not None}
        changes |= {"updated": get_current_time_millis()} | ({"updated_by": updated_by} if updated_by else {})
        try:
            self._collection("gateway_models").update_one({"_id": model_definition_id}, {"$set": changes})
        except DuplicateKeyError:
            raise _taken(name) from None
        return self.get_gateway_model_definition(model_definition_id)

    def delete_gateway_model_definition(self, model_definition_id: str) -> None:
        """Delete a model that no endpoint uses."""

        def delete(session: ClientSession | None) -> None:
            self._find_gateway_model(model_definition_id, session)
            users = {"models.model": model_definition_id}
            if self._collection("gateway_endpoints").find_one(users, {"_id": 1}, session=session):
                raise MlflowException(
                    "Cannot delete model definition that is currently in use by endpoints. "
                    "Detach it from all endpoints first.",
                    INVALID_STATE,
                )
            self._collection("gateway_models").delete_one({"_id": model_definition_id}, session=session)

        self._transaction(delete)

    def _mark_attached(self, model_ids: set[str], session: ClientSession | None) -> None:
        # A write to the model, so that a deletion of it at the same time and this attachment exclude each other.
        chosen = {"_id": {"$in": list(model_ids)}}
        self._collection("gateway_models").update_many(chosen, {"$inc": {"attached": 1}}, session=session)


def _taken(name: str | None) -> MlflowException:
    return exists(f"Model definition with name '{name}'")


def _definition(document: Document, secret_name: str | None) -> GatewayModelDefinition:
    return GatewayModelDefinition(
        model_definition_id=document["_id"],
        name=document["name"],
        secret_id=document["secret"],
        secret_name=secret_name,
        provider=document["provider"],
        model_name=document["model"],
        **origin(document),
    )
