"""``fw fit-check``: the memory of a training, found without taking it."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from framework_core.config.compose import compose
from framework_core.training import preparation
from framework_core.training.footprint import predicted, tracked

RECURRENT = """
from torch import nn
from mine import Iris, Net

class Recurrent(Net):
    kind = nn.GRU

    def _build_model(self):
        self.cell = self.kind(4, 3, batch_first=True)
        return nn.Linear(3, 3)

    def forward(self, inputs):
        return self.model(self.cell(inputs[:, None])[0][:, 0])

class Gated(Recurrent):
    kind = nn.LSTM

class Asks(Net):
    def forward(self, inputs):
        return self.model(inputs) * (2 if inputs.sum().item() > 0 else 1)

class Packs(Recurrent):
    def forward(self, inputs):
        packed = nn.utils.rnn.pack_padded_sequence(inputs[:, None], [1] * len(inputs), batch_first=True)
        return self.model(self.cell(packed)[1][0])

class Fails(Net):
    def training_step(self, batch, batch_idx):
        raise ArithmeticError("no such number")
"""
SMALL = ("dataset=mine.py:Iris", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "preflight=false")


def check(fw, *words):
    done = fw("fit-check", "trainer.accelerator=cpu", *words, "--json")
    assert done.code == 0, done.err
    return done.json


@pytest.mark.parametrize(
    "words",
    [
        ("model=mine.py:Net", "model.width=16"),
        ("model=mine.py:Net", "model.width=4096"),
        ("model=odd.py:Recurrent",),
        ("model=odd.py:Gated",),
        ("model=odd.py:Gated", "dataset.batch_size=90"),
    ],
)
def test_what_is_predicted_is_what_a_step_takes(words, components, project):
    (project / "odd.py").write_text(RECURRENT)
    config = compose([*SMALL, *words]).config
    prepared = preparation.prepare(config)
    preparation.set_optimization(prepared, config)
    batch = next(iter(prepared.datamodule.train_dataloader()))
    guess = predicted(prepared.model, batch, config)
    before = {name: each.clone() for name, each in prepared.model.state_dict().items()}
    taken = tracked(prepared.model, batch, config)
    assert guess.peak == pytest.approx(taken.peak, rel=0.05)
    assert (guess.weights, guess.gradients, guess.optimizer) == (taken.weights, taken.gradients, taken.optimizer)
    assert any(not each.equal(before[name]) for name, each in prepared.model.state_dict().items())


def test_parts_are_those_of_the_model_and_its_optimizer(fw, components):
    found = check(fw, "model=mine.py:Net", "dataset=mine.py:Iris")["one_device"]
    # 131 numbers of four bytes; AdamW has two of each, and a step for each of the four tensors.
    assert (found["weights"], found["gradients"], found["optimizer"]) == (524, 524, 2 * 524 + 4 * 4)
    assert found["batch_size"] == 16
    assert found["peak"] > 4 * 524


def test_the_largest_batch_fits_and_a_larger_one_does_not(fw, components):
    words = ("model=mine.py:Net", "dataset=mine.py:Iris", "model.width=4096")
    whole = check(fw, *words)["one_device"]["peak"]
    # 90 % of it are planned with.
    memory = int(whole / 0.9) + 400_000
    (fit,) = check(fw, *words, "--devices", f"{memory / 10**6:.3f}MB")["strategies"]
    assert 16 < fit["largest"] < 90
    at_most, above = (
        check(fw, *words, f"dataset.batch_size={fit['largest'] + more}")["one_device"]["peak"] for more in (0, 8)
    )
    assert at_most <= 0.9 * memory < above


def test_a_strategy_is_advised_and_what_does_not_fit_is_told(fw, components):
    words = ("model=mine.py:Net", "dataset=mine.py:Iris", "model.width=65536", "trainer.accelerator=cpu")
    found = check(fw, *words)["one_device"]
    fixed = found["weights"] + found["gradients"] + found["optimizer"]
    tight = (found["peak"] + found["weights"] / 2) / 0.9 / 10**6
    roomy, no_room = (check(fw, *words, "--devices", f"2 x {size:.3f}MB") for size in (2 * tight, fixed / 8 / 10**6))
    assert roomy["advice"] == "ddp"
    assert [each["strategy"] for each in roomy["strategies"]] == ["ddp", "fsdp2"]
    assert no_room["advice"] == ""
    done = fw("fit-check", *words, "--devices", f"2 x {fixed / 8 / 10**6:.3f}MB")
    assert "A batch of this size does not fit" in done.err


@pytest.mark.parametrize("model", ["Asks", "Packs"])
def test_a_model_that_looks_at_numbers_is_measured_by_real_steps(model, fw, components, project):
    (project / "odd.py").write_text(RECURRENT)
    words = (f"model=odd.py:{model}", "dataset=mine.py:Iris", "trainer.accelerator=cpu")
    found = check(fw, *words, "--devices", "2 x 1GiB")
    assert found["tried"]
    assert [each["largest"] for each in found["strategies"]] == [90, 90]
    config = compose([*SMALL, *words]).config
    prepared = preparation.prepare(config)
    preparation.set_optimization(prepared, config)
    batch = next(iter(prepared.datamodule.train_dataloader()))
    assert found["one_device"]["peak"] == tracked(prepared.model, batch, config).peak
    assert "Real steps were taken on this machine" in fw("fit-check", *words).err


def test_a_real_step_that_this_machine_has_no_memory_for_is_not_taken(fw, components, project, monkeypatch):
    (project / "odd.py").write_text(RECURRENT)
    words = ("fit-check", "-m", "odd.py:Asks", "-d", "mine.py:Iris", "trainer.accelerator=cpu", "model.width=4096")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=700_000))
    assert fw(*words, "dataset.batch_size=4").code == 0
    done = fw(*words, "dataset.batch_size=90")
    assert (done.code, done.out) == (2, "")
    assert "the model looks at numbers on the way, and a real step takes" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("model=odd.py:Recurrent", "trainer.accelerator=auto", "--devices", "8 x 24GiB"),
            "what a recurrent layer keeps on a GPU only its library knows",
        ),
        (("model=odd.py:Fails", "preflight=false"), "a step of the model fails: ArithmeticError: no such number"),
        (("model=mine.py:Net", "--devices", "many"), "this is no number of devices with their memory"),
        (("model=mine.py:Net", "--devices", "0 x 24GiB"), "this is no number of devices with their memory"),
    ],
)
def test_what_cannot_be_predicted_is_refused(words, said, fw, components, project):
    (project / "odd.py").write_text(RECURRENT)
    done = fw("fit-check", "dataset=mine.py:Iris", "trainer.accelerator=cpu", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
