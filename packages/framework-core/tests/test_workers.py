"""What goes wrong in a process that loads data arrives as it was said."""

import pytest

pytestmark = pytest.mark.drawn

TORN = """
from framework_core.errors import DataError
from mine import Iris
from torch.utils.data import Dataset

class Torn(Dataset):
    def __init__(self, whole, last):
        self.whole, self.last = whole, last

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        if index > self.last:
            raise DataError("The flower is torn.", paths=["a.txt"], possible="Whole ones.", next_step="Mend it.")
        return self.whole[index]

class TornIris(Iris):
    in_memory = False
    last = 20

    def setup(self, stage=None):
        super().setup(stage)
        for split in self.torn:
            setattr(self, f"{split}_dataset", Torn(getattr(self, f"{split}_dataset"), self.last))

    def predict_dataset(self, paths, data):
        return Torn(super().predict_dataset(paths, data), 0)

class InTraining(TornIris):
    torn = ("train",)
    last = 80

class InValidation(TornIris):
    torn = ("val",)

class InTest(TornIris):
    torn = ("test",)

class InPrediction(TornIris):
    torn = ()
"""
QUICK = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "scheduler=constant")


@pytest.fixture
def torn(fw, components, project):
    (project / "torn.py").write_text(TORN)

    def run(name, *words):
        return fw("train", "--model", "mine.py:Net", "--dataset", f"torn.py:{name}", *QUICK, *words)

    return run


def is_told(done):
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("error: The flower is torn.\n  Whole ones.\n  Mend it.\n"), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("where", ["InTraining", "InValidation", "InTest"])
def test_bad_data_in_a_run_is_one_message(where, workers, torn):
    is_told(torn(where, f"dataset.num_workers={workers}"))


def test_bad_data_in_a_dry_run_is_one_message(torn):
    is_told(torn("InValidation", "dataset.num_workers=1", "dataset.batch_size=30", "--dry-run"))


def test_bad_data_in_an_evaluation_is_one_message(torn, fw):
    assert torn("InTest", "dataset.num_workers=1").code == 2
    is_told(fw("evaluate", "last", "dataset.num_workers=1"))


def test_bad_data_in_a_prediction_is_one_message(torn, fw, project):
    done = torn("InPrediction", "dataset.num_workers=1")
    assert done.code == 0, done.err
    for name in ("a.txt", "b.txt"):
        (project / name).write_text("5.1 3.5 1.4 0.2")
    is_told(fw("predict", "last", "a.txt", "b.txt"))
