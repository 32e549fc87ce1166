"""Looks at every loss before it moves a weight, and at every checkpoint before it is written.

On a CPU a loss is a number that is there: each is looked at as soon as it is known, and where it is none the weights
are still those that made it. On a GPU looking means waiting, so losses are kept there and looked at from time to time.
Where several processes train, a number that is none reaches the weights of all of them with the next step, so they
stop one step later, all at the same one.
"""

from __future__ import annotations

import functools
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from framework_core.contracts.config import RunConfig
from framework_core.errors import LossSpikeError, NotFiniteError
from framework_core.process import is_main_process
from framework_core.tracking.checkpoints import LAST
from framework_core.tracking.lookup import CHECKPOINTS
from framework_core.training import failures
from framework_core.training.failures import Failure
from framework_core.training.locating import Origin, first_bad_gradient, first_bad_weight, origin
from framework_core.training.samples import sample_ids
from framework_core.training.skips import Skips
from framework_core.training.spikes import spike_limit

_log = logging.getLogger("framework_core")

ON_A_GPU = 50
"""Steps between two looks where looking means waiting."""

KEPT = 200
"""Losses that a failure's folder has."""

LIMIT_EVERY = 10
"""Losses after which the limit of a spike is worked out again."""


class RollBack(Exception):  # noqa: N818  # it is an instruction, and no error that anybody sees
    """Go back to the last checkpoint, and leave a batch out.

    Args:
        failure: What it is about.
    """

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


@dataclass(frozen=True)
class _Seen:
    """A loss that was not looked at yet."""

    epoch: int
    batch: int
    loss: Tensor


