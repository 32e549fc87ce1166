"""What makes training faster: chosen by the device, applied for a run, and without a trace in checkpoints."""

from __future__ import annotations

import json
import re
import time

import pytest
import torch
import yaml
from lightning.pytorch import Callback
from torch import nn

from framework_core import BaseModel
from framework_core.config.compose import compose
from framework_core.errors import ConfigError, ContractError
from framework_core.run import train as run_train
from framework_core.tracking.logger import TrackingLogger
from framework_core.training.bottleneck import Bottleneck, Verdict, advice
from framework_core.training.checkpoint_io import read
from framework_core.training.device import Device, device
from framework_core.training.performance import applied, choices, with_choices
from framework_core.training.step_clock import StepClock

pytestmark = pytest.mark.drawn

COMMON = (
    "model=mine.py:Net",
    "dataset=mine.py:Iris",
    "mlops.tracking.backend=none",
    "mlops.report=false",
    "trainer.accelerator=cpu",
)
PLAIN_CPU, FAST_CPU = Device("cpu", bf16=False), Device("cpu", bf16=True)
GPU, OLD_GPU = Device("cuda", bf16=True), Device("cuda", bf16=False)


class Large(BaseModel):
    def _build_model(self):
        return nn.Sequential(nn.Conv2d(3, 1000, 19), nn.Flatten(), nn.Linear(1000, 2))

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)


class Small(Large):
    def _build_model(self):
        return nn.Conv2d(3, 8, 3)


@pytest.fixture
def settings(components):
    return lambda *words: compose([*COMMON, *words]).config


def chosen(config, model, here):
    return {choice.setting: choice.value for choice in choices(config, model, here)}


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (PLAIN_CPU, {"optimizer.fused"}),
        (FAST_CPU, {"optimizer.fused", "trainer.precision", "performance.channels_last"}),
        (
            GPU,
            {"optimizer.fused", "trainer.precision", "performance.channels_last", "performance.matmul_precision"},
        ),
        (OLD_GPU, {"optimizer.fused"}),
        (Device("mps", bf16=False), set()),
    ],
)
def test_what_is_chosen_follows_from_the_device(here, expected, settings):
    assert set(chosen(settings(), Large(), here)) == expected


def test_what_is_chosen_stands_in_the_settings_and_each_choice_names_its_opposite(settings):
    config = settings()
    found = choices(config, Large(), GPU)
    complete = with_choices(config, found)
    assert complete.trainer.precision == "bf16-mixed"
    assert complete.optimizer.fused is True
    assert complete.performance.channels_last is True
    opposite = settings(*[choice.otherwise for choice in found])
    assert chosen(opposite, Large(), GPU) == {}


@pytest.mark.parametrize("words", [["performance.auto=false"], ["optimizer=lbfgs"], ["trainer.gradient_clip_val=1"]])
def test_nothing_is_chosen_where_it_was_switched_off_or_is_not_possible(words, settings):
    assert "optimizer.fused" not in chosen(settings(*words), Large(), PLAIN_CPU)


def test_a_sharded_model_has_a_fused_optimizer_where_torch_has_one_for_it(settings):
    assert chosen(settings("optimizer=adamw", "strategy=fsdp2"), Small(), GPU) == {"optimizer.fused": True}
    assert chosen(settings("optimizer=sgd", "strategy=fsdp2"), Small(), GPU) == {}
    assert chosen(settings("optimizer=sgd", "strategy=ddp"), Small(), GPU) == {"optimizer.fused": True}


def test_a_small_model_has_a_fused_optimizer_and_one_that_is_lightnings_alone_nothing(settings):
    from lightning.pytorch.demos.boring_classes import BoringModel

    assert chosen(settings(), Small(), GPU) == {"optimizer.fused": True}
    assert chosen(settings(), BoringModel(), GPU) == {}


@pytest.mark.parametrize(
    "part", [nn.Embedding(4, 2, sparse=True), nn.Linear(2, 2, dtype=torch.complex64)], ids=["sparse", "complex"]
)
def test_a_model_that_no_fused_optimizer_takes_has_none(part, settings):
    model = Large()
    model.part = part
    assert "optimizer.fused" not in chosen(settings("optimizer=sgd"), model, PLAIN_CPU)


def test_the_device_is_the_one_that_trains():
    assert device("cpu").kind == "cpu"
    assert device("auto").kind == ("cuda" if torch.cuda.is_available() else "cpu")


class Look(Callback):
    def __init__(self):
        self.seen = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen["fused"] = trainer.optimizers[0].param_groups[0]["fused"]
        self.seen["matmul"] = torch.get_float32_matmul_precision()
        self.seen["compiled"] = pl_module.model._compiled_call_impl is not None
        self.seen["precision"] = str(trainer.precision)


