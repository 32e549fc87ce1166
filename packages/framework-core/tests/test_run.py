"""Training, continuing, evaluating, predicting: through the command, on iris."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml

from framework_core.training.checkpoint_io import read

WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def runs():
    return sorted(Path("runs").glob("*")) if Path("runs").is_dir() else []


def test_a_run_ends_with_its_id_metrics_and_the_command_that_repeats_it(train):
    done = train()
    assert done.code == 0, done.err
    (folder,) = runs()
    record = json.loads((folder / "run.json").read_text())
    assert record["run_id"] in done.out
    for line in ("test/accuracy", "val/accuracy", "checkpoint", "fw ui", f"fw train --config {folder}/config.yaml"):
        assert line in done.out
    assert f"fw predict {folder.name}" in done.out
    assert "epoch 2/2" in done.err


def test_it_says_what_was_chosen_and_how_to_choose_otherwise(train):
    said = train("optimizer=sgd", "--dry-run").err
    assert "scheduler  cosine" in said
    assert "mlops.tracking.uri=" in said
    assert "optimizer  " not in said
    assert "data      Iris: 90 train, 30 val, 30 test samples of 4, 3 classes" in said
    assert "model     Net: 131 parameters" in said


def test_json_is_for_scripts(train):
    found = train("--json").json
    assert found["status"] == "finished"
    assert set(found["metrics"]) == {"val/accuracy", "val/loss", "test/accuracy", "test/loss"}
    assert (Path(found["best_checkpoint"]) / "checkpoint.json").is_file()
    assert Path(found["last_checkpoint"]).name == "last.ckpt"


@pytest.mark.drawn
def test_the_same_seed_gives_the_same_numbers_and_another_does_not(train):
    first, second, third = (train("--json", f"seed={seed}").json["metrics"] for seed in (1, 1, 2))
    assert first == second
    assert first != third


@pytest.mark.drawn
def test_a_run_is_repeated_from_its_own_settings(train, fw):
    first = train("--json", "model.width=5", "seed=3").json
    again = fw(*first["command"].split()[1:], "--json").json
    assert again["metrics"] == first["metrics"]
    assert again["run_id"] != first["run_id"]


def test_settings_saved_with_the_run_are_the_resolved_ones(train):
    train("model.width=5", "experiment.name=${model.name}")
    saved = yaml.safe_load((runs()[0] / "config.yaml").read_text())
    assert saved["model"] == {"name": "mine.py:Net", "width": 5, "drop_rate": 0.0}
    assert saved["experiment"]["name"] == "mine.py:Net"
    assert saved["optimizer"]["lr"] == 0.001


def test_checkpoints_hold_plain_values_only(train):
    checkpoint = read(Path(train("--json").json["best_checkpoint"]))
    assert "state_dict" in checkpoint


def test_plots_are_images_in_the_runs_folder(train):
    train("mlops.report=true")
    assert (runs()[0] / "plots" / "learning_curves.png").read_bytes().startswith(b"\x89PNG")


def test_plots_can_be_left_out(train):
    train("mlops.report=false")
    assert not (runs()[0] / "plots").exists()


def test_a_dry_run_checks_everything_and_writes_nothing(train, project, empty_store):
    done = train("--dry-run")
    assert done.code == 0, done.err
    assert "Everything fits; nothing was written." in done.err
    assert {path.name for path in project.iterdir()} - {"__pycache__"} == {"mine.py", "mlflow.db"}
    assert (project / "mlflow.db").read_bytes() == empty_store.read_bytes()


def test_without_tracking_only_the_folder_is_written(train, project, empty_store):
    found = train("mlops.tracking.backend=none", "--json").json
    assert found["tracking_uri"] == ""
    assert (project / "mlflow.db").read_bytes() == empty_store.read_bytes()
    assert not (project / "mlruns").exists()
    assert (Path(found["directory"]) / "config.yaml").is_file()


@pytest.mark.drawn
def test_a_run_continues_where_it_ended(train, fw):
    first = train("--json").json
    done = fw("train", "--resume", first["name"], "trainer.max_epochs=4", "--json")
    assert done.code == 0, done.err
    assert f"goes on   {first['name']}, after epoch 2" in done.err
    assert done.json["run_id"] == first["run_id"]
    assert "epoch 3/4" in done.err
    assert "epoch 2/4" not in done.err
    assert len(runs()) == 1


@pytest.mark.some_of(2)
@pytest.mark.parametrize("form", ["id", "beginning", "name", "folder", "last"])
def test_a_run_is_named_in_five_ways(form, train, fw):
    first = train("--json").json
    words = {
        "id": first["run_id"],
        "beginning": first["run_id"][:8],
        "name": first["name"],
        "folder": first["directory"],
        "last": "last",
    }
    assert fw("evaluate", words[form], "--json").json["test/accuracy"] == first["metrics"]["test/accuracy"]


@pytest.mark.drawn
def test_a_run_of_another_folder_is_found_through_the_store(train, fw):
    first = train("--json", "output_dir=elsewhere").json
    assert fw("evaluate", first["run_id"], "--json").code == 0


@pytest.mark.parametrize("run", ["nothing", "last", "0" * 32])
def test_a_run_that_is_not_there_is_told(run, fw):
    done = fw("evaluate", run)
    assert done.code == 2
    assert f"There is no run '{run}'" in done.err


def test_other_runs_are_suggested(train, fw):
    name = train("--json").json["name"]
    assert name in fw("evaluate", "nothing").err


@pytest.mark.drawn
def test_evaluation_takes_other_settings_and_splits(train, fw):
    first = train("--json").json
    other = fw("evaluate", "last", "dataset.held_out=3", "--json").json
    assert other["test/loss"] != first["metrics"]["test/loss"]
    assert set(fw("evaluate", "last", "--split", "val", "--json").json) == {"val/accuracy", "val/loss"}
    assert fw("evaluate", "last", "--split", "vall").code == 2


@pytest.mark.drawn
def test_evaluation_refuses_data_with_other_classes(train, fw, components):
    train()
    text = Path(components).read_text()
    Path(components).write_text(text.replace("tuple(names)", "tuple(map(str.upper, names))"))
    import sys

    del sys.modules["mine"]
    done = fw("evaluate", "last")
    assert done.code == 2
    assert "the model knows the classes setosa, versicolor, virginica" in done.err


@pytest.fixture
def flowers(project):
    folder = project / "flowers"
    folder.mkdir()
    for name, values in {"a": "5.1 3.5 1.4 0.2", "b": "6.7 3.0 5.2 2.3"}.items():
        (folder / f"{name}.txt").write_text(values)
    (folder / "notes.md").write_text("no flower")
    return folder


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_predictions_are_written_in_three_formats(ending, train, fw, flowers):
    train("trainer.max_epochs=30")
    done = fw("predict", "last", "flowers", "-o", f"out.{ending}")
    assert done.code == 0, done.err
    import pandas

    read = {"csv": pandas.read_csv, "json": pandas.read_json, "parquet": pandas.read_parquet}[ending]
    table = read(f"out.{ending}")
    assert table["path"].tolist() == ["flowers/a.txt", "flowers/b.txt"]
    assert table["label"].tolist() == ["setosa", "virginica"]


def test_predictions_without_a_file_are_a_table(train, fw, flowers):
    train()
    lines = fw("predict", "last", "flowers/b.txt", "flowers/a.txt").out.splitlines()
    assert lines[0].split() == ["path", "label"]
    assert [line.split()[0] for line in lines[1:]] == ["flowers/b.txt", "flowers/a.txt"]


@pytest.mark.some_of(2)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "There is no file nowhere"),
        (("flowers", "-o", "out.xls"), "Endings: .csv, .json, .jsonl, .parquet"),
        (("flowers", "-o", "no/folder/out.csv"), "there is no folder"),
        (("empty",), "There is nothing to predict in empty"),
    ],
)
def test_a_prediction_that_cannot_be_is_refused(words, said, train, fw, flowers, project):
    (project / "empty").mkdir()
    train()
    done = fw("predict", "last", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_early_stopping_ends_a_run_before_its_time(train):
    done = train("trainer.max_epochs=50", "early_stopping.patience=1", "early_stopping.min_delta=0.9", "--json")
    assert "epoch 2/50" in done.err
    assert "epoch 4/50" not in done.err


def test_checkpoints_are_kept_as_asked(train):
    found = train("trainer.max_epochs=4", "checkpoint.save_top_k=-1", "checkpoint.save_last=false", "--json").json
    assert len(list((Path(found["directory"]) / "checkpoints").iterdir())) == 4
    assert Path(found["last_checkpoint"]).name == "best-epoch3-step24.ckpt"


def test_a_finished_run_without_a_checkpoint_cannot_be_continued(train, fw):
    train("checkpoint.save_last=false", "checkpoint.save_top_k=0")
    done = fw("train", "--resume", "last")
    assert done.code == 2
    assert "it has no checkpoint to continue from" in done.err


def test_resume_and_config_do_not_go_together(train, fw):
    train()
    assert fw("train", "--resume", "last", "--config", "x.yaml").code == 2


@pytest.mark.drawn
def test_a_run_may_have_a_name_and_the_second_gets_another(train):
    names = [train("experiment.run_name=mine", "--json").json["name"] for _ in range(2)]
    assert names == ["mine", "mine-2"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["checkpoint.monitor=val/acuracy", "checkpoint.mode=max"], "checkpoint.monitor: the run has no metric"),
        (["early_stopping.patience=2", "early_stopping.monitor=val/acuracy"], "early_stopping.monitor: the run has no"),
    ],
)
def test_a_metric_that_is_not_there_is_told_with_those_that_are(overrides, said, train):
    extra = ["early_stopping.mode=max"] if "early_stopping.patience=2" in overrides else []
    done = train(*overrides, *extra)
    assert done.code == 2
    assert said in done.err
    assert "Did you mean val/accuracy?" in done.err


PLAIN = """
import torch
from lightning.pytorch import LightningModule

