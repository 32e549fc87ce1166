"""Which samples a batch was made of: their numbers in the dataset, by arithmetic, without reading them."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer


def sample_ids(trainer: Trainer, epoch: int, batch: int) -> list[int]:
    """The numbers of a training batch's samples in the dataset; empty where the loader cannot say.

    Args:
        trainer: The Trainer, with its training data set up.
        epoch: The epoch, from 0.
        batch: The batch in it, from 0.
    """
    combined: Any = getattr(trainer.fit_loop, "_combined_loader", None)
    loaders = combined.flattened if combined is not None else []
    indices = getattr(getattr(loaders[0], "batch_sampler", None), "indices", None) if len(loaders) == 1 else None
    return [int(each) for each in indices(epoch, batch)] if indices is not None else []
