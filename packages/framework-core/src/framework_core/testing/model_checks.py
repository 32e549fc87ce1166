"""Promises of a model: it is built from its data, learns, and is the same after it was saved."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.testing.check import NotApplicableError, check, expect
from framework_core.testing.subjects import ModelSubject, files_here

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule
    from torch import Tensor

    from framework_core.contracts.data import DataSpec

STEPS, FALL = 60, 0.3
"""Steps on one batch, and the share of the loss that they must take away."""
RATES = (1e-3, 1e-2)
"""Learning rates of which one has to do it."""
CLOSE = 1e-4
"""How far two outputs may lie apart, relative to the largest, and still be called the same."""


@check("model")
def fits_its_data(model: ModelSubject) -> None:
    """It is built from its settings and data alone, and its contract agrees with that data."""
    from framework_core.base.model import BaseModel

    built = model.model()
    if isinstance(built, BaseModel):
        wrong = built.contract.check(model.data)
        expect(not wrong, "; ".join(wrong))


@check("model")
def building_leaves_the_process_alone(model: ModelSubject) -> None:
    """Building it changes no setting of torch and nothing in the working folder."""
    import torch

    def state() -> dict[str, Any]:
        return {
            "the default dtype": torch.get_default_dtype(),
            "the number of threads": torch.get_num_threads(),
            "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "the default device": torch.get_default_device(),
            "gradients": torch.is_grad_enabled(),
            "the working folder": Path.cwd(),
            "files in the working folder": files_here(),
        }

    _ = model.data
    before = state()
    model.model()
    after = state()
    changed = [f"{name}: {before[name]} became {after[name]}" for name in before if before[name] != after[name]]
    expect(not changed, "; ".join(changed))


@check("model")
def built_twice_is_the_same(model: ModelSubject) -> None:
    """Two that are built from one seed and the same settings have the same weights: nothing is shared or random."""
    first, second = (dict(model.model(seed=3).state_dict()) for _ in range(2))
    expect(
        list(first) == list(second) and all(first[k].shape == second[k].shape for k in first),
        f"the second has {_shapes(second)}, the first {_shapes(first)}: is a default of its settings changed?",
    )
    different = [name for name in first if not _equal(first[name], second[name])]
    expect(not different, f"{_names(different)} differ, though the seed is the same")


@check("model")
def takes_what_the_data_says(model: ModelSubject) -> None:
    """With another number of classes or channels it works, or says in words why not."""
    for data in _other_data(model.data):
        _works_or_says_why(model, data)


def _other_data(data: DataSpec) -> list[DataSpec]:
    others = []
    if data.class_names:
        names = (*data.class_names, "one more")
        others.append(data.model_copy(update={"class_names": names, "class_counts": {}}))
    if len(data.input_shape) == 3 and not data.facts:
        channels = 1 if data.channels == 3 else 3
        others.append(data.model_copy(update={"input_shape": (channels, *data.input_shape[1:])}))
    if not others:
        raise NotApplicableError("its data has neither classes nor channels")
    return others


def _works_or_says_why(model: ModelSubject, data: DataSpec) -> None:
    import torch

    from framework_core.base.model import BaseModel
    from framework_core.errors import FrameworkError

    what = f"with {data.num_classes} classes and inputs of {'x'.join(map(str, data.input_shape))}"
    try:
        built = model.model(data)
        if isinstance(built, BaseModel) and built.contract.check(data):
            return
        inputs, _ = model.pair(2)
        if len(data.input_shape) == 3:
            inputs = inputs[:, :1].expand(-1, data.channels, *inputs.shape[2:])
        with torch.no_grad():
            outputs = built.eval()(inputs.contiguous())
    except (FrameworkError, NotApplicableError):
        return
    except Exception as error:  # noqa: BLE001  # a stranger's code
        expect(False, f"{what} it fails with {type(error).__name__}: {error}; its contract should say so")
    if data.num_classes and isinstance(outputs, torch.Tensor) and outputs.ndim > 1:
        given = outputs.shape[1]
        expect(given == data.num_outputs, f"{what} it gives {given} outputs for a sample")


@check("model")
def outputs_fit(model: ModelSubject) -> None:
    """A batch gives one output for each sample, finite, and as many numbers as the data has classes or targets."""
    import torch

    inputs, _ = model.pair()
    outputs = _forward(model.model().eval(), inputs)
    expect(len(outputs) == len(inputs), f"{len(inputs)} samples give {len(outputs)} outputs")
    expect(bool(torch.isfinite(outputs).all()), "outputs of an untrained model are NaN or infinite")
    wanted = model.data.num_outputs
    if wanted and outputs.ndim > 1:
        expect(outputs.shape[1] == wanted, f"a sample gives {outputs.shape[1]} numbers, the data has {wanted}")


@check("model")
def loss_is_a_finite_number(model: ModelSubject) -> None:
    """The loss of a first batch is one finite number."""
    loss = _loss(model.model().train(), model.batch)
    expect(loss.ndim == 0, f"the loss has shape {tuple(loss.shape)}")
    expect(bool(loss.isfinite()), f"the loss is {float(loss):g}")


@check("model")
def gradients_reach_every_parameter(model: ModelSubject) -> None:
    """A gradient reaches every parameter that is to be trained."""
    built = model.model().train()
    loss = _loss(built, model.batch)
    if not loss.requires_grad:
        expect(not list(built.parameters()), "the loss has no gradient")
        raise NotApplicableError("it has nothing to train")
    loss.backward()  # type: ignore[no-untyped-call]
    unused = [name for name, each in built.named_parameters() if each.requires_grad and each.grad is None]
    expect(not unused, f"none reaches {_names(unused)}")


@check("model")
def learns_one_batch(model: ModelSubject) -> None:
    """Sixty steps on one batch make its loss smaller by three tenths at least."""
    import torch

    for rate in RATES:
        built = model.model().train()
        trained = [each for each in built.parameters() if each.requires_grad]
        if not trained:
            raise NotApplicableError("it has nothing to train")
        optimizer = torch.optim.Adam(trained, lr=rate)
        torch.manual_seed(0)
        first = last = float(_loss(built, model.batch).detach())
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = _loss(built, model.batch)
            last = float(loss.detach())
            if last <= first - FALL * abs(first):
                return
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    expect(False, f"the loss goes from {first:.4g} to {last:.4g} in {STEPS} steps")


@check("model")
def steps_are_deterministic(model: ModelSubject) -> None:
    """Three steps from one seed give the same weights twice."""
    import torch

    def trained() -> dict[str, Tensor]:
        built = model.model(seed=1).train()
        parameters = [each for each in built.parameters() if each.requires_grad]
        if not parameters:
            raise NotApplicableError("it has nothing to train")
        optimizer = torch.optim.SGD(parameters, lr=1e-3)
        torch.manual_seed(2)
        for _ in range(3):
            optimizer.zero_grad()
            _loss(built, model.batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return dict(built.state_dict())

    first, second = trained(), trained()
    different = [name for name in first if not _equal(first[name], second[name])]
    expect(not different, f"{_names(different)} differ: is a random number drawn that torch's seed does not decide?")


@check("model")
def evaluation_is_steady(model: ModelSubject) -> None:
    """In eval mode the same inputs give the same outputs, and nothing in the model changes."""
    built = model.model().eval()
    inputs, _ = model.pair()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    first, second = _forward(built, inputs), _forward(built, inputs)
    expect(_equal(first, second), "two passes give different outputs: dropout that does not listen to eval()?")
    changed = [name for name, value in built.state_dict().items() if not _equal(before[name], value)]
    expect(not changed, f"{_names(changed)} changed")


@check("model")
def samples_are_independent(model: ModelSubject) -> None:
    """In eval mode a sample's output does not depend on what else is in its batch."""
    built = model.model().eval()
    inputs, _ = model.pair()
    if len(inputs) < 2:
        raise NotApplicableError("a batch has one sample")
    together, alone = _forward(built, inputs)[:1], _forward(built, inputs[:1])
    expect(
        together.shape == alone.shape, f"alone it has shape {tuple(alone.shape)}, with others {tuple(together.shape)}"
    )
    apart = float((together - alone).abs().max() / together.abs().max().clamp_min(1e-6))
    expect(apart <= CLOSE, f"alone and with others the first sample's output differs by {apart:.2g} of the largest")


