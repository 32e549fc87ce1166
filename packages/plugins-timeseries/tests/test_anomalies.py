"""What is unusual in a series: scores, threshold, intervals, labels, the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from framework_core import registry
from framework_core.errors import ConfigError, ContractError, DataError
from framework_core.plugins.catalogue import config_class
from framework_plugins_timeseries.anomaly_scores import StepErrors, against_labels, average_precision, intervals
from framework_plugins_timeseries.datasets.co2_faults import FAULTS, with_faults
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.windows import Span, Windows

OURS = "framework-plugins-timeseries"
AUTOENCODERS = [
    offer.spec.name
    for offer in registry.catalogue.offers("model")
    if offer.distribution == OURS and offer.spec.tasks == ("anomaly-detection",)
]
SMALL = {"hidden": 8, "depth": 2}


def small(name):
    fields = config_class(registry.resolve("model", name)).model_fields
    return {key: value for key, value in SMALL.items() if key in fields}


def faults(**given):
    module = registry.create_dataset("co2_faults", **given)
    module.setup("fit")
    return module


def rows(path):
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_a_window_that_is_reconstructed_has_its_own_steps_for_targets():
    table = torch.arange(40.0).view(20, 2)
    layout = Layout(5, 5, ("a",), past=("b",), reconstructs=True)
    windows = Windows(table, [Span(0, 8, 20)], layout)
    assert len(windows) == 12 - 5 + 1
    inputs, target = windows.batch(torch.arange(len(windows)))
    assert torch.equal(inputs[..., :1], target)
    assert target[0, :, 0].tolist() == table[8:13, 0].tolist()
    assert target[-1, :, 0].tolist() == table[15:20, 0].tolist()


def test_the_error_of_a_step_is_gathered_from_every_window_it_lies_in():
    sums = StepErrors(6, 1)
    sums.update(torch.tensor([0, 1]), torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).unsqueeze(-1))
    sums.update(torch.tensor([2]), torch.tensor([[7.0, 8.0, 9.0]]).unsqueeze(-1))
    found = sums.compute()
    assert found["count"].tolist() == [1, 2, 3, 2, 1, 0]
    assert found["first"][:, 0].tolist() == [1, 3, 5, 7, 9, 0]
    assert found["second"][2, 0] == pytest.approx((9 + 25 + 49) / 3)


def test_flagged_neighbours_are_one_interval_and_series_keep_apart():
    scores = np.array([0.0, 5, 6, 0, 7, 8, 9, 1])
    number, series = np.array([0, 1, 2, 3, 4, 5, 6, 9]), np.array([0, 0, 0, 0, 0, 1, 1, 1])
    found = intervals(number, series, scores, scores > 4)
    assert [(one.begin, one.end, one.peak, one.score) for one in found] == [(1, 2, 2, 6), (4, 4, 4, 7), (5, 6, 6, 9)]
    assert intervals(number, series, scores, scores > 99) == []


def test_precision_and_recall_count_every_step_for_itself():
    """One step of a labelled stretch of four: with point adjustment it would be a recall of 1."""
    labels = np.array([0, 0, 1, 1, 1, 1, 0, 0], dtype=bool)
    scores = np.array([0.0, 9, 8, 1, 1, 1, 0, 0])
    found = against_labels(scores, scores > 5, labels)
    assert found == pytest.approx({"precision": 1 / 2, "recall": 1 / 4, "f1": 1 / 3, "auc_pr": 1 / 8 + 3 / 4 * 4 / 5})


def test_average_precision_of_random_scores_is_the_share_of_anomalies():
    random = np.random.default_rng(0)
    labels = random.random(20_000) < 0.1
    assert average_precision(random.random(20_000), labels) == pytest.approx(0.1, abs=0.01)
    assert average_precision(labels.astype(float), labels) == 1
    assert average_precision(np.zeros(20_000), labels) == pytest.approx(labels.mean())


def test_faults_lie_in_the_test_alone():
    values = np.sin(np.arange(1000) / 8)
    faulty, labels = with_faults(values)
    assert not labels[:800].any()
    assert labels.sum() == 2 + 12 * (len(FAULTS) - 2)
    np.testing.assert_array_equal(faulty[~labels], values[~labels])
    module = faults()
    windows = module.test_dataset
    assert len(windows.series[0]) == len(windows.labels) == len(windows.table)
    assert windows.layout.columns == ("co2",)
    assert not module.train_dataset.labels[: 1598 + 228].any()


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_each_autoencoder_learns_to_give_its_window_again(name, tmp_path):
    module = faults(reconstructs=True, look_back=24)
    torch.manual_seed(0)
    model = registry.create_model(name, data=module.data_spec(), **small(name))
    batch = module.train_dataset.batch(torch.arange(0, 320, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        loss = model.training_step(batch, step)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert model(batch[0]).shape == (32, 24, 1, 1)
    assert losses[-1] < 0.5 * losses[0]
    assert not [key for key, each in model.named_parameters() if each.grad is None]
    torch.save(model.eval().state_dict(), tmp_path / "weights.pt")
    again = registry.create_model(name, data=module.data_spec(), **small(name)).eval()
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(model(batch[0]), again(batch[0]))


def test_an_autoencoder_gives_steps_back_from_those_it_gave_itself():
    module = faults(reconstructs=True, look_back=12)
    model = registry.create_model("lstm_autoencoder", data=module.data_spec(), hidden=4).eval()
    inputs, _ = module.train_dataset.batch(torch.arange(3))
    with torch.no_grad():
        alone = model(inputs)
        teacher = model.train()(inputs)
    assert torch.allclose(alone[:, -1], teacher[:, -1])
    assert not torch.allclose(alone[:, 0], teacher[:, 0])


@pytest.fixture
def scored():
    """A model that forecasts the last value, tested by Lightning, and all its errors worked out by hand."""
    from lightning.pytorch import Trainer

    module = faults(look_back=10, batch_size=50, threshold_quantile=0.9)
    model = registry.create_model("naive", data=module.data_spec())
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = Trainer(**quiet, enable_checkpointing=False)
    trainer.validate(model, datamodule=module, verbose=False)
    trainer.test(model, datamodule=module, verbose=False)
    return module, model, {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_scores_and_threshold_are_their_definitions_worked_out_by_hand(scored):
    module, model, metrics = scored
    values = module.train_dataset.table[:, 0].double().numpy()
    border = module.borders(module.train_dataset.series[0])
    errors = np.diff(values)
    seen = errors[border.train - 1 : border.val - 1]
    scores = ((errors - seen.mean()) / seen.std()) ** 2
    threshold = np.quantile(scores[border.train - 1 : border.val - 1], 0.9)
    tested, labels = scores[border.val - 1 :], module.train_dataset.labels[border.val :]
    assert metrics["test/threshold"] == pytest.approx(threshold, rel=1e-4)
    assert metrics["test/flagged"] == pytest.approx((tested > threshold).mean(), abs=1e-6)
    expected = against_labels(tested, tested > threshold, labels)
    assert {name: metrics[f"test/{name}"] for name in expected} == pytest.approx(expected, abs=1e-4)
    assert metrics["test/naive/auc_pr"] == pytest.approx(expected["auc_pr"], abs=0.02)
    (first, *_) = model.tables()["intervals"]
    peak = int(tested.argmax()) + border.val
    assert first["score"] == pytest.approx(tested.max(), rel=1e-3)
    assert first["peak"] == module.test_dataset.place(peak)[1]
    assert set(model.figures()) == {"scores"}


def test_a_model_that_does_not_fit_the_windows_is_refused():
    with pytest.raises(ContractError, match="are the steps that follow, the model gives their own steps"):
        registry.create_model("tcn_autoencoder", data=faults().data_spec())
    with pytest.raises(ContractError, match="are their own steps, the model gives the steps that follow"):
        registry.create_model("nlinear", data=faults(reconstructs=True).data_spec())
    with pytest.raises(ContractError, match="4 steps are averaged, and a window has 3"):
        registry.create_model("tcn_autoencoder", data=faults(reconstructs=True, look_back=3).data_spec())
    with pytest.raises(ConfigError, match="val_size"):
        registry.create_dataset("co2_faults", val_size=0)


def table(labels):
    days = pd.date_range("2024-01-01", periods=len(labels), freq="D")
    values = np.sin(np.arange(len(labels)) / 3)
    pd.DataFrame({"date": days, "flow": values, "heat": 2 * values, "bad": labels}).to_csv("plant.csv", index=False)
    return "plant.csv"


def test_labels_are_noughts_and_ones_and_are_not_learned():
    path = table([0.0] * 99 + [2.0])
    with pytest.raises(DataError, match=r"plant\.csv, 2024-04-09: bad is 2, which is no label"):
        registry.create_dataset("anomaly_table", path=path, label_column="bad", look_back=5).setup("fit")
    with pytest.raises(DataError, match="no column 'good'"):
        registry.create_dataset("anomaly_table", path=path, label_column="good").setup("fit")
    module = registry.create_dataset("anomaly_table", path=table([0.0, 1.0] * 50), label_column="bad", look_back=5)
    module.setup("fit")
    assert module.layout.columns == ("flow", "heat")
    assert module.test_dataset.labels.tolist() == [False, True] * 50


@pytest.mark.drawn
def test_unusual_steps_of_the_built_in_series_are_found_by_reconstruction(train, fw, sliced):
    where = (
        "model.normalize=standard",
        "--dataset",
        "co2_faults",
        "dataset.look_back=24",
        "dataset.batch_size=128",
        "experiment.run_name=air",
    )
    steps = (
        "trainer.limit_train_batches=6",
        "trainer.max_epochs=3",
        "model.hidden=8",
        "optimizer.lr=0.01",
        "mlops.report=true",
    )
    done = train("--model", "tcn_autoencoder", *where, *steps)
    assert done.code == 0, done.err
    metrics = done.json["metrics"]
    assert {"test/precision", "test/recall", "test/f1", "test/auc_pr", "test/threshold"} <= set(metrics)
    assert metrics["test/auc_pr"] > 0.15 > 50 / 457
    columns = sliced("air", metrics, "f1", "flagged")
    assert all(" to " in each and each[:2] in ("19", "20") for each in columns["time"])
    (folder,) = Path("runs").iterdir()
    assert (folder / "plots" / "scores.png").stat().st_size > 5000
    found = rows(folder / "tables" / "intervals.csv")
    assert len(found) == metrics["test/intervals"]
    assert float(found[0]["score"]) > metrics["test/threshold"]
    assert json.loads((folder / "data.json").read_text())["facts"]["layout"]["reconstructs"] is True
    assert fw("evaluate", "air", "--json").json["test/auc_pr"] == pytest.approx(metrics["test/auc_pr"])


def test_every_step_of_a_file_is_scored_by_any_forecast(train, fw, long):
    path = long(lengths=(90, 100))
    frame = pd.read_csv(path)
    names = ("dataset.targets=[y,visitors]", "dataset.look_back=7", "experiment.run_name=shops")
    done = train("--model", "nlinear", "--dataset", "anomaly_table", f"dataset.path={path}", *names)
    assert done.code == 0, done.err
    frame.loc[50, ["y", "visitors"]] = [9000.0, 20.0]
    frame.to_csv("new.csv", index=False)
    said = fw("predict", "shops", "new.csv", "-o", "scores.csv")
    assert said.code == 0, said.err
    found = rows("scores.csv")
    assert list(found[0]) == ["path", "unique_id", "ds", "score", "threshold", "anomaly", "target"]
    assert len(found) == 190 - 2 * 7
    worst = max(found, key=lambda row: float(row["score"]))
    assert (worst["unique_id"], worst["ds"], worst["anomaly"]) == ("shop 0", "2024-02-20", "True")
    assert worst["target"] == "y"
    assert all((float(row["score"]) > float(row["threshold"])) == (row["anomaly"] == "True") for row in found)
    refused = fw("predict", "shops", long("tiny.csv", lengths=(7,)).name, "-o", "other.csv")
    assert refused.code == 2
    assert "7 steps, and the model needs 8" in refused.err
