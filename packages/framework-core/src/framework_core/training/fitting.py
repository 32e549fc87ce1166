"""What fits: the memory of a training on each device, by strategy, and the largest batch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningModule
from torch import nn

from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigError, ConfigProblem, NothingFoundError
from framework_core.training.device import device
from framework_core.training.footprint import Footprint, predicted
from framework_core.training.preflight import one_process
from framework_core.training.preparation import Prepared

USABLE = 0.9
"""The part of a device's memory that is planned with: libraries and gaps between tensors take some too."""

TRIES = 4
DEVICES = re.compile(r"(?:(\d+)\s*[x*]\s*)?(\d+(?:\.\d+)?)\s*(GiB|GB|G|MiB|MB|M)", re.IGNORECASE)
UNITS = {"GIB": 2**30, "G": 2**30, "GB": 10**9, "MIB": 2**20, "M": 2**20, "MB": 10**6}


@dataclass(frozen=True)
class Devices:
    """What there is to train on.

    Attributes:
        count: How many.
        memory: The bytes of each.
    """

    count: int
    memory: int


@dataclass(frozen=True)
class Fit:
    """A strategy on these devices.

    Attributes:
        strategy: Its name.
        peak: Bytes on each device, with its part of the batch that was asked for.
        largest: The largest ``dataset.batch_size`` that fits; ``None`` where nobody said what there is, 0 where none
            does.
    """

    strategy: str
    peak: int
    largest: int | None


@dataclass(frozen=True)
class FitCheck:
    """What was found.

    Attributes:
        footprint: One device, nothing shared.
        fits: By strategy, the simplest first.
        advice: The simplest strategy with which the batch fits; empty where none does, or nobody said what there is.
    """

    footprint: Footprint
    fits: tuple[Fit, ...]
    advice: str


def devices_of(text: str) -> Devices:
    """What ``8 x 24GiB`` stands for.

    Raises:
        ConfigError: Nothing.
    """
    found = DEVICES.fullmatch(text.strip())
    if found is None or int(found[1] or 1) < 1:
        message = "this is no number of devices with their memory"
        raise ConfigError([ConfigProblem("--devices", message, value=text)], next_step="For example: '8 x 24GiB'")
    return Devices(int(found[1] or 1), int(float(found[2]) * UNITS[found[3].upper()]))


def fit_check(config: RunConfig, prepared: Prepared, devices: Devices | None) -> FitCheck:
    """Predict the memory of a training step, and what fits.

    Args:
        config: The settings of the run.
        prepared: Data and model.
        devices: What there is; without it, one device and nothing said of what fits.

    Raises:
        NothingFoundError: The model does something that needs real numbers, or is recurrent and trained on a GPU.
    """
    if any(isinstance(each, nn.RNNBase) for each in prepared.model.modules()) and not _on_processor(config, devices):
        raise _none("what a recurrent layer keeps on a GPU only its library knows, which tells it there.")
    datamodule: Any = prepared.datamodule
    with one_process(datamodule):
        batch = next(iter(datamodule.train_dataloader()))

    def at(size: int | None) -> Footprint:
        try:
            return predicted(prepared.model, batch, config, size=size)
        except Exception as error:
            first = str(error).strip().partition("\n")[0][:200]
            cause = f"the model does something that needs real numbers: {type(error).__name__}: {first}"
            raise _none(cause) from error

    given, count = at(None), devices.count if devices else 1
    parts = count if config.distributed.batch == "global" else 1
    own = given if parts == 1 else at(math.ceil(given.batch_size / parts))
    most = max(1, prepared.data.split_sizes.get("train", 0) // count)
    fits = []
    for name, share in _strategies(prepared.model, count).items():
        largest = None if devices is None else _largest(at, own, share, int(devices.memory * USABLE), most) * parts
        fits.append(Fit(name, share(own), largest))
    advice = next((each.strategy for each in fits if each.largest is not None and each.largest >= given.batch_size), "")
    return FitCheck(given, tuple(fits), advice)


def _on_processor(config: RunConfig, devices: Devices | None) -> bool:
    """Whether a processor trains; of devices that are somewhere else only the settings tell."""
    accelerator = config.trainer.accelerator
    return accelerator == "cpu" if devices else device(accelerator).kind == "cpu"


def _strategies(model: LightningModule, count: int) -> dict[str, Callable[[Footprint], int]]:
    """Bytes of a device by strategy; what is shared is the fixed part, never that of the batch."""
    if count == 1:
        return {"one device": lambda of: of.peak}
    unit = _largest_block(model)
    return {
        # DDP exchanges gradients in buckets, which it holds beside them.
        "ddp": lambda of: of.peak + of.gradients,
        # While a block is used it is whole, and the next one is fetched meanwhile.
        "fsdp2": lambda of: math.ceil((of.weights + of.gradients + of.optimizer) / count) + of.rest + 2 * unit,
    }


def _largest_block(model: nn.Module) -> int:
    """Bytes of the largest part that is used at once: a block of a list of blocks, or what is in none."""

    def weight(module: nn.Module) -> int:
        return sum(each.numel() * each.element_size() for each in module.parameters())

    lists = [each for each in model.modules() if isinstance(each, nn.ModuleList | nn.Sequential) and len(each) > 1]
    blocks = [block for each in lists for block in each if not any(part in lists for part in block.modules())]
    return max([weight(model) - sum(map(weight, blocks)), *map(weight, blocks)])


def _largest(
    at: Callable[[int | None], Footprint],
    given: Footprint,
    share: Callable[[Footprint], int],
    memory: int,
    most: int,
) -> int:
    """The largest batch: by a line through two sizes, and smaller until it fits where the line leads."""
    twice = at(2 * given.batch_size)
    slope = max((share(twice) - share(given)) / given.batch_size, 1.0)
    size = min(most, math.floor(given.batch_size + (memory - share(given)) / slope))
    for _ in range(TRIES):
        if size < 1:
            break
        needed = share(at(size))
        if needed <= memory:
            return size
        size = min(size - 1, math.floor(size - (needed - memory) / slope))
    return 0


def _none(cause: str) -> NothingFoundError:
    return NothingFoundError(
        "memory of a step",
        cause,
        possible="What fits can be tried on the device itself.",
        next_step="Try it there: fw find batch-size",
    )
