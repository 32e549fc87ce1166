"""How data is best loaded, by a short trial: what a batch costs to load beside what a step costs.

On a processor the two share the cores, so loading elsewhere gains what the trial says and costs what a process costs: a
start of seconds, memory, and handing batches over. On an accelerator nothing is measured: it waits for nobody, so all
cores load.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from framework_core.base.datamodule import AHEAD, BaseDataModule, cores
from framework_core.base.loading_plan import LoadingPlan
from framework_core.base.model import BaseModel
from framework_core.cache import cache_folder
from framework_core.contracts.config import RunConfig
from framework_core.training.device import Device
from framework_core.training.first_batch import unchanged
from framework_core.training.preflight import one_process
from framework_core.training.preparation import Prepared

LOADING_SECONDS = 0.5
"""How long samples are loaded on trial."""

SAMPLES = 4
"""Samples of a batch on trial; a whole batch is taken to cost in proportion."""

BATCHES = 16
"""How many of those are loaded at most."""

NOTHING = 0.05
"""The share of a step that loading may take before another process is worth its start."""

UNEVEN = 2.0
"""How many times longer than usual a batch may take before more are kept ready."""

_FORM = 1
_log = logging.getLogger("framework_core")


def plan(prepared: Prepared, config: RunConfig, device: Device) -> None:
    """Tell the data how to be loaded, where nobody said it. Random numbers stay what they were."""
    datamodule, model = prepared.datamodule, prepared.model
    if not isinstance(datamodule, BaseDataModule) or not isinstance(model, BaseModel) or prepared.example is None:
        return
    if datamodule.num_workers is not None or datamodule.in_memory or device.kind != "cpu" or config.devices != 1:
        return
    store = cache_folder() / "loading" / f"{_key(prepared, config)}.json"
    try:
        datamodule.plan = LoadingPlan(**json.loads(store.read_text("utf-8")))
        return
    except (OSError, ValueError, TypeError):
        pass
    try:
        trial = _trial(model, datamodule)
    except (RuntimeError, ValueError) as error:
        # A few samples may be too few for a layer that a whole batch suits.
        _log.info("loading not measured: %s", str(error).partition("\n")[0])
        return
    datamodule.plan = chosen(trial.load, trial.slowest, trial.step, cores())
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        temporary = store.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(datamodule.plan._asdict()), encoding="utf-8")
        temporary.replace(store)
    except OSError as error:
        _log.info("how data is loaded best is not kept: %s", error)


def chosen(load: float, slowest: float, step: float, available: int) -> LoadingPlan:
    """What to do about loading.

    Args:
        load: Seconds that one process needs to load a batch.
        slowest: Seconds that the slowest batch took.
        step: Seconds that a step takes.
        available: How many cores there are.
    """
    because = f"a batch loads in {_short(load)}, a step takes {_short(step)}"
    if load <= NOTHING * step or available == 1:
        return LoadingPlan(0, AHEAD, because)
    ahead = AHEAD if slowest <= UNEVEN * load else 2 * AHEAD
    # One more than keeps up, as neither takes the same time always.
    return LoadingPlan(min(8, available, math.ceil(load / step) + 1), ahead, because)


@dataclass(frozen=True)
class _Trial:
    load: float
    """Seconds that a batch takes to load, as a rule."""

    slowest: float
    step: float


def _trial(model: BaseModel, datamodule: BaseDataModule) -> _Trial:
    """Load some samples and put a few through the model, and reckon from them what batches cost."""
    whole = datamodule.batch_size
    datamodule.batch_size = min(SAMPLES, whole)
    try:
        with isolate_rng(), one_process(datamodule):
            taken, (inputs, target) = _loaded(iter(datamodule.train_dataloader()))
    finally:
        datamodule.batch_size = whole
    share = whole / len(inputs)
    steps = []
    with isolate_rng(), unchanged(model):
        for _ in range(2):
            began = time.perf_counter()
            model.loss(model.train()(inputs), target).backward()  # type: ignore[no-untyped-call]
            steps.append(time.perf_counter() - began)
    return _Trial(sorted(taken)[len(taken) // 2] * share, max(taken) * share, min(steps) * share)


def _loaded(batches: Any) -> tuple[list[float], Any]:
    """What each batch took, and the first; that one pays for what is done once, and counts where it is alone."""
    began = time.perf_counter()
    first = next(batches)
    taken = [time.perf_counter() - began]
    ended = time.perf_counter() + LOADING_SECONDS
    while len(taken) <= BATCHES and time.perf_counter() < ended:
        began = time.perf_counter()
        if next(batches, None) is None:
            break
        taken.append(time.perf_counter() - began)
    return taken[1:] or taken, first


def _key(prepared: Prepared, config: RunConfig) -> str:
    """What the answer depends on."""
    parts = (
        config.model.model_dump_json(),
        config.dataset.model_dump_json(),
        prepared.data.fingerprint,
        cores(),
        torch.get_num_threads(),
    )
    return hashlib.sha256(repr((_FORM, *parts)).encode()).hexdigest()[:24]


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
