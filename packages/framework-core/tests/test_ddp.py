"""Training in two processes."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from framework_core.training.checkpoint_io import read

pytestmark = [pytest.mark.ddp, pytest.mark.drawn]

BROKEN = """
import os
from framework_core.errors import DataError
from mine import Iris
from torch.utils.data import Dataset

class Torn(Dataset):
    def __init__(self, whole):
        self.whole = whole

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        if os.environ.get("LOCAL_RANK", "0") in {ranks!r}:
            raise DataError("The flower is torn.", next_step="Mend it.")
        return self.whole[index]

class TornIris(Iris):
    in_memory = False

    def setup(self, stage=None):
        super().setup(stage)
        self.val_dataset = Torn(self.val_dataset)
"""
STORED = ("trainer.max_epochs=3", "trainer.accelerator=cpu", "mlops.tracking.system_metrics=false")


@pytest.fixture
def train(fresh, components, project, empty_store):
    shutil.copy(empty_store, project)

    def run(*words):
        return fresh("train", "--model", "mine.py:Net", "--dataset", "mine.py:Iris", *STORED, *words)

    return run


@pytest.fixture
def one_core():
    """For processes that are started meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_the_report_of_two_processes_is_of_the_whole_test(train, one_core):
    found = []
    for devices in ("1", "2"):
        name = f"of-{devices}"
        words = ("distributed.enabled=true", f"distributed.devices={devices}", f"experiment.run_name={name}")
        done = train(*words, "mlops.tracking.backend=none", "--json")
        assert done.code == 0, done.err
        folder = Path("runs", name)
        assert "test/loss" in json.loads((folder / "intervals.json").read_text())
        found.append(json.loads((folder / "tested_samples.json").read_text()))
    one, two = found
    assert two["samples"] == one["samples"] == 30
    assert two["target"] == one["target"]
    assert two["scores"]["loss"]["values"] == pytest.approx(one["scores"]["loss"]["values"], abs=1e-4)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("strategy=ddp", "trainer.devices=2"), marks=pytest.mark.thorough),
        ("distributed.enabled=true", "distributed.devices=2"),
    ],
)
def test_two_processes_are_one_run(words, train, one_core):
    done = train(*words, "--json")
    assert done.code == 0, done.err
    (folder,) = Path("runs").iterdir()
    assert done.json["name"] == folder.name
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    (experiment,) = [each for each in client.search_experiments() if each.name != "Default"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == done.json["run_id"]
    assert run.info.status == "FINISHED"
    # 90 samples in batches of 16, half of each for either process.
    assert read(Path(done.json["last_checkpoint"]))["global_step"] == 18
    points = client.get_metric_history(run.info.run_id, "val/loss")
    assert [point.step for point in points] == [5, 11, 17]
    assert run.data.metrics["test/loss"] == pytest.approx(done.json["metrics"]["test/loss"])
    lines = [line.split()[1] for line in done.err.splitlines() if line.startswith("epoch ")]
    assert lines == ["1/3", "2/3", "3/3"]
    assert done.err.count("Chosen for you:") == 1
    assert done.err.count("model     Net: 131 parameters") == 1
    assert done.err.count("devices   2 processes, a processor each, strategy ddp") == 1
    assert done.err.count("cores     1 for 2 processes of this machine, which take turns  faster:") == 1
    assert done.err.count("batch     16 of all devices, 8 on each, learning rate 0.001") == 1


def test_two_processes_go_on_where_they_ended(train, fresh):
    first = train("strategy=ddp", "trainer.devices=2", "--json").json
    done = fresh("train", "--resume", "last", "trainer.max_epochs=4", "--json")
    assert done.code == 0, done.err
    assert done.json["run_id"] == first["run_id"]
    assert read(Path(done.json["last_checkpoint"]))["global_step"] == 24
    assert len(list(Path("runs").iterdir())) == 1


@pytest.mark.parametrize("ranks", [("0",), pytest.param(("0", "1"), marks=pytest.mark.thorough)])
def test_an_error_in_the_data_is_told_and_fails_the_run(ranks, train, project):
    (project / "torn.py").write_text(BROKEN.format(ranks=ranks))
    done = train("--dataset", "torn.py:TornIris", "dataset.num_workers=0", "strategy=ddp", "trainer.devices=2")
    assert (done.code, done.out) == (2, "")
    assert "error: The flower is torn.\n  Mend it.\n" in done.err
    (folder,) = Path("runs").iterdir()
    run_id = json.loads((folder / "run.json").read_text())["run_id"]
    assert MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").get_run(run_id).info.status == "FAILED"


def test_a_bad_setting_is_told_once_and_starts_nothing(train):
    done = train("strategy=ddp", "trainer.devices=2", "optimizer.lr=-1")
    assert done.code == 2
    assert done.err.count("optimizer.lr") == 1
    assert not Path("runs").exists()


def test_going_back_is_refused_where_processes_train_together_and_nothing_is_started(train):
    together = ("strategy=ddp", "trainer.devices=2")
    done = train(*together, "faults.not_finite=rollback", "faults.loss_spike=stop")
    assert done.code == 2
    assert "faults.not_finite: rollback is not possible with the 2 processes that train together here" in done.err
    assert "Possible: faults.not_finite=skip, stop or ignore." in done.err
    assert "faults.loss_spike: stop is not possible" in done.err
    assert "Possible: faults.loss_spike=warn or ignore." in done.err
    assert not Path("runs").exists()


LAYERS = """
    def parameter_layers(self):
        return [[f"model.{layer}.weight", f"model.{layer}.bias"] for layer in (0, 3)]

    def on_fit_end(self):
        import os, torch
        folder = os.environ["STATES"]
        torch.save(self.state_dict(), f"{folder}/{self.global_rank}.pt")
"""


@pytest.mark.parametrize(
    "words",
    [
        ("finetune.freeze_epochs=1", "finetune.unfreeze_every_n_epochs=1", "averaging.kind=ema"),
        pytest.param(("averaging.kind=swa", "averaging.start=0.3"), marks=pytest.mark.thorough),
    ],
    ids=["freezing and ema", "swa"],
)
def test_averages_and_frozen_layers_are_the_same_in_two_processes(words, train, project, monkeypatch):
    monkeypatch.setenv("STATES", str(project))
    text = (project / "mine.py").read_text()
    text = text.replace("nn.ReLU(),", "nn.BatchNorm1d(self.width),", 1)
    (project / "mine.py").write_text(text.replace("    def loss(", f"{LAYERS}\n    def loss(", 1))
    done = train("strategy=ddp", "trainer.devices=2", *words, "mlops.report=false", "mlops.tracking.backend=none")
    assert done.code == 0, done.err
    states = [torch.load(project / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items() if name.startswith("model."))
    if words[0].startswith("finetune"):
        assert "frozen    DDP looks for layers without gradients" in done.err
        assert [line for line in done.err.splitlines() if " of 2 layers" in line] == [
            "frozen    1 of 2 layers",
            "frozen    0 of 2 layers",
        ]


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        ("mine.py:Net", "astray.py:Streamed dataset.share=uneven", "Epoch 1 is over for process 0 after 3 batches"),
        ("astray.py:Waits", "mine.py:Iris", "process 1 in barrier at astray.py:"),
    ],
)
def test_processes_that_wait_in_vain_are_named_with_the_place_in_seconds(model, data, said, fresh, components, project):
    (project / "astray.py").write_text(Path(__file__).with_name("astray.py").read_text())
    two = ("distributed.enabled=true", "distributed.devices=2", "trainer.accelerator=cpu", "trainer.max_epochs=2")
    words = (*two, "scheduler=constant", "mlops.report=false")
    # Without being told, they would wait for half an hour.
    done = fresh("train", "-m", model, "-d", *data.split(), *words, "mlops.tracking.backend=none", "preflight=false")
    assert done.code == 1
    assert said in done.err
