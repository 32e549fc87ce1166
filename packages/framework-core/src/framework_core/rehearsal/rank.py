"""One rank of a training that is rehearsed: everything that it would do, in two steps and a validation."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils._pytree import tree_leaves

from framework_core.contracts.config import RunConfig
from framework_core.errors import FrameworkError, RequestError
from framework_core.rehearsal.asked import Asked
from framework_core.rehearsal.calls import Calls, pretend
from framework_core.rehearsal.told import Told, Trouble
from framework_core.run import made_ready
from framework_core.training.callbacks import training_callbacks
from framework_core.training.performance import applied
from framework_core.training.places import place_of
from framework_core.training.preflight import one_process
from framework_core.training.preparation import Prepared
from framework_core.training.randomness import random_state
from framework_core.training.same_everywhere import facts
from framework_core.training.sampling import place_in
from framework_core.training.streams import ResumableStream
from framework_core.training.trainer import build_trainer

STEPS = 2
"""DDP orders what it exchanges anew after the first one."""

COUNTING_SECONDS = 10.0
"""How long the batches of a stream are counted."""


def rehearse_rank(asked: Asked, rank: int) -> Told:
    """Do what one rank would do, in this process, and tell what it was.

    Args:
        asked: The training.
        rank: Its number.
    """
    told = Told(rank)
    os.environ.update(asked.environment(rank))
    try:
        config = on_processors(asked.settings(), asked)
        told.strategy = config.strategy_name
        prepared, config = made_ready(config)
        told.facts = facts(config, prepared.data, prepared.model)
        del told.facts["model"]  # parameters say more
        told.parameters = _parameters(prepared.model)
        told.random = _digest(random_state())
        pretend(rank, asked.ranks)
        _train(config, prepared, told)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it is what this rank tells
        told.trouble = _trouble(error)
    return told


def on_processors(config: RunConfig, asked: Asked) -> RunConfig:
    """The settings as they can be rehearsed on a machine without GPUs.

    Args:
        config: The settings.
        asked: The training.
    """
    precision = config.trainer.precision
    here = {
        "accelerator": "cpu",
        "devices": None,
        "num_nodes": None,
        "strategy": None,
        "sync_batchnorm": False,
        # Weights, and so what is exchanged, are the same; processors have no such arithmetic.
        "precision": None if str(precision).startswith(("16", "transformer")) else precision,
    }
    together = {"enabled": True, "devices": asked.devices, "num_nodes": asked.nodes}
    quick = {"compile": False, "auto": False}
    return config.model_copy(
        update={
            "trainer": config.trainer.model_copy(update=here),
            "distributed": config.distributed.model_copy(update=together),
            "performance": config.performance.model_copy(update=quick),
            "strategy": rehearsed_as(config.strategy_name),
            "preflight": False,
        }
    )


def rehearsed_as(strategy: str) -> str:
    """The strategy in whose place a model is wrapped here.

    Args:
        strategy: The one that was asked for.
    """
    if strategy == "auto" or strategy.startswith("deepspeed"):
        return "ddp"
    return "fsdp2" if strategy.startswith("fsdp") else strategy


def _train(config: RunConfig, prepared: Prepared, told: Told) -> None:
    calls = Calls(prepared.model)
    watch = _Watch(calls, told)
    trainer = build_trainer(
        config,
        directory=Path.cwd(),
        logger=False,
        callbacks=[watch, *training_callbacks(config)],
        enable_checkpointing=False,
        fast_dev_run=STEPS,
    )
    try:
        with one_process(prepared.datamodule), applied(config, prepared.model), calls:
            trainer.fit(prepared.model, datamodule=prepared.datamodule)
    finally:
        told.calls = calls.found
    _count(trainer, config, told)


class _Watch(Callback):
    """Notes what this rank is given, and what becomes of it."""

    def __init__(self, calls: Calls, told: Told) -> None:
        self._calls = calls
        self._told = told
        self._step = "step 1"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Called when the loaders are there."""
        place: Any = place_in(_loaders(trainer)[0]) if _loaders(trainer) else None
        if place is None or isinstance(place, ResumableStream):
            return
        self._told.samples = len(place.sampler) if place.batch_size else None
        self._told.batch = place.batch_size if place.world_size > 1 else None
        if place.batch_size and len(place):
            self._told.first = _digest(list(place.indices(0, 0)))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Called with each batch."""
        self._step = f"step {batch_idx + 1}"
        self._calls.at(self._step)
        if not self._told.first:
            self._told.first = _digest([each for each in tree_leaves(batch) if isinstance(each, Tensor)])

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Called when there is a loss."""
        self._calls.at(self._step, "the backward pass")

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Called when there are gradients."""
        self._calls.at(self._step)
        if self._step == "step 1":
            named = pl_module.named_parameters()
            self._told.unused = [name for name, each in named if each.requires_grad and each.grad is None]
            # DDP ends the next step with an error, which would say the same.
            trainer.should_stop = bool(self._told.unused)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Called after each step."""
        self._calls.at("between steps")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Called before validation."""
        self._calls.at("validation")


def _loaders(trainer: Trainer) -> list[Any]:
    return list(trainer.fit_loop._loaders())  # type: ignore[attr-defined]


def _count(trainer: Trainer, config: RunConfig, told: Told) -> None:
    """How many batches there are: a stream is gone through, as it may not say it, or not say the truth."""
    until = time.monotonic() + COUNTING_SECONDS
    limit = config.trainer.limit_train_batches
    most = limit if isinstance(limit, int) else 2**62
    told.batches = []
    for loader in _loaders(trainer):
        place = place_in(loader)
        if place is not None and not isinstance(place, ResumableStream):
            told.batches.append(min(len(place), most))
            continue
        if isinstance(place, ResumableStream):
            place.seek(0)
        count = 0
        for _ in loader:
            count += 1
            if count >= most:
                break
            if time.monotonic() > until:
                told.ended = False
                break
        told.batches.append(count)


def _parameters(model: torch.nn.Module) -> dict[str, tuple[str, str]]:
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        name: (f"{'x'.join(map(str, each.shape)) or '1'} {str(each.dtype).removeprefix('torch.')}", _digest([each]))
        for name, each in named.items()
    }


def _digest(values: Any) -> str:
    found = hashlib.blake2b(digest_size=8)
    for each in tree_leaves(values):
        if isinstance(each, Tensor):
            whole = each.to_local() if isinstance(each, DTensor) else each
            found.update(whole.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        else:
            found.update(repr(each).encode())
    return found.hexdigest()


def _trouble(error: BaseException) -> Trouble:
    where = place_of(error.__traceback__)
    if isinstance(error, FrameworkError):
        about_request = isinstance(error, RequestError)
        return Trouble(error.what, error.possible, error.next_step, request=about_request)
    first = str(error).strip().partition("\n")[0][:300]
    return Trouble(f"{type(error).__name__}: {first}", where=where)
