"""What is told, in the markup of Slack's messages."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping

from framework_core.contracts.move import VersionMove
from framework_core.contracts.notify import Event
from framework_core.contracts.run import RunInfo, RunResult
from framework_core.durations import clock

MOST_METRICS = 6
LONGEST_CAUSE = 300

ENDS = {"finished": "has finished", "failed": "has failed", "interrupted": "was interrupted"}
MOVES: dict[str, tuple[Event, str]] = {
    "register": ("registered", "was registered"),
    "promote": ("promoted", "was promoted"),
    "demote": ("demoted", "was demoted"),
    "rollback": ("rolled_back", "was put back"),
}
"""The event of each action on a registered model, and its words."""


def escaped(text: str) -> str:
    """Text in which nothing is markup: a run called ``<!channel>`` calls nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def started(run: RunInfo) -> str:
    """A run that has begun."""
    config = run.config
    what = f"{config.model.name} on {config.dataset.name}, experiment {config.experiment.name}, at {platform.node()}"
    return f"{_bold(run.name)} has started: {escaped(what)}"


def epoch_ended(run: RunInfo, epoch: int, metrics: Mapping[str, float]) -> str:
    """An epoch that has ended, counted from 1."""
    return f"{_bold(run.name)}, epoch {epoch}: {_numbers(metrics, 'val/')}"


def reached(run: RunInfo, epoch: int, condition: str, value: float) -> str:
    """A metric that has come to where it was to come."""
    return f"{_bold(run.name)} has reached {escaped(condition)} in epoch {epoch}: {value:.6g}"


def ended(result: RunResult, seconds: float | None) -> str:
    """A run that has ended, however it ended."""
    took = "" if seconds is None else f" after {clock(seconds)}"
    lines = [f"{_bold(result.run.name)} {ENDS[result.status]}{took}, at {escaped(platform.node())}"]
    if result.cause:
        lines.append(escaped(result.cause[:LONGEST_CAUSE]))
    elif result.metrics:
        lines.append(_numbers(result.metrics, "test/"))
    return "\n".join(lines)


def moved(move: VersionMove) -> str:
    """A version of a registered model that was moved."""
    _, words = MOVES[move.action]
    where = f" from {move.from_stage}" if move.from_stage and move.action != "register" else ""
    replaced = "" if move.replaced is None else f", in place of version {move.replaced}"
    forced = ", although a gate refused it" if move.forced else ""
    why = f"\n{move.why}" if move.why else ""
    said = f"{words}{where} to {move.to_stage}{replaced}{forced}, by {move.who}{why}"
    return f"{_bold(f'{move.model}/{move.version}')} {escaped(said)}"


def _bold(name: str) -> str:
    return f"*{escaped(name)}*"


def _numbers(metrics: Mapping[str, float], first: str) -> str:
    """Metrics, those that begin with ``first`` alone where there are any."""
    chosen = {name: value for name, value in metrics.items() if name.startswith(first)} or metrics
    told = [f"{name} {value:.4f}" if math.isfinite(value) else f"{name} {value}" for name, value in chosen.items()]
    return escaped(", ".join(told[:MOST_METRICS]))
