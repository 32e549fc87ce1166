"""A step as one would write it by hand, where nothing wants to be in between."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.loops.optimization.automatic import Closure, ClosureResult, _AutomaticOptimization
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor
from torch.optim import LBFGS, Optimizer

from framework_core.training.shares import weight_of_loss
from framework_core.training.strategies.shard_step import step_on_shards, steps_on_shards

INSIDE_A_STEP = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")
OF_THE_MODULE = ("backward", "optimizer_step", "optimizer_zero_grad", "configure_gradient_clipping")
NOTHING = "training_step returned None, and other processes wait for the gradients of this one"
OF_THE_STRATEGY = ("training_step", "backward", "pre_backward", "post_backward", "optimizer_step")


class DirectOptimization(_AutomaticOptimization):
    """One device, DDP or FSDP2; 32 bits, no accumulation, no clipping, no hook around backward and step."""

    _direct: bool | None = None
    _together = False
    """Whether several processes train."""
    _on_shards = False
    """Whether the optimizer's step is taken on the shards of this process."""

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """One optimizer step."""
        if self._direct is None:
            self._direct = self._nothing_in_between(optimizer)
            self._together = self.trainer.world_size > 1
            self._on_shards = steps_on_shards(optimizer)
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
        if self._on_shards:
            step_on_shards(optimizer)
        else:
            optimizer.step()
        progress.step.increment_completed()
        if result is None:
            return {"loss": output.detach().clone()}
        return result.asdict() if loss is not None else {}

    def _make_closure(self, kwargs: OrderedDict[str, Any], optimizer: Optimizer, batch_idx: int) -> Closure:
        closure = super()._make_closure(kwargs, optimizer, batch_idx)
        if self._together and isinstance(optimizer, LBFGS):
            closure._step_fn = functools.partial(self._agreed, closure._step_fn)
        return closure

    def _agreed(self, step: Callable[[], ClosureResult]) -> ClosureResult:
        """A step with the loss of all processes: an optimizer that decides by it decides the same in each."""
        result = step()
        if result.closure_loss is None:
            raise RuntimeError(NOTHING)
        part = result.closure_loss.detach() * weight_of_loss(self.trainer, self.trainer.lightning_module)
        result.loss = self.trainer.strategy.reduce(part, reduce_op="mean")
        return result

    def _training_step_of(self, module: Any, *arguments: Any) -> Any:
        model: Any = self.trainer.strategy.model
        output: Any = module.training_step(*arguments) if model is module else _called_through(model, module, arguments)
        if output is None and self._together:
            raise RuntimeError(NOTHING)
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
            and all(is_empty(module, name, LightningModule) for name in INSIDE_A_STEP)
            and all(is_empty(callback, name, Callback) for callback in trainer.callbacks for name in INSIDE_A_STEP)
        )


def _called_through(wrapper: Any, module: Any, arguments: tuple[Any, ...]) -> Any:
    """Call ``training_step`` where a wrapper calls ``forward``, which is what it was as soon as that has begun."""
    own = vars(module)
    before = own.get("forward")

    def forward(*given: Any) -> Any:
        if before is None:
            del own["forward"]
        else:
            own["forward"] = before
        return module.training_step(*given)

    own["forward"] = forward
    return wrapper(*arguments)


def _leaves_steps_alone(strategy: Any) -> bool:
    """Whether a strategy does nothing around a step but call the model, by itself or as DDP wraps it."""
    if type(strategy) is DDPStrategy:
        return strategy._model_averager is None
    own = all(getattr(type(strategy), name) is getattr(Strategy, name) for name in OF_THE_STRATEGY)
    return own and strategy.model is strategy.lightning_module


def is_empty(owner: Any, name: str, base: type) -> bool:
    """Whether nobody wrote a hook."""
    own = vars(owner).get(name)
    return own is None and getattr(type(owner), name) is getattr(base, name)
