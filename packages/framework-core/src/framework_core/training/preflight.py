"""The check before the first epoch: one real batch through the model, and what does not fit said in words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.data import sized_len
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from framework_core.base.model import BaseModel
from framework_core.contracts.checks import BatchSummary, DataContract
from framework_core.contracts.data import DataSpec
from framework_core.errors import ContractError, FrameworkError
from framework_core.training.first_batch import SAMPLES as CLOSELY
from framework_core.training.first_batch import look
from framework_core.training.memory import is_out_of_memory
from framework_core.training.streams import wrong_resume

_log = logging.getLogger("framework_core")

SAMPLES = 2
"""How many samples go through the model: enough to see what does not fit, and no more."""


def check(
    model: LightningModule, datamodule: LightningDataModule, data: DataSpec, *, subject: str, closely: bool
) -> Any:
    """Run one batch of the data through the model, changing neither.

    Args:
        model: The model.
        datamodule: The data, set up.
        data: What the data said it is.
        subject: What is checked, for the message.
        closely: Whether to look for what is allowed and unlikely to be meant, too.

    Returns:
        A few real inputs, as an example of what the model takes; ``None`` where batches are no pairs.

    Raises:
        ContractError: Something does not fit.
    """
    advice = model.contract.advice if isinstance(model, BaseModel) else ""
    if isinstance(model, BaseModel):
        _refuse(subject, model.contract.check(data), advice)
    with isolate_rng(), one_process(datamodule):
        batches = _train_batches(datamodule)
        _refuse(subject, wrong_resume(batches))
        batch = next(iter(batches))
    if not is_pair(batch):
        return None
    inputs, target = batch
    _refuse(subject, DataContract(data=data).check(summary_of(inputs, target, data.ignore_index)))
    if isinstance(model, BaseModel):
        _refuse(subject, _check_outputs(model, inputs[:SAMPLES], target[:SAMPLES], data), advice)
        if closely:
            _look(model, inputs, target)
    return inputs[:SAMPLES]


def _look(model: BaseModel, inputs: Tensor, target: Tensor) -> None:
    try:
        seen = look(model, inputs, target)
    except (RuntimeError, ValueError) as error:
        # A small part of a batch may be too small for a layer that a whole batch suits.
        _log.info("preflight not possible with %d samples: %s", CLOSELY, str(error).partition("\n")[0])
        return
    cost = f"{seen.samples} samples forward and backward in {seen.seconds:.1f} s"
    _log.info("preflight %s%s  else: preflight=false", cost, "" if seen.warnings else ", nothing to remark")
    for warning in seen.warnings:
        _log.warning("preflight %s", warning)


def _check_outputs(model: BaseModel, inputs: Tensor, target: Tensor, data: DataSpec) -> list[str]:
    training = model.training
    try:
        with isolate_rng(), torch.no_grad():
            outputs = model.eval()(inputs)
            found = _wrong_outputs(outputs, data)
            if not found and not torch.isfinite(loss := model.loss(outputs, target)).all():
                found = [f"the loss of a first batch is {float(loss):g}"]
        return found
    except FrameworkError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        if is_out_of_memory(error):
            raise
        first = str(error).strip().partition("\n")[0]
        return [f"the model cannot take a batch of shape {_by(inputs.shape)}: {type(error).__name__}: {first}"]
    finally:
        model.train(training)


def _wrong_outputs(outputs: Any, data: DataSpec) -> list[str]:
    if not isinstance(outputs, Tensor) or not data.num_outputs:
        return []
    if outputs.ndim < 2 or outputs.shape[1] != data.num_outputs:
        given = outputs.shape[1] if outputs.ndim > 1 else 1
        what = "classes" if data.num_classes else "targets"
        return [f"the model gives {given} outputs for a sample, the data has {data.num_outputs} {what}"]
    return []


def summary_of(inputs: Tensor, target: Tensor, ignore_index: int | None) -> BatchSummary:
    """A batch in plain values."""
    counted = target if ignore_index is None else target[target != ignore_index]
    values = counted if counted.numel() else torch.zeros(1)
    return BatchSummary(
        input_shape=tuple(inputs.shape),
        input_dtype=str(inputs.dtype).removeprefix("torch."),
        target_shape=tuple(target.shape),
        target_dtype=str(target.dtype).removeprefix("torch."),
        target_min=float(values.min()),
        target_max=float(values.max()),
        inputs_finite=not inputs.is_floating_point() or bool(torch.isfinite(inputs).all()),
        targets_finite=not target.is_floating_point() or bool(torch.isfinite(target).all()),
    )


def is_pair(batch: Any) -> bool:
    """Whether a batch is inputs and targets."""
    return isinstance(batch, list | tuple) and len(batch) == 2 and all(isinstance(each, Tensor) for each in batch)


def _train_batches(datamodule: LightningDataModule) -> Any:
    batches = datamodule.train_dataloader()
    if sized_len(batches) == 0:
        raise ContractError("The data cannot be trained on", ["it gives no training batch"])
    return batches


@contextmanager
def one_process(datamodule: Any) -> Iterator[None]:
    """Without worker processes, which would be started for a single batch."""
    workers = getattr(datamodule, "num_workers", None)
    datamodule.num_workers = 0
    try:
        yield
    finally:
        datamodule.num_workers = workers


def _refuse(subject: str, violations: list[str], advice: str = "") -> None:
    if violations:
        raise ContractError(f"{subject} do not fit", violations, next_step=advice)


def _by(shape: torch.Size) -> str:
    return "x".join(str(length) for length in shape)