def test_choices_are_said_saved_and_followed(components, project, fw):
    words = [*COMMON, "trainer=debug", "trainer.limit_train_batches=1"]
    done = fw("train", *words, "--json")
    assert done.code == 0, done.err
    assert "Chosen for this device (cpu" in done.err
    assert re.search(r"^  optimizer\.fused +true +else: optimizer\.fused=false$", done.err, re.M)
    saved = yaml.safe_load((project / done.json["directory"] / "config.yaml").read_text())
    assert saved["optimizer"]["fused"] is True
    off = fw("train", *words, "performance.auto=false", "--dry-run")
    assert "Chosen for this device" not in off.err


def test_settings_are_in_force_while_training_and_gone_afterwards(settings):
    look, before = Look(), torch.get_float32_matmul_precision()
    words = ("performance.matmul_precision=high", "performance.compile=true", "performance.compile_backend=eager")
    config = settings(*words, "optimizer.fused=true", "trainer=debug", "trainer.precision=bf16-mixed")
    result = run_train(config, callbacks=[look])
    assert look.seen == {"fused": True, "matmul": "high", "compiled": True, "precision": "bf16-mixed"}
    assert torch.get_float32_matmul_precision() == before
    names = read(result.best_checkpoint)["state_dict"]
    assert set(names) == {"model.0.weight", "model.0.bias", "model.3.weight", "model.3.bias"}


def test_channels_last_reaches_weights_and_inputs_and_changes_no_number(settings):
    model, seen = Large(), []
    model.model[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    images = torch.randn(2, 3, 19, 19)
    with torch.no_grad():
        before = model(images)
        with applied(settings("performance.channels_last=true"), model):
            torch.testing.assert_close(model(images), before)
            assert model.model[0].weight.is_contiguous(memory_format=torch.channels_last)
            assert seen[-1].is_contiguous(memory_format=torch.channels_last)
        model(images)
    assert model.model[0].weight.is_contiguous()
    assert seen[-1].is_contiguous()


def test_a_compiled_network_gives_the_same_numbers_under_the_same_names(settings):
    model = Small()
    names, images = set(model.state_dict()), torch.randn(2, 3, 8, 8)
    before = model(images)
    with applied(settings("performance.compile=true", "performance.compile_backend=eager"), model):
        torch.testing.assert_close(model(images), before)
        assert set(model.state_dict()) == names
    assert model.model._compiled_call_impl is None


def test_the_step_of_a_fused_optimizer_is_that_of_a_plain_one():
    results = []
    for fused in (True, False):
        torch.manual_seed(0)
        model = nn.Linear(8, 4)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.ones(2, 8)).square().sum().backward()
            optimizer.step()
        results.append(model.weight.detach())
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["performance.compile_backend=eager"], ConfigError, "with performance.compile=true only"),
        (["performance.compile=true", "performance.compile_backend=eagre"], ConfigError, "torch has no such backend"),
        (["performance.compile=fast"], ConfigError, "performance.compile"),
        (["performance.gradient_checkpointing=true"], ContractError, "cannot compute activations again"),
        (["performance.matmul_precision=low"], ConfigError, "performance.matmul_precision"),
    ],
)
def test_what_is_not_possible_is_refused(words, error, said, settings):
    with pytest.raises(error) as caught, applied(settings(*words), Small()):
        pass
    assert said in str(caught.value)


SLOW = """

import time


class SlowData(Iris):
    def train_dataloader(self):
        loader = super().train_dataloader()
        collate = loader.collate_fn
        loader.collate_fn = lambda batch: (time.sleep(0.02), collate(batch))[1]
        return loader


class SlowNet(Net):
    def forward(self, x):
        time.sleep(0.02)
        return super().forward(x)
"""


@pytest.mark.parametrize(
    ("model", "dataset", "bound", "advised"),
    [("Net", "SlowData", "data", "dataset"), ("SlowNet", "Iris", "computing", "performance.compile=true")],
)
def test_the_profiler_says_what_training_waits_for(model, dataset, bound, advised, components, project, fw):
    (project / components).write_text((project / components).read_text() + SLOW)
    words = (f"model=mine.py:{model}", f"dataset=mine.py:{dataset}", *COMMON[2:], "trainer.profiler=bottleneck")
    done = fw("train", *words, "trainer.max_epochs=2", "dataset.num_workers=0", "dataset.batch_size=8")
    assert done.code == 0, done.err
    assert f"bound by {bound}:" in done.err
    line = next(line for line in done.err.splitlines() if line.startswith("profile"))
    assert f"{bound} " in line
    assert " ms a step (23 steps)" in line
    share = int(line.partition(f"{bound} ")[2].partition("%")[0])
    assert share > 60


def test_every_run_says_what_its_steps_waited_for_and_its_report_does(components, project, fw):
    (project / components).write_text((project / components).read_text() + SLOW)
    words = (
        "model=mine.py:Net",
        "dataset=mine.py:SlowData",
        *COMMON[2:],
        "mlops.report=true",
        "experiment.run_name=slow",
    )
    done = fw("train", *words, "trainer.max_epochs=6", "dataset.num_workers=0", "dataset.batch_size=8")
    assert done.code == 0, done.err
    line = next(line for line in done.err.splitlines() if line.startswith("step  "))
    assert re.fullmatch(r"step +[\d.]+ ms, data \d+%, computing \d+%, logging \d+%: bound by data; .*dataset.*", line)
    found = json.loads((project / "runs" / "slow" / "steps.json").read_text())
    assert found["bound"] == "data"
    assert found["shares"]["data"] > 0.6
    assert sum(found["shares"].values()) == pytest.approx(1, abs=0.001)
    assert found["milliseconds"] > 20
    assert fw("report", "slow", "-o", "slow.html").code == 0
    assert f"bound by data. What would help: {found['advice']}." in (project / "slow.html").read_text()


