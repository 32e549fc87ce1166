"""Runs at MLflow's own limits, and beyond the 16 MB of a document of MongoDB."""

import gc
import threading

import pytest
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException


def text(number, length):
    return f"{number:06}" + "v" * (length - 6)


@pytest.mark.drawn
def test_a_run_outgrows_a_document_and_keeps_every_value(tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    for first in range(0, 3000, 100):
        tracking.log_batch(run, [], [Param(f"p{i}", text(i, 6000)) for i in range(first, first + 100)], [])
    tracking.set_tag(run, RunTag("long", text(1, 8000)))
    data = tracking.get_run(run).data
    assert data.params == {f"p{i}": text(i, 6000) for i in range(3000)}
    assert data.tags["long"] == text(1, 8000)
    (found,) = tracking.search_runs(["0"], f"params.p7 = '{text(7, 6000)}'", ViewType.ALL)
    assert found.data.params["p2999"] == text(2999, 6000)
    assert tracking.search_runs(["0"], f"params.p7 != '{text(7, 6000)}'", ViewType.ALL) == []
    tracking.log_param(run, Param("p7", text(7, 6000)))
    for change in (
        lambda: tracking.log_param(run, Param("p7", text(8, 6000))),
        lambda: tracking.log_batch(run, [], [Param("p7", text(8, 6000))], []),
    ):
        with pytest.raises(MlflowException, match="Changing param values is not allowed"):
            change()


def test_a_batch_of_mlflows_largest_size_is_taken(tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    metrics = [Metric("k" * 240 + str(i), i, 1, 1) for i in range(800)]
    params = [Param("p" * 240 + str(i), "v" * 6000) for i in range(100)]
    tracking.log_batch(run, metrics, params, [RunTag("t" * 240 + str(i), "v" * 8000) for i in range(100)])
    data = tracking.get_run(run).data
    assert (len(data.metrics), len(data.params), len(data.tags)) == (800, 100, 101)


def test_a_dataset_of_mlflows_largest_size_is_taken(tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    dataset = Dataset("d", "1", "local", "s", schema="{}" * 500_000, profile="x" * 16_777_215)
    tracking.log_inputs(run, [DatasetInput(dataset, [])])
    (used,) = tracking.get_run(run).inputs.dataset_inputs
    assert used.dataset.profile == dataset.profile
    assert used.dataset.schema == dataset.schema


def test_a_search_leaves_the_garbage_collector_as_it_was(tracking):
    experiment = tracking.create_experiment("collected")
    assert gc.isenabled()
    threads = [threading.Thread(target=tracking.search_runs, args=([experiment], "", 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.isenabled()
    gc.disable()
    try:
        tracking.search_runs([experiment], "", 1)
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(MlflowException):
        tracking.search_runs([experiment], "no filter", 1)
    assert gc.isenabled()
