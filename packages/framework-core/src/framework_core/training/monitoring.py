"""The metrics that decide something: which checkpoint is best, when to stop, when to lower the learning rate."""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch import Callback, LightningModule, Trainer

from framework_core.errors import ConfigError, ConfigProblem, near_names


class MonitoredMetrics(Callback):
    """Looks after the first validation whether every monitored metric is there, and says what there is if not.

    Args:
        metrics: The metric of each setting: ``{"checkpoint.monitor": "val/accuracy"}``.
    """

    def __init__(self, metrics: Mapping[str, str]) -> None:
        self._metrics = dict(metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look once.

        Raises:
            ConfigError: A monitored metric is not there.
        """
        if trainer.sanity_checking or not self._metrics:
            return
        known = sorted(trainer.callback_metrics)
        missing = {key: name for key, name in self._metrics.items() if name not in known}
        self._metrics = {}
        if missing:
            raise ConfigError([_problem(key, name, known) for key, name in missing.items()])


def _problem(key: str, name: str, known: list[str]) -> ConfigProblem:
    there_are = f"there are {', '.join(known)}" if known else "the model logs none"
    return ConfigProblem(key, f"the run has no metric {name!r}; {there_are}", near=near_names(name, known))
