"""Random traces in this store and in MLflow's SQL store on SQLite: both must answer alike."""

import json
import os
import uuid
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import AssessmentSource, Expectation, Feedback, TraceState
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchUtils

EXAMPLES = int(os.environ.get("MONGODB_EXAMPLES", "6"))
NOW_MS = 1_700_000_000_000
TRACES = st.integers(0, 5)
WORDS = st.sampled_from(["a", "b", "A", "a.b", "5%", "_x", "ü", "", 'q"uote', "back\\slash", "line\nbreak"])
KEYS = st.sampled_from(["k", "k.k", "$k", "mlflow.traceName", "mlflow.user"])
VALUES = st.one_of(
    st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.none(), st.sampled_from(["yes", "no", "a", "1"])
)
TOKENS = st.fixed_dictionaries(
    {"input_tokens": st.integers(0, 9), "output_tokens": st.integers(0, 9), "total_tokens": st.integers(0, 9)}
)
COSTS = st.fixed_dictionaries(
    {key: st.integers(0, 8).map(lambda n: n / 4) for key in ("input_cost", "output_cost", "total_cost")}
)

START = st.tuples(
    st.just("start"),
    TRACES,
    st.fixed_dictionaries(
        {
            "state": st.sampled_from([TraceState.OK, TraceState.ERROR, TraceState.IN_PROGRESS]),
            "tags": st.dictionaries(KEYS, WORDS, max_size=2),
            "client_request_id": st.one_of(st.none(), WORDS),
            "request_preview": st.one_of(st.none(), WORDS),
        }
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "mlflow.trace.session": st.sampled_from(["s1", "s2"]),
            "mlflow.trace.tokenUsage": TOKENS.map(json.dumps),
            "mlflow.trace.cost": COSTS.map(json.dumps),
            "mlflow.sourceRun": st.sampled_from(["r1", "r2"]),
            "own": WORDS,
        },
    ),
)
SPAN = st.tuples(
    st.integers(1, 4),
    st.sampled_from(["root", "step", "Step"]),
    st.sampled_from(["LLM", "TOOL"]),
    st.booleans(),
    st.integers(0, 50),
    st.one_of(st.none(), st.integers(50, 99)),
    st.fixed_dictionaries(
        {"mlflow.spanInputs": WORDS},
        optional={
            "mlflow.chat.tokenUsage": TOKENS,
            "mlflow.llm.cost": COSTS,
            "session.id": st.sampled_from(["s1", "s2"]),
            "mlflow.llm.model": st.sampled_from(["m1", "m2"]),
            "attr": WORDS,
        },
    ),
)
OPERATIONS = st.one_of(
    START,
    START,
    st.tuples(st.just("spans"), TRACES, st.lists(SPAN, min_size=1, max_size=3)),
    st.tuples(st.just("spans"), TRACES, st.lists(SPAN, min_size=1, max_size=3)),
    st.tuples(st.just("tag"), TRACES, KEYS, WORDS),
    st.tuples(st.just("untag"), TRACES, KEYS),
    st.tuples(
        st.just("assess"), TRACES, st.sampled_from(["n1", "n2"]), VALUES, st.booleans(), st.booleans(), st.booleans()
    ),
    st.tuples(st.just("assess"), TRACES, st.just("n1"), VALUES, st.just(True), st.just(False), st.just(True)),
    st.tuples(st.just("unassess"), TRACES),
    st.tuples(st.just("link"), TRACES, st.sampled_from(["r1", "r2"])),
    st.tuples(st.just("delete"), TRACES),
)
FILTERS = """
name = 'a'; name != 'a'; name LIKE '%a%'; name ILIKE 'a'; name RLIKE '^a'; status = 'OK'; status != 'OK';
status IN ('OK', 'ERROR'); timestamp_ms > 1700000000200; end_time_ms <= 1700000000300; execution_time_ms < 80;
execution_time_ms != 100; client_request_id = 'a'; client_request_id LIKE '%.%'; client_request_id NOT IN ('a');
tags.k = 'a'; tags.k != 'a'; tags.`k.k` LIKE '%_%'; tags.k IS NULL; tags.k IS NOT NULL; tags.k ILIKE '%ü%';
metadata.own = 'a.b'; metadata.own IS NULL; metadata.own LIKE '5%'; metadata.`mlflow.trace.session` = 's1';
metadata.`mlflow.trace.session` IS NULL; metadata.`mlflow.trace.tokenUsage` IS NOT NULL;
metadata.`mlflow.trace.cost` IS NULL; run_id = 'r1'; run_id != 'r1'; span.name = 'step'; span.name LIKE 'Ste%';
span.type IN ('TOOL'); span.status != 'OK'; span.attributes.attr LIKE '%a%'; span.attributes.attr RLIKE '^a$';
span.name = 'step' AND span.type = 'LLM'; trace.text LIKE '%a.b%'; trace.text ILIKE '%STEP%';
feedback.n1 = 'yes'; feedback.n1 = 'true'; feedback.n1 != 'yes'; feedback.n1 > 0; feedback.n1 <= 1;
feedback.n1 IS NULL; feedback.n1 IS NOT NULL; expectation.n2 LIKE '%a%'; expectation.n2 IS NULL;
prompt = 'p'; span.bad = 'x'; tags.k > 'a'; status > 'OK'; feedback.n1 > 'x'; name = 1; nothing = 'x'
"""
FILTERS = [one.strip() for one in FILTERS.split(";")]
OF_ASSESSMENTS = [one for one in FILTERS if one.startswith(("feedback.n1", "expectation"))]
ORDERS = """
; timestamp_ms ASC; execution_time_ms DESC; status ASC, timestamp_ms ASC; tag.k ASC; tag.k DESC, name ASC;
metadata.own DESC; metadata.`mlflow.trace.session` ASC; request_id DESC; metadata.`mlflow.trace.cost`; bad DESC
"""
ORDERS = [[clause.strip() for clause in one.split(",") if clause.strip()] for one in ORDERS.split(";")]
METRICS = [
    (MetricViewType.TRACES, "trace_count", ["COUNT"], ["trace_status"]),
    (MetricViewType.TRACES, "latency", ["AVG", "MAX", 50.0, 99.0], []),
    (MetricViewType.TRACES, "session_count", ["COUNT"], []),
    (MetricViewType.TRACES, "total_tokens", ["SUM", 90.0], ["trace_name"]),
    (MetricViewType.SPANS, "span_count", ["COUNT"], ["span_name", "span_type"]),
    (MetricViewType.SPANS, "latency", ["MIN", "AVG", 25.0], ["span_status"]),
    (MetricViewType.SPANS, "total_cost", ["SUM", "AVG", 75.0], ["span_model_name"]),
    (MetricViewType.ASSESSMENTS, "assessment_count", ["COUNT"], ["assessment_name", "assessment_value"]),
    (MetricViewType.ASSESSMENTS, "assessment_value", ["AVG", "MIN", 50.0], ["assessment_name"]),
    (MetricViewType.TRACES, "latency", ["SUM"], []),
]


