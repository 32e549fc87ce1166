"""A model that was sharded, whole again: torch shards a model for good, so it is built once more."""

from __future__ import annotations

from lightning.pytorch import LightningModule
from torchmetrics import Metric, MetricCollection

from framework_core.contracts.config import RunConfig
from framework_core.tracking.logged_model import without_pretrained
from framework_core.training.preparation import Prepared, build_model
from framework_core.training.strategies.whole_state import WholeState, whole_weights


def whole_model(strategy: WholeState, prepared: Prepared, config: RunConfig) -> LightningModule:
    """Build the model again, with the weights and the metrics of the one that was sharded.

    Args:
        strategy: What it was sharded by.
        prepared: Has the model and its data.
        config: The settings.
    """
    sharded = prepared.model
    weights = whole_weights(strategy)
    model = build_model(without_pretrained(config.model), prepared.data)
    model.load_state_dict(weights)
    for name, child in sharded.named_children():
        if isinstance(child, Metric | MetricCollection):
            setattr(model, name, child)
    return model
