"""What the last test answered, sample by sample, and how far its metrics can be trusted."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from framework_core.base.gathering import gather_samples
from framework_core.base.model import BaseModel
from framework_core.training.common_answer import highest

LIMIT = 20_000_000
"""Numbers in the outputs of a test; more than this are not kept, and nothing is told from them."""

MOST_RESAMPLES, FEWEST_RESAMPLES, WORK = 400, 100, 400_000_000
"""How often a test is drawn again: for large outputs less often, so that it takes seconds."""
LEVEL = 0.95


@dataclass(frozen=True)
class Answers:
    """What the model answered to each sample of the test, in the order of the data.

    Attributes:
        outputs: What the model gave, the sample axis first.
        target: What was right.
    """

    outputs: Tensor
    target: Tensor


class KeptAnswers(Callback):
    """Keeps what ``test_step`` returns under ``outputs`` and ``target``, where both are tensors and small enough.

    Of several processes each sees some of the samples; at the end all of them have the answers to all.

    Attributes:
        alone: Whether one process has seen all of the test.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, Tensor]] = []
        self._count = 0
        self._complete = True
        self.alone = True

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._parts, self._count, self._complete = [], 0, True
        self.alone = trainer.world_size == 1

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep one batch."""
        pair = _pair(outputs)
        self._count += pair[0].numel() if pair else 0
        if pair is None or not self._complete or self._count > LIMIT:
            self._complete, self._parts = False, []
            return
        given, target = (each.detach().cpu() for each in pair)
        if target.dtype == torch.bfloat16:
            target = target.float()  # NumPy has no such numbers
        self._parts.append((given.float() if given.is_floating_point() else given, target))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put together what all processes have."""
        if self.alone:
            return
        own = self.answers
        too_many = own is None or self._count * trainer.world_size > LIMIT
        (left_out,) = highest(float(too_many), device=pl_module.device)
        if own is None or left_out:
            self._complete, self._parts = False, []
            return
        dataset = getattr(trainer.test_dataloaders, "dataset", None)
        samples = len(dataset) if isinstance(dataset, Sized) else None
        rows = list(zip(own.outputs.numpy(), own.target.numpy(), strict=True))
        outputs, target = zip(*gather_samples(rows, samples=samples), strict=True)
        self._parts = [(torch.from_numpy(np.stack(outputs)), torch.from_numpy(np.stack(target)))]

    @property
    def answers(self) -> Answers | None:
        """All of the test; nothing where it was too large, or a model gave no tensors."""
        if not self._complete or not self._parts:
            return None
        outputs, target = (torch.cat(each) for each in zip(*self._parts, strict=True))
        return Answers(outputs, target)


def _pair(returned: Any) -> tuple[Tensor, Tensor] | None:
    if not isinstance(returned, Mapping):
        return None
    given, target = returned.get("outputs"), returned.get("target")
    if not isinstance(given, Tensor) or not isinstance(target, Tensor) or not given.ndim or not target.ndim:
        return None
    return given, target


@dataclass(frozen=True)
class Resampled:
    """A test drawn again many times, its samples with replacement.

    The samples of each draw depend on how many there are and on nothing else, so that two models that were tested on
    the same samples can be compared draw by draw.

    Attributes:
        samples: How many samples the test has.
        target: The SHA-256 of what was right for each.
        drawn: The SHA-256 of the numbers of the samples in the first draw.
        metrics: What each metric was in each draw; only metrics that are single numbers.
    """

    samples: int
    target: str
    drawn: str
    metrics: dict[str, list[float]]


def resampled(model: BaseModel, answers: Answers) -> Resampled:
    """Draw a test again many times (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 6).

    Args:
        model: Has the metrics and the loss.
        answers: What it answered to each sample.
    """
    generator = torch.Generator().manual_seed(0)
    count, first = len(answers.target), ""
    metrics = model.test_metrics.clone().cpu()
    drawn: dict[str, list[float]] = {}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # a class that was not drawn
        for _ in range(min(MOST_RESAMPLES, max(FEWEST_RESAMPLES, WORK // answers.outputs.numel()))):
            index = torch.randint(count, (count,), generator=generator)
            first = first or _digest(index)
            outputs, target = answers.outputs[index], answers.target[index]
            metrics.reset()
            metrics.update(outputs, target)
            found = {"test/loss": model.loss(outputs, target), **metrics.compute()}
            for name, value in found.items():
                if value.numel() == 1:
                    drawn.setdefault(name, []).append(float(value))
    return Resampled(count, _digest(answers.target), first, drawn)


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()


def intervals(found: Resampled) -> dict[str, tuple[float, float]]:
    """The range in which each metric of the test lies for 95 % of test sets like this one.

    Percentile bootstrap over samples (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). It
    tells what the choice of test samples does, and nothing about other seeds or other data.

    Args:
        found: The test drawn again many times.

    Returns:
        Lower and upper end by the metric's name.
    """
    return {name: _ends(torch.tensor(values)) for name, values in found.metrics.items()}


def _ends(values: Tensor) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    return float(values.nanquantile(tail)), float(values.nanquantile(1 - tail))


def by_group(model: BaseModel, answers: Answers, name: str, values: Sequence[str]) -> list[dict[str, Any]]:
    """The loss and the metrics of each group of samples, then their mean and deviation over groups.

    Args:
        model: Has the metrics and the loss.
        answers: What it answered to each sample.
        name: What a group is: ``speaker``. It heads the column of names.
        values: The group of each sample.

    Returns:
        A row for each group; the last two, ``(mean)`` and ``(std)``, are over groups, the deviation that of a sample.
    """
    indices: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        indices.setdefault(value, []).append(index)
    rows = [
        {name: value, "samples": len(indices[value]), **_measured(model, answers, indices[value])}
        for value in sorted(indices)
    ]
    measures = [key for key in rows[0] if key not in (name, "samples")]
    columns = {key: torch.tensor([row.get(key, math.nan) for row in rows], dtype=torch.float64) for key in measures}
    known = {key: column[~column.isnan()] for key, column in columns.items()}
    means = {key: round(float(each.mean()), 6) for key, each in known.items()}
    spread = {key: round(float(each.std()), 6) if len(each) > 1 else math.nan for key, each in known.items()}
    whole = {"samples": len(values)}
    return [*rows, {name: "(mean)", **whole, **means}, {name: "(std)", **whole, **spread}]


def _measured(model: BaseModel, answers: Answers, indices: Sequence[int]) -> dict[str, float]:
    outputs, target = answers.outputs[indices], answers.target[indices]
    metrics = model.test_metrics.clone().cpu()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # a class that a group does not have
        metrics.reset()
        metrics.update(outputs, target)
        found = {"test/loss": model.loss(outputs, target), **metrics.compute()}
    return {key.removeprefix("test/"): round(float(value), 6) for key, value in found.items() if value.numel() == 1}


def losses(model: BaseModel, answers: Answers) -> list[float]:
    """The loss of each sample, taken alone."""
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            float(model.loss(answers.outputs[index : index + 1], answers.target[index : index + 1]))
            for index in range(len(answers.target))
        ]
