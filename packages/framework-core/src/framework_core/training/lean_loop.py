"""Lightning's training loop without the calls that would do nothing.

For a small model the loop around a step costs more than the step: Lightning calls some twenty hooks, most of them
empty, and passes the loss through strategy, precision, optimizer wrapper and closure. Here a hook that nobody wrote is
not called, the others are called directly, and where nothing wants to be in between (one device, DDP or FSDP2, 32 bits,
no accumulation, no clipping, no hook around backward and step) the step is what one would write by hand. In every other
case Lightning's own code runs. Hooks, counters, checkpoints and numbers are the same either way; tests hold that,
benchmarks/training_loop.py and benchmarks/several_processes.py the gain.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loops.fetchers import _DataLoaderIterDataFetcher
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import Strategy
from torch import Tensor

from framework_core.training.bottleneck import Bottleneck, TimedFetcher
from framework_core.training.exact_loop import ExactEpochLoop, make_exact
from framework_core.training.interruption import Interruption
from framework_core.training.lean_step import DirectOptimization, is_empty
from framework_core.training.step_clock import StepClock

AROUND_A_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""Hooks of every step that return nothing anybody needs; modules and callbacks both have them."""

TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def make_lean(trainer: Trainer, *, seed: int = 0, per_device: bool = False) -> None:
    """Give a new Trainer the lean loop.

    Args:
        trainer: The Trainer.
        seed: Of the order of samples, and of what loading draws.
        per_device: Whether a loader's batch is that of one device, and not of all.
    """
    before = trainer.fit_loop.epoch_loop
    lean = _LeanEpochLoop(trainer, min_steps=before.min_steps, max_steps=before.max_steps)
    lean.automatic_optimization = DirectOptimization(trainer)
    make_exact(trainer, lean, seed=seed, per_device=per_device)


def clock_of(trainer: Trainer) -> StepClock:
    """The clock of a Trainer that has the lean loop."""
    return cast("_LeanEpochLoop", trainer.fit_loop.epoch_loop).clock


@contextmanager
def without_empty_hooks(trainer: Any, model: LightningModule) -> Iterator[None]:
    """Hide the hooks of a step that neither the model nor a callback wrote."""
    hidden = []
    for owner, base in [(model, LightningModule), *((callback, Callback) for callback in trainer.callbacks)]:
        for name in AROUND_A_STEP:
            if name not in vars(owner) and getattr(type(owner), name) is getattr(base, name):
                vars(owner)[name] = None
                hidden.append((owner, name))
    try:
        yield
    finally:
        for owner, name in hidden:
            vars(owner).pop(name, None)