@check("model")
def batch_is_left_as_it_was(model: ModelSubject) -> None:
    """A training step does not change the batch it is given."""
    import torch

    batch = model.batch
    _loss(model.model().train(), batch)
    pairs = zip(_tensors(batch), _tensors(model.batch), strict=True)
    expect(all(torch.equal(a, b) for a, b in pairs), "the batch is another after the step: an operation in place?")


@check("model")
def state_comes_back(model: ModelSubject) -> None:
    """Its state, loaded into a new one, gives the same outputs."""
    built, other = model.model(seed=1).eval(), model.model(seed=2).eval()
    missing = other.load_state_dict(copy.deepcopy(built.state_dict()), strict=False)
    expect(not any(missing), f"the state does not fit: {missing}")
    inputs, _ = model.pair()
    expect(
        _equal(_forward(built, inputs), _forward(other, inputs)),
        "the outputs differ: something that decides them is in no parameter or buffer",
    )


@check("model")
def copies_are_equal(model: ModelSubject) -> None:
    """It can be copied, which averages of weights need."""
    built = model.model().eval()
    try:
        copied = copy.deepcopy(built)
    except Exception as error:  # noqa: BLE001  # a stranger's code
        expect(False, f"{type(error).__name__}: {error}")
    inputs, _ = model.pair()
    expect(_equal(_forward(built, inputs), _forward(copied, inputs)), "a copy gives other outputs")


