"""The search for runs."""

from __future__ import annotations

from collections.abc import Callable

from mlflow.entities import LifecycleStage, Run
from pymongo.errors import OperationFailure

from framework_mlflow_mongodb.collector import paused_collector
from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.search.conditions import all_of
from framework_mlflow_mongodb.search.paging import Page, SortKey, rows_after, values_of
from framework_mlflow_mongodb.search.parsing import parse_filter
from framework_mlflow_mongodb.search.runs import Order, condition
from framework_mlflow_mongodb.search.sizes import Size, Sizes
from framework_mlflow_mongodb.tracking import entities
from framework_mlflow_mongodb.tracking.experiments import check_max_results
from framework_mlflow_mongodb.tracking.runs import RunArea

OWN_RUNS = "exp_1_life_1_start_-1__id_1"
"""The index of the runs of an experiment."""

NO_SUCH_INDEX = 2
"""The code of MongoDB's BadValue, its answer to the name of an index that is not there."""


class RunSearchArea(RunArea):
    """The search for runs."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes = Sizes()

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
        parsed, order = parse_filter(filter_string), Order.parse(order_by)
        found = [condition(comparison) for comparison in parsed]
        page, experiments = Page.parse(page_token), self._own_experiment_ids(experiment_ids)
        wanted = all_of([{"exp": {"$in": experiments}, "life": {"$in": stages}}, *found])
        with paused_collector:
            rows = self._page(wanted, order, page, max_results, self._size(experiments, order))
            token = None
            if max_results is not None and len(rows) > max_results:
                rows = rows[:max_results]
                token = page.token(max_results, order.values_of(rows[-1]))
            return self._run_entities(self._whole_runs(rows)), token

    def _size(self, experiments: list[int], order: Order) -> Size | None:
        """Return the size of experiments where it decides between two indexes."""
        return self._sizes.of(self._collection("runs"), experiments) if order.indexed else None

    def _page(self, wanted: Document, order: Order, page: Page, limit: int | None, size: Size | None) -> list[Document]:
        """Return the runs of a page and one more."""
        if size is None or limit is None:
            return self._sorted_runs(wanted, order, page, limit)
        if not size.sorts_faster(limit + 1, filtered=len(wanted["$and"]) > 1):
            rows = self._first_of_index(wanted, order, page, limit)
            return self._sorted_runs(wanted, order, page, limit) if rows is None else rows
        # The index that has the order leads past the runs of all experiments, and is not worth its way.
        rows = self._own_runs_sorted(wanted, order, page, limit) if size.inside > limit else None
        if rows is None:
            order.indexed = None
            rows = self._sorted_runs(wanted, order, page, limit, OWN_RUNS)
        return rows

    def _first_of_index(self, wanted: Document, order: Order, page: Page, limit: int) -> list[Document] | None:
        """Return the first page in one go, where the first values of an index are those of the page.

        Runs of one value come out of the index in no order of use, so the page must not end among such.
        """
        if order.indexed is None or page.offset or not order.is_of_one_field:
            return None
        field, least = order.indexed
        beyond = {"$and": [wanted, {field: {"$gte": least}}]}
        sort = [(field, order.keys[1].direction)]
        rows = self._found_by(f"{field.partition('.')[0]}.$**_1", beyond, sort, limit + 1)
        if rows is None:
            return None
        if len(rows) <= limit:
            return None  # runs without a value follow
        last, after_it = (values_of(row, [SortKey(field)]) for row in rows[-2:])
        return None if last == after_it else order.sorted(rows)

    def _own_runs_sorted(self, wanted: Document, order: Order, page: Page, limit: int) -> list[Document] | None:
        """Return a page of experiments that are small beside all others: their runs that have a value, sorted."""
        if order.indexed is None or not order.is_of_one_field:
            return None
        field, least = order.indexed
        keys, further = [SortKey(field, order.keys[1].ascending, never_missing=True), *order.keys[2:]], []
        if page.offset:
            if page.after is None or page.after[0] != 0 or len(page.after) != len(order.keys):
                return None  # among the runs without a value, or a page of another order
            further = [rows_after(keys, page.after[1:])]
        own = {"$and": [wanted, {field: {"$gte": least}}, *further]}
        rows = self._found_by(OWN_RUNS, own, [(key.field, key.direction) for key in keys], limit + 1)
        return rows if rows and len(rows) > limit else None  # else runs without a value follow

    def _found_by(
        self, index: str, condition: Document, sort: list[tuple[str, int]], limit: int
    ) -> list[Document] | None:
        """Return whole runs found by an index; None if there is no such index.

        It is named, because the server would keep the plan that was best for an experiment of another size.
        """
        found = self._collection("runs").find(condition, entities.FIELDS, hint=index)
        return _if_there_is_the_index(found.sort(sort).limit(limit).batch_size(limit).to_list)

    def _sorted_runs(
        self, wanted: Document, order: Order, page: Page, limit: int | None, index: str | None = None
    ) -> list[Document]:
        """Return the runs of a page: whole ones when an index gives the order, else only what was sorted by.

        `index` is what finds them, if the server is not to choose.
        """
        if not order.computed:
            return self._indexed_runs(wanted, order, page, limit)
        near = self._bounds(wanted, order, page, limit)
        stages = [{"$match": {"$and": [wanted, *near]}}, {"$project": order.projection}]
        runs, stages = self._collection("runs"), [*stages, *page.stages(order.keys, limit)]
        rows = _if_there_is_the_index(lambda: list(runs.aggregate(stages, hint=index))) if index else None
        return list(runs.aggregate(stages)) if rows is None else rows

    def _indexed_runs(self, wanted: Document, order: Order, page: Page, limit: int | None) -> list[Document]:
        condition, skipped = page.start(order.keys)
        found = self._collection("runs").find({"$and": [wanted, condition]} if condition else wanted, entities.FIELDS)
        found = found.sort([(key.field, key.direction) for key in order.keys]).skip(skipped)
        # All rows in one answer; the driver's first one would hold 101.
        rows: list[Document] = (found if limit is None else found.limit(limit + 1).batch_size(limit + 1)).to_list()
        return rows

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

    def _whole_runs(self, rows: list[Document]) -> list[Document]:
        if not rows or "mv" in rows[0]:
            return rows
        ids = [row["_id"] for row in rows]
        runs = {run["_id"]: run for run in self._collection("runs").find({"_id": {"$in": ids}}, entities.FIELDS)}
        return [runs[run_id] for run_id in ids if run_id in runs]


def _if_there_is_the_index(search: Callable[[], list[Document]]) -> list[Document] | None:
    try:
        return search()
    except OperationFailure as error:
        if error.code != NO_SUCH_INDEX:
            raise
        return None
