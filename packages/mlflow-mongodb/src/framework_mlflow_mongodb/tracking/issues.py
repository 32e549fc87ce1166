"""Issues that were found in the traces of an experiment."""

from __future__ import annotations

import uuid
from typing import Any

from mlflow.entities import Issue, IssueSeverity, IssueStatus, ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_ISSUES_DEFAULT_MAX_RESULTS
from mlflow.utils.search_utils import SearchIssuesUtils
from mlflow.utils.time import get_current_time_millis
from pymongo import ReturnDocument

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import not_found
from framework_mlflow_mongodb.search.conditions import Condition, all_of, comparison
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of
from framework_mlflow_mongodb.tracking.experiment_ids import parse_experiment_id
from framework_mlflow_mongodb.tracking.experiments import check_max_results
from framework_mlflow_mongodb.tracking.runs import RunArea

_FIELDS = {"status": "status", "source_run_id": "run"}
# What MLflow counts an issue without a severity as.
_NO_SEVERITY = -1


class IssueArea(RunArea):
    """Issues."""

    def create_issue(
        self,
        experiment_id: str,
        name: str,
        description: str,
        status: IssueStatus = IssueStatus.PENDING,
        severity: IssueSeverity | None = None,
        root_causes: list[str] | None = None,
        source_run_id: str | None = None,
        categories: list[str] | None = None,
        created_by: str | None = None,
    ) -> Issue:
        """Create an issue in an active experiment."""
        experiment = self._find_experiment(experiment_id, ViewType.ACTIVE_ONLY)
        if source_run_id is not None and self._collection("runs").find_one({"_id": source_run_id}, {"_id": 1}) is None:
            raise not_found(f"Run with id={source_run_id} not found: an issue needs the run that found it.")
        now = get_current_time_millis()
        document: Document = {
            "_id": f"iss-{uuid.uuid4().hex}",
            "exp": experiment["_id"],
            "ws": experiment["ws"],
            "name": name,
            "description": description,
            "status": status.value,
            **severity_fields(severity),
            "root_causes": list(root_causes or []) or None,
            "run": source_run_id,
            "categories": list(categories or []) or None,
            "created": now,
            "updated": now,
            "created_by": created_by,
        }
        self._collection("issues").insert_one(document)
        return _issue(document)

    def get_issue(self, issue_id: str) -> Issue:
        """Return an issue."""
        found = self._collection("issues").find_one({"_id": issue_id, "ws": self._workspace})
        if found is None:
            raise not_found(f"Issue with ID '{issue_id}' not found")
        return _issue(found)

    def update_issue(
        self,
        issue_id: str,
        status: IssueStatus | None = None,
        name: str | None = None,
        description: str | None = None,
        severity: IssueSeverity | None = None,
    ) -> Issue:
        """Change an issue; what is None stays."""
        fields: dict[str, Any] = {"updated": get_current_time_millis()}
        if status is not None:
            fields["status"] = status.value
        if severity is not None:
            fields |= severity_fields(severity)
        fields |= {key: value for key, value in (("name", name), ("description", description)) if value is not None}
        found = self._collection("issues").find_one_and_update(
            {"_id": issue_id, "ws": self._workspace}, {"$set": fields}, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise not_found(f"Issue with ID '{issue_id}' not found")
        return _issue(found)

    def search_issues(
        self,
        experiment_id: str | None = None,
        filter_string: str | None = None,
        max_results: int | None = None,
        page_token: str | None = None,
        include_trace_count: bool = False,
    ) -> PagedList[Issue]:
        """Return a page of issues: the most severe first, then those of most traces, then the newest."""
        check_max_results(max_results, none_allowed=True)
        limit = SEARCH_ISSUES_DEFAULT_MAX_RESULTS if max_results is None else max_results
        page, keys = Page.parse(page_token), _order(by_traces=include_trace_count)
        conditions: list[Condition] = [{"ws": self._workspace}]
        if experiment_id is not None:
            conditions.append({"exp": parse_experiment_id(experiment_id)})
        for one in SearchIssuesUtils.parse_search_filter(filter_string) if filter_string else []:
            conditions.append(comparison(_FIELDS[one["key"]], one["comparator"], one["value"]))
        counted = _count_traces() if include_trace_count else []
        stages = [{"$match": all_of(conditions)}, *counted, *page.stages(keys, limit)]
        rows = list(self._collection("issues").aggregate(stages))
        token = page.token(limit, values_of(rows[limit - 1], keys)) if len(rows) > limit else None
        return PagedList([_issue(row) for row in rows[:limit]], token)

    def _hard_delete_run(self, run_id: str) -> None:
        super()._hard_delete_run(run_id)
        self._collection("issues").update_many({"run": run_id}, {"$set": {"run": None}})

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        key = self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"]
        self._collection("issues").delete_many({"exp": key})
        super()._hard_delete_experiment(experiment_id)


def severity_fields(severity: IssueSeverity | None) -> Document:
    """Return how severe an issue is as it is kept: by name, and by its place in an order."""
    if severity is None:
        return {"severity": None, "rank": _NO_SEVERITY}
    return {"severity": severity.value, "rank": list(IssueSeverity).index(severity)}


def _order(*, by_traces: bool) -> list[SortKey]:
    fields = ["rank", *(["traces"] if by_traces else []), "created", "_id"]
    return [SortKey(field, ascending=False, never_missing=True) for field in fields]


def _count_traces() -> list[dict[str, Any]]:
    """Return the stages that count the traces which refer to an issue."""
    look = {
        "from": "traces",
        "localField": "_id",
        "foreignField": "assessments.issue",
        "pipeline": [{"$count": "n"}],
        "as": "counted",
    }
    return [{"$lookup": look}, {"$set": {"traces": {"$ifNull": [{"$first": "$counted.n"}, 0]}}}]


def _issue(document: Document) -> Issue:
    return Issue(
        issue_id=document["_id"],
        experiment_id=str(document["exp"]),
        name=document["name"],
        description=document["description"],
        status=IssueStatus(document["status"]),
        severity=IssueSeverity(document["severity"]) if document["severity"] else None,
        root_causes=document["root_causes"],
        source_run_id=document["run"],
        categories=document["categories"],
        created_timestamp=document["created"],
        last_updated_timestamp=document["updated"],
        created_by=document["created_by"],
        trace_count=document.get("traces"),
    )
