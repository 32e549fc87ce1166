"""From series with classes to the class of a new series: models, scores, the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from framework_core import registry
from framework_core.errors import ContractError
from framework_core.plugins.catalogue import config_class
from framework_plugins_timeseries.datasets.co2_seasons import SEASONS
from framework_plugins_timeseries.models.minirocket import KERNEL, PATTERNS, Convolutions, dilations_for
from framework_plugins_timeseries.ridge import PENALTIES, fit_ridge

OURS = "framework-plugins-timeseries"
MODELS = [
    offer.spec.name
    for offer in registry.catalogue.offers("model")
    if offer.distribution == OURS and "time-series-classification" in offer.spec.tasks
]
SMALL = {"width": 8, "depth": 1, "heads": 2, "feed_forward": 8, "filters": 4, "bottleneck": 4, "networks": 2}
SMALL |= {"features": 168, "kernel_sizes": (8, 4)}


def small(name):
    fields = config_class(registry.resolve("model", name)).model_fields
    found = {key: value for key, value in SMALL.items() if key in fields}
    return found | {"depth": 3} if name == "inception_time" else found


@pytest.fixture
def seasons():
    module = registry.create_dataset("co2_seasons", stride=4)
    module.setup("fit")
    return module


def test_the_seasons_of_carbon_dioxide_lie_apart_in_time(seasons):
    spec = seasons.data_spec()
    assert spec.class_names == SEASONS
    assert spec.split_sizes == {"train": 369, "val": 59, "test": 125}
    assert spec.input_shape == (1, 26)
    assert min(spec.class_counts.values()) > 85


@pytest.mark.parametrize("name", [*MODELS, "minirocket softmax"])
def test_each_classifier_learns_some_steps_and_keeps_its_answers(name, seasons, tmp_path):
    name, _, classifier = name.partition(" ")
    given = {**small(name), **({"classifier": classifier} if classifier else {})}
    torch.manual_seed(0)
    model = registry.create_model(name, data=seasons.data_spec(), **given)
    inputs, target = (each[::3] for each in seasons.train_dataset.tensors)
    assert model(inputs[:4]).shape == (4, 4)
    if name == "minirocket":
        model.fit(inputs, target)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(15):
        optimizer.zero_grad()
        loss = model.training_step((inputs, target), step)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert not [key for key, each in model.named_parameters() if each.grad is None]
    if name == "minirocket" and not classifier:
        assert losses[-1] == losses[0] < 0.5
    else:
        assert losses[-1] < 0.9 * losses[0]
    torch.save(model.eval().state_dict(), tmp_path / "weights.pt")
    again = registry.create_model(name, data=seasons.data_spec(), **given).eval()
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(model(inputs[:9]), again(inputs[:9]))


def test_an_ensemble_gives_the_mean_of_its_networks_probabilities(seasons):
    model = registry.create_model("inception_time", data=seasons.data_spec(), **small("inception_time")).eval()
    inputs, target = (each[:5] for each in seasons.train_dataset.tensors)
    each = torch.stack([network(inputs).softmax(dim=1) for network in model.model])
    assert torch.allclose(model(inputs).softmax(dim=1), each.mean(dim=0), atol=1e-6)
    alone = [functional.cross_entropy(network(inputs), target) for network in model.model]
    assert torch.allclose(model.training_step((inputs, target), 0), torch.stack(alone).mean())


def test_features_are_shares_of_steps_above_a_bias():
    """Worked out by hand for one series, kernel by kernel and step by step."""
    torch.manual_seed(0)
    series = torch.randn(3, 1, 40)
    convolutions = Convolutions(1, 40, 84 * 5, torch.Generator().manual_seed(0))
    convolutions.take_biases(series, torch.Generator().manual_seed(0))
    found = convolutions(series)[1]
    expected = []
    padded = np.pad(series[1, 0].double().numpy(), 40)
    for index, dilation in enumerate(convolutions.dilations):
        biases = getattr(convolutions, f"biases_{index}")
        for kernel, places in enumerate(PATTERNS):
            weights = [2.0 if place in places else -1.0 for place in range(KERNEL)]
            reach = dilation * (KERNEL // 2)
            both_ends = (index + kernel) % 2 == 0
            steps = range(40) if both_ends else range(reach, 40 - reach)
            values = [sum(w * padded[40 + s + dilation * (p - 4)] for p, w in enumerate(weights)) for s in steps]
            expected += [np.mean([value > float(bias) for value in values]) for bias in biases[kernel]]
    np.testing.assert_allclose(found.numpy(), expected, atol=0.03)
    assert np.mean(np.abs(found.numpy() - np.array(expected)) > 1e-6) < 0.01


def test_dilations_reach_from_one_step_to_the_whole_series():
    dilations, counts = dilations_for(150, 119)
    assert dilations[0] == 1
    assert dilations[-1] == (150 - 1) // (KERNEL - 1)
    assert sum(counts) == 119
    assert dilations_for(9, 119) == ([1], [119])


def test_leaving_one_out_is_what_fitting_without_it_gives():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(12, 30, generator=generator).double()
    labels = torch.arange(12) % 3
    found = fit_ridge(features, labels, 3)
    errors = {}
    targets = 2.0 * functional.one_hot(labels, 3).double() - 1
    for penalty in PENALTIES:
        squares = []
        for left in range(12):
            kept = torch.arange(12) != left
            x, y = features[kept], targets[kept]
            centred = x - x.mean(0)
            weight = torch.linalg.solve(centred.T @ centred + penalty * torch.eye(30), centred.T @ (y - y.mean(0)))
            squares.append((targets[left] - y.mean(0) - (features[left] - x.mean(0)) @ weight).square().mean())
        errors[penalty] = float(torch.stack(squares).mean())
    assert found.penalty == min(errors, key=errors.__getitem__)


def test_what_cannot_be_fitted_is_refused_in_words(seasons):
    short = registry.create_dataset("co2_seasons", weeks=5)
    short.setup("fit")
    with pytest.raises(ContractError, match="a kernel has 9 steps, the series 5"):
        registry.create_model("minirocket", data=short.data_spec())
    with pytest.raises(ContractError, match="a patch has 16 steps, the series 5"):
        registry.create_model("patchtst_classifier", data=short.data_spec())


@pytest.mark.drawn
def test_a_run_leaves_the_confusion_matrix_and_a_table_by_class(train, fw):
    where = ("--dataset", "co2_seasons", "dataset.stride=4", "experiment.run_name=seasons")
    done = train("--model", "minirocket", "model.features=840", *where, "mlops.report=true", "trainer.max_epochs=5")
    assert done.code == 0, done.err
    assert "840 features, penalty" in done.err
    assert "epoch 2/5" not in done.err
    metrics = done.json["metrics"]
    assert metrics["test/accuracy"] > 0.85
    assert metrics["test/f1"] > 0.85
    (folder,) = Path("runs").iterdir()
    assert (folder / "plots" / "confusion_matrix.png").stat().st_size > 5000
    table = list(csv.DictReader((folder / "tables" / "per_class.csv").read_text().splitlines()))
    assert [row["class"] for row in table] == list(SEASONS)
    assert np.mean([float(row["f1"]) for row in table]) == pytest.approx(metrics["test/f1"], abs=1e-3)
    assert "test/accuracy" in json.loads((folder / "intervals.json").read_text())
    assert fw("evaluate", "seasons", "--json").json["test/accuracy"] == pytest.approx(metrics["test/accuracy"])


def test_every_series_of_a_file_is_predicted_with_its_line(train, fw):
    time = np.arange(30)
    kinds = {"slow": 0.2, "fast": 0.9}
    samples = [
        ",".join(f"{np.sin(rate * time[i] + phase):.3f}" for i in range(30)) + f":{kind}"
        for phase in range(8)
        for kind, rate in kinds.items()
    ]
    Path("waves_TRAIN.ts").write_text("@classLabel true slow fast\n@data\n" + "\n".join(samples) + "\n")
    done = train(
        "--model", "minirocket", "--dataset", "ucr", "dataset.path=waves_TRAIN.ts", "experiment.run_name=waves"
    )
    assert done.code == 0, done.err
    unlabelled = [line.rpartition(":")[0] for line in samples[:3]]
    Path("new.ts").write_text("@classLabel false\n@data\n" + "\n".join(unlabelled) + "\n")
    said = fw("predict", "waves", "new.ts", "-o", "classes.csv")
    assert said.code == 0, said.err
    found = list(csv.DictReader(Path("classes.csv").read_text().splitlines()))
    assert list(found[0]) == [
        "path", "line", "label", "confidence", "probabilities.slow", "probabilities.fast"
    ]  # fmt: skip
    assert [(row["line"], row["label"]) for row in found] == [("3", "slow"), ("4", "fast"), ("5", "slow")]
    Path("two.ts").write_text("@classLabel false\n@data\n1,2:1,2\n")
    refused = fw("predict", "waves", "two.ts", "-o", "classes.csv")
    assert refused.code == 2
    assert "two.ts has 2 channels, and the model is trained on 1" in refused.err
