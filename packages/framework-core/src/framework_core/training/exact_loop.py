"""Lightning's fit loop, with a place to go on from that is exact.

Lightning saves inside its hooks, where half of what belongs to a step is done and the other half is not: schedulers
that watch a metric, counters, averages, the epoch's metrics. Here checkpoints are written between two steps and
between two epochs only, when everything that belongs to the last one is over, and a run that is continued begins
there: the sampler at the batch that comes next, the random numbers of every process where they were, sums of metrics
and of the loss as far as they had come.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loops.fit_loop import RestartStage, _FitLoop
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.trainer.states import RunningStage, TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from framework_core.process import is_main_process
from framework_core.training import stopping, sums
from framework_core.training.randomness import random_state, set_random_state, undisturbed
from framework_core.training.sampling import (
    ResumableBatches,
    begins_anew,
    keyed_loader,
    measuring_loader,
    place_in,
    resumable_loader,
)
from framework_core.training.streams import ResumableStream

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Position:
    """Where training stands."""

    epoch: int
    """Whole epochs behind it."""

    batch: int
    """Batches of the next epoch behind it."""

    validation_due: bool = False
    """Whether what follows the last batch, validation above all, is still to come."""


class BetweenSteps(Callback):
    """A callback that is called when everything that belongs to a step, or to an epoch, is done.

    No gradient is waiting then for more batches, so a checkpoint has everything.
    """

    def between_steps(self, trainer: Trainer, *, epoch_over: bool) -> None:
        """Called after a step with its validation, and at the end of an epoch only after the whole epoch.

        Args:
            trainer: Lightning's Trainer.
            epoch_over: Whether an epoch has ended too.
        """

    def nothing_left(self, trainer: Trainer) -> None:
        """Called in place of steps where a run that is continued has none left."""


class ExactFitLoop(_FitLoop):
    """Goes on where a checkpoint was written."""

    epoch_loop: ExactEpochLoop
    _resumed: dict[str, Any] | None = None
    _inside = False
    _cut_short = False
    _shared: ResumableBatches | None = None
    """What knows the share of each process in a batch of this epoch."""
    _weight: tuple[tuple[int, int], float] = ((-1, -1), 1.0)
    """What the last loss was multiplied by, and in which epoch and batch: a step asks twice."""

    def position(self) -> Position:
        """Where training stands now."""
        epochs, batches = _counts(self.epoch_progress), _counts(self.epoch_loop.batch_progress)
        if epochs.processed == epochs.ready:
            return (
                Position(epochs.processed - 1, batches.processed) if self._cut_short else Position(epochs.processed, 0)
            )
        due = self.epoch_loop.settling or batches.completed < batches.processed
        return Position(epochs.processed, batches.processed, bool(due and batches.processed))

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Called on every process for every checkpoint."""
        state: dict[str, Any] = super().on_save_checkpoint()
        own = self.epoch_loop.before_validation or self.epoch_loop.own_parts()
        if self.trainer.world_size > 1:
            everyone: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(everyone, own)
        else:
            everyone = [own]
        position, stopped = asdict(self.position()), stopping.reasons(self.trainer)
        told = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        found = {"position": position, "length": self._length(), "stopped": stopped, "metrics": told, "ranks": everyone}
        return state | found

    def load_state_dict(self, state_dict: dict[str, Any], prefix: str = "") -> None:
        """Called once, before training."""
        super().load_state_dict(state_dict, prefix)
        self._resumed = state_dict.get(f"{prefix}state_dict", {})
        saved = self._resumed.get("position")
        self._settle(Position(**saved) if saved else self.position())
        # Lightning looks at this to leave out its trial of the validation.
        self.epoch_loop.val_loop._restarting = True

    def _settle(self, position: Position) -> None:
        """Let all counters say the same: so many epochs, so many batches, nothing half done."""
        inside = self._inside = position.batch > 0
        for epochs in (_counts(self.epoch_progress), _counts(self.epoch_progress, "total")):
            epochs.processed = epochs.completed = position.epoch
            epochs.ready = epochs.started = position.epoch + inside
        current, total = _counts(self.epoch_loop.batch_progress), _counts(self.epoch_loop.batch_progress, "total")
        total.processed += position.batch - current.processed if inside else 0
        current.processed = position.batch if inside else current.processed
        for batches in (current, total):
            batches.ready = batches.started = batches.completed = batches.processed
        self.epoch_loop.continues, self.epoch_loop.settling = inside, position.validation_due
        _not_restarting(self)

    def run(self) -> None:
        """Train; where a run that is continued has nothing left to train, only what belongs to its end."""
        _not_restarting(self.epoch_loop.val_loop)
        self._cut_short = False
        if self._resumed is not None:
            self.setup_data()
            self._seek(self._resumed.get("length"))
            if self.skip and self.trainer.limit_train_batches != 0:
                self.on_run_start()
                for callback in self.epoch_loop.watchers:
                    callback.nothing_left(self.trainer)
                self.on_run_end()
                return
        super().run()

    def _seek(self, length: int | None) -> None:
        """Loaders may have been asked for before the checkpoint was read, and batches may be larger now."""
        position, now = self.position(), self._length()
        if length and now and length != now and position.batch:
            position = replace(position, batch=max(1, position.batch * now // length))
            self._settle(position)
        again = False
        for place in self._places():
            if place.place != (position.epoch, position.batch):
                place.seek(position.epoch, position.batch)
                again = True
        again = self._seek_streams(position) or again
        if again:
            iter(self._data_fetcher)  # type: ignore[arg-type]

    def _seek_streams(self, position: Position) -> bool:
        """Streams of several loading processes need to know which of those had ended; whether one goes on so."""
        ranks = (self._resumed or {}).get("ranks", [])
        own = ranks[self.trainer.global_rank] if len(ranks) == self.trainer.world_size else {}
        streams = [place for place in self._places() if isinstance(place, ResumableStream)]
        for stream, ends in zip(streams, own.get("streams", []), strict=False):
            if len(ends) == len(stream.ends):
                stream.seek(position.epoch, position.batch, ends)
            else:
                stream.seek(position.epoch)
                _say_it_begins_anew(position, f"{len(ends)} processes loaded it, and now {len(stream.ends)} do")
        return bool(streams)

    def ends_of_streams(self) -> list[list[int]]:
        """For each stream, where its loading processes have ended in this epoch."""
        return [place.ends for place in self._places() if isinstance(place, ResumableStream)]

    def share_of_batch(self, batch: int) -> float:
        """What the loss of a batch of this epoch is multiplied by, where processes share it unevenly."""
        if self._shared is None:
            return 1.0
        place = self._shared.epoch, batch
        if self._weight[0] != place:
            self._weight = place, self._shared.weight(*place)
        return self._weight[1]

    def _loaders(self) -> Sequence[Any]:
        return self._combined_loader.flattened if self._combined_loader is not None else ()

    def _places(self) -> list[ResumableBatches | ResumableStream]:
        found = [place_in(loader) for loader in self._loaders()]
        return [each for each in found if each is not None]

    def _length(self) -> int | None:
        """The batches of an epoch, where they are known and their number may be converted to that of larger ones."""
        places = self._places()
        return len(places[0]) if places and isinstance(places[0], ResumableBatches) else None

    def update_restart_stage(self) -> None:
        """Inside an epoch, the epoch does not begin again."""
        super().update_restart_stage()
        if self._inside:
            self._restart_stage, self._inside = RestartStage.RESTARTED_MID_EPOCH, False

    def on_run_start(self) -> None:
        """What comes before the first step; after it, everything is as it was."""
        super().on_run_start()
        self.epoch_loop.watchers = watchers(self.trainer)
        self._tell_of_streams()
        state, self._resumed = self._resumed, None
        if not state:
            return
        told = {name: torch.tensor(value) for name, value in state.get("metrics", {}).items()}
        self.trainer._logger_connector._callback_metrics.update(told)
        if stopping.still_holds(self.trainer, state.get("stopped", {})):
            self.trainer.should_stop = True
        ranks = state.get("ranks", [])
        if len(ranks) == self.trainer.world_size:
            self.epoch_loop.restore(ranks[self.trainer.global_rank])
        elif ranks:
            # Unfinished sums are those of other processes; random numbers go on as well as they can.
            set_random_state(ranks[self.trainer.global_rank % len(ranks)]["random"])

    def _tell_of_streams(self) -> None:
        """A loader that cannot go on inside an epoch is no secret: not at the start, and not when it does not."""
        if not self.trainer.checkpoint_callbacks or not any(map(begins_anew, self._loaders())):
            return
        position = self.position()
        if position.batch:
            _say_it_begins_anew(position, "it does not say how it goes on")
        elif is_main_process():
            _log.warning(
                "The training data is a stream that does not say how it goes on: where this run is continued inside an "
                "epoch, it begins anew. A method resume(epoch, samples) of its dataset mends that."
            )

    def on_advance_start(self) -> None:
        """The beginning of an epoch. Lightning tells samplers the epoch, and batch samplers not."""
        if not self.epoch_loop.continues:
            self.epoch_loop.batch_progress.reset_on_run()
        super().on_advance_start()
        places = self._places()
        for place in places:
            place.set_epoch(self.position().epoch)
        self._shared = next((place for place in places if isinstance(place, ResumableBatches)), None)
        self._weight = (-1, -1), 1.0

    def on_advance_end(self) -> None:
        """The end of an epoch."""
        self._cut_short = not self.epoch_loop._num_ready_batches_reached()
        super().on_advance_end()
        sums.epoch_is_over(self.epoch_loop._results)
        for callback in self.epoch_loop.watchers:
            callback.between_steps(self.trainer, epoch_over=True)


class ExactEpochLoop(_TrainingEpochLoop):
    """One epoch, from any batch on."""

    def __init__(self, trainer: Trainer, min_steps: int | None = None, max_steps: int = -1) -> None:
        super().__init__(trainer, min_steps, max_steps)
        self.continues = False
        """Whether the counters are those of an epoch that had begun."""
        self.settling = False
        """Whether the batch is trained, and what follows it is not over."""
        self.watchers: list[BetweenSteps] = []
        """Who is called between steps."""
        self.before_validation: dict[str, Any] | None = None
        """What this process had of its own when the validation began that is running."""
        self.val_loop.run = functools.partial(self._validate, self.val_loop.run)  # type: ignore[method-assign]

    def _validate(self, run: Callable[[], Any]) -> Any:
        """A validation, which leaves the random numbers of training where they were."""
        self.before_validation = None if self.trainer.sanity_checking else self.own_parts()
        try:
            with undisturbed():
                return run()
        finally:
            self.before_validation = None

    def own_parts(self) -> dict[str, Any]:
        """What each process has of its own: random numbers, unfinished sums, gradients that wait for more batches."""
        return {
            "random": random_state(),
            "sums": sums.state(self.trainer, self._results),
            "gradients": _gradients(self.trainer.lightning_module) if self._gradients_wait else None,
            "streams": self.trainer.fit_loop.ends_of_streams(),
        }

    def restore(self, own: dict[str, Any]) -> None:
        """Go back to it."""
        sums.restore(self.trainer, self._results, own["sums"])
        for name, parameter in self.trainer.lightning_module.named_parameters() if own["gradients"] else ():
            if name in own["gradients"]:
                parameter.grad = own["gradients"][name].to(parameter.device)
        set_random_state(own["random"])

    @property
    def _gradients_wait(self) -> bool:
        if not self.trainer.lightning_module.automatic_optimization:
            return True
        return _counts(self.batch_progress).processed > 0 and self._should_accumulate()

    def reset(self) -> None:
        """Counters begin anew with each epoch."""
        if not self.continues:
            super().reset()

    def on_run_start(self, data_fetcher: Any) -> None:
        """Where the last batch was trained and nothing after it was done, that comes first."""
        super().on_run_start(data_fetcher)
        self.continues = False
        if self.settling:
            self.on_advance_end(data_fetcher)

    def on_advance_end(self, data_fetcher: Any) -> None:
        """The end of a step."""
        self.settling = True
        try:
            super().on_advance_end(data_fetcher)
        except SIGTERMException:
            # Lightning raises it when everything else is done.
            self.settling = False
            raise
        self.settling = False
        if self.watchers and not self._should_accumulate() and not self._num_ready_batches_reached():
            for callback in self.watchers:
                callback.between_steps(self.trainer, epoch_over=False)


def make_exact(trainer: Trainer, epoch_loop: ExactEpochLoop, *, seed: int, per_device: bool = False) -> None:
    """Give a new Trainer the loop, and loaders whose order can be found again.

    Args:
        trainer: The Trainer.
        epoch_loop: Its loop over the batches.
        seed: Of the order of samples, and of what loading draws.
        per_device: Whether a loader's batch is that of one device, and not of all.
    """
    before = trainer.fit_loop
    loop = ExactFitLoop(trainer, min_epochs=before.min_epochs, max_epochs=before.max_epochs)
    loop.epoch_loop = epoch_loop
    trainer.fit_loop = loop
    connector: Any = trainer._data_connector
    connector._prepare_dataloader = functools.partial(
        _prepared, connector._prepare_dataloader, trainer, seed, per_device
    )


def _prepared(
    prepare: Callable[..., Any], trainer: Any, seed: int, per_device: bool, loader: Any, shuffle: bool, mode: Any
) -> Any:
    """In place of what Lightning does with a loader: the order of training is the framework's own."""
    rank, world = trainer.global_rank, trainer.world_size
    sharded = isinstance(loader, DataLoader) and trainer._data_connector._requires_distributed_sampler(loader)
    if mode != RunningStage.TRAINING:
        given = loader
        if sharded and mode != RunningStage.PREDICTING:
            loader = measuring_loader(loader, rank=rank, world_size=world, per_device=per_device)
        if loader is given:
            loader = prepare(loader, shuffle=shuffle, mode=mode)
        fitting = trainer.state.fn == TrainerFn.FITTING
        return keyed_loader(loader, seed=seed, rank=rank) if fitting else loader
    found = resumable_loader(loader, seed=seed, rank=rank, world_size=world, sharded=sharded, per_device=per_device)
    if found is loader:
        return prepare(loader, shuffle=shuffle, mode=mode)
    position, place = _loaded_position(trainer) or trainer.fit_loop.position(), place_in(found)
    if place is not None:
        place.seek(position.epoch, position.batch)
    return found


def _loaded_position(trainer: Any) -> Position | None:
    """Where the checkpoint goes on that is being loaded: loaders may be asked for before the counters are set."""
    loops = trainer._checkpoint_connector._loaded_checkpoint.get("loops", {})
    saved = loops.get("fit_loop", {}).get("state_dict", {}).get("position")
    return Position(**saved) if saved else None


def watchers(trainer: Trainer) -> list[BetweenSteps]:
    """The callbacks that are called between steps, checkpoints first: another one may end the run there."""
    every: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    found = [callback for callback in every if isinstance(callback, BetweenSteps)]
    return sorted(found, key=lambda callback: not isinstance(callback, Checkpoint))


def _counts(progress: Any, which: str = "current") -> Any:
    """Lightning's counters, whose types do not say what they count."""
    return getattr(progress, which)


def _not_restarting(loop: _Loop) -> None:
    """Keep Lightning from guessing where it was. Its own setter says yes again where steps are counted."""
    loop._restarting = loop._loaded_from_state_dict = False
    for child in vars(loop).values():
        if isinstance(child, _Loop):
            _not_restarting(child)


def _say_it_begins_anew(position: Position, because: str) -> None:
    """What a stream does that cannot go on, and why."""
    if position.batch and is_main_process():
        _log.warning(
            "The stream of training data begins anew in epoch %s, after %s batches of it: %s.",
            position.epoch + 1,
            position.batch,
            because,
        )


def _gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    named = module.named_parameters()
    return {name: parameter.grad.detach().cpu().clone() for name, parameter in named if parameter.grad is not None}
