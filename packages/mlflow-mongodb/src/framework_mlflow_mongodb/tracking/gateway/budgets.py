"""Budgets of the gateway, and what was spent of them."""

from __future__ import annotations

import uuid
from typing import Any

from mlflow.entities.gateway_budget_policy import (
    BudgetAction,
    BudgetDuration,
    BudgetDurationUnit,
    BudgetTargetScope,
    BudgetUnit,
    GatewayBudgetPolicy,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT
from mlflow.tracing.constant import CostKey, TraceMetadataKey
from mlflow.utils.time import get_current_time_millis

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.tracking.gateway.endpoints import EndpointArea
from framework_mlflow_mongodb.tracking.gateway.part import made_by, origin

_ENDPOINT = BudgetTargetScope.ENDPOINT.value
_TARGETED = (_ENDPOINT, "USER")
_ENDPOINT_FIELD = f"md.{escape(TraceMetadataKey.GATEWAY_ENDPOINT_ID)}"


class BudgetArea(EndpointArea):
    """Budgets of the gateway."""

    def create_budget_policy(
        self,
        budget_unit: BudgetUnit,
        budget_amount: float,
        duration: BudgetDuration,
        target_scope: BudgetTargetScope,
        budget_action: BudgetAction,
        created_by: str | None = None,
        target_value: str | None = None,
    ) -> GatewayBudgetPolicy:
        """Set a budget."""
        scope = _value(target_scope)
        document = {
            "_id": f"bp-{uuid.uuid4().hex}",
            "ws": self._workspace,
            "unit": _value(budget_unit),
            "amount": budget_amount,
            "duration": {"unit": duration.unit.value, "value": duration.value},
            "scope": scope,
            "action": _value(budget_action),
            "target": _target(scope, target_value),
            **made_by(created_by),
        }
        if scope == _ENDPOINT:
            self._find_endpoint(document["target"])
        self._collection("gateway_budgets").insert_one(document)
        return _policy(document)

    def get_budget_policy(self, budget_policy_id: str) -> GatewayBudgetPolicy:
        """Return a budget."""
        return _policy(self._find_budget(budget_policy_id))

    def _find_budget(self, policy_id: str) -> Document:
        shown = {"budget_policy_id": policy_id}
        return self._find_in_gateway("gateway_budgets", "BudgetPolicy", shown, {"_id": policy_id})

    def update_budget_policy(
        self,
        budget_policy_id: str,
        budget_unit: BudgetUnit | None = None,
        budget_amount: float | None = None,
        duration: BudgetDuration | None = None,
        target_scope: BudgetTargetScope | None = None,
        budget_action: BudgetAction | None = None,
        updated_by: str | None = None,
        target_value: str | None = None,
    ) -> GatewayBudgetPolicy:
        """Change what is given. A new scope forgets the target of the old one."""
        found = self._find_budget(budget_policy_id)
        given = {
            "unit": _value(budget_unit),
            "amount": budget_amount,
            "duration": duration and {"unit": duration.unit.value, "value": duration.value},
            "scope": _value(target_scope),
            "action": _value(budget_action),
            "updated_by": updated_by,
            "target": target_value,
        }
        changed = {**found, "updated": get_current_time_millis()}
        if target_scope is not None and given["scope"] != found["scope"]:
            changed["target"] = None
        changed |= {key: value for key, value in given.items() if value is not None}
        changed["target"] = _target(changed["scope"], changed["target"])
        if target_value is not None and changed["scope"] == _ENDPOINT:
            self._find_endpoint(changed["target"])
        self._collection("gateway_budgets").replace_one({"_id": budget_policy_id}, changed)
        return _policy(changed)

    def delete_budget_policy(self, budget_policy_id: str) -> None:
        """Delete a budget."""
        self._find_budget(budget_policy_id)
        self._collection("gateway_budgets").delete_one({"_id": budget_policy_id})

    def list_budget_policies(
        self, max_results: int = SEARCH_MAX_RESULTS_DEFAULT, page_token: str | None = None
    ) -> PagedList[GatewayBudgetPolicy]:
        """Return a page of the budgets by id."""
        return self._gateway_page("gateway_budgets", _policy, max_results, page_token)

    def sum_gateway_trace_cost(
        self,
        start_time_ms: int,
        end_time_ms: int,
        workspace: str | None = None,
        endpoint_id: str | None = None,
        username: str | None = None,
    ) -> float:
        """Return what the traced calls of endpoints have cost from one time to another."""
        condition: Document = {
            _ENDPOINT_FIELD: {"$exists": True} if endpoint_id is None else endpoint_id,
            "ts": {"$gte": start_time_ms, "$lt": end_time_ms},
        }
        if workspace is not None:
            condition["ws"] = workspace
        if username is not None:
            condition[f"md.{escape(TraceMetadataKey.AUTH_USERNAME)}"] = username
        total = {"_id": None, "cost": {"$sum": f"$cost.{CostKey.TOTAL_COST}"}}
        found = list(self._collection("traces").aggregate([{"$match": condition}, {"$group": total}]))
        return float(found[0]["cost"]) if found else 0.0


def _value(choice: Any) -> Any:
    return getattr(choice, "value", choice)


def _target(scope: str, target: str | None) -> str | None:
    """Return the target that a budget of this scope must have, or None where it may have none."""
    if scope not in _TARGETED:
        return None
    if not target:
        raise invalid(f"target_value is required when target_scope is {scope}.")
    return target


def _policy(document: Document) -> GatewayBudgetPolicy:
    length = document["duration"]
    return GatewayBudgetPolicy(
        budget_policy_id=document["_id"],
        budget_unit=BudgetUnit(document["unit"]),
        budget_amount=document["amount"],
        duration=BudgetDuration(unit=BudgetDurationUnit(length["unit"]), value=length["value"]),
        target_scope=BudgetTargetScope(document["scope"]),
        budget_action=BudgetAction(document["action"]),
        target_value=document["target"],
        **origin(document),
    )
