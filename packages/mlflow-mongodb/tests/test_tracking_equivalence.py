"""This store and MLflow's SQL store on SQLite, given the same random operations, give the same answers and errors."""

import itertools
import math
import os
import uuid
from contextlib import ExitStack
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, ExperimentTag, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.search import sizes
from framework_mlflow_mongodb.tracking import batches, metrics, points
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's SQL store warns
EXAMPLES = int(os.environ.get("MONGODB_EXAMPLES", "8"))
numbers = itertools.count(1)

KEYS = st.sampled_from(["loss", "acc", "a.b", "a/b", "a b", "x:y", "mlflow.runName", "a//b", "", "k" * 251])
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=12)
VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.integers(-3, 3).map(float), st.just(math.nan), st.just("bad")
)
STEPS = st.one_of(st.integers(-2, 4), st.sampled_from([2**63 - 1, -(2**63), 0]))
TIMES = st.one_of(st.integers(0, 5), st.sampled_from([2**63 - 1, -1, 1_700_000_000_000]))
METRICS = st.builds(Metric, KEYS, VALUES, TIMES, STEPS)
PARAMS = st.builds(Param, KEYS, st.one_of(TEXT, st.sampled_from(["1", "2", "%", "v" * 6001])))
TAGS = st.builds(RunTag, KEYS, st.one_of(TEXT, st.sampled_from(["1", "A", "a", "100%", "x" * 8001])))
# Where two tags of a new run have one key, SQL fails with an error of the database; an empty name makes two.
FIRST_TAGS = st.lists(TAGS.filter(lambda tag: tag.key != "mlflow.runName"), max_size=2, unique_by=lambda tag: tag.key)
DATASETS = st.builds(
    lambda name, digest, context: DatasetInput(
        Dataset(name, digest, "local", "src"), [InputTag("mlflow.data.context", context)]
    ),
    st.sampled_from(["d1", "D1", "d_1"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["train", "test"]),
)
FEW_POINTS = {
    "TAIL_POINTS": 2,
    "_TAIL_HAS_ROOM": {"tail.1": {"$exists": False}},
    "_SMALL_CHUNK": 3,
    "_SMALL_CHUNKS": 2,
}
RUNS = st.integers(0, 3)
OPERATIONS = st.one_of(
    st.tuples(
        st.just("create_run"),
        st.integers(0, 3),
        FIRST_TAGS,
        st.sampled_from([None, "n"]),
    ),
    st.tuples(st.just("log_metric"), RUNS, METRICS),
    st.tuples(
        st.just("log_batch"),
        RUNS,
        st.one_of(st.lists(METRICS, max_size=6), st.lists(METRICS, min_size=80, max_size=90)),
        st.lists(PARAMS, max_size=3),
        st.lists(TAGS, max_size=3),
    ),
    st.tuples(st.just("log_param"), RUNS, PARAMS),
    st.tuples(st.just("set_tag"), RUNS, TAGS),
    st.tuples(st.just("delete_tag"), RUNS, KEYS),
    st.tuples(st.just("update_run_info"), RUNS, st.sampled_from([None, 1, 3, 4]), st.sampled_from([None, 7]), TEXT),
    st.tuples(st.just("delete_run"), RUNS),
    st.tuples(st.just("restore_run"), RUNS),
    st.tuples(st.just("log_inputs"), RUNS, st.lists(DATASETS, max_size=3)),
    st.tuples(st.just("set_experiment_tag"), st.builds(ExperimentTag, KEYS, TEXT)),
    st.tuples(st.just("delete_experiment_tag"), KEYS),
)
FILTERS = st.sampled_from(
    [
        "metrics.loss > 0",
        "metrics.loss != 1",
        "metrics.loss <= 2 AND metrics.acc < 1",
        "metrics.`a.b` = 0",
        "params.loss = '1'",
        "params.acc != '1'",
        "params.`a b` LIKE '%1%'",
        "params.loss IS NULL",
        "tags.acc IS NOT NULL",
        "tags.loss ILIKE 'A%'",
        "tags.loss LIKE '100\\%'",
        "tags.`mlflow.runName` = 'n'",
        "attributes.run_name = 'n'",
        "attributes.status = 'RUNNING'",
        "attributes.start_time >= 1",
        "attributes.end_time = 7",
        "dataset.name = 'd1'",
        "dataset.name ILIKE 'D_1'",
        "dataset.digest IN ('x', 'z')",
        "dataset.name != 'd1' AND dataset.context = 'train'",
        "status = 'FINISHED'",
        "metrics.loss LIKE 'a'",
        "nonsense",
        "params.loss > '1'",
        "attributes.run_id IN ('a')",
    ]
)
ORDERS = st.lists(
    st.sampled_from(
        [
            "metrics.loss ASC",
            "metrics.loss DESC",
            "metrics.`a.b`",
            "params.acc DESC",
            "tags.loss ASC",
            "attributes.start_time ASC",
            "attributes.end_time DESC",
            "attributes.run_name",
            "nonsense sideways",
        ]
    ),
    max_size=2,
)


@pytest.fixture(scope="module")
def sql(sqlite_uri):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    return SqlAlchemyStore(sqlite_uri, "/artifacts")


@pytest.fixture(scope="module")
def mongo(mongod):
    return MongoTrackingStore(mongod.uri("equivalence"), "/artifacts")


class Driver:
    """One store, with its runs by number, so that two stores can be told the same."""

    def __init__(self, store, number):
        self.store, self.number = store, number
        self.experiment = store.create_experiment(f"e{number}")
        self.runs = []

    def do(self, operation):
        name, *arguments = operation
        if name == "create_run":
            start, tags, run_name = arguments
            return self.answer(self.create, start, tags, run_name)
        if name.endswith("experiment_tag"):
            return self.answer(getattr(self.store, name), self.experiment, *arguments)
        number, *arguments = arguments
        run = self.runs[number] if number < len(self.runs) else "0" * 32
        return self.answer(getattr(self.store, name), run, *arguments)

    def create(self, start, tags, run_name):
        # The same ids and names in both stores, which otherwise make them up: ids decide the order of equal runs.
        run_id = uuid.UUID(int=self.number * 1000 + len(self.runs))
        with patch("uuid.uuid4", return_value=run_id):
            run = self.store.create_run(self.experiment, "u", start, tags, run_name or f"r{len(self.runs)}")
        self.runs.append(run.info.run_id)

    def answer(self, method, *arguments, **more):
        try:
            return self.plain(method(*arguments, **more))
        except MlflowException as error:
            return error.error_code, error.message

    def plain(self, value):
        if isinstance(value, (list, tuple)):
            return [self.plain(one) for one in value]
        if isinstance(value, float):
            return repr(value)
        if isinstance(value, dict):
            return {key: self.plain(one) for key, one in sorted(value.items())}
        return value if value is None or isinstance(value, (int, str, bytes)) else self.plain(dict(value))

    def state(self):
        """Everything that can be read about the runs."""
        found = []
        for run in self.runs:
            whole = self.store.get_run(run)
            info = {
                key: value for key, value in dict(whole.info).items() if key not in ("experiment_id", "artifact_uri")
            }
            datasets = sorted(
                (one.dataset.name, one.dataset.digest, sorted((tag.key, tag.value) for tag in one.tags))
                for one in whole.inputs.dataset_inputs
            )
            histories = [self.history(run, key) for key in sorted(whole.data.metrics)]
            found.append([self.plain(info), self.plain(whole.data.metrics), whole.data.params, whole.data.tags])
            found.append([datasets, histories])
        return found, dict(self.store.get_experiment(self.experiment).tags)

    def history(self, run, key):
        points = [(m.timestamp, m.step, repr(m.value)) for m in self.store.get_metric_history(run, key)]
        paged, token = [], None
        while True:
            page = self.store.get_metric_history(run, key, max_results=3, page_token=token)
            paged += [(m.timestamp, m.step, repr(m.value)) for m in page]
            if not (token := page.token):
                break
        assert paged == points
        sampled = [
            [
                (m.timestamp, m.step, repr(m.value))
                for m in self.store.get_metric_history_bulk_interval([run], key, n, *r)
            ]
            for n, r in [(1, (None, None)), (4, (None, None)), (3, (-1, 3))]
        ]
        return key, points, sampled, self.store.get_max_step_for_metric(run, key)

    def search(self, filter_string, order_by, view):
        """The names of the runs that are found, over pages of two."""
        found, token = [], None
        while True:
            page = self.answer(self.search_page, filter_string, order_by, view, token)
            if isinstance(page, tuple):
                return page
            runs, token = page
            found += runs
            if not token:
                return found

    def search_page(self, filter_string, order_by, view, token):
        page = self.store.search_runs([self.experiment], filter_string, view, 2, order_by, token)
        return [run.info.run_id for run in page], page.token


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking against a database takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    operations=st.lists(OPERATIONS, max_size=16),
    searches=st.lists(st.tuples(FILTERS, ORDERS, st.sampled_from([ViewType.ACTIVE_ONLY, ViewType.ALL])), max_size=6),
    large=st.sampled_from([batches.TAIL_POINTS // 2, 0]),
    small_documents=st.booleans(),
)
def test_the_same_operations_give_the_same_answers(sql, mongo, operations, searches, large, small_documents):
    number = next(numbers)
    drivers = [Driver(sql, number), Driver(mongo, number)]
    with ExitStack() as changed:
        # Above how many metrics a batch counts as a large one.
        changed.enter_context(patch.object(batches, "TAIL_POINTS", 2 * large))
        if small_documents:  # few points fill a document, so that they are moved and gathered all the time
            changed.enter_context(patch.object(points, "POINTS_PER_CHUNK", 4))
            changed.enter_context(patch.multiple(metrics, **FEW_POINTS))
        for operation in [("create_run", 1, [], "a"), ("create_run", 1, [], "n"), *operations]:
            first, second = (driver.do(operation) for driver in drivers)
            assert second == first, operation
    first, second = (driver.state() for driver in drivers)
    assert second == first
    for search in [(None, None, ViewType.ALL), *searches]:
        first, second = (driver.search(*search) for driver in drivers)
        assert second == first, search
        with patch.object(sizes, "COUNTED", 0):  # by the index of a field, as in large experiments
            assert drivers[1].search(*search) == first, search
