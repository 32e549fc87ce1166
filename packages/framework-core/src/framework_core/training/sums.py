"""Sums that are not complete inside an epoch: metrics, and means of what a model logs."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torchmetrics import Metric


def state(trainer: Trainer, results: Any) -> dict[str, Any]:
    """As far as they have come.

    Args:
        trainer: Lightning's Trainer.
        results: Lightning's collection of what ``training_step`` logged in this epoch.
    """
    logged = {key: _values(result) for key, result in results.items() if result.is_tensor and result._update_count}
    return {"logged": logged, "metrics": {name: _values(each) for name, each in _metrics(trainer.lightning_module)}}


def restore(trainer: Trainer, results: Any, saved: dict[str, Any]) -> None:
    """Go on from there; what is logged is known to Lightning only when it is logged again."""
    module = trainer.lightning_module
    metrics = {name: each for name, each in module.named_modules() if isinstance(each, Metric)}
    for name, values in saved["metrics"].items():
        if name in metrics:
            _set(metrics[name], values, module)
    waiting, update = dict(saved["logged"]), results.update_metrics

    def updated(key: str, *arguments: Any) -> None:
        if key in waiting:
            _set(results[key], waiting.pop(key), module)
        update(key, *arguments)

    if waiting:
        results.update_metrics = updated


def epoch_is_over(results: Any) -> None:
    """What was logged in the epoch's first part and not again is not added to the next epoch."""
    vars(results).pop("update_metrics", None)


def _metrics(module: LightningModule) -> list[tuple[str, Metric]]:
    found = [(name, each) for name, each in module.named_modules() if isinstance(each, Metric)]
    return [(name, each) for name, each in found if each._update_count]


def _values(metric: Metric) -> dict[str, Any]:
    states = {name: _copied(getattr(metric, name)) for name in metric._defaults}
    return {"count": metric._update_count, "states": states}


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    return [each.detach().cpu().clone() for each in value]


def _set(metric: Metric, values: dict[str, Any], module: LightningModule) -> None:
    for name, value in values["states"].items():
        on_device = value.to(module.device) if isinstance(value, Tensor) else [each.to(module.device) for each in value]
        setattr(metric, name, on_device)
    metric._update_count = values["count"]
    metric._computed = None
