"""``fw train --each``: a run for each value of a setting, their mean and deviation."""

import csv
import json
import statistics
from pathlib import Path

import pytest
from mlflow import MlflowClient

SHORT = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "mlops.report=false", "preflight=false")
UNTRACKED = "mlops.tracking.backend=none"
NAMED = ("--model", "mine.py:Net", "--dataset", "mine.py:Iris")

STOPS = """

class Stops(Net):
    def on_train_start(self):
        from pathlib import Path

        if self.width == 8 and not Path("go").exists():
            raise KeyboardInterrupt
"""


def test_a_run_for_each_value_with_mean_and_deviation(fw, components):
    done = fw("train", *NAMED, *SHORT, UNTRACKED, "--each", "dataset.held_out=3,4,5")
    assert done.code == 0, done.err
    head, *rows = [line.split() for line in done.out.splitlines()]
    assert head == ["dataset.held_out", "run", "test/accuracy", "test/loss"]
    assert [row[0] for row in rows] == ["3", "4", "5", "mean", "std"]
    (folder,) = (path.parent for path in Path("runs").glob("*/group.json"))
    written = list(csv.DictReader((folder / "each.csv").read_text().splitlines()))
    reached = [float(row["test/accuracy"]) for row in written[:3]]
    assert float(written[3]["test/accuracy"]) == pytest.approx(statistics.fmean(reached))
    assert float(written[4]["test/accuracy"]) == pytest.approx(statistics.stdev(reached))
    for row in written[:3]:
        settings = (Path("runs") / row["run"] / "config.yaml").read_text()
        assert f"held_out: {row['dataset.held_out']}" in settings


@pytest.mark.drawn
def test_the_runs_stand_under_one_in_the_store_that_has_their_mean(fw, components):
    words = ("mlops.tracking.log_model=false", "mlops.tracking.system_metrics=false", "--json")
    done = fw("train", *NAMED, *SHORT, *words, "--each", "seed=1,2")
    assert done.code == 0, done.err
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    above = client.get_run(done.json["run_id"])
    assert above.info.status == "FINISHED"
    assert above.data.params == {"seed": "1, 2"}
    assert above.data.metrics["test/accuracy"] == pytest.approx(done.json["mean"]["test/accuracy"])
    assert above.data.metrics["test/accuracy/std"] == pytest.approx(done.json["std"]["test/accuracy"])
    assert [file.path for file in client.list_artifacts(above.info.run_id)] == ["each.csv"]
    under = client.search_runs(
        [above.info.experiment_id], f"tags.`mlflow.parentRunId` = '{above.info.run_id}'", order_by=["start_time"]
    )
    assert [run.info.run_id for run in under] == [each["run_id"] for each in done.json["runs"]]


def test_several_settings_are_combined(fw, components):
    done = fw("train", *NAMED, *SHORT, UNTRACKED, "--json", "--each", "seed=1,2", "--each", "model.width=range(4,6)")
    assert done.code == 0, done.err
    values = [tuple(each["values"].values()) for each in done.json["runs"]]
    assert values == [("1", "4"), ("1", "5"), ("2", "4"), ("2", "5")]
    assert [each["name"].rpartition("seed-")[2] for each in done.json["runs"]][1] == "1-width-5"


@pytest.mark.drawn
def test_after_a_stop_only_the_rest_is_trained(fw, components, project):
    (project / "mine.py").write_text((project / "mine.py").read_text() + STOPS)
    words = ("train", "--model", "mine.py:Stops", "--dataset", "mine.py:Iris", *SHORT, UNTRACKED)
    stopped = fw(*words, "--each", "model.width=4,8,12")
    assert stopped.code != 0
    assert "1 of 3 runs have ended; the same command with --resume auto goes on" in stopped.err
    (first,) = Path("runs").glob("*width-4/run.json")
    before = first.read_text()
    Path("go").touch()
    done = fw(*words, "--json", "--resume", "auto", "--each", "model.width=4,8,12")
    assert done.code == 0, done.err
    assert len(done.json["runs"]) == 3
    assert first.read_text() == before
    assert "run       1 of 3" not in done.err
    assert "run       2 of 3: model.width=8" in done.err
    assert len(list(Path("runs").glob("*width-4"))) == 1
    assert json.loads((Path(done.json["directory"]) / "group.json").read_text())["members"][2]["metrics"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--each", "seed=1"], "seed: has one value only"),
        (["--each", "seed=1,1"], "seed: has the value 1 more than once"),
        (["--each", "seed=1,2", "--each", "model.widht=4,5"], "model.width"),
        (["--each", "seed=1,a"], "seed"),
        (["--each", "seed"], "is no list of values"),
        (["--each", "seed=1,2", "--resume", "last"], "--resume auto"),
        (["--each", "seed=1,2", "--dry-run"], "cannot stand together"),
        (["--each", "seed=1,2", "distributed.enabled=true"], "one by one"),
        (["seed=1,2"], "--each seed=1,2,3"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(fw, components, words, said):
    done = fw("train", *NAMED, *SHORT, UNTRACKED, *words)
    assert done.code == 2
    assert said in done.err
    assert not Path("runs").exists()
