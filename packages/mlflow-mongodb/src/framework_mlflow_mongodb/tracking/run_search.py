"""The search for runs."""

from __future__ import annotations

from mlflow.entities import LifecycleStage, Run

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.search.conditions import all_of
from framework_mlflow_mongodb.search.paging import Page, values_of
from framework_mlflow_mongodb.search.runs import Order, conditions
from framework_mlflow_mongodb.tracking.experiments import check_max_results
from framework_mlflow_mongodb.tracking.runs import RunArea


class RunSearchArea(RunArea):
    """The search for runs."""

    def _search_runs(
        self,
        experiment_ids: list[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int | None,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        check_max_results(max_results, none_allowed=True)
        stages = list(LifecycleStage.view_type_to_stages(run_view_type))
        found, order = conditions(filter_string), Order.parse(order_by)
        page = Page.parse(page_token)
        base: Document = {"exp": {"$in": self._own_experiment_ids(experiment_ids)}, "life": {"$in": stages}}
        rows = self._sorted_runs(all_of([base, *found]), order, page, max_results)
        token = None
        if max_results is not None and len(rows) > max_results:
            rows = rows[:max_results]
            token = page.token(max_results, values_of(rows[-1], order.keys))
        return self._run_entities(self._whole_runs(rows, order)), token

    def _sorted_runs(self, condition: Document, order: Order, page: Page, limit: int | None) -> list[Document]:
        """Return the runs of a page: whole ones when an index gives the order, else only what was sorted by."""
        page_stages = page.stages(order.keys, limit)
        stages = (
            [{"$project": order.projection}, *page_stages] if order.computed else [*page_stages, {"$unset": "tail"}]
        )
        return list(self._collection("runs").aggregate([{"$match": condition}, *stages]))

    def _whole_runs(self, rows: list[Document], order: Order) -> list[Document]:
        if not order.computed:
            return rows
        ids = [row["_id"] for row in rows]
        runs = {run["_id"]: run for run in self._collection("runs").find({"_id": {"$in": ids}}, {"tail": 0})}
        return [runs[run_id] for run_id in ids if run_id in runs]
