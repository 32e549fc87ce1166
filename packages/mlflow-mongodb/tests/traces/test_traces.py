"""Traces: their life, their tags, and what belongs to them."""

import pytest
from mlflow.entities import AssessmentSource, Expectation, Feedback, TraceState, ViewType
from mlflow.entities.assessment import IssueReference
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import PromptVersion

NOW_MS = 1_700_000_000_000
HUMAN = AssessmentSource(source_type="HUMAN", source_id="me")


def found(tracking, filter_string=None, **arguments):
    return {info.trace_id for info in tracking.search_traces(["0"], filter_string, **arguments)[0]}


def test_a_trace_is_kept_as_it_was_told(tracking, a_trace):
    told = a_trace(
        client_request_id="req-1",
        request_preview="what?",
        response_preview="that",
        tags={"mlflow.traceName": "chat", "a.b": "ü", "50%": "$x"},
        trace_metadata={"mlflow.trace.session": "s", "mlflow.trace.tokenUsage": '{"input_tokens": 3}', "my.key": "v"},
        assessments=[Feedback(name="good", value=True, source=HUMAN)],
    )
    tracking.start_trace(told)
    kept = tracking.get_trace_info(told.trace_id)
    assert kept.tags.pop("mlflow.artifactLocation").endswith(f"/0/traces/{told.trace_id}/artifacts")
    assert kept.tags == told.tags
    assert kept.trace_metadata.pop("mlflow.trace.infoFinalized") == "true"
    assert kept.trace_metadata == told.trace_metadata
    assert kept.assessments[0].value is True
    same = ("client_request_id", "request_preview", "response_preview", "state", "request_time", "execution_duration")
    assert [getattr(kept, name) for name in same] == [getattr(told, name) for name in same]


def test_the_name_of_a_trace_is_a_tag(tracking, a_trace):
    trace_id = tracking.start_trace(a_trace()).trace_id
    tracking.set_trace_tag(trace_id, "mlflow.traceName", "chat")
    assert found(tracking, "name = 'chat'") == {trace_id}
    tracking.delete_trace_tag(trace_id, "mlflow.traceName")
    assert "mlflow.traceName" not in tracking.get_trace_info(trace_id).tags
    with pytest.raises(MlflowException, match="No trace tag with key") as error:
        tracking.delete_trace_tag(trace_id, "mlflow.traceName")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_tags_with_dots_and_dollars_do_not_touch_each_other(tracking, a_trace):
    trace_id = tracking.start_trace(a_trace()).trace_id
    for key in ("a", "a.b", "a.b.c"):
        tracking.set_trace_tag(trace_id, key, f"value of {key}")
    tracking.delete_trace_tag(trace_id, "a.b")
    tags = tracking.get_trace_info(trace_id).tags
    assert (tags["a"], tags.get("a.b"), tags["a.b.c"]) == ("value of a", None, "value of a.b.c")


def test_a_trace_can_be_linked_to_a_run_before_it_comes(tracking, a_trace):
    early, late = a_trace(), a_trace()
    tracking.start_trace(early)
    tracking.link_traces_to_run([early.trace_id, late.trace_id], "run-1")
    tracking.link_traces_to_run([early.trace_id], "run-1")
    tracking.start_trace(late)
    assert found(tracking, "run_id = 'run-1'") == {early.trace_id, late.trace_id}
    tracking.unlink_traces_from_run([early.trace_id, late.trace_id], "run-1")
    assert found(tracking, "run_id = 'run-1'") == set()


def test_prompts_are_linked_once(tracking, a_trace):
    trace_id = tracking.start_trace(a_trace()).trace_id
    versions = [PromptVersion("p", 1, "x"), PromptVersion("p", 2, "x")]
    tracking.link_prompts_to_trace(trace_id, versions)
    tracking.link_prompts_to_trace(trace_id, versions[:1])
    assert found(tracking, "prompt = 'p/1'") == found(tracking, "prompt = 'p/2'") == {trace_id}
    with pytest.raises(MlflowException, match="not found"):
        tracking.link_prompts_to_trace("tr-none", versions)


def test_traces_are_deleted_oldest_first_with_all_that_is_theirs(tracking, a_trace, a_span):
    traces = [a_trace(request_time=NOW_MS + age) for age in range(5)]
    for trace in traces:
        tracking.start_trace(trace)
        tracking.log_spans("0", [a_span(trace.trace_id)])
    assert tracking.delete_traces("0", max_timestamp_millis=NOW_MS + 3, max_traces=2) == 2
    assert found(tracking) == {trace.trace_id for trace in traces[2:]}
    assert tracking.delete_traces("0", trace_ids=[traces[4].trace_id, traces[0].trace_id]) == 1
    assert found(tracking, "span.name = 'root'") == {traces[2].trace_id, traces[3].trace_id}
    assert tracking._collection("spans").count_documents({}) == 2


