"""What a run leaves for people: intervals of its metrics, the worst mistakes, a model card."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml
from mlflow import MlflowClient

from framework_core import registry
from framework_core.contracts import DataSpec
from framework_core.tracking.probability_plots import MOST_CLASSES, of_one_class, of_several_labels
from framework_core.training.evidence import Answers, intervals, resampled

pytestmark = pytest.mark.drawn

REPORT = "mlops.report=true"


@pytest.fixture
def run(train):
    """A run with its report: the result, and its folder."""

    def made(*words):
        result = train(REPORT, "--json", *words).json
        return result, Path(result["directory"])

    return made


def test_the_interval_of_a_metric_holds_it_and_is_the_same_again(run):
    result, _ = run()
    assert set(result["intervals"]) == {name for name in result["metrics"] if name.startswith("test/")}
    for name, (low, high) in result["intervals"].items():
        assert low <= result["metrics"][name] <= high
    assert result["intervals"]["test/accuracy"][0] < result["intervals"]["test/accuracy"][1]
    assert run()[0]["intervals"] == result["intervals"]


def test_the_interval_of_an_accuracy_is_as_wide_as_theory_says(components):
    data = DataSpec(task="tabular-classification", input_shape=(4,), class_names=("a", "b", "c"))
    model = registry.create_model("mine.py:Net", data=data)
    target = torch.zeros(400, dtype=torch.long)
    outputs = torch.nn.functional.one_hot((torch.arange(400) % 10 == 0).long(), 3).float()
    low, high = intervals(resampled(model, Answers(outputs, target)))["test/accuracy"]
    # 0.9 of 400: the standard error is the square root of 0.9 * 0.1 / 400, which is 0.015.
    assert low == pytest.approx(0.9 - 1.96 * 0.015, abs=0.006)
    assert high == pytest.approx(0.9 + 1.96 * 0.015, abs=0.006)


def test_the_card_tells_model_data_metrics_and_how_to_use_it(run):
    result, folder = run("experiment.description='To sort flowers.'")
    text = (folder / "model_card.md").read_text()
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["metrics"] == ["accuracy", "loss"]
    assert "To sort flowers." in body
    assert "| classes | 3: setosa, versicolor, virginica |" in body
    low, high = result["intervals"]["test/accuracy"]
    assert f"| test/accuracy | {result['metrics']['test/accuracy']:.4f} | {low:.4f} to {high:.4f} |" in body
    assert f"$ fw predict {result['name']} FILES" in body
    for line in body.splitlines():
        if line.startswith("!["):
            assert (folder / line.partition("(")[2].rstrip(")")).is_file()


MISTAKES = """

class Seen(Net):
    def mistakes_figure(self, inputs, outputs, target):
        losses = [float(self.loss(outputs[i : i + 1], target[i : i + 1])) for i in range(len(target))]
        assert losses == sorted(losses, reverse=True)
        again = self(inputs[0][None])
        assert again.allclose(outputs[:1], atol=1e-5)
        from matplotlib.figure import Figure

        figure = Figure()
        figure.text(0.5, 0.5, "seen")
        return figure
"""


def test_a_model_draws_its_worst_mistakes(fw, components, project):
    (project / "mine.py").write_text((project / "mine.py").read_text() + MISTAKES)
    words = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "--json")
    done = fw("train", "--model", "mine.py:Seen", "--dataset", "mine.py:Iris", *words)
    assert done.code == 0, done.err
    folder = Path(done.json["directory"])
    assert (folder / "plots" / "worst_mistakes.png").read_bytes().startswith(b"\x89PNG")


GROUPED = """

class Grouped(Iris):
    def setup(self, stage=None):
        super().setup(stage)
        count = len(self.test_dataset)
        self.groups = {
            "test": {
                "garden": ["north" if index % 3 else "south" for index in range(count)],
                "flower": [str(index) for index in range(count)],
                "planet": ["earth"] * count,
            }
        }
