"""Windows are what slicing by hand gives, and nothing that comes later is trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from framework_core import registry
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.naive_errors import naive_errors
from framework_plugins_timeseries.scaling import Scaler
from framework_plugins_timeseries.series_embedding import SeriesEmbedding
from framework_plugins_timeseries.windows import Span, Window, Windows


def by_hand(table, spans, layout, stride):
    """Every window as a pair of slices."""
    found = []
    targets, hidden = layout.ends[0], layout.ends[1]
    for span in spans:
        series = table[span.offset :]
        for origin in range(max(span.begin, layout.look_back), span.end - layout.horizon + 1, stride):
            inputs = series[origin - layout.look_back : origin - layout.look_back + layout.rows].clone()
            inputs[layout.look_back :, :hidden] = 0
            found.append((inputs, series[origin : origin + layout.horizon, :targets]))
    return found


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    look_back=st.integers(1, 6),
    horizon=st.integers(1, 5),
    stride=st.integers(1, 4),
    begin=st.integers(0, 10),
    future=st.booleans(),
)
def test_each_window_is_what_slicing_by_hand_gives(lengths, look_back, horizon, stride, begin, future):
    layout = Layout(look_back, horizon, ("a", "b"), ("p",), ("f",) if future else (), ("s",))
    table = torch.arange(sum(lengths) * len(layout.columns), dtype=torch.float32).view(-1, len(layout.columns))
    offsets = np.cumsum(lengths) - lengths
    spans = [Span(int(offset), min(begin, length), length) for offset, length in zip(offsets, lengths, strict=True)]
    windows = Windows(table, spans, layout, stride=stride)
    expected = by_hand(table, spans, layout, stride)
    assert len(windows) == len(expected)
    if expected:
        inputs, targets = windows.batch(torch.arange(len(windows)))
        assert torch.equal(inputs, torch.stack([pair[0] for pair in expected]))
        assert torch.equal(targets, torch.stack([pair[1] for pair in expected]))


def test_windows_hold_no_copy_of_the_series():
    layout = Layout(512, 96, ("y",))
    table = torch.zeros(10_000, 1)
    windows = Windows(table, [Span(0, 0, 10_000)], layout)
    assert len(windows) == 10_000 - 512 - 96 + 1
    held = sum(each.numel() for each in vars(windows).values() if isinstance(each, torch.Tensor) and each is not table)
    assert windows.table.data_ptr() == table.data_ptr()
    assert held < 1_000


def test_a_window_is_read_by_its_columns():
    layout = Layout(3, 2, ("a", "b"), ("p",), ("f",), ("s",))
    inputs = torch.arange(2 * 5 * 5, dtype=torch.float32).view(2, 5, 5)
    window = Window.of(inputs, layout)
    assert torch.equal(window.past, inputs[:, :3, :2])
    assert torch.equal(window.past_covariates, inputs[:, :3, 2:3])
    assert torch.equal(window.future_covariates, inputs[:, :, 3:4])
    assert torch.equal(window.static, inputs[:, 0, 4:5])


def made(path, **given):
    module = registry.create_dataset("series_table", path=str(path), look_back=14, horizon=7, **given)
    module.setup("fit")
    return module


@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust"])
def test_training_knows_nothing_of_what_comes_later(wide, scaler):
    """A huge value is planted in validation and test: scales and training windows stay what they were."""
    path = wide(steps=200)
    clean = made(path, scaler=scaler)
    frame = pd.read_csv(path)
    frame.loc[frame.index[140:], ["s0", "s1"]] = 1e6
    frame.to_csv(path, index=False)
    planted = made(path, scaler=scaler)
    assert clean.data_spec().facts["scaler"] == planted.data_spec().facts["scaler"]
    everything = torch.arange(len(clean.train_dataset))
    for before, after in zip(
        clean.train_dataset.batch(everything), planted.train_dataset.batch(everything), strict=True
    ):
        assert torch.equal(before, after)
    assert not torch.equal(clean.val_dataset[0][1], planted.val_dataset[0][1])
    assert clean.data_spec().fingerprint != planted.data_spec().fingerprint


def test_splits_follow_each_other_and_share_no_target(wide):
    module = made(wide(steps=200), val_size=30, test_size=40, scaler="none")
    first = {}
    last = {}
    for split in ("train", "val", "test"):
        windows = getattr(module, f"{split}_dataset")
        rows = windows.rows_of(torch.arange(len(windows)))
        first[split], last[split] = int(rows[0]) + 14, int(rows[-1]) + 14 + 7
    assert (last["train"], first["val"], last["val"], first["test"], last["test"]) == (130, 130, 160, 160, 200)


def test_the_future_of_targets_is_hidden_and_that_of_covariates_is_not(long):
    module = made(long(), past_covariates=("visitors",), future_covariates=("price",), static_covariates=("size",))
    inputs, targets = module.train_dataset[3]
    assert module.layout.columns == ("y", "visitors", "price", "size", "series")
    assert inputs.shape == (21, 5)
    assert inputs[14:, :2].abs().sum() == 0
    assert inputs[14:, 2].abs().min() > 0
    assert targets.shape == (7, 1)
    assert targets.abs().min() > 0


def test_each_series_has_its_own_scale_and_number(long):
    module = made(long())
    facts = module.data_spec().facts
    assert facts["series"] == ["shop 0", "shop 1", "shop 2"]
    shifts = [shift[0] for shift in facts["scaler"]["shift"]]
    assert shifts == sorted(shifts)
    numbers = module.train_dataset.batch(torch.arange(len(module.train_dataset)))[0][:, 0, -1]
    assert set(numbers.tolist()) == {0.0, 1.0, 2.0}
    assert torch.equal(numbers, numbers.sort().values)


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust"])
def test_scales_and_yardsticks_of_many_series_are_those_of_each_alone(kind):
    """Series of one length are worked out together; lengths take turns here."""
    random = np.random.default_rng(0)
    series = [random.normal(size=(5 + number % 3, 2)) for number in range(8)]
    together = Scaler.fit(kind, series)
    yardsticks = naive_errors(series, season=6)
    for number, each in enumerate(series):
        alone = Scaler.fit(kind, [each])
        np.testing.assert_allclose(together.shift[number], alone.shift[0])
        np.testing.assert_allclose(together.scale[number], alone.scale[0])
        assert yardsticks["mase_scale"][number] == pytest.approx(naive_errors([each], season=6)["mase_scale"][0])


def test_a_series_that_was_not_there_in_training_has_the_mean_of_what_was_learned_of_each():
    embedding = SeriesEmbedding(3, 4)
    layout = Layout(2, 1, ("y",), static=("size", "series"))
    inputs = torch.zeros(2, 2, 3)
    inputs[:, :, 2] = torch.tensor([1.0, -1.0])[:, None]
    window = Window.of(inputs, layout)
    assert window.static.shape == (2, 1)
    found = embedding(window)
    assert torch.equal(found[0], embedding.vectors.weight[1])
    assert torch.allclose(found[1], embedding.vectors.weight.mean(dim=0))


def test_windows_on_their_way_are_the_same_in_another_process(wide):
    """They are pickled whole and work as before."""
    import pickle

    module = made(wide())
    again = pickle.loads(pickle.dumps(module.train_dataset))
    assert torch.equal(again[5][0], module.train_dataset[5][0])
