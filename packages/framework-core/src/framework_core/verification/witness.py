"""What a training did, step by step, and its end by SIGKILL at a chosen one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torchmetrics import Metric, MetricCollection

from framework_core.training.sampling import ResumableBatches

SIMPLE = (bool, int, float, str, type(None))
LIGHTNINGS = ("_current_fx_name", "training", "_is_full_backward_hook")
"""Attributes that are nobody's state."""


class Witness(Callback):
    """Writes down what goes into each step and what comes out, and kills its own process at one of them.

    Args:
        file: Where it is written, a line a step.
        kill_at: Batches after which the process is killed, when the next is about to be trained; ``None`` for never.
    """

    def __init__(self, file: Path, kill_at: int | None) -> None:
        self._file = file
        self._kill_at = kill_at
        self._step: dict[str, Any] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Before a step; its batch is loaded, and that is the moment to die."""
        if trainer.global_rank:
            return
        if self._kill_at is not None and trainer.fit_loop.epoch_loop.total_batch_idx >= self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._step = {
            "epoch": trainer.current_epoch,
            "batch": batch_idx,
            "samples": _samples(trainer, batch_idx),
            "attributes": dict(_attributes(trainer, pl_module)),
            "weights": digest(pl_module.state_dict()),
            "random": digest([random.getstate(), np.random.get_state(), torch.get_rng_state()]),
            "data": digest(batch),
        }

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a step."""
        if trainer.global_rank:
            return
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        self._step["loss"] = None if loss is None else float(loss).hex()
        self._step["lr"] = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self._step) + "\n")


def _samples(trainer: Trainer, batch: int) -> Any:
    loaders = trainer.fit_loop._combined_loader.flattened if trainer.fit_loop._combined_loader else []
    samplers = [getattr(loader, "batch_sampler", None) for loader in loaders]
    found = [each.indices(trainer.current_epoch, batch) for each in samplers if isinstance(each, ResumableBatches)]
    return [[str(index) for index in indices] for indices in found]


def _attributes(trainer: Trainer, module: LightningModule) -> Iterator[tuple[str, Any]]:
    """What the model and the dataset keep in plain attributes, which no checkpoint holds."""
    for name, part in module.named_modules():
        if isinstance(part, Metric | MetricCollection):
            continue  # what they count is in a checkpoint, and what else they keep changes no step
        where = f"model.{name}" if name else "model"
        yield from _simple(where, vars(part))
    dataset = getattr(trainer.datamodule, "train_dataset", None)  # type: ignore[attr-defined]
    if dataset is not None and hasattr(dataset, "__dict__"):
        yield from _simple("dataset", vars(dataset))


def _simple(where: str, attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in attributes.items():
        if name in LIGHTNINGS:
            continue
        if isinstance(value, SIMPLE):
            yield f"{where}.{name}", value
        elif isinstance(value, torch.Generator | random.Random | np.random.Generator | np.random.RandomState):
            yield f"{where}.{name}", digest(_own_state(value))


def _own_state(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return str(generator.bit_generator.state)
    return generator.get_state()


def digest(value: Any) -> str:
    """A fingerprint of tensors and plain values, however nested."""
    found = hashlib.sha256()
    _add(found, value)
    return found.hexdigest()[:16]


def _add(found: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        found.update(f"{value.dtype}{tuple(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    elif isinstance(value, np.ndarray):
        found.update(value.tobytes())
    elif isinstance(value, Mapping):
        for key, each in value.items():
            found.update(repr(key).encode())
            _add(found, each)
    elif isinstance(value, list | tuple):
        for each in value:
            _add(found, each)
    else:
        found.update(repr(value).encode())
