"""What fits: the memory of a training on each device, by strategy, and the largest batch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psutil
from lightning.pytorch import LightningModule
from torch import nn

from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigError, ConfigProblem, NothingFoundError
from framework_core.training.device import device
from framework_core.training.footprint import Footprint, counted, predicted, samples_of
from framework_core.training.preflight import one_process
from framework_core.training.preparation import Prepared

USABLE = 0.9
"""The part of a device's memory that is planned with: libraries and gaps between tensors take some too."""

TRIES = 4

COPIES = 5
"""As many times as its weights a real step holds: the copy that it is taken with, gradients and two moments, and those
of the model itself."""

FEW = (2, 4)
"""Samples with which real steps begin, to see whether those with more fit."""

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
        tried: Why real steps were taken: what the model does that needs numbers; empty where nothing was computed.
    """

    footprint: Footprint
    fits: tuple[Fit, ...]
    advice: str
    tried: str = ""


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
        NothingFoundError: A real step is needed and fails or does not fit here, or the model is recurrent and trained
            on a GPU.
    """
    if any(isinstance(each, nn.RNNBase) for each in prepared.model.modules()) and not _on_processor(config, devices):
        raise _none("what a recurrent layer keeps on a GPU only its library knows, which tells it there.")
    datamodule: Any = prepared.datamodule
    with one_process(datamodule):
        batch = next(iter(datamodule.train_dataloader()))

    at, tried = _way(prepared.model, batch, config)
    given, count = at(None), devices.count if devices else 1
    parts = count if config.distributed.batch == "global" else 1
    own = given if parts == 1 else at(math.ceil(given.batch_size / parts))
    most = max(1, prepared.data.split_sizes.get("train", 0) // count)
    fits = []
    for name, share in _strategies(prepared.model, count).items():
        largest = None if devices is None else _largest(at, own, share, int(devices.memory * USABLE), most) * parts
        fits.append(Fit(name, share(own), largest))
    advice = next((each.strategy for each in fits if each.largest is not None and each.largest >= given.batch_size), "")
    return FitCheck(given, tuple(fits), advice, tried)


def _way(model: LightningModule, batch: Any, config: RunConfig) -> tuple[Callable[[int | None], Footprint], str]:
    """How the memory of a batch of any size is found, and why by real steps where it is."""
    try:
        predicted(model, batch, config)
    except Exception as error:  # noqa: BLE001  # whatever a model does, a real step shows whether it can be done
        first = str(error).strip().partition("\n")[0][:200]
        return _RealSteps(model, batch, config).at, f"{type(error).__name__}: {first}"
    return lambda size: predicted(model, batch, config, size=size), ""


class _RealSteps:
    """The memory of a model that looks at numbers: by real steps, and for large batches by a line through two of them.

    Args:
        model: The model, built.
        batch: A batch as the loader gives it.
        config: The settings of the run.
    """

    def __init__(self, model: LightningModule, batch: Any, config: RunConfig) -> None:
        self._model = model
        self._batch = batch
        self._config = config
        self._length = samples_of(batch)
        self._known: dict[int, Footprint] = {}

    def at(self, size: int | None) -> Footprint:
        """The memory of a batch of so many samples; of the batch itself where nobody says."""
        size, most = size or self._length, 2 * self._length
        self._see_that_it_fits(min(size, most))
        return self._counted(size) if size <= most else self._line(self._length, most, size)

    def _see_that_it_fits(self, size: int) -> None:
        """A step for which the memory of this machine is too small would end the program."""
        here = psutil.virtual_memory().available
        if (fixed := COPIES * _bytes(self._model)) > here:
            raise self._too_large(fixed, here)
        if size > FEW[-1] and (needed := self._line(*FEW, size).peak) > here:
            raise self._too_large(needed, here)

    def _line(self, few: int, more: int, size: int) -> Footprint:
        first, second = self._counted(few), self._counted(more)
        peak = first.peak + (second.peak - first.peak) * (size - few) / (more - few)
        return replace(second, batch_size=size, peak=math.ceil(peak))

    def _counted(self, size: int) -> Footprint:
        if size not in self._known:
            try:
                self._known[size] = counted(self._model, self._batch, self._config, size=size)
            except Exception as error:
                first = str(error).strip().partition("\n")[0][:200]
                raise _none(f"a step of the model fails: {type(error).__name__}: {first}") from error
        return self._known[size]

    def _too_large(self, needed: int, here: int) -> NothingFoundError:
        return _none(
            f"the model looks at numbers on the way, and a real step takes {needed / 2**30:.1f} GiB; here "
            f"{here / 2**30:.1f} are free."
        )


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
    lists = [each for each in model.modules() if isinstance(each, nn.ModuleList | nn.Sequential) and len(each) > 1]
    blocks = [block for each in lists for block in each if not any(part in lists for part in block.modules())]
    return max([_bytes(model) - sum(map(_bytes, blocks)), *map(_bytes, blocks)])


def _bytes(module: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in module.parameters())


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
