"""The loss that a run recorded for one step."""

from __future__ import annotations

import json
from pathlib import Path

from framework_core.tracking.lookup import RunRecord
from framework_core.training.failures import FACTS, FOLDER

CURVE = "train/loss"


def recorded_loss(record: RunRecord, step: int) -> float | None:
    """The loss of one step, from a failure's folder or the tracking store; ``None`` where only means are known."""
    found = _from_failures(record.directory, step)
    return found if found is not None else _from_store(record, step)


def _from_failures(run: Path, step: int) -> float | None:
    for file in sorted((run / FOLDER).glob(f"*/{FACTS}")):
        losses = json.loads(file.read_text("utf-8")).get("losses_by_step", {})
        if str(step) in losses:
            return float(losses[str(step)])
    return None


def _from_store(record: RunRecord, step: int) -> float | None:
    if not record.tracking_uri:
        return None
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        history = MlflowClient(record.tracking_uri).get_metric_history(record.run_id, CURVE)
    except MlflowException:
        return None
    points = {point.step: point.value for point in history}
    alone = step == 1 or step - 1 in points
    return points.get(step) if alone else None