"""


def test_the_metrics_of_groups_of_the_test_are_told_with_their_spread(fw, components, project):
    (project / "mine.py").write_text((project / "mine.py").read_text() + GROUPED)
    words = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "--json")
    done = fw("train", "--model", "mine.py:Net", "--dataset", "mine.py:Grouped", *words)
    assert done.code == 0, done.err
    folder = Path(done.json["directory"]) / "tables"
    assert [path.name for path in folder.iterdir()] == ["per_garden.csv"]  # one group, or one a sample, says nothing
    north, south, mean, std = csv.DictReader((folder / "per_garden.csv").read_text().splitlines())
    assert (north["garden"], south["garden"], mean["garden"], std["garden"]) == ("north", "south", "(mean)", "(std)")
    right = [float(row["accuracy"]) * int(row["samples"]) for row in (north, south)]
    assert sum(right) / 30 == pytest.approx(done.json["metrics"]["test/accuracy"], abs=1e-5)
    assert float(mean["loss"]) == pytest.approx((float(north["loss"]) + float(south["loss"])) / 2, abs=1e-5)
    apart = abs(float(north["accuracy"]) - float(south["accuracy"]))
    assert float(std["accuracy"]) == pytest.approx(apart / 2**0.5, abs=1e-5)


def test_model_data_and_metrics_are_linked_in_the_store(run):
    result, _ = run("mlops.tracking.log_model=true")
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    found = client.get_run(result["run_id"])
    (model,) = client.search_logged_models([found.info.experiment_id])
    assert {metric.key: metric.value for metric in model.metrics} == pytest.approx(
        {name: value for name, value in result["metrics"].items() if name.startswith("test/")}
    )
    (data,) = found.inputs.dataset_inputs
    assert {metric.dataset_digest for metric in model.metrics} == {data.dataset.digest}
    assert {item.path for item in client.list_artifacts(result["run_id"])} >= {"model_card.md", "intervals.json"}
    assert "model_card.md" in {path.name for path in Path(model.artifact_location).iterdir()}


def test_the_plugins_are_there_with_what_identifies_their_files(run, install):
    site = install("zoo-dist", {"zoo_plugin": ""}, {"framework.plugins": {"zoo": "zoo_plugin"}})
    (site / "zoo_dist-1.2.3.dist-info" / "RECORD").write_text(
        "zoo_plugin.py,sha256=abc,0\nzoo_dist-1.2.3.dist-info/METADATA,sha256=x,1\nzoo_dist-1.2.3.dist-info/RECORD,,\n"
    )
    result, _ = run()
    text = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").download_artifacts(result["run_id"], "environment.json")
    plugin = json.loads(Path(text).read_text())["plugins"]["zoo-dist"]
    assert plugin["version"] == "1.2.3"
    assert len(plugin["sha256"]) == 64


def labels_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_the_area_under_a_curve_is_the_share_of_pairs_in_the_right_order():
    generator = torch.Generator().manual_seed(0)
    scores, there = torch.rand(60, generator=generator), torch.rand(60, generator=generator) < 0.3
    figures = of_one_class(torch.stack([1 - scores, scores], dim=1), there.long(), ("no", "yes"))
    pairs = scores[there][:, None] > scores[~there][None]
    assert labels_of(figures["roc"]) == [f"yes, AUC {float(pairs.float().mean()):.3f}", "chance"]
    order = there[scores.argsort(descending=True)].double()
    precision = (order.cumsum(0) / torch.arange(1, 61))[order > 0].mean()
    assert labels_of(figures["precision_recall"]) == [f"yes, AP {float(precision):.3f}"]


def test_of_many_classes_the_worst_are_drawn_and_those_without_samples_are_left_out():
    target = torch.arange(90) % 9
    outputs = torch.nn.functional.one_hot(target, 10).float()
    outputs[target == 4] = outputs[0].clone()
    figures = of_one_class(outputs, target, tuple("abcdefghij"))
    assert figures["roc"].axes[0].get_title() == f"ROC: the {MOST_CLASSES} worst of 9 classes"
    drawn = labels_of(figures["precision_recall"])
    assert len(drawn) == MOST_CLASSES + 1
    assert not any(line.startswith("j,") for line in drawn)
    assert "e, AP 0.111" in drawn
    assert "a, AP 0.500" in drawn
    assert sum("AP 1.000" in line for line in drawn) == MOST_CLASSES - 2


def test_answers_to_several_labels_are_believed_as_often_as_they_are_right():
    there = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    said = torch.tensor([[0.9, 0.1], [0.9, 0.9], [0.9, 0.9], [0.1, 0.9]])
    figures = of_several_labels(said, there, ("a", "b"))
    bars = [
        (patch.get_x() + patch.get_width() / 2, patch.get_height()) for patch in figures["calibration"].axes[0].patches
    ]
    assert bars == [(pytest.approx(0.9, abs=0.05), 0.75)]
    assert labels_of(figures["roc"])[0].startswith("a, AUC ")
    none = of_several_labels(said, torch.zeros(4, 2), ("a", "b"))
    assert list(none) == ["calibration"]
