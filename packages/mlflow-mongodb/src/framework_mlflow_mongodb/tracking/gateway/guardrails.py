"""Guardrails of the gateway: scorers that judge what goes into an endpoint and what comes out."""

from __future__ import annotations

import json
import uuid
from typing import Any

from mlflow.entities.gateway_guardrail import (
    GatewayGuardrail,
    GatewayGuardrailConfig,
    GuardrailAction,
    GuardrailStage,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT
from mlflow.utils.time import get_current_time_millis
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.tracking.gateway.part import made_by, origin
from framework_mlflow_mongodb.tracking.scorers import ScorerArea


class GuardrailArea(ScorerArea):
    """Guardrails of the gateway."""

    def create_gateway_guardrail(
        self,
        name: str,
        scorer_id: str,
        scorer_version: int,
        stage: GuardrailStage,
        action: GuardrailAction,
        action_endpoint_id: str | None = None,
        created_by: str | None = None,
    ) -> GatewayGuardrail:
        """Make a guardrail of a scorer; one with code of its own is refused, as it would run in the server."""
        scorer = self._scorer_version_by_id(scorer_id, scorer_version)
        if _has_code(json.loads(scorer._serialized_scorer)):
            raise invalid(
                "Gateway guardrails do not support custom scorers defined with the @scorer "
                "decorator. Use a built-in scorer or a judge created with make_judge."
            )
        if action_endpoint_id is not None:
            self._find_endpoint(action_endpoint_id)
        document = {
            "_id": f"gr-{uuid.uuid4().hex}",
            "ws": self._workspace,
            "name": name,
            "scorer": scorer_id,
            "version": scorer_version,
            "stage": stage.value,
            "action": action.value,
            "endpoint": action_endpoint_id,
            **made_by(created_by),
        }
        self._collection("gateway_guardrails").insert_one(document)
        return self._guardrail(document)

    def _guardrail(self, document: Document) -> GatewayGuardrail:
        asked = self._names("gateway_endpoints", [document["endpoint"]])
        return GatewayGuardrail(
            guardrail_id=document["_id"],
            name=document["name"],
            scorer=self._scorer_version_by_id(document["scorer"], document["version"]),
            stage=GuardrailStage(document["stage"]),
            action=GuardrailAction(document["action"]),
            action_endpoint_name=asked.get(document["endpoint"]),
            **origin(document),
        )

    def get_gateway_guardrail(self, guardrail_id: str) -> GatewayGuardrail:
        """Return a guardrail."""
        return self._guardrail(self._find_guardrail(guardrail_id))

    def _find_guardrail(self, guardrail_id: str, session: ClientSession | None = None) -> Document:
        shown = {"guardrail_id": guardrail_id}
        return self._find_in_gateway("gateway_guardrails", "Guardrail", shown, {"_id": guardrail_id}, session)

    def delete_gateway_guardrail(self, guardrail_id: str) -> None:
        """Delete a guardrail; no endpoint has it any more."""

        def delete(session: ClientSession | None) -> None:
            self._find_guardrail(guardrail_id, session)
            key = {"guardrails": {"id": guardrail_id}}
            users = {"guardrails.id": guardrail_id}
            self._collection("gateway_endpoints").update_many(users, {"$pull": key}, session=session)
            self._collection("gateway_guardrails").delete_one({"_id": guardrail_id}, session=session)

        self._transaction(delete)

    def list_gateway_guardrails(
        self, max_results: int = SEARCH_MAX_RESULTS_DEFAULT, page_token: str | None = None
    ) -> PagedList[GatewayGuardrail]:
        """Return a page of the guardrails by id."""
        return self._gateway_page("gateway_guardrails", self._guardrail, max_results, page_token)

    def add_guardrail_to_endpoint(
        self, endpoint_id: str, guardrail_id: str, execution_order: int | None = None, created_by: str | None = None
    ) -> GatewayGuardrailConfig:
        """Put a guardrail on an endpoint."""
        used = {"id": guardrail_id, "order": execution_order, "by": created_by, "created": get_current_time_millis()}

        def add(session: ClientSession | None) -> Document:
            self._find_endpoint(endpoint_id, session, entity="Endpoint")
            found = self._find_guardrail(guardrail_id, session)
            free = {"_id": endpoint_id, "guardrails.id": {"$ne": guardrail_id}}
            push = {"$push": {"guardrails": used}}
            if not self._collection("gateway_endpoints").update_one(free, push, session=session).matched_count:
                raise MlflowException(
                    f"Guardrail '{guardrail_id}' is already added to endpoint '{endpoint_id}'", RESOURCE_ALREADY_EXISTS
                )
            return found

        return self._guardrail_config(endpoint_id, used, self._transaction(add))

    def _guardrail_config(self, endpoint_id: str, used: Document, found: Document) -> GatewayGuardrailConfig:
        return GatewayGuardrailConfig(
            endpoint_id=endpoint_id,
            guardrail_id=used["id"],
            execution_order=used["order"],
            created_at=used["created"],
            guardrail=self._guardrail(found),
            created_by=used["by"],
            workspace=found["ws"],
        )

    def update_endpoint_guardrail_config(
        self, endpoint_id: str, guardrail_id: str, execution_order: int | None = None
    ) -> GatewayGuardrailConfig:
        """Change the place of a guardrail among those of an endpoint."""
        self._change_guardrail(endpoint_id, guardrail_id, {"$set": {"guardrails.$.order": execution_order}})
        configs = self.list_endpoint_guardrail_configs(endpoint_id)
        return next(config for config in configs if config.guardrail_id == guardrail_id)

    def remove_guardrail_from_endpoint(self, endpoint_id: str, guardrail_id: str) -> None:
        """Take a guardrail from an endpoint; the guardrail stays."""
        self._change_guardrail(endpoint_id, guardrail_id, {"$pull": {"guardrails": {"id": guardrail_id}}})

    def _change_guardrail(self, endpoint_id: str, guardrail_id: str, update: Document) -> None:
        used = {"_id": endpoint_id, "ws": self._workspace, "guardrails.id": guardrail_id}
        if not self._collection("gateway_endpoints").update_one(used, update).matched_count:
            raise not_found(f"GuardrailConfig not found (endpoint_id='{endpoint_id}', guardrail_id='{guardrail_id}')")

    def list_endpoint_guardrail_configs(self, endpoint_id: str) -> list[GatewayGuardrailConfig]:
        """Return the guardrails of an endpoint in their order, those without a place last."""
        used = self._find_endpoint(endpoint_id, entity="Endpoint")["guardrails"]
        ordered = sorted(used, key=lambda one: (one["order"] is None, one["order"] or 0, one["id"]))
        ids = [one["id"] for one in used]
        found = {one["_id"]: one for one in self._collection("gateway_guardrails").find({"_id": {"$in": ids}})}
        return [self._guardrail_config(endpoint_id, one, found[one["id"]]) for one in ordered if one["id"] in found]


def _has_code(value: Any) -> bool:
    """Whether a serialized scorer, or one inside it, is a function with its source."""
    if isinstance(value, dict):
        return bool(value.get("call_source")) or any(map(_has_code, value.values()))
    return isinstance(value, list) and any(map(_has_code, value))