def test_an_experiment_that_is_gone_for_good_takes_its_traces_along(tracking, a_trace, a_span):
    key = tracking.create_experiment("gone")
    trace = tracking.start_trace(a_trace(key))
    tracking.log_spans(key, [a_span(trace.trace_id)])
    tracking.register_scorer(key, "s", "{}")
    issue = tracking.create_issue(key, "n", "d")
    tracking.list_label_schemas(key)
    dataset = tracking.create_dataset("d", experiment_ids=[key, "0"])
    tracking.delete_experiment(key)
    tracking._hard_delete_experiment(key)
    assert tracking.batch_get_trace_infos([trace.trace_id]) == []
    left = ("spans", "scorers", "scorer_versions", "label_schemas", "issues")
    assert [tracking._collection(name).count_documents({}) for name in left] == [0] * 5
    assert tracking.get_dataset_experiment_ids(dataset.dataset_id) == ["0"]
    with pytest.raises(MlflowException, match="not found"):
        tracking.get_issue(issue.issue_id)
    assert key not in [experiment.experiment_id for experiment in tracking.search_experiments(ViewType.ALL)]


def test_a_deleted_run_takes_its_assessments_along(tracking, a_trace):
    run_id = tracking.create_run("0", "me", 0, [], "run").info.run_id
    trace_id = tracking.start_trace(a_trace()).trace_id
    for name, metadata in (("of run", {"mlflow.assessment.sourceRunId": run_id}), ("of human", None)):
        tracking.create_assessment(Feedback(name=name, value=1, source=HUMAN, trace_id=trace_id, metadata=metadata))
    tracking.delete_run(run_id)
    assert [one.name for one in tracking.get_trace_info(trace_id).assessments] == ["of human"]


def test_an_override_makes_the_old_assessment_invalid_until_it_is_deleted(tracking, a_trace):
    trace_id = tracking.start_trace(a_trace()).trace_id
    old = tracking.create_assessment(Feedback(name="good", value="no", source=HUMAN, trace_id=trace_id))
    new = Feedback(name="good", value="yes", source=HUMAN, trace_id=trace_id, overrides=old.assessment_id)
    new = tracking.create_assessment(new)
    assert tracking.get_assessment(trace_id, old.assessment_id).valid is False
    assert found(tracking, "feedback.good = 'no'") == set()
    tracking.delete_assessment(trace_id, new.assessment_id)
    tracking.delete_assessment(trace_id, new.assessment_id)
    assert tracking.get_assessment(trace_id, old.assessment_id).valid is True
    assert found(tracking, "feedback.good = 'no'") == {trace_id}


def test_an_assessment_is_changed_where_it_was_asked_to(tracking, a_trace):
    trace_id = tracking.start_trace(a_trace()).trace_id
    wanted = Expectation(name="answer", value={"x": [1, None]}, source=HUMAN, trace_id=trace_id, metadata={"a": "1"})
    wanted = tracking.create_assessment(wanted)
    changed = tracking.update_assessment(trace_id, wanted.assessment_id, name="better", metadata={"b": "2"})
    assert changed == tracking.get_assessment(trace_id, wanted.assessment_id)
    assert (changed.name, changed.value, changed.metadata) == ("better", {"x": [1, None]}, {"a": "1", "b": "2"})
    with pytest.raises(MlflowException, match="Cannot update feedback value on an Expectation"):
        tracking.update_assessment(trace_id, wanted.assessment_id, feedback=Feedback(name="x", value=1).feedback)


def test_an_issue_outlives_the_run_that_found_it(tracking):
    run_id = tracking.create_run("0", "me", 0, [], "run").info.run_id
    issue = tracking.create_issue("0", "n", "d", source_run_id=run_id)
    tracking.delete_run(run_id)
    tracking._hard_delete_run(run_id)
    assert tracking.get_issue(issue.issue_id).source_run_id is None


def test_an_issue_is_found_by_its_traces(tracking, a_trace):
    issue = tracking.create_issue("0", "slow", "too slow")
    for _ in range(2):
        trace_id = tracking.start_trace(a_trace()).trace_id
        reference = IssueReference(issue_id=issue.issue_id, issue_name="slow", source=HUMAN, trace_id=trace_id)
        tracking.create_assessment(reference)
    assert tracking.search_issues("0", include_trace_count=True)[0].trace_count == 2
    assert len(found(tracking, f"issue.id = '{issue.issue_id}'")) == 2