class Guard(Callback):
    """Stops a run whose loss is no number, or far above the last ones.

    Args:
        config: The settings.
        run: The run's folder.
        skips: The batches that are left out.
        closely: Whether to look at every step, whatever the settings say.
    """

    def __init__(self, config: RunConfig, run: Path, skips: Skips, *, closely: bool = False) -> None:
        self._closely = closely
        self._config = config
        self._settings = config.faults
        self._run = run
        self._skips = skips
        self._checkpoint = run / CHECKPOINTS / LAST
        self._goes_back = "rollback" in (self._settings.not_finite, self._settings.loss_spike)
        self.beat = 0
        """How often something has moved."""
        self.losses: deque[float] = deque(maxlen=max(KEPT, self._settings.spike_window))
        """The last losses, the newest at the end."""
        self._looked = 0
        self._every = 1
        self._unseen: list[_Seen] = []
        self._together = False
        self._noted: Failure | None = None
        self._limit = math.inf
        self.batch: Any = None
        """The last batch, where it is on a CPU."""
        self._previous: Any = None

    @contextmanager
    def watching(self, trainer: Trainer, model: LightningModule) -> Iterator[None]:
        """Look at what ``training_step`` gives, in whichever loop it is called."""
        step = model.training_step
        judges = self._settings.not_finite != "ignore" or self._settings.loss_spike != "ignore"

        @functools.wraps(step)
        def watched(*arguments: Any, **options: Any) -> Any:
            self.beat += 1
            if self._every == 1:
                self._previous, self.batch = self.batch, arguments[0] if arguments else None
            output = step(*arguments, **options)
            if judges:
                loss = output.get("loss") if isinstance(output, Mapping) else output
                if loss is not None:
                    self._look(trainer, model, loss, lambda: step(*arguments, **options))
            return output

        vars(model)["training_step"] = watched
        try:
            yield
        finally:
            vars(model).pop("training_step", None)
            self.batch = self._previous = None
            self._unseen.clear()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Know how dear looking is, and how many train together."""
        usual = 1 if self._closely or pl_module.device.type == "cpu" else ON_A_GPU
        self._every = usual if self._closely else self._settings.every_n_steps or usual
        self._together = trainer.world_size > 1
        self._goes_back = self._goes_back and not trainer.fast_dev_run  # type: ignore[attr-defined]
        if self._goes_back and not self._checkpoint.exists():
            trainer.save_checkpoint(self._checkpoint)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at what is left."""
        self._look_back(trainer, pl_module)

    def on_validation_batch_start(self, *arguments: Any) -> None:
        """It moves."""
        self.beat += 1

    def on_test_batch_start(self, *arguments: Any) -> None:
        """It moves."""
        self.beat += 1

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let no state that is not finite be written over a good one."""
        if self._settings.not_finite == "ignore" or not trainer.training:
            return
        self._look_back(trainer, pl_module)
        if weight := first_bad_weight(pl_module):
            self._end(self._spoilt(trainer, pl_module, weight, before=False), self._settings.not_finite)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last step counts too."""
        self.on_save_checkpoint(trainer, pl_module, {})

    def _look(self, trainer: Trainer, model: LightningModule, loss: Tensor, again: Callable[[], Any]) -> None:
        if self._every > 1:
            batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
            self._unseen.append(_Seen(epoch_of(trainer), batch, loss.detach()))
            if len(self._unseen) >= self._every:
                self._look_back(trainer, model)
            return
        value = loss.item()
        if value - value:  # NaN and infinity less themselves are NaN
            self._at_hand(trainer, model, value, again)
        elif value > self._limit:
            self._spike(trainer, value, trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1)
        self.losses.append(value)
        self._looked = self.beat
        if self._settings.loss_spike != "ignore" and self.beat % LIMIT_EVERY == 0:
            self._set_limit()

    def _at_hand(self, trainer: Trainer, model: LightningModule, value: float, again: Callable[[], Any]) -> None:
        """A loss that is none, before it has moved anything."""
        if self._settings.not_finite == "ignore":
            return
        place = trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
        began = origin(model, self.batch, again)
        if began.kind == "weight":
            spoilt = self._noted or self._spoilt(trainer, model, began.name, before=True)
            self._end(spoilt, self._settings.not_finite)
        failure = self._failure(trainer, epoch_of(trainer), place, f"the loss is {value}", began, self.batch)
        if self._together and self._settings.not_finite == "stop":
            self._noted = failure
        else:
            self._act(failure)

    def _spoilt(self, trainer: Trainer, model: LightningModule, weight: str, *, before: bool) -> Failure:
        """The weights are not finite: the gradient of the last step did it."""
        gradient = first_bad_gradient(model)
        began = Origin("gradient", gradient) if gradient else Origin("weight", weight)
        told = "a gradient is not finite" if gradient else "a weight is not finite"
        epoch, batch = epoch_of(trainer), trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
        if before:
            epoch, batch = (epoch, batch - 1) if batch else (epoch - 1, int(trainer.num_training_batches) - 1)
        return self._failure(trainer, epoch, batch, told, began, self._previous if before else self.batch)

    def _look_back(self, trainer: Trainer, model: LightningModule) -> None:
        """Look at the losses that have gathered; where several train together, the newest waits."""
        waiting = self._unseen[-1:] if self._together else []
        seen, self._unseen = self._unseen[: len(self._unseen) - len(waiting)], waiting
        if not seen:
            return
        values = torch.stack([each.loss.float() for each in seen]).tolist()
        for each, value in zip(seen, values, strict=True):
            if value - value and self._settings.not_finite != "ignore":
                told = f"the loss is {value}"
                self._act(self._failure(trainer, each.epoch, each.batch, told, Origin("unknown"), None))
            elif value > self._limit:
                self._spike(trainer, value, each.batch)
            self.losses.append(value)
        self._set_limit()

    def _set_limit(self) -> None:
        if self._settings.loss_spike != "ignore":
            last = list(self.losses)[-self._settings.spike_window :]
            self._limit = spike_limit(last, self._settings.spike_threshold)

    def _spike(self, trainer: Trainer, value: float, batch: int) -> None:
        told = f"the loss is {value:.3g}, and the last ones lie below {self._limit:.3g}"
        failure = self._failure(trainer, epoch_of(trainer), batch, told, Origin("loss"), None, kind="loss-spike")
        if self._settings.loss_spike == "warn":
            if is_main_process():
                _log.warning("Step %s: %s%s.", failure.step, told, listed(failure.samples))
            return
        self._end(failure, self._settings.loss_spike)

    def _failure(
        self,
        trainer: Trainer,
        epoch: int,
        batch: int,
        message: str,
        began: Origin,
        tensors: Any,
        kind: str = "not-finite",
    ) -> Failure:
        return Failure(
            kind=kind,
            message=message,
            epoch=epoch,
            batch=batch,
            step=step_of(trainer, epoch, batch),
            samples=sample_ids(trainer, epoch, batch),
            origin=str(began),
            vague=began.kind == "unknown" and self._every > 1,
            losses=list(self.losses),
            known_to=self.known_to(trainer, epoch, batch),
            tensors=tensors,
        )

    def known_to(self, trainer: Trainer, epoch: int, batch: int) -> int | None:
        """The step that the last loss is of, when something goes wrong with a batch."""
        if trainer.accumulate_grad_batches > 1:
            return None
        if self._every > 1:
            return step_of(trainer, epoch, batch) - 1
        in_hand = trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
        return step_of(trainer, epoch_of(trainer), in_hand) - (self._looked != self.beat)

    def _act(self, failure: Failure) -> None:
        self._end(failure, self._settings.not_finite)

    def _end(self, failure: Failure, action: str) -> None:
        known = (failure.epoch, failure.batch) in self._skips
        if action == "rollback" and self._goes_back and len(self._skips) < self._settings.max_skips and not known:
            raise RollBack(failure)
        raise self.error(failure)

    def error(self, failure: Failure) -> NotFiniteError | LossSpikeError:
        """What a failure ends in; its folder is written."""
        folder = failures.keep(failure, config=self._config, run=self._run)
        kind = LossSpikeError if failure.kind == "loss-spike" else NotFiniteError
        return kind(failure.message, failure.origin, step=failure.step or 0, samples=failure.samples, folder=folder)


