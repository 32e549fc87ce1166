"""Training data that is iterated goes on inside an epoch where it says how, and where it does not, that is said."""

import shutil

import pytest
import torch
from lightning.pytorch import Callback
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from framework_core import run
from framework_core.config.compose import compose
from framework_core.contracts import IResumable
from framework_core.errors import ConfigError, ContractError
from framework_core.training.checkpoint_io import read
from framework_core.training.sampling import place_in, resumable_loader
from framework_core.verification.witness import digest

pytestmark = pytest.mark.drawn

STREAMS = """
import random

import torch
from mine import Iris
from torch.utils.data import IterableDataset, get_worker_info


class Plain(IterableDataset):
    def __init__(self, whole):
        self.whole, self.epoch, self.given = whole, 0, 0

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        order = random.Random(self.epoch).sample(range(len(self.whole)), len(self.whole))
        # The first process has three times as many as the second.
        mine = [index for place, index in enumerate(order) if min(place % 4 // 3, workers - 1) == worker]
        for index in mine[self.given:]:
            inputs, target = self.whole[index]
            yield inputs + torch.randn(4) / 10 + random.random() / 10, target


class Stream(Plain):
    def resume(self, epoch, samples):
        self.epoch, self.given = epoch, samples


class Wrong(Plain):
    def resume(self):
        pass


class Streamed(Iris):
    in_memory = False
    kind = Stream

    def setup(self, stage=None):
        super().setup(stage)
        self.spec = super().data_spec()
        self.train_dataset = self.kind(self.train_dataset)

    def data_spec(self):
        return self.spec


class StreamedPlain(Streamed):
    kind = Plain


class StreamedWrong(Streamed):
    kind = Wrong
"""


class Shares(IterableDataset):
    """Numbers, of which loading processes have unequal shares."""

    def __init__(self, shares):
        self.shares, self.place = shares, (0, 0)

    def resume(self, epoch, samples):
        self.place = epoch, samples

    def __iter__(self):
        info = get_worker_info()
        epoch, given = self.place
        for worker in [info.id] if info else range(len(self.shares)):
            for number in range(given, self.shares[worker]):
                yield torch.tensor([epoch, worker, number]), torch.rand(())


@pytest.mark.parametrize(("workers", "drop_last", "batches"), [(0, False, 4), (2, False, 5), (2, True, 4)])
def test_an_epoch_goes_on_at_any_batch_whoever_loads(workers, drop_last, batches):
    shares = [7, 2] if workers else [7]
    lasting = {"persistent_workers": True} if workers else {}
    loader = DataLoader(Shares(shares), batch_size=2, num_workers=workers, drop_last=drop_last, **lasting)
    before = torch.get_rng_state()
    loader = resumable_loader(loader, seed=3)
    place = place_in(loader)
    epochs = []
    for epoch in range(2):
        place.set_epoch(epoch)
        epochs.append([(numbers.tolist(), drawn.tolist()) for numbers, drawn in loader])
    assert torch.equal(torch.get_rng_state(), before)
    assert len(epochs[0]) == batches
    assert epochs[0] != epochs[1]
    place.seek(1)
    ends = []
    for _ in loader:
        ends.append(place.ends)
    for begin, ended in enumerate(ends, 1):
        place.seek(1, begin, ended)
        rest = [(numbers.tolist(), drawn.tolist()) for numbers, drawn in loader]
        assert rest == epochs[1][begin:], (begin, ended)
    # The epoch after one that was continued begins with the first process again.
    place.seek(1, 2, ends[1])
    list(loader)
    place.seek(0)
    assert [(numbers.tolist(), drawn.tolist()) for numbers, drawn in loader] == epochs[0]


class Iterated(IterableDataset):
    """A stream that does not say how it goes on."""

    def __iter__(self):
        yield from range(3)


class BrokenOffError(Exception):
    """A run that ends without a last word."""