def test_a_workspace_neither_sees_nor_changes_the_traces_of_another(mongo_uri, tmp_path, monkeypatch, a_trace, a_span):
    from mlflow.utils.workspace_context import WorkspaceContext

    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = MongoTrackingStore(mongo_uri, tmp_path.as_uri())
    with WorkspaceContext("red"):
        key = store.create_experiment("one")
        trace = store.start_trace(a_trace(key))
        store.log_spans(key, [a_span(trace.trace_id)])
    with WorkspaceContext("blue"):
        own = store.create_experiment("one")
        assert store.search_traces([key, own])[0] == []
        assert store.batch_get_traces([trace.trace_id]) == []
        for forbidden in (
            lambda: store.log_spans(own, [a_span(trace.trace_id, name="changed")]),
            lambda: store.start_trace(a_trace(own, trace.trace_id)),
            lambda: store.set_trace_tag(trace.trace_id, "a", "b"),
        ):
            with pytest.raises(MlflowException, match="not found"):
                forbidden()
    with WorkspaceContext("red"):
        assert [span.name for span in store.get_trace(trace.trace_id).data.spans] == ["root"]


def test_what_is_wrong_is_said_in_words(tracking, a_trace, a_span):
    key = tracking.create_experiment("deleted")
    tracking.delete_experiment(key)
    trace = tracking.start_trace(a_trace())
    for mistake, code, words in (
        (lambda: tracking.start_trace(a_trace("77")), "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=77"),
        (lambda: tracking.start_trace(a_trace(key)), "INVALID_PARAMETER_VALUE", "must be in the 'active' state"),
        (
            lambda: tracking.start_trace(a_trace(trace_metadata={"mlflow.trace.session": "s" * 251})),
            "INVALID_PARAMETER_VALUE",
            "Session ID",
        ),
        (lambda: tracking.start_trace(a_trace(request_time=2**70)), "INVALID_PARAMETER_VALUE", "64-bit"),
        (lambda: tracking.start_trace(a_trace(tags={"a\0b": "x"})), "INVALID_PARAMETER_VALUE", "cannot store"),
        (lambda: tracking.log_spans("77", [a_span("tr-1")]), "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=77"),
        (lambda: tracking.search_traces(["0"], "name ="), "INVALID_PARAMETER_VALUE", "Invalid clause"),
        (lambda: tracking.search_traces(["0"], "tags.x RLIKE '('"), "INTERNAL_ERROR", "Regular expression"),
        (lambda: tracking.search_traces(["0"], page_token="no"), "INVALID_PARAMETER_VALUE", "page token"),
        (lambda: tracking.search_traces(["0"], max_results=0), "INVALID_PARAMETER_VALUE", "positive integer"),
        (lambda: tracking.search_traces(["0"], order_by=["tag.x", "tag.x"]), "INTERNAL_ERROR", "duplicate"),
        (lambda: tracking.link_traces_to_run(["t"] * 101, "r"), "INVALID_PARAMETER_VALUE", "more than 100"),
        (lambda: tracking.set_trace_tag("tr-none", "a", "b"), "RESOURCE_DOES_NOT_EXIST", "not found"),
        (lambda: tracking.get_trace("tr-none"), "RESOURCE_DOES_NOT_EXIST", "is not found"),
        (lambda: tracking.get_trace(trace.trace_id), "INTERNAL_ERROR", "not stored in tracking store"),
        (lambda: tracking.get_assessment(trace.trace_id, "a-none"), "RESOURCE_DOES_NOT_EXIST", "a-none"),
    ):
        with pytest.raises(MlflowException, match=words) as error:
            mistake()
        assert error.value.error_code == code, words
    assert found(tracking) == {trace.trace_id}


def test_a_trace_of_a_client_before_mlflow_3_is_begun_and_ended(tracking):
    begun = tracking.deprecated_start_trace_v2("0", NOW_MS, {"rq": "1"}, {"mlflow.traceName": "old", "a": "1"})
    ended = tracking.deprecated_end_trace_v2(begun.request_id, NOW_MS + 7, "OK", {"rs": "2"}, {"b": "2"})
    assert ended.execution_time_ms == 7
    info = tracking.get_trace_info(begun.request_id)
    assert (info.state, info.tags["mlflow.traceName"], info.tags["b"]) == (TraceState.OK, "old", "2")
    assert (info.trace_metadata["rq"], info.trace_metadata["rs"]) == ("1", "2")