class SkippingGuard(Guard):
    """Takes no step with a batch that is left out, or whose gradient is no number.

    The batch goes through the model all the same, so that random numbers, counters and learning rates are what they
    would have been; weights, buffers and the state of the optimizer stay as they were.
    """

    _buffers: dict[str, Tensor] | None = None
    _dropped: Failure | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Remember what a forward pass changes."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._buffers = {name: buffer.clone() for name, buffer in pl_module.named_buffers()}

    def _look(self, trainer: Trainer, model: LightningModule, loss: Tensor, again: Callable[[], Any]) -> None:
        batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
        if (epoch_of(trainer), batch) not in self._skips:
            super()._look(trainer, model, loss, again)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Leave the step out where it has to be: no optimizer moves a parameter that has no gradient."""
        batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
        window = range(batch - batch % trainer.accumulate_grad_batches, batch + 1)
        left_out = any((epoch_of(trainer), each) in self._skips for each in window)
        if not left_out and self._settings.not_finite == "skip" and not _is_scaled(trainer):
            left_out = self._is_bad(trainer, pl_module, batch)
        if not left_out:
            return
        for parameter in pl_module.parameters():
            parameter.grad = None
        with torch.no_grad():
            for name, buffer in pl_module.named_buffers():
                if self._buffers and name in self._buffers:
                    buffer.copy_(self._buffers[name])

    def _is_bad(self, trainer: Trainer, model: LightningModule, batch: int) -> bool:
        gradients = [each.grad for each in model.parameters() if each.grad is not None]
        if not gradients or bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients))):
            self._dropped = None
            return False
        name = first_bad_gradient(model)
        told = "a gradient is not finite"
        known = self._dropped or self._failure(
            trainer, epoch_of(trainer), batch, told, Origin("gradient", name), self.batch
        )
        self._dropped = None
        if len(self._skips) >= self._settings.max_skips:
            raise self.error(known)
        self._skips.add(epoch_of(trainer), batch)
        if is_main_process():
            told = f"{known.message}; {known.origin}{listed(known.samples)}"
            _log.warning("Step %s was left out: %s.", known.step, told)
        return True

    def _act(self, failure: Failure) -> None:
        if self._settings.not_finite == "skip":
            self._dropped = failure
        else:
            super()._act(failure)


def listed(samples: Sequence[int]) -> str:
    """The samples of a batch, at the end of a sentence."""
    return f"; samples {', '.join(map(str, samples))}" if samples else ""


def step_of(trainer: Trainer, epoch: int, batch: int) -> int:
    """The number, from 1, of the optimizer step that a batch belongs to."""
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    accumulated, batches = trainer.accumulate_grad_batches, trainer.num_training_batches
    whole = -(-int(batches) // accumulated) if math.isfinite(batches) else 0
    now = epoch_of(trainer)
    done = -(-progress.processed // accumulated) if progress.processed >= batches else progress.processed // accumulated
    first = int(trainer.global_step) - done
    return int(first + batch // accumulated + 1 - (now - epoch) * whole)


def epoch_of(trainer: Trainer) -> int:
    """The epoch, from 0, that the batches counted now belong to; it stays that until the next one begins."""
    counts: Any = trainer.fit_loop.epoch_progress.current
    return int(counts.ready) - 1


def _is_scaled(trainer: Trainer) -> bool:
    """Whether a scaler of 16-bit losses leaves such steps out itself; it meets them as a matter of course."""
    return getattr(trainer.precision_plugin, "scaler", None) is not None


def guard_for(config: RunConfig, run: Path, skips: Skips, *, closely: bool = False) -> Guard:
    """The guard that the settings ask for; one that may leave steps out looks into every step."""
    skipping = config.faults.not_finite == "skip" or len(skips)
    kind = SkippingGuard if skipping else Guard
    return kind(config, run, skips, closely=closely)