class BreaksOff(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.fit_loop.epoch_loop.total_batch_idx >= self.step:
            raise BrokenOffError


@pytest.fixture
def settings(project, components):
    (project / "streams.py").write_text(STREAMS)
    fixed = ("trainer.accelerator=cpu", "mlops.report=false", "mlops.tracking.backend=none", "trainer.max_epochs=2")
    rest = (
        "trainer.enable_progress_bar=false",
        "checkpoint.every_n_train_steps=1",
        "model.drop_rate=0.3",
    )

    def composed(name, kind, *words):
        named = f"experiment.run_name={name}"
        usual = [] if any(word.startswith("scheduler=") for word in words) else ["scheduler=constant"]
        return compose([*fixed, *rest, *usual, named, *words], model="mine.py:Net", dataset=f"streams.py:{kind}").config

    return composed


def told(result):
    return digest({key: value for key, value in read(result.last_checkpoint).items() if key != "callbacks"})


@pytest.mark.some_of(1)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_on_a_stream_ends_with_the_state_of_one_that_was_not_stopped(workers, settings, caplog):
    words = (f"dataset.num_workers={workers}", "trainer.limit_val_batches=1", "trainer.limit_test_batches=0")
    whole = told(run.train(settings("whole", "Streamed", *words)))
    for step in (4, 9):
        with pytest.raises(BrokenOffError):
            run.train(settings("stopped", "Streamed", *words), callbacks=[BreaksOff(step)])
        assert told(run.train(settings("stopped", "Streamed", *words), resume="stopped")) == whole
        shutil.rmtree("runs/stopped")
    assert "stream" not in caplog.text


def test_a_stream_that_does_not_say_how_it_goes_on_is_told_of_at_the_start_and_when_it_begins_anew(settings, caplog):
    small = settings("run", "StreamedPlain", "dataset.num_workers=0", "trainer.max_epochs=1")
    with pytest.raises(BrokenOffError):
        run.train(small, callbacks=[BreaksOff(3)])
    assert "where this run is continued inside an epoch, it begins anew" in caplog.text
    assert "A method resume(epoch, samples) of its dataset mends that." in caplog.text
    caplog.clear()
    run.train(small, resume="run")
    assert "begins anew in epoch 1, after 3 batches of it: it does not say how it goes on." in caplog.text


def test_a_stream_that_goes_on_with_another_number_of_processes_begins_anew_and_says_so(settings, caplog):
    with pytest.raises(BrokenOffError):
        run.train(
            settings("run", "Streamed", "dataset.num_workers=2", "trainer.max_epochs=1"), callbacks=[BreaksOff(2)]
        )
    run.train(settings("run", "Streamed", "dataset.num_workers=0", "trainer.max_epochs=1"), resume="run")
    assert "begins anew in epoch 1, after 2 batches of it: 2 processes loaded it, and now 1 do." in caplog.text


def test_a_method_resume_of_another_form_is_refused_before_anything_is_written(settings, project):
    with pytest.raises(
        ContractError, match=r"its stream Wrong has a method resume\(\), and not resume\(epoch, samples\)"
    ):
        run.train(settings("run", "StreamedWrong"))
    assert not (project / "runs").exists()


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["scheduler=step"], "scheduler: step counts epochs"),
        (["scheduler=multistep", "scheduler.milestones=[1]"], "scheduler: multistep counts epochs"),
        (["scheduler=cosine", "trainer.max_steps=9", "scheduler.warmup_epochs=1"], "scheduler.warmup_epochs: counts"),
    ],
)
def test_epochs_are_not_counted_where_nobody_knows_their_length(words, where, settings):
    with pytest.raises(ConfigError, match=f"{where}.* trainer.limit_train_batches=N says how many"):
        run.train(settings("run", "Streamed", *words, "dataset.num_workers=0"))


def test_epochs_are_counted_where_their_length_is_said(settings):
    words = ("scheduler=step", "scheduler.step_epochs=1", "scheduler.warmup_steps=0", "trainer.limit_train_batches=3")
    ended = run.train(settings("run", "Streamed", *words, "dataset.num_workers=0", "optimizer.lr=0.01"))
    assert read(ended.last_checkpoint)["lr_schedulers"][0]["_last_lr"] == pytest.approx([0.0001] * 2)


def test_the_protocol_is_having_the_method():
    assert isinstance(Shares([1]), IResumable)
    assert not isinstance(Iterated(), IResumable)
