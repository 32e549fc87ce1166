"""``fw verify resume`` passes what is in order, and names what is not."""

import pytest

PLANTED = """
import random

import torch
from mine import Iris, Net


class OwnRandom(torch.utils.data.Dataset):
    def __init__(self, inner):
        self.inner = inner
        self.random = random.Random(0)

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        inputs, target = self.inner[index]
        return inputs + self.random.random(), target


class OwnRandomIris(Iris):
    def setup(self, stage=None):
        super().setup(stage)
        self.train_dataset = OwnRandom(self.train_dataset)


class BeginsAnew(Iris):
    in_memory = False
    goes_on = False

    def setup(self, stage=None):
        super().setup(stage)
        self.spec = super().data_spec()
        self.train_dataset = (Stream if self.goes_on else PlainStream)(self.train_dataset)

    def data_spec(self):
        return self.spec


class Streamed(BeginsAnew):
    goes_on = True


class PlainStream(torch.utils.data.IterableDataset):
    epoch = given = 0

    def __init__(self, whole):
        self.whole = whole

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        order = random.Random(self.epoch).sample(range(len(self.whole)), len(self.whole))
        for index in order[info.id :: info.num_workers][self.given :] if info else order:
            inputs, target = self.whole[index]
            yield inputs + torch.randn(4) / 10, target


class Stream(PlainStream):
    def resume(self, epoch, samples):
        self.epoch, self.given = epoch, samples


class Counts(Net):
    seen = 0

    def training_step(self, batch, batch_idx):
        self.seen += 1
        return super().training_step(batch, batch_idx) * (1 + self.seen / 10)


CALLS = 0


class Global(Net):
    def training_step(self, batch, batch_idx):
        global CALLS
        CALLS += 1
        return super().training_step(batch, batch_idx) * (1 + CALLS / 10)
"""
STREAMS = ("planted.py:Streamed", "planted.py:BeginsAnew")
WORDS = ("trainer.accelerator=cpu", "model.drop_rate=0.3", "--json")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("model", "dataset", "cause"),
    [
        ("mine.py:Net", "mine.py:Iris", ""),
        ("mine.py:Net", "planted.py:OwnRandomIris", "dataset.random differs"),
        ("mine.py:Net", "planted.py:Streamed", ""),
        ("mine.py:Net", "planted.py:BeginsAnew", "the dataset gives other data for the same samples"),
        ("planted.py:Counts", "mine.py:Iris", "model.seen differs"),
        ("planted.py:Global", "mine.py:Iris", "in a global variable"),
    ],
)
def test_what_is_in_no_checkpoint_is_found_with_its_likely_cause(model, dataset, cause, fresh, project, components):
    (project / "planted.py").write_text(PLANTED)
    workers, scheduler = (2, "constant") if dataset in STREAMS else (0, "cosine")
    words = (*WORDS, f"dataset.num_workers={workers}", f"scheduler={scheduler}")
    done = fresh("verify", "resume", "--model", model, "--dataset", dataset, *words)
    assert done.code == (1 if cause else 0), done.err
    assert done.json["equal"] is not bool(cause)
    assert len(done.json["kills"]) == 3
    assert cause in str(done.json["difference"])
    assert sorted(path.name for path in project.iterdir() if path.name != "__pycache__") == ["mine.py", "planted.py"]
