"""Early stopping that is decided again when a run is continued, by the settings it has then."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer, callbacks

from framework_core.contracts.config import EarlyStoppingConfig


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's early stopping; a patience that was changed holds for a run that is continued."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What was counted, and not how far is counted."""
        super().load_state_dict({**state_dict, "patience": self.patience})


def early_stopping(settings: EarlyStoppingConfig, *, monitor: str, mode: str) -> callbacks.EarlyStopping:
    """What ends training before its time."""
    return EarlyStopping(
        monitor=settings.monitor or monitor,
        mode=settings.mode or mode,
        patience=settings.patience or 1,
        min_delta=settings.min_delta,
        stopping_threshold=settings.stopping_threshold,
        divergence_threshold=settings.divergence_threshold,
    )


def reasons(trainer: Trainer) -> dict[str, Any]:
    """What has stopped the training, by the callback: its patience, or the thresholds it had."""
    found = _all(trainer) if trainer.should_stop else []
    return {each.state_key: None if _is_out_of_patience(each) else _thresholds(each) for each in found}


def still_holds(trainer: Trainer, saved: dict[str, Any]) -> bool:
    """Whether it would stop the training as it is set now."""
    return any(
        _is_out_of_patience(each) if saved[each.state_key] is None else saved[each.state_key] == _thresholds(each)
        for each in _all(trainer)
        if each.state_key in saved
    )


def _all(trainer: Trainer) -> list[callbacks.EarlyStopping]:
    every: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return [each for each in every if isinstance(each, callbacks.EarlyStopping)]


def _is_out_of_patience(callback: callbacks.EarlyStopping) -> bool:
    return callback.wait_count >= callback.patience


def _thresholds(callback: callbacks.EarlyStopping) -> list[float | None]:
    return [callback.stopping_threshold, callback.divergence_threshold]
