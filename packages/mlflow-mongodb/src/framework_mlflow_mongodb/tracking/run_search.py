"""The search for runs."""

from __future__ import annotations

from mlflow.entities import LifecycleStage, Run
from mlflow.utils.search_utils import SearchUtils

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.search.conditions import all_of
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of
from framework_mlflow_mongodb.search.runs import Order, condition
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
        # In the order in which MLflow's SQL store finds fault with them.
        parsed, order = SearchUtils.parse_search_filter(filter_string), Order.parse(order_by)
        found = [condition(comparison) for comparison in parsed]
        page = Page.parse(page_token)
        base: Document = {"exp": {"$in": self._own_experiment_ids(experiment_ids)}, "life": {"$in": stages}}
        rows = self._sorted_runs(all_of([base, *found]), order, page, max_results)
        token = None
        if max_results is not None and len(rows) > max_results:
            rows = rows[:max_results]
            token = page.token(max_results, values_of(rows[-1], order.keys))
        return self._run_entities(self._whole_runs(rows, order)), token

    def _sorted_runs(self, wanted: Document, order: Order, page: Page, limit: int | None) -> list[Document]:
        """Return the runs of a page: whole ones when an index gives the order, else only what was sorted by."""
        page_stages = page.stages(order.keys, limit)
        if not order.computed:
            stages = [{"$match": wanted}, *page_stages, {"$unset": "tail"}]
        else:
            near = self._bounds(wanted, order, page, limit)
            stages = [{"$match": {"$and": [wanted, *near]}}, {"$project": order.projection}, *page_stages]
        return list(self._collection("runs").aggregate(stages))

    def _bounds(self, wanted: Document, order: Order, page: Page, limit: int | None) -> list[Document]:
        """Return conditions that the runs of the page fulfil and few others do: an index finds them without a sort.

        The values of the page lie between the last one of the page before and the one that as many runs as the page
        has come after.
        """
        starts_missing = page.after is not None and page.after[0] != 0
        if order.indexed is None or limit is None or starts_missing or (page.offset and page.after is None):
            return []
        (field, least), ascending = order.indexed, order.keys[1].ascending
        further, up_to = ("$gt", "$lte") if ascending else ("$lt", "$gte")
        start = {} if page.after is None else {further: page.after[1]}
        beyond = {"$and": [wanted, {field: {"$gte": least, **start}}]}
        found = self._collection("runs").find(beyond, {"_id": 0, field: 1}).sort(field, 1 if ascending else -1)
        values = [values_of(row, [SortKey(field)])[0] for row in found.limit(limit + 1)]
        if len(values) <= limit:
            return []
        inclusive = {} if page.after is None else {"$gte" if ascending else "$lte": page.after[1]}
        return [{field: {"$gte": least}}, {field: {up_to: values[-1]}}, *([{field: inclusive}] if inclusive else [])]

    def _whole_runs(self, rows: list[Document], order: Order) -> list[Document]:
        if not order.computed:
            return rows
        ids = [row["_id"] for row in rows]
        runs = {run["_id"]: run for run in self._collection("runs").find({"_id": {"$in": ids}}, {"tail": 0})}
        return [runs[run_id] for run_id in ids if run_id in runs]