@pytest.fixture(scope="module")
def stores(mongod, sqlite_uri, tmp_path_factory):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

    folder = tmp_path_factory.mktemp("stores")
    uri = f"mongodb://127.0.0.1:{mongod.port}/like_sql?replicaSet={mongod.replica_set}"
    sql = SqlAlchemyStore(sqlite_uri, folder.as_uri())
    yield MongoTrackingStore(uri, folder.as_uri()), sql
    sql._dispose_engine()


class Side:
    """One store with an experiment of its own."""

    def __init__(self, store, ids, make):
        self.store, self.ids, self.make = store, ids, make
        self.experiment = store.create_experiment(uuid.uuid4().hex)
        self.last = {}

    def do(self, operation):
        kind, number, *rest = operation
        try:
            return getattr(self, kind)(self.ids[number], number, *rest)
        except MlflowException as error:
            return error.error_code

    def start(self, trace_id, number, fields, metadata):
        times = {"request_time": NOW_MS + 100 * number, "execution_duration": 100}
        self.store.start_trace(self.make.trace(self.experiment, trace_id, trace_metadata=metadata, **times, **fields))

    def spans(self, trace_id, number, spans):
        start = NOW_MS + 100 * number
        made = [
            self.make.span(
                trace_id, span, None if span == 1 else 1, name, kind, start + begin,
                end if end is None else start + end, failed, **attributes,
            )
            for span, name, kind, failed, begin, end, attributes in {span[0]: span for span in spans}.values()
        ]  # fmt: skip
        self.store.log_spans(self.experiment, made)

    def tag(self, trace_id, number, key, value):
        if self.store.batch_get_trace_infos([trace_id]):  # SQLite lets a tag of no trace be set
            self.store.set_trace_tag(trace_id, key, value)

    def untag(self, trace_id, number, key):
        self.store.delete_trace_tag(trace_id, key)

    def assess(self, trace_id, number, name, value, is_feedback, of_session, overrides):
        kind = Feedback if is_feedback else Expectation
        if value is None and not is_feedback:
            value = "a"
        source = AssessmentSource(source_type="HUMAN", source_id="me")
        metadata = {"mlflow.trace.session": "s1"} if of_session else None
        made = kind(name=name, value=value, source=source, trace_id=trace_id, metadata=metadata, create_time_ms=number)
        made.overrides = self.last.get(trace_id) if overrides else None
        made.last_update_time_ms = number
        self.last[trace_id] = self.store.create_assessment(made).assessment_id

    def unassess(self, trace_id, number):
        if trace_id in self.last:
            self.store.delete_assessment(trace_id, self.last.pop(trace_id))

    def link(self, trace_id, number, run_id):
        if self.store.batch_get_trace_infos([trace_id]):
            self.store.link_traces_to_run([trace_id], run_id)

    def delete(self, trace_id, number):
        self.last.pop(trace_id, None)
        return self.store.delete_traces(self.experiment, trace_ids=[trace_id])

    def search(self, filter_string, order_by):
        found, token = [], None
        try:
            while True:
                page, token = self.store.search_traces(
                    [self.experiment], filter_string, max_results=2, order_by=order_by, page_token=token
                )
                found += [self.ids.index(info.trace_id) for info in page]
                if not token:
                    return found
        except MlflowException as error:
            return error.error_code, str(error)

    def told(self):
        infos = self.store.batch_get_trace_infos(self.ids)
        for info in infos:
            info.tags.pop("mlflow.artifactLocation")
        return [(plain(info), self.names(info)) for info in infos]

    def names(self, info):
        if "mlflow.trace.spansLocation" not in info.tags:
            return []
        trace = self.store.get_trace(info.trace_id, allow_partial=True)
        return sorted(json.dumps(span.to_dict(), sort_keys=True) for span in trace.data.spans)

    def measure(self, view, metric, aggregations, dimensions, interval):
        wanted = [
            MetricAggregation(AggregationType.PERCENTILE, one)
            if isinstance(one, float)
            else MetricAggregation(AggregationType(one))
            for one in aggregations
        ]
        times = (
            {"time_interval_seconds": interval, "start_time_ms": NOW_MS, "end_time_ms": NOW_MS + 450}
            if interval
            else {}
        )
        try:
            points = self.store.query_trace_metrics([self.experiment], view, metric, wanted, dimensions, **times)
        except MlflowException as error:
            return error.error_code, str(error)
        return [
            (point.dimensions, {key: pytest.approx(value) for key, value in point.values.items()}) for point in points
        ]

    def sessions(self, filter_string):
        found = self.store.find_completed_sessions(self.experiment, NOW_MS, NOW_MS + 350, filter_string=filter_string)
        return [vars(one) for one in found]


