"""The search for logged models."""

from __future__ import annotations

from typing import Any

from mlflow.entities import LifecycleStage, LoggedModel
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT
from mlflow.utils.search_utils import SearchLoggedModelsPaginationToken as Token

from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.search.logged_models import filter_stages, order_stages
from framework_mlflow_mongodb.tracking.logged_models import LoggedModelArea


class ModelSearchArea(LoggedModelArea):
    """The search for logged models."""

    def search_logged_models(
        self,
        experiment_ids: list[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """Return a page of logged models."""
        if datasets and not all(dataset.get("dataset_name") for dataset in datasets):
            raise invalid("`dataset_name` in the `datasets` clause must be specified.")
        offset = 0
        if page_token:
            token = Token.decode(page_token)
            token.validate(experiment_ids, filter_string, order_by)
            offset = token.offset
        limit = max_results or SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT
        base = {"exp": {"$in": self._own_experiment_ids(experiment_ids)}, "life": {"$ne": LifecycleStage.DELETED}}
        stages = [
            {"$match": base},
            *filter_stages(filter_string, datasets),
            *order_stages(order_by),
            {"$skip": offset},
            {"$limit": limit + 1},
        ]
        rows = list(self._collection("logged_models").aggregate(stages))
        following = None
        if len(rows) > limit:
            following = Token(experiment_ids, filter_string, order_by, offset + limit).encode()
        return PagedList(self._model_entities(rows[:limit]), token=following)
