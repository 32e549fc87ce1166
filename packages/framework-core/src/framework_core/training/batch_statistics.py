"""The statistics of batch normalisation counted anew, for weights that no batch was normalised with.

A mean of weights does not have the mean of their statistics (Izmailov et al., https://arxiv.org/abs/1803.05407, section
3.2), so training batches go through the network once more, as ``torch.optim.swa_utils.update_bn`` has it.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def refresh(model: nn.Module, trainer: Trainer, pl_module: LightningModule, *, batches: int) -> int:
    """Count the statistics of a model from some training batches. Random numbers stay what they were.

    Args:
        model: The model; a batch's inputs are what it takes.
        trainer: Gives the batches, on its device and in its precision, augmented as in training.
        pl_module: The model that is trained; its hooks bring a batch to the device.
        batches: How many at most.

    Returns:
        How many there were; 0 where the model has no such statistics.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return 0
    momenta = [norm.momentum for norm in norms]
    modes = [(module, module.training) for module in model.modules()]
    for norm in norms:
        norm.reset_running_stats()
        # Without momentum each batch counts alike.
        norm.momentum = None
    model.train()
    count = 0
    try:
        with isolate_rng(), torch.no_grad():
            for batch in itertools.islice(_batches(trainer), batches):
                moved = trainer.strategy.batch_to_device(batch, pl_module.device)
                with trainer.precision_plugin.forward_context():
                    model(moved[0] if isinstance(moved, list | tuple) else moved)
                count += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
    _agree(norms, trainer)
    return count


def _batches(trainer: Trainer) -> Any:
    """Training batches read in this process, so that the loader that training uses goes on undisturbed."""
    datamodule: Any = getattr(trainer, "datamodule", None)
    if datamodule is None or not hasattr(datamodule, "num_workers"):
        return iter(trainer.train_dataloader or ())
    alone = copy.copy(datamodule)
    alone.num_workers = 0
    return iter(alone.train_dataloader())


def _agree(norms: list[_BatchNorm], trainer: Trainer) -> None:
    """The same statistics in every process: the mean of theirs."""
    if trainer.world_size == 1:
        return
    for norm in norms:
        for buffer in (norm.running_mean, norm.running_var):
            if buffer is not None:
                buffer.copy_(trainer.strategy.reduce(buffer.clone(), reduce_op="mean"))