class Plain(LightningModule):
    def __init__(self, num_classes: int, width: int = 3):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(width, num_classes))

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        return torch.nn.functional.cross_entropy(self.layers(inputs), labels)

    def validation_step(self, batch, batch_idx):
        self.log("my_loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
"""


def test_a_plain_lightning_module_trains_and_its_own_optimizer_is_used(fw, components, project):
    (project / "plain.py").write_text(PLAIN)
    words = ("trainer.max_epochs=1", "mlops.tracking.backend=none")
    done = fw("train", "--model", "plain.py:Plain", "--dataset", f"{components}:Iris", "model.width=4", *words)
    assert done.code == 0, done.err
    assert "Plain sets its own optimizer" in done.err
    assert "my_loss" in done.out


def test_a_plain_module_that_names_its_metric_gets_its_best_checkpoint(fw, components, project):
    (project / "plain.py").write_text(PLAIN)
    words = ("trainer.max_epochs=3", "mlops.tracking.backend=none", "checkpoint.monitor=my_loss", "checkpoint.mode=min")
    done = fw("train", "--model", "plain.py:Plain", "--dataset", f"{components}:Iris", *words, "--json")
    assert done.code == 0, done.err
    assert Path(done.json["best_checkpoint"]).name.startswith("best-epoch")


def test_the_newest_checkpoint_is_kept_where_the_metric_got_worse(train):
    """Lightning's save_last leaves it out. The metrics of the run are all those of its best checkpoint."""
    done = train("trainer.max_epochs=4", "checkpoint.monitor=val/loss", "checkpoint.mode=max", "--json")
    found = done.json
    told = re.search(r"epoch 1/4 .*", done.err)[0]
    shown = [f"{name} {found['metrics'][name]:.4f}" for name in ("val/loss", "val/accuracy")]
    assert all(each in told for each in shown), (told, shown)
    best, last = (read(Path(found[key])) for key in ("best_checkpoint", "last_checkpoint"))
    assert (best["epoch"], last["epoch"]) == (1, 4)
    assert last["global_step"] == 24


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("nn.Linear(self.width, 7)", "the model gives 7 outputs for a sample, the data has 3 classes"),
        ("nn.Linear(self.width + 1, 3)", "the model cannot take a batch of shape 2x4"),
        ("nn.Linear(self.width, 3).requires_grad_(False)", None),
    ],
)
def test_a_model_that_does_not_fit_the_data_is_told_in_words(change, said, train, components, project, empty_store):
    text = Path(components).read_text().replace("nn.Linear(self.width, self.data.num_classes)", change)
    Path(components).write_text(text)
    done = train()
    assert done.code == (2 if said else 0)
    if said:
        assert said in done.err
        assert not runs()
        assert (project / "mlflow.db").read_bytes() == empty_store.read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'tasks = ("tabular-classification",)\n    monitor',
            'tasks = ("forecasting",)\n    monitor',
            "the model learns forecasting",
        ),
        ("labels[fold > 1])", "labels[fold > 1] + 1)", "but 3 classes have labels 0 to 2"),
        ("labels[fold > 1])", "labels[fold > 1].float())", "a label is an int64 index"),
        ("input_shape=(4,)", "input_shape=(5,)", "a sample has shape 4, the data was said to have 5"),
        ("features[fold > 1],", "features[fold > 1] / 0,", "inputs hold NaN or infinite values"),
        ("def data_spec", "def describe", "it has no method data_spec"),
    ],
)
def test_data_that_is_not_what_it_said_is_told(old, new, said, train, components):
    text = Path(components).read_text()
    assert old in text
    Path(components).write_text(text.replace(old, new))
    done = train("--dry-run")
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["output_dir=mine.py"], "it is a file, not a folder"),
        (["mlops.tracking.uri=http://127.0.0.1:9"], "The tracking store http://127.0.0.1:9 cannot be used"),
        (["mlops.tracking.uri=http://me:secret@127.0.0.1:9"], "The tracking store http://127.0.0.1:9 cannot be used"),
        (["mlops.tracking.uri=cassandra://localhost:9042"], "no installed package offers MLflow a store for cassandra"),
        (["mlops.tracking.uri=sqlite:///no/folder/x.db"], "there is no folder"),
        pytest.param(["trainer.accelerator=gpu"], "Lightning does not allow this", marks=WITHOUT_GPU),
        (["trainer.accelerator=tpu"], "needs the package 'torch_xla'"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_before_anything_is_written(overrides, said, train):
    done = train(*overrides)
    assert done.code == 2
    assert said in done.err
    assert "secret" not in done.err
    assert not runs()


@pytest.mark.drawn
def test_the_trainer_of_lightning_takes_what_it_is_given_in_python(components):
    from lightning.pytorch import Callback

    from framework_core import compose, train

    class Counts(Callback):
        epochs = 0

        def on_train_epoch_end(self, trainer, module):
            self.epochs += 1

    words = ["trainer.max_epochs=5", "mlops.tracking.backend=none"]
    config = compose(words, model=f"{components}:Net", dataset=f"{components}:Iris").config
    counts = Counts()
    result = train(config, callbacks=[counts], max_epochs=3)
    assert counts.epochs == 3
    assert result.status == "finished"


EVENTS = """
from framework_core import hookimpl
heard = []

@hookimpl
def run_started(run):
    heard.append(("started", run.name, run.config.model.name))

@hookimpl
def run_ended(result):
    heard.append((result.status, result.run.name, sorted(result.metrics)))
"""


def test_plugins_hear_of_a_run(install, train):
    import importlib

    install("events-dist", {"events_plugin": EVENTS}, {"framework.plugins": {"events": "events_plugin"}})
    name = train("--json").json["name"]
    heard = importlib.import_module("events_plugin").heard
    assert heard[0] == ("started", name, "mine.py:Net")
    assert heard[1][:2] == ("finished", name)
    assert "test/accuracy" in heard[1][2]


CALLBACK = """
from lightning.pytorch import Callback

class Notes(Callback):
    def __init__(self, path: str = "notes.txt"):
        self.path = path

    def on_train_epoch_end(self, trainer, module):
        with open(self.path, "a") as file:
            file.write("epoch\\n")
"""
CALLBACK_PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import CallbackSpec

@hookimpl
def register_components():
    yield CallbackSpec(name="notes", builder="notes_callbacks:Notes")
"""


def test_a_callback_of_a_plugin_takes_part_with_its_settings(install, train, project):
    modules = {"notes_plugin": CALLBACK_PLUGIN, "notes_callbacks": CALLBACK}
    install("notes-dist", modules, {"framework.plugins": {"notes": "notes_plugin"}})
    assert train("callbacks.notes.path=mine.txt").code == 0
    assert (project / "mine.txt").read_text().splitlines() == ["epoch", "epoch"]


STRATEGY_PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import StrategySpec

@hookimpl
def register_components():
    yield StrategySpec(name="careful", builder="careful_strategy:make")
"""


def test_a_strategy_of_a_plugin_trains(install, train):
    made = "from lightning.pytorch.strategies import SingleDeviceStrategy\ncalls = []\n"
    made += "def make():\n    calls.append(1)\n    return SingleDeviceStrategy(device='cpu')\n"
    modules = {"careful_plugin": STRATEGY_PLUGIN, "careful_strategy": made}
    install("careful-dist", modules, {"framework.plugins": {"careful": "careful_plugin"}})
    assert train("strategy=careful", "trainer.accelerator=cpu").code == 0
    import importlib

    assert importlib.import_module("careful_strategy").calls
