"""Searches for runs in experiments of every size: by the index of what is sorted by, or by sorting all runs."""

import math

import pytest
from mlflow.entities import Metric, RunStatus, ViewType

from framework_mlflow_mongodb.search.sizes import COUNTED, Size

VALUES = [math.nan, math.inf, -math.inf, None, *(float(number % 17) for number in range(26))]


def logged(store, experiment, runs):
    """Make runs with repeated, special and missing values; return their ids with the values."""
    found = []
    for number in range(runs):
        run = store.create_run(experiment, "u", number // 2, [], f"r{number}").info.run_id
        value = VALUES[number % len(VALUES)]
        if value is not None:
            store.log_metric(run, Metric("m", value, 1, 1))
        found.append((run, number // 2, value))
    return found


def ordered(runs, ascending):
    """NaN and then missing values at the end, runs of one value from the newest, and by their ids."""
    rank = {None: 2}

    def key(run):
        run_id, start, value = run
        special = rank.get(value, 1 if value is not None and math.isnan(value) else 0)
        number = 0 if special else value if ascending else -value
        return special, number, -start, run_id

    return [run[0] for run in sorted(runs, key=key)]


def every_page(store, experiment, rows, order):
    found, token = [], None
    while True:
        page = store.search_runs([experiment], None, ViewType.ALL, rows, [order], token)
        found += [run.info.run_id for run in page]
        token = page.token
        if token is None:
            return found


@pytest.mark.parametrize(
    ("filter_string", "starts"),
    [
        ("attributes.start_time > 3", [4, 5]),
        ("attributes.start_time <= 1.5", [1]),
        ("start_time = 2", [2]),
        ("start_time != 2 AND end_time >= 30", [3, 4, 5]),
    ],
)
def test_times_are_compared_as_numbers(tracking, filter_string, starts):
    for start in range(1, 6):
        run = tracking.create_run("0", "u", start, [], f"r{start}").info.run_id
        tracking.update_run_info(run, RunStatus.FINISHED, 10 * start, None)
    found = tracking.search_runs(["0"], filter_string, ViewType.ALL)
    assert sorted(run.info.start_time for run in found) == starts


@pytest.mark.parametrize("drop_index", [False, True])
def test_pages_are_in_order_in_a_large_and_in_a_small_experiment(tracking, drop_index):
    large, small = (tracking.create_experiment(name) for name in ("large", "small"))
    runs = {experiment: logged(tracking, experiment, count) for experiment, count in ((large, 150), (small, 12))}
    if drop_index:
        tracking._collection("runs").drop_index("mv.$**_1")
    for experiment, found in runs.items():
        for order, ascending in (("metrics.m ASC", True), ("metrics.m DESC", False)):
            assert every_page(tracking, experiment, 3, order) == ordered(found, ascending)


def test_a_small_experiment_beside_a_large_one_is_sorted():
    assert Size(1_000, 1_000_000).sorts_faster(101, filtered=False)
    assert Size(10_000, 1_000_000).sorts_faster(101, filtered=True)
    assert not Size(100_000, 1_000_000).sorts_faster(101, filtered=False)
    assert not Size(10_000, 10_000).sorts_faster(101, filtered=True)
    assert not Size(COUNTED, 100 * COUNTED).sorts_faster(10_000, filtered=True)
