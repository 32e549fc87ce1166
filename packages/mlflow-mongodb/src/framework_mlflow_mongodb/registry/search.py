"""Searches of registered models and of their versions, in MLflow's filter grammar.

Prompts are registered models with a tag of MLflow's; a search that does not ask for them does not find them.
"""

from __future__ import annotations

from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD,
)
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils, SearchUtils

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.registry.aliases import AliasArea
from framework_mlflow_mongodb.registry.entities import model_version, registered_model
from framework_mlflow_mongodb.search.conditions import Condition, all_of, comparison
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of

Parsed = dict[str, Any]

PROMPT_TAG = f"tags.{escape(IS_PROMPT_TAG_KEY)}"

_TAG_COMPARATORS = ("=", "!=", "LIKE", "ILIKE")
_LISTS = ("IN", "NOT IN")
# MLflow took lists of run ids only before 3.17.
_LISTED_OF_MODELS: frozenset[str] = getattr(SearchModelUtils, "LIST_SUPPORTED_KEYS", frozenset())
_LISTED_OF_VERSIONS: frozenset[str] = getattr(SearchModelVersionUtils, "LIST_SUPPORTED_KEYS", frozenset({"run_id"}))
_FIELDS = {
    "name": "name",
    "version_number": "version",
    "run_id": "run_id",
    "source_path": "source",
    "creation_timestamp": "created",
    "last_updated_timestamp": "updated",
}
_VERSION_ORDER = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]


class RegistrySearchArea(AliasArea):
    """Searches of registered models and of their versions."""

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return a page of registered models."""
        _check_most(max_results, SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD)
        _check_positive(max_results)
        parsed = SearchModelUtils.parse_search_filter(filter_string)
        keys, page = _model_order(order_by), Page.parse(page_token)
        conditions = [{"ws": self._workspace}, *_conditions(parsed, _model_attribute)]
        if not _asks_for_prompts(parsed):
            conditions.append({PROMPT_TAG: {"$ne": "true"}})
        rows, token = self._page("registered_models", conditions, keys, page, max_results)
        latest = self._latest_versions([row["name"] for row in rows]) if rows else {}
        return PagedList([registered_model(row, latest.get(row["name"], [])) for row in rows], token)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return a page of model versions."""
        _check_positive(max_results)
        _check_most(max_results, SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD)
        parsed = SearchModelVersionUtils.parse_search_filter(filter_string)
        own = {"ws": self._workspace, "stage": {"$ne": STAGE_DELETED_INTERNAL}}
        conditions = [own, *_conditions(parsed, _version_attribute)]
        keys, page = _version_order(order_by or _VERSION_ORDER), Page.parse(page_token)
        if not _asks_for_prompts(parsed):
            conditions.append({"name": {"$nin": self._prompts_among(parsed)}})
        rows, token = self._page("model_versions", conditions, keys, page, max_results)
        return PagedList([model_version(row) for row in rows], token)

    def _prompts_among(self, parsed: list[Parsed]) -> list[str]:
        """Return the names that have a version with the prompt tag, as far as the filter's names allow."""
        names = [_version_attribute(one) for one in parsed if one["type"] == "attribute" and one["key"] == "name"]
        prompts = all_of([{"ws": self._workspace, PROMPT_TAG: "true"}, *names])
        return self._collection("model_versions").distinct("name", prompts)

    def _page(
        self, collection: str, conditions: list[Condition], keys: list[SortKey], page: Page, max_results: int
    ) -> tuple[list[Document], str | None]:
        stages = [{"$match": all_of(conditions)}, *page.stages(keys, max_results)]
        rows = list(self._collection(collection).aggregate(stages))
        if len(rows) <= max_results:
            return rows, None
        return rows[:max_results], page.token(max_results, values_of(rows[max_results - 1], keys))


def _check_positive(max_results: Any) -> None:
    if not isinstance(max_results, int) or max_results < 1:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {max_results}")


def _check_most(max_results: Any, most: int) -> None:
    if max_results > most:
        raise invalid(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value {max_results}"
        )