@check("model")
def mixed_precision_works(model: ModelSubject) -> None:
    """Under bfloat16 autocast a step has a finite loss."""
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16):
        try:
            loss = _loss(model.model().train(), model.batch)
        except RuntimeError as error:
            expect(False, str(error).strip().partition("\n")[0])
    expect(bool(loss.isfinite()), f"the loss is {float(loss):g}")


@check("model")
def run_can_be_measured_again(model: ModelSubject) -> None:
    """A run trains, and its saved model has the metrics that it had at the end."""
    import tempfile

    from framework_core.run import evaluate, train
    from framework_core.training.preparation import can_measure

    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        config = model.config.model_copy(update={"output_dir": folder})
        try:
            result = train(config)
            if not can_measure(model.model(), model.datamodule, "test"):
                raise NotApplicableError("its data has no test split")
            again = evaluate(str(result.run.directory))
        finally:
            os.chdir(here)
    for name, value in again.items():
        before = result.metrics.get(name, value)
        same = abs(before - value) <= CLOSE * max(abs(before), 1.0) or before != before  # NaN stays NaN
        expect(same, f"{name} was {before:.6g} and is {value:.6g} after loading")


@check("model", thorough=True)
def resumes_exactly(model: ModelSubject) -> None:
    """A run that is killed three times and continued ends with the weights of one that was never stopped."""
    from framework_core.verification.resume import verify_resume

    proof = verify_resume(model.config.model_copy(update={"trainer": model.config.trainer.model_copy(update=LONGER)}))
    found = proof.difference
    expect(found is None, f"{found.where}: {found.what} ({found.cause})" if found else "")


@check("model", thorough=True)
def two_processes_are_as_one(model: ModelSubject) -> None:
    """Two processes that share a batch have the gradients that one has of the whole."""
    from framework_core.testing.two_processes import gradients_apart

    if not [each for each in model.model().parameters() if each.requires_grad]:
        raise NotApplicableError("it has nothing to train")
    apart = gradients_apart(model)
    expect(apart.share <= CLOSE, f"the gradient of {apart.parameter} differs by {apart.share:.2g} of the largest")


@check("model", thorough=True)
def exports_answer_the_same(model: ModelSubject) -> None:
    """What its spec says that it is exported to answers as it does, for a batch of any size."""
    from framework_core.deployment.comparison import trial
    from framework_core.deployment.network import Source
    from framework_core.errors import ExportError, MissingPackageError
    from framework_core.plugins.registry import registry

    formats = getattr(registry.resolve("model", model.config.model.name).spec, "exports", ())
    if not formats:
        raise NotApplicableError("its spec names no format in `exports`")
    source = Source(model.model(), model.data, {})
    inputs, _ = model.pair(5)
    for name in formats:
        try:
            trial(source, name, inputs)
        except MissingPackageError as missing:
            raise NotApplicableError(missing.what) from missing
        except ExportError as error:
            expect(False, f"{name}: {error.cause}")


LONGER = {"max_epochs": 2, "limit_train_batches": 6}


def _forward(model: LightningModule, inputs: Tensor) -> Tensor:
    import torch

    with torch.no_grad():
        outputs = model(inputs.clone())
    if not isinstance(outputs, torch.Tensor):
        raise NotApplicableError(f"its output is {type(outputs).__name__}, no tensor")
    return outputs


def _loss(model: LightningModule, batch: Any) -> Tensor:
    import torch

    model.log = model.log_dict = lambda *_, **__: None  # type: ignore[method-assign,assignment]  # there is no trainer
    try:
        given = model.training_step(batch, 0)
    finally:
        del model.log, model.log_dict
    loss = given["loss"] if isinstance(given, dict) else given
    expect(isinstance(loss, torch.Tensor), f"training_step gives {type(loss).__name__}, no tensor")
    assert isinstance(loss, torch.Tensor)  # noqa: S101
    return loss


def _equal(one: Tensor, other: Tensor) -> bool:
    import torch

    return one.shape == other.shape and bool(torch.equal(one.nan_to_num(), other.nan_to_num()))


def _tensors(batch: Any) -> list[Tensor]:
    import torch

    if isinstance(batch, torch.Tensor):
        return [batch]
    parts = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _names(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _shapes(state: dict[str, Tensor]) -> str:
    return f"{len(state)} tensors of {sum(value.numel() for value in state.values()):,} numbers"
