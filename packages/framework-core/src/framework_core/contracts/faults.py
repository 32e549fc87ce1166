"""What a run does when something goes wrong in it: numbers that are none, workers that die, steps that hang."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from framework_core.contracts._section import Section


class FaultsConfig(Section):
    """What a run does when something goes wrong in it."""

    not_finite: Literal["stop", "skip", "rollback", "ignore"] = "stop"
    """At a loss or gradient that is NaN or infinite: ``stop``; ``skip`` takes no step with that batch; ``rollback``
    goes back to the last checkpoint and then leaves that batch out, in one process only."""

    loss_spike: Literal["stop", "rollback", "warn", "ignore"] = "ignore"
    """The same at a loss far above the last ones; ``stop`` and ``rollback`` in one process only."""

    spike_threshold: float = Field(default=10.0, gt=0)
    """How many robust standard deviations (1.4826 times the median distance) above the median that is."""

    spike_window: int = Field(default=100, ge=8)
    """How many of the last losses the median is of."""

    every_n_steps: PositiveInt | None = None
    """Steps between two looks at the losses; empty is 1 on a CPU and 50 on a GPU, which waits for each look."""

    max_skips: NonNegativeInt = 10
    """How many batches a run may skip or roll back over before it stops."""

    stop_seconds: float = Field(default=20.0, gt=0)
    """How long, after a signal, the step in hand may take; then the run ends with the checkpoint that was there."""

    worker_seconds: float | None = Field(default=None, gt=0)
    """How long a data worker may take for a batch; empty waits for ever."""

    hang_seconds: float | None = Field(default=1800.0, gt=0)
    """After how long without a step the stacks of all threads are written down; empty never."""

    hang: Literal["warn", "stop"] = "warn"
    """Whether a run that hangs is only told of, or ended."""
