"""Every method of MLflow's tracking store is there: it works, or says that its area is missing."""

import inspect

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.abstract_store import AbstractStore

from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
from framework_mlflow_mongodb.tracking.unsupported import missing_area

# What MLflow's own default does well on top of the other methods.
INHERITED = {
    "__init__",
    "delete_traces",
    "end_async_logging",
    "flush_async_logging",
    "list_scorers_across_experiments",
    "log_batch_async",
    "log_metric_async",
    "log_param_async",
    "log_spans_async",
    "resolve_trace_archival_config",
    "search_runs",
    "set_model_versions_tags",
    "set_tag_async",
    "shut_down_async_logging",
    "_evenly_spaced_indices",
}


def test_no_method_of_mlflow_is_forgotten():
    forgotten = [
        name
        for name, default in inspect.getmembers(AbstractStore, inspect.isfunction)
        if getattr(MongoTrackingStore, name) is default and name not in INHERITED
    ]
    assert forgotten == []


@pytest.mark.parametrize(
    ("method", "area"),
    [
        ("create_review_queue", "review queues"),
        ("search_mcp_servers", "the registry of MCP servers"),
        ("archive_traces", "the archive of traces"),
    ],
)
def test_what_is_missing_answers_501(tracking, method, area):
    with pytest.raises(MlflowException, match=f"does not support {area}") as error:
        getattr(tracking, method)()
    assert error.value.get_http_status_code() == 501
    assert missing_area(method) == area
