"""Spans: in any order, from many writers, and of any size."""

import json
import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.entities import TraceState
from mlflow.exceptions import MlflowException

NOW_MS = 1_700_000_000_000
USAGE = "mlflow.chat.tokenUsage"
COST = "mlflow.llm.cost"


def new_id():
    return f"tr-{uuid.uuid4().hex}"


def tokens(count):
    return {USAGE: {"input_tokens": count, "output_tokens": 1, "total_tokens": count + 1}}


def told(info, key):
    return json.loads(info.trace_metadata[f"mlflow.trace.{key}"])


def test_spans_make_their_trace_and_their_order_does_not_matter(tracking, a_span):
    trace_id = new_id()
    spans = [
        a_span(trace_id, 1, start_ms=NOW_MS, end_ms=NOW_MS + 90, **{"mlflow.spanInputs": "q", "user.id": "u"}),
        a_span(trace_id, 2, 1, "child", start_ms=NOW_MS + 5, end_ms=NOW_MS + 50, **tokens(10)),
        a_span(trace_id, 3, 2, "leaf", start_ms=NOW_MS + 9, end_ms=NOW_MS + 20, **tokens(4), **{"session.id": "s"}),
    ]
    infos = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        for number in order:
            tracking.log_spans("0", [spans[number]])
        infos.append(tracking.get_trace_info(trace_id).to_dict())
        tracking.delete_traces("0", trace_ids=[trace_id])
    tracking.log_spans("0", spans)
    info = tracking.get_trace_info(trace_id)
    assert infos == [info.to_dict()] * 3
    assert (info.state, info.request_time, info.execution_duration) == (TraceState.OK, NOW_MS, 90)
    assert told(info, "tokenUsage") == {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
    assert info.trace_metadata["mlflow.trace.session"] == "s"
    assert info.trace_metadata["mlflow.trace.user"] == "u"
    assert [span.name for span in tracking.get_trace(trace_id).data.spans] == ["root", "child", "leaf"]


def test_a_span_that_is_sent_again_is_replaced(tracking, a_span):
    trace_id = new_id()
    tracking.log_spans("0", [a_span(trace_id, end_ms=None, name="begun", **tokens(3))])
    tracking.log_spans("0", [a_span(trace_id, end_ms=NOW_MS + 40, name="ended", **tokens(5))])
    assert [span.name for span in tracking.get_trace(trace_id).data.spans] == ["ended"]
    assert told(tracking.get_trace_info(trace_id), "tokenUsage")["input_tokens"] == 5


def test_what_the_client_says_of_a_trace_outweighs_its_spans(tracking, a_trace, a_span):
    usage = '{"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}'
    trace = a_trace(trace_metadata={"mlflow.trace.tokenUsage": usage}, request_preview="mine")
    late = a_span(
        trace.trace_id, start_ms=NOW_MS - 500, end_ms=NOW_MS + 5000, **tokens(70), **{"mlflow.spanInputs": "x"}
    )
    for first, second in ((tracking.start_trace, tracking.log_spans), (tracking.log_spans, tracking.start_trace)):
        for call in (first, second):
            call(trace) if call == tracking.start_trace else call("0", [late])
        info = tracking.get_trace_info(trace.trace_id)
        assert (info.request_time, info.execution_duration, info.request_preview) == (NOW_MS, 100, "mine")
        assert told(info, "tokenUsage")["total_tokens"] == 2
        tracking.delete_traces("0", trace_ids=[trace.trace_id])


def test_many_writers_of_one_trace_lose_nothing(tracking, a_trace, a_span):
    trace_id = new_id()
    root = a_span(trace_id, 1, end_ms=NOW_MS + 1000)
    children = [
        a_span(
            trace_id,
            n,
            1,
            f"s{n}",
            start_ms=NOW_MS + n,
            end_ms=NOW_MS + n + 5,
            **tokens(n),
            **{COST: {"total_cost": 0.5}},
        )
        for n in range(2, 42)
    ]
    calls = [[root], *([child] for child in children)]
    random.Random(7).shuffle(calls)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda spans: tracking.log_spans("0", spans), calls))
        for n, _ in enumerate(pool.map(lambda n: tracking.set_trace_tag(trace_id, f"k{n}", "v"), range(8))):
            assert n < 8
    info = tracking.get_trace_info(trace_id)
    assert len(tracking.get_trace(trace_id).data.spans) == 41
    assert told(info, "tokenUsage")["input_tokens"] == sum(range(2, 42))
    assert told(info, "cost")["total_cost"] == 20.0
    assert (info.request_time, info.execution_duration) == (NOW_MS, 1000)
    assert sum(key.startswith("k") for key in info.tags) == 8


