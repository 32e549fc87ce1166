"""The lean loop gives what Lightning's own gives: numbers, hooks, counters, checkpoints."""

import os

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import nn
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader, TensorDataset

from framework_core.heap import frozen_heap
from framework_core.training.lean_loop import make_lean, without_empty_hooks
from framework_core.training.strategies.fsdp2 import FSDP2
from framework_core.training.strategies.shard_step import steps_on_shards

QUIET = {
    "logger": False,
    "enable_progress_bar": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "devices": 1,
    "max_epochs": 2,
}


class Model(LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 2))

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        loss = nn.functional.cross_entropy(self.network(inputs), labels)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class GivesDict(Model):
    def training_step(self, batch, batch_idx):
        return {"loss": super().training_step(batch, batch_idx), "more": 3}


class SkipsABatch(Model):
    def training_step(self, batch, batch_idx):
        return None if batch_idx == 1 else super().training_step(batch, batch_idx)


class TakesNoIndex(Model):
    def training_step(self, batch):
        return super().training_step(batch, 0)


class CallsItself(Model):
    def forward(self, inputs):
        return self.network(inputs)

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        return nn.functional.cross_entropy(self(inputs), labels)


class Clips(Model):
    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        self.clip_gradients(optimizer, gradient_clip_val=0.01, gradient_clip_algorithm="norm")


class LooksAtGradients(Model):
    def on_before_optimizer_step(self, optimizer):
        for parameter in self.parameters():
            parameter.grad.mul_(0.5)


class StepsItself(Model):
    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
        optimizer.step(closure=optimizer_closure)


class Manual(Model):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        loss = super().training_step(batch, batch_idx)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss


class NoSchedule(Model):
    def configure_optimizers(self):
        return torch.optim.LBFGS(self.parameters(), max_iter=3)


class Heard(Callback):
    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        if name.startswith("on_") and name in vars(Callback):
            self.calls.append(name)
        return super().__getattribute__(name)


class Outputs(Callback):
    def __init__(self):
        self.losses = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.losses.append(float(outputs["loss"]) if outputs else None)


class ChangesGradients(Callback):
    def on_after_backward(self, trainer, module):
        for parameter in module.parameters():
            parameter.grad.mul_(0.5)


def loader():
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(44, 4, generator=generator), torch.randint(2, (44,), generator=generator))
    # In order, and with a generator of its own: the framework draws neither from the random numbers of training.
    return DataLoader(data, batch_size=8, generator=torch.Generator())


def counters(trainer):
    return {name: each for name, each in trainer.fit_loop.state_dict().items() if name != "state_dict"}


def trained(model_class, *, lean, callbacks=(), **arguments):
    seed_everything(1, verbose=False)
    outputs = Outputs()
    trainer = Trainer(**{**QUIET, **arguments}, callbacks=[outputs, *(each() for each in callbacks)])
    model = model_class()
    if lean:
        make_lean(trainer)
        with without_empty_hooks(trainer, model), frozen_heap():
            trainer.fit(model, loader())
    else:
        trainer.fit(model, loader())
    return model, trainer, outputs.losses


MODELS = [Model, GivesDict, SkipsABatch, TakesNoIndex, Clips, LooksAtGradients, StepsItself, Manual, NoSchedule]


@pytest.mark.some_of(3)
@pytest.mark.filterwarnings("ignore:.*training_step.* returned .None.")
@pytest.mark.parametrize("model_class", MODELS)
def test_weights_losses_and_counters_are_lightnings(model_class):
    ours, our_trainer, our_losses = trained(model_class, lean=True)
    theirs, their_trainer, their_losses = trained(model_class, lean=False)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert our_losses == their_losses
    assert our_trainer.global_step == their_trainer.global_step
    assert counters(our_trainer) == counters(their_trainer)
    assert our_trainer.callback_metrics == their_trainer.callback_metrics


@pytest.fixture
def alone():
    """Leave no group of processes, and nothing that tells of one, to the next test."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("model_class", [CallsItself, GivesDict])
def test_a_model_in_ddp_steps_as_lightning_lets_it(model_class, alone):
    # Lightning's sampler for processes has an order of its own.
    together = {"strategy": "ddp", "use_distributed_sampler": False}
    ours, our_trainer, our_losses = trained(model_class, lean=True, **together)
    theirs, _, their_losses = trained(model_class, lean=False, **together)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert our_losses == their_losses
    assert our_trainer.global_step == 12
    assert "forward" not in vars(ours)


class StepsByMomentum(Model):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-2, momentum=0.9, nesterov=True, weight_decay=0.1)


class TrainsAPart(Model):
    def training_step(self, batch, batch_idx):
        self.network[0].weight.requires_grad = self.global_step > 3
        return super().training_step(batch, batch_idx)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("model_class", [Model, StepsByMomentum, TrainsAPart])
def test_a_model_in_fsdp2_steps_as_lightning_lets_it(model_class, alone):
    found = []
    for lean in (True, False):
        together = {"strategy": FSDP2(blocks=["Linear"]), "use_distributed_sampler": False}
        model, trainer, losses = trained(model_class, lean=lean, **together)
        state = trainer.optimizers[0].state_dict()["state"]
        values = [*model.state_dict().values(), *(value for each in state.values() for value in each.values())]
        found.append((losses, [value.full_tensor() if isinstance(value, DTensor) else value for value in values]))
    (our_losses, ours), (their_losses, theirs) = found
    assert our_losses == their_losses
    assert len(ours) == len(theirs) > 4
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))


@pytest.mark.some_of(2)
@pytest.mark.parametrize(
    "arguments",
    [
        {"accumulate_grad_batches": 3},
        {"gradient_clip_val": 0.01},
        {"precision": "bf16-mixed"},
        {"precision": "64-true"},
        {"callbacks": (ChangesGradients,)},
        {"detect_anomaly": True},
        {"max_steps": 7},
        {"limit_train_batches": 3},
    ],
)
def test_settings_that_need_lightnings_own_step_get_it(arguments):
    ours, _, our_losses = trained(Model, lean=True, **arguments)
    theirs, _, their_losses = trained(Model, lean=False, **arguments)
    assert our_losses == their_losses
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_hooks_that_somebody_wrote_are_called_as_often():
    class Counts(Model):
        def __init__(self):
            super().__init__()
            self.counts = {}

    def counting(name):
        def hook(self, *arguments):
            self.counts[name] = self.counts.get(name, 0) + 1

        return hook

    for name in ("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_train_epoch_end"):
        setattr(Counts, name, counting(name))
    ours, _, _ = trained(Counts, lean=True)
    theirs, _, _ = trained(Counts, lean=False)
    assert ours.counts == theirs.counts
    assert ours.counts["on_train_batch_end"] == 12


def test_hidden_hooks_are_there_again_afterwards():
    trainer = Trainer(**QUIET, callbacks=[Outputs()])
    model = Model()
    with without_empty_hooks(trainer, model):
        assert model.on_before_zero_grad is None
        assert trainer.callbacks[0].on_train_batch_end is not None
    assert callable(model.on_before_zero_grad)


def test_a_checkpoint_of_the_lean_loop_is_continued_by_lightning(tmp_path):
    _, trainer, _ = trained(Model, lean=True, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    seed_everything(2, verbose=False)
    other = Trainer(**{**QUIET, "max_epochs": 3})
    other.fit(Model(), loader(), ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    assert other.global_step == 18


class Foreign:
    """What another library, such as DeepSpeed, has in an optimizer's place."""

    param_groups = ()


def test_an_optimizer_that_is_none_of_torchs_takes_its_own_steps():
    assert not steps_on_shards(Foreign())
