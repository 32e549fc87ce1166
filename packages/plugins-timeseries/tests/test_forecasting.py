"""Losses, errors, intervals and baselines are what their definitions say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from framework_core import registry
from framework_plugins_timeseries.baselines import LinearBaseline, naive, seasonal_naive
from framework_plugins_timeseries.heads import head_for, pinball
from framework_plugins_timeseries.instance_norm import InstanceNorm
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.naive_errors import naive_errors
from framework_plugins_timeseries.windows import Span, Windows

LEVELS = torch.tensor([0.05, 0.5, 0.95])


def head(loss):
    return head_for(loss, quantiles=(0.05, 0.25, 0.5, 0.75, 0.95), huber_delta=1.0)


def test_baselines_repeat_what_was():
    past = torch.arange(10.0).view(1, 10, 1)
    assert naive(past, 3).flatten().tolist() == [9, 9, 9]
    assert seasonal_naive(past, 5, 4).flatten().tolist() == [6, 7, 8, 9, 6]
    assert seasonal_naive(past, 2, 11).flatten().tolist() == [9, 9]


def test_the_linear_baseline_finds_a_line():
    table = (torch.arange(200.0) * 0.5 + 3).view(-1, 1)
    windows = Windows(table, [Span(0, 0, 150)], Layout(8, 4, ("y",)))
    forecast = LinearBaseline.fit(windows)(table[100:108].view(1, 8, 1))
    assert torch.allclose(forecast, table[108:112].view(1, 4, 1), atol=0.05)


@pytest.mark.parametrize("loss", ["normal", "student_t"])
def test_a_likelihood_and_its_quantiles_are_those_of_scipy(loss):
    torch.manual_seed(0)
    outputs, target = torch.randn(2, 3, 1, head(loss).numbers), torch.randn(2, 3, 1)
    spread = np.log1p(np.exp(outputs.double().numpy())) + 1e-4
    place = outputs[..., 0].double().numpy()
    if loss == "normal":
        known = stats.norm(place, spread[..., 1])
    else:
        known = stats.t(2 + spread[..., 2], place, spread[..., 1])
    assert float(head(loss).loss(outputs, target)) == pytest.approx(-known.logpdf(target.numpy()).mean(), rel=1e-4)
    for index, level in enumerate(LEVELS.tolist()):
        found = head(loss).quantiles(outputs, LEVELS)[..., index]
        np.testing.assert_allclose(found.numpy(), known.ppf(level), rtol=1e-4)


def test_the_pinball_loss_is_least_at_the_quantile():
    draws = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).view(-1, 1, 1)
    grid = torch.linspace(-3, 3, 121)
    for level in (0.1, 0.5, 0.9):
        losses = [float(pinball(at.expand(20_000, 1, 1, 1), draws, torch.tensor([level])).mean()) for at in grid]
        assert float(grid[int(np.argmin(losses))]) == pytest.approx(stats.norm.ppf(level), abs=0.06)


def test_quantiles_that_cross_are_put_in_order_and_joined_by_lines():
    outputs = torch.tensor([5.0, 2.0, 3.0, 4.0, 1.0]).view(1, 1, 1, 5)
    found = head("quantile").quantiles(outputs, torch.tensor([0.05, 0.15, 0.5, 0.95]))
    assert found.flatten().tolist() == pytest.approx([1, 1.5, 3, 5])


@pytest.mark.parametrize("loss", ["mse", "quantile", "normal", "student_t"])
@pytest.mark.parametrize(("kind", "affine"), [("last", False), ("standard", False), ("standard", True)])
def test_what_was_taken_off_a_window_is_put_back_in_every_head(loss, kind, affine):
    """Shifting and scaling a window shifts and scales its forecast and interval."""
    torch.manual_seed(0)
    past = torch.randn(3, 20, 2)
    norm = InstanceNorm(kind, 2, affine=affine)
    if affine:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias)
    outputs = torch.randn(3, 4, 2, head(loss).numbers)
    levels = torch.tensor([0.1, 0.9])

    def intervals(scaled):
        _, shift, scale = norm(scaled)
        restored = head(loss).restore(outputs, shift, scale)
        found = head(loss).quantiles(restored, levels)
        return head(loss).point(restored), found

    point, quantiles = intervals(past)
    factor = 1.0 if kind == "last" else 3.0
    point_moved, quantiles_moved = intervals(past * factor + 7)
    assert torch.allclose(point * factor + 7, point_moved, atol=2e-3)
    if quantiles is not None:
        assert torch.allclose(quantiles * factor + 7, quantiles_moved, atol=5e-3)


def test_the_yardsticks_of_mase_and_rmsse_are_naive_errors_before_the_test():
    series = np.array([[1.0], [3.0], [2.0], [6.0], [1.0]])
    found = naive_errors([series], season=2)
    assert found["mase_scale"] == [[pytest.approx((1 + 3 + 1) / 3)]]
    assert found["rmsse_scale"] == [[pytest.approx((4 + 1 + 16 + 25) / 4)]]


def test_a_forecast_that_is_drawn_does_not_depend_on_the_windows_beside_it(long):
    module = registry.create_dataset("series_table", path=str(long()), look_back=14, horizon=7, batch_size=5)
    module.setup("fit")
    torch.manual_seed(0)
    model = registry.create_model("deepar", data=module.data_spec(), hidden=4).eval()
    inputs, _ = module.val_dataset.batch(torch.arange(6))
    with torch.inference_mode():
        torch.testing.assert_close(model(inputs)[3:], model(inputs[3:]))


@pytest.fixture
def scored(long):
    """The naive model on a table of series of different scale, tested by Lightning."""
    from lightning.pytorch import Trainer

    module = registry.create_dataset("series_table", path=str(long()), look_back=14, horizon=7, batch_size=5)
    module.setup("fit")
    model = registry.create_model("naive", data=module.data_spec())
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = Trainer(**quiet, enable_checkpointing=False)
    trainer.validate(model, datamodule=module, verbose=False)
    trainer.test(model, datamodule=module, verbose=False)
    return module, model, {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_every_metric_is_its_definition_worked_out_by_hand(scored):
    module, _, metrics = scored
    spec = module.data_spec()
    shift, scale = (np.array(spec.facts["scaler"][name])[:, 0] for name in ("shift", "scale"))
    inputs, target = (
        each.double().numpy() for each in module.test_dataset.batch(torch.arange(len(module.test_dataset)))
    )
    number = inputs[:, 0, -1].astype(int)
    forecast = np.repeat(inputs[:, -1:, :1], 7, axis=1)
    truth, said = (v[..., 0] * scale[number, None] + shift[number, None] for v in (target, forecast))
    assert metrics["test/mse"] == pytest.approx(((forecast - target) ** 2).mean(), rel=1e-4)
    assert metrics["test/mae"] == pytest.approx(abs(forecast - target).mean(), rel=1e-4)
    each = [number == index for index in range(3)]
    smape = [(200 * abs(said[i] - truth[i]) / (abs(said[i]) + abs(truth[i]))).mean() for i in each]
    mase = [abs(said[i] - truth[i]).mean() / spec.facts["mase_scale"][n][0] for n, i in enumerate(each)]
    rmsse = [np.sqrt(((said[i] - truth[i]) ** 2).mean() / spec.facts["rmsse_scale"][n][0]) for n, i in enumerate(each)]
    assert metrics["test/smape"] == pytest.approx(np.mean(smape), rel=1e-4)
    assert metrics["test/mase"] == pytest.approx(np.mean(mase), rel=1e-4)
    assert metrics["test/rmsse"] == pytest.approx(np.mean(rmsse), rel=1e-4)
    assert metrics["test/naive/mase"] == pytest.approx(metrics["test/mase"])
    assert metrics["test/linear/mae"] < metrics["test/naive/mae"]


def test_tables_tell_errors_by_series_by_step_and_by_origin(scored):
    module, model, metrics = scored
    tables = model.tables()
    assert [row["series"] for row in tables["by_series"]] == ["shop 0", "shop 1", "shop 2"]
    assert np.mean([row["model smape"] for row in tables["by_series"]]) == pytest.approx(
        metrics["test/smape"], rel=1e-4
    )
    assert [row["step"] for row in tables["by_step"]] == list(range(1, 8))
    assert np.mean([row["model mae"] for row in tables["by_step"]]) == pytest.approx(metrics["test/mae"], rel=1e-4)
    rows = tables["by_origin"]
    # The table begins on the first of January; the longest of the three series has the last days of a test to itself.
    origins = pd.Series(module.test_dataset.origins()).dt.strftime("%Y-%m-%d").value_counts().sort_index()
    assert [row["origin"] for row in rows] == list(origins.index)
    assert origins.index[-1] == "2024-04-23"
    assert np.average([row["model mse"] for row in rows], weights=origins) == pytest.approx(
        metrics["test/mse"], rel=1e-4
    )
    last = module.test_dataset[len(module.test_dataset) - 1]
    error = float((last[0][13, 0] - last[1]).abs().mean())
    assert rows[-1]["model mae"] == pytest.approx(error, rel=1e-4)
    assert set(model.figures()) == {"error_by_step", "forecasts"}


def test_an_interval_holds_its_own_forecast_even_where_the_model_was_always_too_low():
    data = registry.create_dataset("sunspots", look_back=4, horizon=2)
    data.setup("fit")
    task = registry.create_model("naive", data=data.data_spec()).learned
    task.begin_validation(None)
    task.see_validation(torch.zeros(100, 2, 1, 1), torch.linspace(1, 2, 200).reshape(100, 2, 1))
    task.end_validation()
    low, *_, high = task.quantiles(torch.zeros(1, 2, 1, 1)).unbind(-1)
    assert (low == 0).all()
    assert (high > 1.9).all()


def test_an_interval_holds_its_share_of_what_is_like_the_validation():
    """Split conformal: whatever the errors are, the share is the level."""
    spec = registry.create_dataset("sunspots", look_back=4, horizon=2)
    spec.setup("fit")
    for level in (0.5, 0.9):
        model = registry.create_model("naive", data=spec.data_spec(), level=level)
        task = model.learned
        draws = torch.randn(4000, 2, 1, 1, generator=torch.Generator().manual_seed(1)).exp() - 1
        task.begin_validation(None)
        task.see_validation(torch.zeros(2000, 2, 1, 1), draws[:2000, ..., 0])
        task.end_validation()
        quantiles = task.quantiles(torch.zeros(2000, 2, 1, 1))
        truth = draws[2000:, ..., 0]
        inside = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., -1])
        assert float(inside.float().mean()) == pytest.approx(level, abs=0.03)
