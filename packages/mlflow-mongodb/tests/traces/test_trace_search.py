"""The search for traces: pages, and filters on spans that few or many traces fulfil."""

import pytest

from framework_mlflow_mongodb.tracking import trace_search

NOW_MS = 1_700_000_000_000


@pytest.fixture
def traces(tracking, a_trace, a_span):
    """Twelve traces with two spans each; every third has a tool that failed."""
    made = []
    for number in range(12):
        trace = tracking.start_trace(a_trace(request_time=NOW_MS + number, tags={"parity": str(number % 2)}))
        child = (
            {"name": "tool", "kind": "TOOL", "failed": True} if number % 3 == 0 else {"name": "model", "kind": "LLM"}
        )
        root = a_span(trace.trace_id, 1, start_ms=NOW_MS + number)
        tracking.log_spans("0", [root, a_span(trace.trace_id, 2, 1, start_ms=NOW_MS + number, **child)])
        made.append(trace.trace_id)
    return made


def ids(page):
    return [info.trace_id for info in page]


def all_pages(tracking, filter_string, **arguments):
    found, token = [], None
    while True:
        page, token = tracking.search_traces(["0"], filter_string, page_token=token, **arguments)
        found += ids(page)
        if not token:
            return found


@pytest.mark.parametrize("few", [1, 2000])
def test_filters_on_spans_find_the_same_however_many_fulfil_them(tracking, traces, monkeypatch, few):
    monkeypatch.setattr(trace_search, "_FEW_TRACES", few)
    for filter_string, expected in (
        ("span.name = 'tool'", traces[::3]),
        ("span.type = 'TOOL' AND span.status = 'ERROR' AND tags.parity = '0'", traces[::6]),
        ("span.type = 'TOOL' AND span.status = 'OK'", []),
        ("trace.text LIKE '%\"TOOL%'", [number for number in traces if number in traces[::3]]),
        (f"span.name != 'tool' AND timestamp_ms >= {NOW_MS + 9}", traces[9:]),
    ):
        assert all_pages(tracking, filter_string, max_results=2) == expected[::-1], filter_string
    counts = tracking.calculate_trace_filter_correlation(["0"], "span.name = 'tool'", "tags.parity = '0'")
    assert (counts.filter1_count, counts.filter2_count, counts.joint_count, counts.total_count) == (4, 6, 2, 12)


def test_pages_stay_where_they_are_while_traces_come(tracking, traces, a_trace):
    first, token = tracking.search_traces(["0"], max_results=5)
    tracking.start_trace(a_trace(request_time=NOW_MS + 100))
    second, _ = tracking.search_traces(["0"], max_results=5, page_token=token)
    assert ids(first) + ids(second) == traces[::-1][:10]


def test_a_full_last_page_has_no_successor(tracking, traces):
    page, token = tracking.search_traces(["0"], max_results=12)
    assert (len(page), token) == (12, None)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_traces_without_a_value_come_last(tracking, traces, direction):
    for number, trace_id in enumerate(traces[:4]):
        tracking.set_trace_tag(trace_id, "rank", str(number))
    ranked = traces[:4] if direction == "ASC" else traces[3::-1]
    found = all_pages(tracking, None, order_by=[f"tag.rank {direction}"], max_results=3)
    assert found == ranked + traces[:3:-1]


def test_like_takes_special_characters_as_they_are_and_ends_at_the_end(tracking, a_trace):
    kept = tracking.start_trace(a_trace(tags={"t": "a.b*c(50%)"})).trace_id
    tracking.start_trace(a_trace(tags={"t": "a.b*c(50%)\n"}))
    assert ids(tracking.search_traces(["0"], "tags.t LIKE 'a.b*c(50_)'")[0]) == [kept]
    assert ids(tracking.search_traces(["0"], "tags.t LIKE '%.B*C%'")[0]) == []
    assert len(tracking.search_traces(["0"], "tags.t ILIKE '%.B*C%'")[0]) == 2


def test_sessions_that_have_ended_are_found_by_their_first_trace(tracking, a_trace):
    for session, times in (("a", (100, 300)), ("b", (100, 500)), ("c", (50, 90)), ("d", (250, 300))):
        for time in times:
            tags = {"first": "yes"} if time == times[0] and session != "d" else {}
            metadata = {"mlflow.trace.session": session}
            tracking.start_trace(a_trace(request_time=time, tags=tags, trace_metadata=metadata))
    found = tracking.find_completed_sessions("0", 200, 400)
    assert [(one.session_id, one.first_trace_timestamp_ms, one.last_trace_timestamp_ms) for one in found] == [
        ("a", 100, 300),
        ("d", 250, 300),
    ]
    assert [one.session_id for one in tracking.find_completed_sessions("0", 200, 400, max_results=1)] == ["a"]
    filtered = tracking.find_completed_sessions("0", 200, 400, filter_string="tags.first = 'yes'")
    assert [one.session_id for one in filtered] == ["a"]