def test_traces_begun_by_client_and_spans_at_once_are_one(tracking, a_trace, a_span):
    traces = [a_trace(tags={"mlflow.traceName": "n"}) for _ in range(30)]
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(tracking.start_trace, trace) for trace in traces]
        jobs += [pool.submit(tracking.log_spans, "0", [a_span(trace.trace_id)]) for trace in traces]
        for job in jobs:
            job.result()
    whole = tracking.batch_get_traces([trace.trace_id for trace in traces])
    assert [trace.info.trace_id for trace in whole] == [trace.trace_id for trace in traces]
    assert {(trace.info.tags["mlflow.traceName"], len(trace.data.spans)) for trace in whole} == {("n", 1)}


@pytest.mark.drawn
def test_a_span_larger_than_a_document_is_kept_and_searched(tracking, a_span):
    trace_id, other = new_id(), new_id()
    text = random.Random(3).randbytes(9_000_000).hex()
    large = a_span(trace_id, 1, **{"mlflow.spanInputs": f"{text[:10]}needle{text}", "size": "huge"})
    assert len(large.to_dict()["attributes"]["mlflow.spanInputs"]) > 16 * 1024 * 1024
    tracking.log_spans("0", [large, a_span(trace_id, 2, 1, "small")])
    tracking.log_spans("0", [a_span(other, 1, **{"mlflow.spanInputs": "needle", "size": "tiny"})])
    assert tracking.get_trace(trace_id).data.spans[0].inputs == large.inputs
    for filter_string, expected in (
        ("trace.text LIKE '%needle%'", {trace_id, other}),
        ("trace.text LIKE '%NEEDLE%'", set()),
        ("span.attributes.size LIKE '%huge%'", {trace_id}),
        ("span.attributes.size LIKE '%huge%' AND span.name = 'small'", set()),
    ):
        assert {info.trace_id for info in tracking.search_traces(["0"], filter_string)[0]} == expected
    tracking.delete_traces("0", trace_ids=[trace_id])
    assert tracking._collection("span_parts").count_documents({}) == 0


def test_a_trace_whose_spans_are_still_to_come_is_not_whole(tracking, a_trace, a_span):
    trace = a_trace(trace_metadata={"mlflow.trace.sizeStats": '{"num_spans": 2}'})
    tracking.start_trace(trace)
    tracking.log_spans("0", [a_span(trace.trace_id)])
    assert tracking.batch_get_traces([trace.trace_id]) == []
    assert len(tracking.get_trace(trace.trace_id, allow_partial=True).data.spans) == 1
    tracking.log_spans("0", [a_span(trace.trace_id, 2, 1)])
    assert len(tracking.batch_get_traces([trace.trace_id])[0].data.spans) == 2


def test_spans_of_a_trace_kept_elsewhere_are_refused(tracking, a_trace, a_span):
    trace = tracking.start_trace(a_trace(tags={"mlflow.trace.spansLocation": "ARTIFACT_REPO"}))
    with pytest.raises(MlflowException, match="outside the tracking store"):
        tracking.log_spans("0", [a_span(trace.trace_id)])
    assert tracking._collection("spans").count_documents({}) == 0


@pytest.mark.drawn
def test_a_standalone_server_keeps_spans_and_deletes_them(tmp_path, mongod, a_trace, a_span, caplog):
    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

    server = type(mongod)(tmp_path / "standalone", replica_set=None)
    server.start()
    try:
        store = MongoTrackingStore(f"mongodb://127.0.0.1:{server.port}/alone", tmp_path.as_uri())
        assert "standalone" in caplog.text
        trace = store.start_trace(a_trace())
        store.log_spans("0", [a_span(trace.trace_id)])
        assert len(store.get_trace(trace.trace_id).data.spans) == 1
        assert (
            store.upsert_dataset_records(store.create_dataset("d").dataset_id, [{"inputs": {"a": 1}}])["inserted"] == 1
        )
        assert store.delete_traces("0", trace_ids=[trace.trace_id]) == 1
    finally:
        server.kill()
