"""A run, from the outside: what events and callers are told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from framework_core.contracts._contract import Contract
from framework_core.contracts.config import RunConfig

Status = Literal["finished", "failed", "interrupted"]


class RunInfo(Contract):
    """A run that has started."""

    run_id: str
    """Its id in the tracking store; its name where nothing is tracked."""

    name: str
    """Its name."""

    directory: Path
    """Its folder: settings, checkpoints, logs."""

    config: RunConfig
    """Everything it was asked to be."""

    tracking_uri: str = ""
    """The store that records it, without credentials; empty where nothing is tracked."""


class RunResult(Contract):
    """A run that has ended."""

    run: RunInfo
    """The run."""

    status: Status
    """How it ended."""

    cause: str = ""
    """What ended it, in a line; empty where it finished."""

    metrics: dict[str, float] = Field(default_factory=dict)
    """Its last metrics: ``train/loss``, ``val/accuracy``, ``test/accuracy`` ..."""

    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Ends of the 95 % interval of each metric of the test, over its samples; empty where it is not told."""

    best_checkpoint: Path | None = None
    """The checkpoint that was best."""

    last_checkpoint: Path | None = None
    """The newest checkpoint: resuming starts from it."""

    command: str = ""
    """The command that repeats the run."""
