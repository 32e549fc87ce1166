"""Lightning's training loop without the calls that would do nothing.

For a small model the loop around a step costs more than the step: Lightning calls some twenty hooks, most of them
empty, and passes the loss through strategy, precision, optimizer wrapper and closure. Here a hook that nobody wrote is
not called, and where nothing wants to be in between (one device, DDP or FSDP2, 32 bits, no accumulation, no clipping, no
hook around backward and step) the step is what one would write by hand. In every other case Lightning's own code runs.
Hooks, counters, checkpoints and numbers are the same either way; tests hold that, benchmarks/training_loop.py and
benchmarks/several_processes.py the gain.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loops.optimization.automatic import _AutomaticOptimization
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor
from torch.optim import LBFGS, Optimizer

from framework_core.training.bottleneck import Bottleneck, TimedFetcher
from framework_core.training.exact_loop import ExactEpochLoop, make_exact
from framework_core.training.interruption import Interruption
from framework_core.training.shares import weight_of_loss
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

INSIDE_A_STEP = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")
OF_THE_MODULE = ("backward", "optimizer_step", "optimizer_zero_grad", "configure_gradient_clipping")
OF_THE_STRATEGY = ("training_step", "backward", "pre_backward", "post_backward", "optimizer_step")


def make_lean(trainer: Trainer, *, seed: int = 0, per_device: bool = False) -> None:
    """Give a new Trainer the lean loop.

    Args:
        trainer: The Trainer.
        seed: Of the order of samples, and of what loading draws.
        per_device: Whether a loader's batch is that of one device, and not of all.
    """
    before = trainer.fit_loop.epoch_loop
    lean = _LeanEpochLoop(trainer, min_steps=before.min_steps, max_steps=before.max_steps)
    lean.automatic_optimization = _DirectOptimization(trainer)
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
    """Looks once, and not at every step, whether ``training_step`` takes the batch's index."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.clock = StepClock()

    _takes_index: bool | None = None

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
        if not any(isinstance(callback, Interruption) for callback in self.trainer.callbacks):
            super()._broadcast_sigterm_tensor()

    def advance(self, data_fetcher: Any) -> None:
        """One batch; timed more closely where the profiler asks what training waits for."""
        clock = self.trainer.profiler
        if not isinstance(clock, Bottleneck):
            self.clock.start()
            try:
                super().advance(data_fetcher)
            finally:
                self.clock.stop()
            return
        with clock.part("step"):
            super().advance(TimedFetcher(data_fetcher, clock))  # type: ignore[arg-type]  # stands for the fetcher
        clock.step_done()

    def _build_kwargs(self, kwargs: OrderedDict[str, Any], batch: Any, batch_idx: int) -> OrderedDict[str, Any]:
        if self._takes_index is None:
            kwargs = super()._build_kwargs(kwargs, batch, batch_idx)
            self._takes_index = "batch_idx" in kwargs
            return kwargs
        kwargs["batch"] = batch
        if self._takes_index:
            kwargs["batch_idx"] = batch_idx
        return kwargs


class _DirectOptimization(_AutomaticOptimization):
    """A step as written by hand, where nothing has to come in between."""

    _direct: bool | None = None
    _together = False
    """Whether several processes train."""

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """One optimizer step."""
        if self._direct is None:
            self._direct = self._nothing_in_between(optimizer)
            self._together = self.trainer.world_size > 1
        if not self._direct or self._skip_backward:
            found: dict[str, Any] = super().run(optimizer, batch_idx, kwargs)
            return found
        module: Any = self.trainer.strategy._lightning_module
        before, module._current_fx_name = module._current_fx_name, "training_step"
        output: Any = self._training_step_of(module, *kwargs.values())
        module._current_fx_name = before
        result = None if isinstance(output, Tensor) else self.output_result_cls.from_training_step_output(output)
        loss: Any = output if result is None else result.closure_loss
        progress = self.optim_progress.optimizer
        progress.zero_grad.increment_ready()
        progress.zero_grad.increment_started()
        optimizer.zero_grad()
        progress.zero_grad.increment_completed()
        progress.step.increment_ready()
        if loss is not None:
            weight = weight_of_loss(self.trainer, module) if self._together else 1.0
            (loss if weight == 1.0 else loss * weight).backward()
        optimizer.step()
        progress.step.increment_completed()
        if result is None:
            return {"loss": output.detach().clone()}
        return result.asdict() if loss is not None else {}

    def _training_step_of(self, module: Any, *arguments: Any) -> Any:
        strategy: Any = self.trainer.strategy
        if strategy.model is module:
            output = module.training_step(*arguments)
        else:
            output = strategy._forward_redirection(strategy.model, module, "training_step", *arguments)
        if output is None and self._together:
            raise RuntimeError("training_step returned None, and other processes wait for the gradients of this one")
        return output

    def _nothing_in_between(self, optimizer: Optimizer) -> bool:
        trainer: Any = self.trainer
        module = trainer.lightning_module
        return (
            _leaves_steps_alone(trainer.strategy)
            and type(trainer.precision_plugin) is Precision
            and trainer.accumulate_grad_batches == 1
            and not trainer.gradient_clip_val
            and not trainer._detect_anomaly
            and not isinstance(optimizer, LBFGS)
            and all(getattr(type(module), name) is getattr(LightningModule, name) for name in OF_THE_MODULE)
            and all(_is_empty(module, name, LightningModule) for name in INSIDE_A_STEP)
            and all(_is_empty(callback, name, Callback) for callback in trainer.callbacks for name in INSIDE_A_STEP)
        )


def _leaves_steps_alone(strategy: Any) -> bool:
    """Whether a strategy does nothing around a step but call the model, by itself or as DDP wraps it."""
    if type(strategy) is DDPStrategy:
        return strategy._model_averager is None
    own = all(getattr(type(strategy), name) is getattr(Strategy, name) for name in OF_THE_STRATEGY)
    return own and strategy.model is strategy.lightning_module


def _is_empty(owner: Any, name: str, base: type) -> bool:
    own = vars(owner).get(name)
    return own is None and getattr(type(owner), name) is getattr(base, name)
