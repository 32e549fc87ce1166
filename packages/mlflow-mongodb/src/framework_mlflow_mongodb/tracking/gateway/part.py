"""What the parts of the gateway's setting share: one thing found by its id or its name, or MLflow's error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.time import get_current_time_millis
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of
from framework_mlflow_mongodb.tracking.experiments import ExperimentArea, check_max_results

Entity = TypeVar("Entity")

_BY_ID = [SortKey("_id", never_missing=True)]
OLDEST_FIRST = [("created", 1), ("_id", 1)]


class GatewayPart(ExperimentArea):
    """A part of the gateway's setting."""

    def _find_in_gateway(
        self, collection: str, entity: str, shown: Document, condition: Document, session: ClientSession | None = None
    ) -> Document:
        """Return a document of the workspace; `shown` is what MLflow's error says was looked for."""
        found = self._collection(collection).find_one({"ws": self._workspace, **condition}, session=session)
        if found is None:
            wanted = ", ".join(f"{key}='{value}'" for key, value in shown.items())
            raise not_found(f"{entity} not found ({wanted})")
        return found

    def _names(self, collection: str, ids: Iterable[str | None]) -> dict[str, str]:
        """Return the names of those that the workspace has."""
        wanted = [one for one in ids if one is not None]
        if not wanted:
            return {}
        found = self._collection(collection).find({"_id": {"$in": wanted}, "ws": self._workspace}, {"name": 1})
        return {one["_id"]: one["name"] for one in found}

    def _gateway_page(
        self, collection: str, entity_of: Callable[[Document], Entity], max_results: int, page_token: str | None
    ) -> PagedList[Entity]:
        """Return a page of a collection by id."""
        check_max_results(max_results)
        page = Page.parse(page_token)
        stages = [{"$match": {"ws": self._workspace}}, *page.stages(_BY_ID, max_results)]
        rows = list(self._collection(collection).aggregate(stages))
        token = page.token(max_results, values_of(rows[max_results - 1], _BY_ID)) if len(rows) > max_results else None
        return PagedList([entity_of(row) for row in rows[:max_results]], token)


def one_of(first: str, first_value: Any, second: str, second_value: Any) -> None:
    """Refuse both or neither of two ways to name a thing."""
    if (first_value is None) == (second_value is None):
        raise invalid(f"Exactly one of {first} or {second} must be provided")


def exists(what: str) -> MlflowException:
    """MLflow's error for a name that is taken."""
    return MlflowException(f"{what} already exists", RESOURCE_ALREADY_EXISTS)


def made_by(user: str | None) -> Document:
    """Return the fields that say who made something, and when."""
    now = get_current_time_millis()
    return {"created": now, "updated": now, "created_by": user, "updated_by": user}


def origin(document: Document) -> dict[str, Any]:
    """Return those fields as MLflow's entities name them, with the workspace."""
    return {
        "created_at": document["created"],
        "last_updated_at": document["updated"],
        "created_by": document["created_by"],
        "last_updated_by": document["updated_by"],
        "workspace": document["ws"],
    }
