"""Which of two runs is better at what, and how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from framework_core.model_registry.paired import paired_difference
from framework_core.reports.recorded_run import RecordedRun
from framework_core.reports.student import Mean, difference_of, mean_of

LESS = (
    *("loss", "error", "mae", "mse", "rmse", "mape", "smape", "mase", "rmsse", "owa", "crps", "perplexity", "bits"),
    *("wer", "cer", "nll", "brier", "calibration"),
)
"""Words in the names of metrics of which less is better."""

MORE = (
    *("accuracy", "f1", "precision", "recall", "auroc", "auc", "iou", "dice", "map", "bleu", "rouge", "chrf"),
    *("match", "r2", "specificity", "score"),
)
"""Words in the names of metrics of which more is better."""

SURE = 0.975
"""Of each end of an interval: 95 % lie between the two."""

RUN_ONLY = ("seed", "output_dir")
"""Settings in which two runs of one trial may differ, beside all of ``experiment`` and ``notify``."""


@dataclass(frozen=True)
class Verdict:
    """What two runs, or the runs of two trials, come to at one metric.

    Attributes:
        metric: The metric.
        first: The name of the first.
        second: The name of the second.
        difference: By how much the second lies above the first.
        low: The lower end of the 95 % interval of that.
        high: The upper end.
        by: ``samples`` where the test was drawn again, ``seeds`` where there are several runs of each.
        better: The name of the better one; empty where they are not told apart, or nobody knows what better is.
    """

    metric: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    by: Literal["samples", "seeds"]
    better: str

    @property
    def told_apart(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Trial:
    """Runs that differ in their seed alone.

    Attributes:
        name: That of the first.
        runs: Their names.
        means: The mean of each metric of the test and of validation.
    """

    name: str
    runs: tuple[str, ...]
    means: dict[str, Mean]


def less_is_better(metric: str) -> bool | None:
    """Whether less of a metric is better; nothing where its name does not say it."""
    words = metric.rpartition("/")[2].lower().replace("-", "_").split("_")
    if any(word in LESS for word in words):
        return True
    return False if any(word in MORE or word.rstrip("0123456789") in MORE for word in words) else None


def by_samples(first: RecordedRun, second: RecordedRun) -> tuple[list[Verdict], str]:
    """Compare two runs on draws of their common test.

    Returns:
        What they come to at each metric, and why there is nothing where there is nothing.
    """
    tasks = [run.data.get("task", "") for run in (first, second)]
    if tasks[0] != tasks[1]:
        return [], f"{second.name} is for {tasks[1] or 'nothing known'}, {first.name} for {tasks[0] or 'nothing known'}"
    found: list[Verdict] = []
    metrics = (first.resampled or {}).get("metrics", {})
    for metric in [*metrics] or [""]:
        above = paired_difference(metric, second.resampled, first.resampled, SURE, best="max")
        below = paired_difference(metric, second.resampled, first.resampled, SURE, best="min")
        if isinstance(above, str) or isinstance(below, str):
            why = above if isinstance(above, str) else str(below)
            if metric in ("", *[*metrics][:1]):
                return [], why.format(candidate=second.name, holder=first.name)
            continue
        found.append(_verdict(metric, first.name, second.name, Mean(above.mean, above.least, -below.least), "samples"))
    return found, ""


def trials_of(runs: Sequence[RecordedRun]) -> list[Trial]:
    """Runs that differ in their seed alone, where there are such."""
    together: dict[tuple[object, ...], list[RecordedRun]] = {}
    for run in runs:
        settings = tuple(sorted((key, value) for key, value in run.settings.items() if not _is_of_run_only(key)))
        together.setdefault((settings, run.data.get("fingerprint"), run.commit, run.diff), []).append(run)
    return [
        Trial(group[0].name, tuple(run.name for run in group), _means(group))
        for group in together.values()
        if len(group) > 1
    ]


def by_seeds(first: Trial, second: Trial, runs: Sequence[RecordedRun]) -> list[Verdict]:
    """Compare two trials at the metrics that all of their runs have."""
    values = {run.name: run.metrics for run in runs}
    found = []
    for metric in first.means:
        if metric in second.means:
            one, other = ([values[name][metric] for name in trial.runs] for trial in (first, second))
            found.append(_verdict(metric, first.name, second.name, difference_of(one, other), "seeds"))
    return found


def _is_of_run_only(key: str) -> bool:
    return key in RUN_ONLY or key.startswith(("experiment.", "notify."))


def _means(runs: Sequence[RecordedRun]) -> dict[str, Mean]:
    found = {}
    for metric in runs[0].metrics:
        values = [run.metrics.get(metric, math.nan) for run in runs]
        if metric.startswith(("test/", "val/")) and all(map(math.isfinite, values)):
            found[metric] = mean_of(values)
    return found


def _verdict(metric: str, first: str, second: str, found: Mean, by: Literal["samples", "seeds"]) -> Verdict:
    less, better = less_is_better(metric), ""
    if less is not None and (found.low > 0 or found.high < 0):
        better = second if (found.mean < 0) == less else first
    return Verdict(metric, first, second, found.mean, found.low, found.high, by, better)
