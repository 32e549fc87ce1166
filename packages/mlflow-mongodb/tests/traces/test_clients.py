"""What users write: MLflow's own functions, in a process of their own, on the database and on a server."""

import json
import os
import subprocess
import sys
import textwrap
import urllib.request

import pytest

PROGRAM = textwrap.dedent(
    """
    import sys
    import mlflow
    from mlflow.entities import AssessmentSource
    from mlflow.genai.datasets import create_dataset, get_dataset
    from mlflow.genai.scorers import Guidelines

    mlflow.set_tracking_uri(sys.argv[1])
    experiment = mlflow.set_experiment("chat")

    @mlflow.trace(span_type="TOOL")
    def add(a, b):
        return a + b

    with mlflow.start_run() as run:
        with mlflow.start_span("question", attributes={"lang": "en"}) as span:
            span.set_inputs({"text": "what is 1 + 2?"})
            mlflow.update_current_trace(tags={"team": "a.b"}, metadata={"mlflow.trace.session": "s1"})
            span.set_outputs(add(1, 2))
    mlflow.flush_trace_async_logging()
    trace_id = mlflow.get_last_active_trace_id()

    mlflow.log_feedback(
        trace_id=trace_id, name="good", value=0.75, source=AssessmentSource(source_type="HUMAN", source_id="me")
    )
    mlflow.log_expectation(trace_id=trace_id, name="answer", value=3)
    mlflow.set_trace_tag(trace_id, "seen", "yes")
    for text in (
        "feedback.good > 0.5 AND tags.team = 'a.b' AND tags.seen = 'yes'",
        f"run_id = '{run.info.run_id}'",
        "span.name = 'add' AND span.type = 'TOOL'",
        "trace.text LIKE '%what is 1%'",
        "span.attributes.lang LIKE '%en%' AND metadata.`mlflow.trace.session` = 's1'",
    ):
        traces = mlflow.search_traces(experiment_ids=[experiment.experiment_id], filter_string=text, return_type="list")
        assert [trace.info.trace_id for trace in traces] == [trace_id], text
    assert [span.name for span in traces[0].data.spans] == ["question", "add"]
    assert traces[0].data.spans[0].outputs == 3
    assert {one.name: one.value for one in traces[0].info.assessments} == {"good": 0.75, "answer": 3}

    dataset = create_dataset("golden", experiment_id=[experiment.experiment_id], tags={"a": "b"})
    dataset.merge_records(traces)
    dataset.merge_records([{"inputs": {"text": "2 + 2?"}, "expectations": {"answer": 4}}])
    again = get_dataset(dataset_id=dataset.dataset_id)
    assert len(again.to_df()) == 2 and again.experiment_ids == [experiment.experiment_id], again.to_df()

    scorer = Guidelines(name="polite", guidelines="Be polite.", model="openai:/gpt-4o-mini")
    scorer.register(experiment_id=experiment.experiment_id)
    assert [one.name for one in mlflow.genai.list_scorers(experiment_id=experiment.experiment_id)] == ["polite"]
    print(trace_id)
    """
)


def run_program(uri: str, tmp_path) -> str:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-c", PROGRAM, uri]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()[-1]


@pytest.mark.drawn
def test_a_program_traces_straight_into_the_database(mongo_uri, tracking, tmp_path):
    trace_id = run_program(mongo_uri, tmp_path)
    assert len(tracking.get_trace(trace_id).data.spans) == 2


@pytest.mark.drawn
@pytest.mark.long
def test_a_program_traces_through_a_server(server, tracking, tmp_path):
    trace_id = run_program(server, tmp_path)
    assert len(tracking.get_trace(trace_id).data.spans) == 2
    experiment = tracking.get_experiment_by_name("chat").experiment_id
    # What the page asks for its charts and for one trace.
    question = {
        "experiment_ids": [experiment],
        "view_type": "SPANS",
        "metric_name": "span_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
        "dimensions": ["span_type"],
    }
    answer = ask(f"{server}/api/3.0/mlflow/traces/metrics", question)
    counted = {point["dimensions"]["span_type"]: point["values"]["COUNT"] for point in answer["data_points"]}
    assert counted == {"UNKNOWN": 1.0, "TOOL": 1.0}
    whole = ask(f"{server}/ajax-api/2.0/mlflow/get-trace-artifact?request_id={trace_id}")
    assert [span["name"] for span in whole["spans"]] == ["question", "add"]


def ask(url: str, body: dict | None = None) -> dict:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