def plain(info):
    fields = {name: value for name, value in vars(info).items() if name not in ("trace_location", "assessments")}
    kept = sorted((one.name, json.dumps(one.value), one.valid, one.overrides is None) for one in info.assessments)
    return fields, kept


@pytest.mark.skipif(
    not hasattr(SearchUtils, "LIST_SUPPORTED_KEYS"), reason="MLflow keeps costs and assessments apart from 3.17"
)
@pytest.mark.drawn
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_stores_answer_alike(stores, a_trace, a_span, data):
    ids = [f"tr-{uuid.uuid4().hex}" for _ in range(6)]
    make = SimpleNamespace(trace=a_trace, span=a_span)
    mongo, sql = (Side(store, ids, make) for store in stores)
    for operation in data.draw(st.lists(OPERATIONS, min_size=4, max_size=25), label="operations"):
        assert mongo.do(operation) == sql.do(operation), operation
    assert mongo.told() == sql.told()
    for filter_string in OF_ASSESSMENTS:
        assert mongo.search(filter_string, []) == sql.search(filter_string, []), filter_string
    for _ in range(10):
        filter_string = " AND ".join(data.draw(st.lists(st.sampled_from(FILTERS), min_size=1, max_size=2, unique=True)))
        order_by = data.draw(st.sampled_from(ORDERS))
        assert mongo.search(filter_string, order_by) == sql.search(filter_string, order_by), (filter_string, order_by)
    for question in METRICS:
        for interval in (None, 1):
            assert mongo.measure(*question, interval) == sql.measure(*question, interval), (question, interval)
    for filter_string in (None, data.draw(st.sampled_from(FILTERS[:12]))):
        assert mongo.sessions(filter_string) == sql.sessions(filter_string)