class Steps(Callback):
    """Weights after each step, and the norm of the gradients that made it."""

    def __init__(self):
        self.weights, self.norms = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.weights.append(pl_module.model[0].weight.detach().clone())

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        if gradients:
            self.norms.append(float(torch.cat([each.flatten() for each in gradients]).norm()))


def test_gradients_of_several_batches_make_one_step_of_one_batch_as_large(settings):
    words = ("optimizer=sgd", "trainer.max_epochs=1", "scheduler=constant", "scheduler.warmup_steps=0", "seed=1")
    whole, parts = Steps(), Steps()
    run_train(settings(*words, "dataset.batch_size=30"), callbacks=[whole])
    run_train(settings(*words, "dataset.batch_size=10", "trainer.accumulate_grad_batches=3"), callbacks=[parts])
    assert len(parts.weights) == 3 * len(whole.weights)
    torch.testing.assert_close(parts.weights[2::3], whole.weights)
    assert torch.equal(parts.weights[3], parts.weights[2])


def test_the_norm_of_the_gradients_is_cut(settings):
    free, cut = Steps(), Steps()
    run_train(settings("trainer.max_epochs=1"), callbacks=[free])
    run_train(settings("trainer.max_epochs=1", "trainer.gradient_clip_val=0.01"), callbacks=[cut])
    assert max(free.norms) > 0.1
    assert max(cut.norms) <= 0.0101


def test_deterministic_mode_is_torchs_for_the_run_and_repeats_its_numbers(settings):
    seen = []

    class Mode(Callback):
        def on_train_start(self, trainer, pl_module):
            seen.append(torch.are_deterministic_algorithms_enabled())

    try:
        words = ("trainer=deterministic", "trainer.max_epochs=1")
        first, second = (run_train(settings(*words), callbacks=[Mode()]).metrics for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert seen == [True, True]
    assert first == second


def test_a_slow_logger_is_told(settings, monkeypatch, caplog):
    log_metrics = TrackingLogger.log_metrics

    def slow(self, *arguments, **options):
        time.sleep(0.02)
        log_metrics(self, *arguments, **options)

    monkeypatch.setattr(TrackingLogger, "log_metrics", slow)
    with caplog.at_level("INFO", logger="framework_core"):
        run_train(settings("trainer.profiler=bottleneck", "trainer.max_epochs=1"))
    assert "bound by logging: log less often: trainer.log_every_n_steps=50" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", logger="framework_core"):
        run_train(settings("trainer.max_epochs=15"))
    assert "bound by logging; log less often: trainer.log_every_n_steps=50" in caplog.text


def test_of_a_short_training_nothing_is_told():
    clock = StepClock()
    for _ in range(100):
        clock.start()
        clock.stop()
    assert clock.verdict() is None


@pytest.mark.thorough
def test_a_network_compiled_to_machine_code_trains_to_the_same_loss(settings):
    words = ("trainer=debug", "optimizer=sgd")
    plain = run_train(settings(*words)).metrics
    compiled = run_train(settings(*words, "performance.compile=true")).metrics
    assert compiled["val/loss"] == pytest.approx(plain["val/loss"], rel=1e-3)


def test_time_is_counted_once_and_to_the_inner_part(settings):
    clock = Bottleneck(settings())
    with clock.part("step"):
        clock.step_done()
    for _ in range(2):
        with clock.part("step"), clock.part("computing"), clock.part("logging"), clock.part("logging"):
            torch.randn(200, 200) @ torch.randn(200, 200)
        clock.step_done()
    found = clock.verdict()
    assert found.steps == 2
    assert found.bound == "logging"
    assert sum(found.shares.values()) <= 1


@pytest.mark.parametrize(
    ("bound", "words", "said"),
    [
        ("data", ["dataset.num_workers=0"], "dataset.num_workers="),
        ("logging", [], "trainer.log_every_n_steps=50"),
        ("computing", [], "performance.compile=true"),
        ("computing", ["performance.compile=true"], "a faster device"),
    ],
)
def test_advice_is_what_to_type(bound, words, said, settings, monkeypatch):
    monkeypatch.setattr("framework_core.training.bottleneck.device", lambda accelerator: PLAIN_CPU)
    monkeypatch.setattr("framework_core.training.bottleneck.cores", lambda: 4)
    shares = dict.fromkeys(("data", "computing", "logging"), 0.1) | {bound: 0.7}
    assert said in advice(Verdict(10, 1.0, shares), settings(*words))
