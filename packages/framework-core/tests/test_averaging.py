"""An average of the weights beside them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer
from torch import nn

from framework_core import BaseModel
from framework_core.config.compose import compose
from framework_core.contracts import AveragingConfig
from framework_core.errors import ConfigError
from framework_core.run import train as run_train
from framework_core.training.averaging import EpochAverage, ExponentialAverage
from framework_core.training.checkpoint_io import read

COMPONENTS = ("model=mine.py:Net", "dataset=mine.py:Iris", "mlops.tracking.backend=none", "trainer.accelerator=cpu")

QUIET = (
    "mlops.report=false",
    "trainer.enable_progress_bar=false",
    "trainer.num_sanity_val_steps=0",
    "dataset.batch_size=45",
)


class History(Callback):
    """The weights after every step, and those that are validated."""

    def __init__(self):
        self.steps, self.validated, self.rates = [], [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps.append(weights(pl_module))

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if not trainer.sanity_checking and batch_idx == 0:
            self.validated.append(weights(pl_module))


def weights(module):
    return copy.deepcopy([parameter.detach() for parameter in module.parameters()])


@pytest.fixture
def run(components):
    def run(*words, resume=None):
        history = History()
        config = compose([*COMPONENTS, *QUIET, *words]).config
        return run_train(config, callbacks=[history], resume=resume), history

    return run


def saved(path: Path):
    checkpoint = read(path)
    return [checkpoint["state_dict"][name] for name in checkpoint["state_dict"] if name.startswith("model.")]


def test_an_ema_is_validated_saved_and_tested_in_place_of_the_weights(run):
    result, history = run("averaging.kind=ema", "averaging.decay=0.9", "averaging.warmup=false", "trainer.max_epochs=1")
    average = copy.deepcopy(history.steps[0])
    for step in history.steps[1:]:
        average = [0.9 * before + 0.1 * now for before, now in zip(average, step, strict=True)]
    torch.testing.assert_close(history.validated[-1], average)
    torch.testing.assert_close(saved(result.best_checkpoint), average)
    assert not torch.equal(average[0], history.steps[-1][0])


def test_an_ema_with_warm_up_moves_faster_at_first():
    ema = ExponentialAverage(AveragingConfig(kind="ema"))
    found = []
    for step in (0, 9, 999, 10**6):
        ema.should_update(step_idx=step)
        found.append(ema.decay)
    assert found == [2 / 11, 11 / 20, 1001 / 1010, 0.9999]


def test_an_ema_may_move_every_few_steps_only():
    ema = ExponentialAverage(AveragingConfig(kind="ema", every_n_steps=3))
    assert [step for step in range(9) if ema.should_update(step_idx=step)] == [2, 5, 8]


def test_swa_is_the_mean_of_the_last_epochs(run):
    words = ("averaging.kind=swa", "averaging.start=0.5", "trainer.max_epochs=4", "checkpoint.save_top_k=0")
    result, history = run(*words)
    ends = history.steps[len(history.steps) // 4 - 1 :: len(history.steps) // 4]
    torch.testing.assert_close(history.validated[1], ends[1])  # before it begins the weights themselves are validated
    mean = [(a + b) / 2 for a, b in zip(ends[2], ends[3], strict=True)]
    torch.testing.assert_close(saved(result.last_checkpoint), mean)


class Normalised(BaseModel):
    def _build_model(self):
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)


def averaged(batches):
    """A short SWA; the trained model, the batches of an epoch, and random numbers afterwards."""
    torch.manual_seed(0)
    samples = torch.utils.data.TensorDataset(torch.randn(64, 4) * 3 + 1, torch.arange(64) % 3)
    loader = torch.utils.data.DataLoader(samples, 8)
    model = Normalised()
    settings = AveragingConfig(kind="swa", start=0.5, bn_batches=batches)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = Trainer(
        max_epochs=4, accelerator="cpu", callbacks=[EpochAverage(settings)], enable_checkpointing=False, **quiet
    )
    trainer.fit(model, loader, loader)
    return model, loader, torch.rand(())


def test_swa_counts_the_statistics_of_its_mean_as_torch_does():
    model, loader, after = averaged(100)
    found = copy.deepcopy(model.model[1])
    torch.optim.swa_utils.update_bn(loader, model)
    torch.testing.assert_close(found.running_mean, model.model[1].running_mean)
    torch.testing.assert_close(found.running_var, model.model[1].running_var)
    assert found.momentum == 0.1
    without, _, after_without = averaged(0)
    assert not torch.allclose(without.model[1].running_mean, found.running_mean)
    assert torch.equal(without.model[0].weight, model.model[0].weight)
    assert torch.equal(after, after_without)


def test_what_swa_validates_last_is_what_it_ends_with(run):
    words = ("averaging.kind=swa", "averaging.start=0.5", "trainer.max_epochs=4")
    result, history = run(*words)
    torch.testing.assert_close(history.validated[-1], saved(result.last_checkpoint))


@pytest.mark.drawn
def test_swa_holds_its_learning_rate(run):
    words = ("averaging.kind=swa", "averaging.start=0.5", "averaging.lr=0.123", "trainer.max_epochs=2")
    _, history = run(*words)
    half = len(history.rates) // 2
    assert 0.123 not in history.rates[:half]
    assert history.rates[half:] == pytest.approx([0.123] * half)
    _, plain = run("averaging.kind=swa", "trainer.max_epochs=2")
    assert 0.123 not in plain.rates


@pytest.mark.drawn
@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_a_run_that_is_continued_ends_with_the_same_average(kind, run):
    words = (f"averaging.kind={kind}", "scheduler=constant", "dataset.batch_size=90", "seed=3", "trainer.max_epochs=4")
    words = (*words, "averaging.start=0.25") if kind == "swa" else words
    whole, _ = run(*words, "experiment.run_name=whole")
    shorter = ["averaging.start=0.5"] if kind == "swa" else []  # the share is of all four epochs
    stopped, _ = run(*words, *shorter, "experiment.run_name=stopped", "trainer.max_epochs=2")
    continued, _ = run(*words, f"experiment.run_name={stopped.run.name}", resume=stopped.run.name)
    torch.testing.assert_close(saved(continued.last_checkpoint), saved(whole.last_checkpoint))


class StoppedError(Exception):
    pass


class SaveInValidation(Callback):
    def __init__(self, path):
        self.path = path
        self.weights = None

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.weights = weights(pl_module)

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        if not trainer.sanity_checking:
            self.average = weights(pl_module)
            trainer.save_checkpoint(self.path)
            raise StoppedError


class Line(BaseModel):
    def _build_model(self):
        return nn.Linear(1, 1)

    def loss(self, outputs, target):
        return nn.functional.mse_loss(outputs, target)


def test_a_checkpoint_in_the_middle_of_validation_has_both_where_they_belong(tmp_path):
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(32, 1), torch.randn(32, 1)), 4)
    save = SaveInValidation(tmp_path / "a.ckpt")
    average = ExponentialAverage(AveragingConfig(kind="ema", decay=0.99, warmup=False))
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = Trainer(max_epochs=1, accelerator="cpu", callbacks=[average, save], enable_checkpointing=False, **quiet)
    with pytest.raises(StoppedError):
        trainer.fit(Line(), loader, loader)
    checkpoint = torch.load(save.path, weights_only=True)
    assert torch.equal(checkpoint["current_model_state"]["model.weight"], save.weights[0])
    assert torch.equal(checkpoint["state_dict"]["model.weight"], save.average[0])
    assert not torch.equal(save.weights[0], save.average[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["averaging.decay=0.5"], "decay has an effect with averaging.kind=ema only"),
        (["averaging.kind=ema", "averaging.bn_batches=5"], "bn_batches has an effect with averaging.kind=swa only"),
        (["averaging.kind=ema", "averaging.lr=0.1"], "lr has an effect with averaging.kind=swa only"),
        (["averaging.kind=ema", "strategy=fsdp"], "averaging.kind: is not possible with strategy=fsdp"),
        (["averaging.kind=swa", "trainer.max_epochs=-1", "scheduler=constant"], "how many epochs there are"),
        (["averaging.kind=mean"], "averaging.kind"),
    ],
)
def test_what_makes_no_sense_is_refused(words, said, components):
    with pytest.raises(ConfigError) as error:
        compose([*COMPONENTS, *words])
    assert said in str(error.value)


def test_the_settings_are_saved_with_the_run(run):
    result, _ = run("averaging.kind=ema", "trainer.max_epochs=1")
    assert yaml.safe_load((result.run.directory / "config.yaml").read_text())["averaging"]["kind"] == "ema"