def _asks_for_prompts(parsed: list[Parsed]) -> bool:
    for one in parsed:
        if one["type"] == "tag" and one["key"] == IS_PROMPT_TAG_KEY:
            return (one["comparator"], one["value"].lower()) in (("=", "true"), ("!=", "false"))
    return False


def _conditions(parsed: list[Parsed], attribute: Any) -> list[Condition]:
    found = []
    prompts = _asks_for_prompts(parsed)
    for one in parsed:
        if one["type"] == "attribute":
            found.append(attribute(one))
        elif one["type"] != "tag":
            raise invalid(f"Invalid token type: {one['type']}")
        elif one["comparator"] not in _TAG_COMPARATORS:
            raise invalid(f"Invalid comparator for tag: {one['comparator']}")
        elif one["key"] != IS_PROMPT_TAG_KEY or prompts:
            found.append(comparison(f"tags.{escape(one['key'])}", one["comparator"], one["value"]))
    return found


def _model_attribute(parsed: Parsed) -> Condition:
    if parsed["key"] != "name":
        raise invalid(f"Invalid attribute name: {parsed['key']}")
    if parsed["comparator"] not in (*_TAG_COMPARATORS, *(_LISTS if "name" in _LISTED_OF_MODELS else ())):
        raise invalid(f"Invalid comparator for attribute: {parsed['comparator']}")
    return comparison("name", parsed["comparator"], parsed["value"])


def _version_attribute(parsed: Parsed) -> Condition:
    key, comparator, value = parsed["key"], parsed["comparator"], parsed["value"]
    if key not in SearchModelVersionUtils.VALID_SEARCH_ATTRIBUTE_KEYS:
        raise invalid(f"Invalid attribute name: {key}")
    if key in SearchModelVersionUtils.NUMERIC_ATTRIBUTES:
        if comparator not in SearchModelVersionUtils.VALID_NUMERIC_ATTRIBUTE_COMPARATORS:
            raise invalid(f"Invalid comparator for attribute {key}: {comparator}")
        return comparison(_FIELDS[key], comparator, _whole_number(key, value))
    if comparator not in SearchModelVersionUtils.VALID_STRING_ATTRIBUTE_COMPARATORS or (
        comparator in _LISTS and key not in _LISTED_OF_VERSIONS
    ):
        raise invalid(f"Invalid comparator for attribute: {comparator}")
    return comparison(_FIELDS[key], comparator, value)


def _whole_number(key: str, value: Any) -> int:
    try:
        if isinstance(value, float):
            raise TypeError
        return int(value)
    except (TypeError, ValueError):
        raise invalid(f"Invalid value for numeric attribute '{key}': {value!r}") from None


def _model_order(order_by: list[str] | None) -> list[SortKey]:
    keys = []
    for clause in order_by or []:
        key, ascending = SearchUtils.parse_order_by_for_search_registered_models(clause)
        keys.append(SortKey("name" if key == "name" else "updated", ascending, never_missing=True))
    return _completed(keys, order_by, [SortKey("name", never_missing=True)])


def _version_order(order_by: list[str]) -> list[SortKey]:
    keys = []
    for clause in order_by:
        _, key, ascending = SearchModelVersionUtils.parse_order_by_for_search_model_versions(clause)
        if key not in SearchModelVersionUtils.VALID_ORDER_BY_ATTRIBUTE_KEYS:
            raise invalid(
                f"Invalid order by key '{key}' specified. "
                f"Valid keys are {SearchModelVersionUtils.VALID_ORDER_BY_ATTRIBUTE_KEYS}"
            )
        keys.append(SortKey(_FIELDS[key], ascending, never_missing=True))
    unique = [SortKey("name", never_missing=True), SortKey("version", ascending=False, never_missing=True)]
    return _completed(keys, order_by, unique)


def _completed(keys: list[SortKey], order_by: list[str] | None, unique: list[SortKey]) -> list[SortKey]:
    fields = [key.field for key in keys]
    if len(set(fields)) < len(fields):
        raise MlflowException(f"`order_by` contains duplicate fields: {order_by}")
    return [*keys, *(key for key in unique if key.field not in fields)]