class _LeanEpochLoop(ExactEpochLoop):
    """Does around a step what Lightning does, and looks once, not at every step, what that is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.clock = StepClock()

    _interrupted: bool | None = None
    """Whether an ``Interruption`` is among the callbacks."""
    _takes_index: bool | None = None
    _plain: bool | None = None
    """Whether what is around a step may be called directly."""
    _together = False
    """Whether several processes train."""
    _stays = False
    """Whether tensors of a batch are where the model is, and nobody changes them on their way."""

    _validates: bool | None = None
    """Whether there is a validation in this epoch."""
    waiting = False
    """Whether it waits for the next batch."""

    def _on_before_fetch(self) -> None:
        self.waiting = True
        super()._on_before_fetch()
        self.clock.ask()

    def _on_after_fetch(self) -> None:
        self.clock.receive()
        super()._on_after_fetch()
        self.waiting = False

    def _broadcast_sigterm_tensor(self) -> None:
        """Lightning lets the first process tell the others at every step; an ``Interruption`` does it seldom."""
        if self._interrupted is None:
            self._interrupted = any(isinstance(each, Interruption) for each in self.trainer.callbacks)
        if not self._interrupted:
            super()._broadcast_sigterm_tensor()

    def on_run_start(self, data_fetcher: Any) -> None:
        """The beginning of an epoch."""
        self._validates = None
        super().on_run_start(data_fetcher)

    def _should_check_val_epoch(self) -> bool:
        """Asked at every step; whether the model has a validation at all stays as it is in an epoch."""
        if self._validates is None:
            self._validates = self.trainer.enable_validation
        every = self.trainer.check_val_every_n_epoch
        return self._validates and (every is None or (self.trainer.current_epoch + 1) % every == 0)

    def _should_accumulate(self) -> bool:
        """Asked several times a step."""
        return self.trainer.accumulate_grad_batches > 1 and super()._should_accumulate()

    def advance(self, data_fetcher: Any) -> None:
        """One batch; timed more closely where the profiler asks what training waits for."""
        clock = self.trainer.profiler
        if not isinstance(clock, Bottleneck):
            self.clock.start()
            try:
                self._advance(data_fetcher)
            finally:
                self.clock.stop()
            return
        with clock.part("step"):
            super().advance(TimedFetcher(data_fetcher, clock))  # type: ignore[arg-type]  # stands for the fetcher
        clock.step_done()

    def _advance(self, data_fetcher: Any) -> None:
        if self._plain is None:
            self._plain, self._stays = self._is_plain(data_fetcher), self._batches_stay()
            self._together = self.trainer.world_size > 1
        if not self._plain or self._restarting:
            super().advance(data_fetcher)
            return
        trainer: Any = self.trainer
        self.val_loop._restarting = False
        if self._together:
            self._broadcast_sigterm_tensor()
        batch, _, _ = next(data_fetcher)
        number, progress, results = self.batch_idx + 1, self.batch_progress, self._results
        progress.is_last_batch = data_fetcher.done
        batch = self._moved(batch)
        progress.increment_ready()
        connector = trainer._logger_connector
        connector._first_loop_iter = connector._first_loop_iter is None
        results.batch, results.batch_size, results.dataloader_idx = batch, None, None
        self._call("on_train_batch_start", batch, number)
        output = self._step(batch, number)
        progress.increment_processed()
        if trainer.lr_scheduler_configs:
            self.update_lr_schedulers("step", update_plateau_schedulers=False)
            if self._num_ready_batches_reached():
                self.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        self._call("on_train_batch_end", output, batch, number)
        if results:
            connector.on_batch_end()
        results.batch = results.batch_size = None
        progress.increment_completed()
        if results:
            connector.update_train_step_metrics()

    def _step(self, batch: Any, number: int) -> Any:
        if batch is None:
            self._warning_cache.warn("The training data gave None for a batch, and no step was taken.")
            return None
        self.batch_progress.increment_started()
        named = self._build_kwargs(OrderedDict(), batch, number)
        return self.automatic_optimization.run(self.trainer.optimizers[0], number, named)

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a hook of the callbacks and of the model, who may log in it."""
        trainer: Any = self.trainer
        module = trainer.lightning_module
        before, module._current_fx_name = module._current_fx_name, name
        for callback in trainer.callbacks:
            hook = getattr(callback, name)
            if hook is not None:
                hook(trainer, module, *arguments)
        hook = getattr(module, name)
        if hook is not None:
            hook(*arguments)
        module._current_fx_name = before

    def _moved(self, batch: Any) -> Any:
        if self._stays and type(batch) in (tuple, list) and all(type(part) is Tensor and part.is_cpu for part in batch):
            return batch
        trainer: Any = self.trainer
        batch = trainer.precision_plugin.convert_input(batch)
        batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
        return trainer.strategy.batch_to_device(batch, dataloader_idx=0)

    def _is_plain(self, data_fetcher: Any) -> bool:
        trainer: Any = self.trainer
        module = trainer.lightning_module
        return (
            isinstance(trainer.profiler, PassThroughProfiler)
            and module.automatic_optimization
            and is_empty(module, "on_train_batch_start", LightningModule)  # it may end the epoch
            and type(trainer.strategy).on_train_batch_start is Strategy.on_train_batch_start
            and not isinstance(data_fetcher, _DataLoaderIterDataFetcher)
        )

    def _batches_stay(self) -> bool:
        trainer: Any = self.trainer
        selector = trainer._data_connector._datahook_selector
        return (
            trainer.strategy.root_device.type == "cpu"
            and type(trainer.precision_plugin).convert_input is Precision.convert_input
            and type(trainer.strategy).batch_to_device is Strategy.batch_to_device
            and all(selector.get_instance(name) is trainer.lightning_module for name in TRANSFERS)
            and all(is_empty(trainer.lightning_module, name, LightningModule) for name in TRANSFERS)
        )

    def _build_kwargs(self, kwargs: OrderedDict[str, Any], batch: Any, batch_idx: int) -> OrderedDict[str, Any]:
        if self._takes_index is None:
            kwargs = super()._build_kwargs(kwargs, batch, batch_idx)
            self._takes_index = "batch_idx" in kwargs
            return kwargs
        kwargs["batch"] = batch
        if self._takes_index:
            kwargs["batch_idx"] = batch_idx
        return kwargs
