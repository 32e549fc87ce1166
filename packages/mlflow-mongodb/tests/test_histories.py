"""Histories of metrics whose points are put together in fewer documents."""

from __future__ import annotations

import pytest
from mlflow.entities import Metric, RunStatus


@pytest.mark.parametrize(("points", "batches"), [(100, 11), (200, 6), (250, 9), (300, 11), (499, 5)])
def test_a_run_that_ends_keeps_every_point_of_its_batches(tracking, points, batches):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    for batch in range(batches):
        steps = range(batch * points, (batch + 1) * points)
        tracking.log_batch(run, [Metric("loss", float(step), step, step) for step in steps], [], [])
    tracking.update_run_info(run, RunStatus.FINISHED, 1, None)
    assert [metric.step for metric in tracking.get_metric_history(run, "loss")] == list(range(points * batches))
