"""Published sets in their own layouts, made small; and, where the real files are, the published figures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from framework_core import compose, registry
from framework_core.errors import ConfigError, DataError
from framework_core.training.schedulers import multistep

FILES = "TIMESERIES_DATA"
"""Environment variable: a folder with etth1/ETTh1.csv and m4-hourly/Hourly-train.csv and Hourly-test.csv."""

TSF = """# from an archive
@relation shops
@attribute series_name string
@attribute start_timestamp date
@frequency monthly
@horizon 6
@missing true
@equallength false
@data
T1:2001-01-31 00-00-00:{first}
T2:2002-05-31 00-00-00:{second}
"""


def set_up(name, **given):
    module = registry.create_dataset(name, **given)
    module.prepare_data()
    module.setup("fit")
    return module


def sizes(module):
    return module.data_spec().split_sizes


def ett(path: Path, rows: int) -> Path:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 2)), columns=["HUFL", "OT"])
    frame.insert(0, "date", pd.date_range("2016-07-01", periods=rows, freq="h"))
    frame.to_csv(path, index=False)
    return path


def test_ett_is_split_by_months_and_the_rest_is_not_used():
    path = ett(Path("ETTh1.csv"), 14_500)
    module = set_up("etth1", path=str(path.parent), look_back=336, horizon=96)
    assert sizes(module) == {"train": 8640 - 336 - 96 + 1, "val": 2880 - 96 + 1, "test": 2785}
    assert module.data_spec().facts["season"] == 24
    training = pd.read_csv(path)[["HUFL", "OT"]].to_numpy()[:8640]
    np.testing.assert_allclose(module.data_spec().facts["scaler"]["scale"][0], training.std(axis=0))
    with pytest.raises(DataError, match=r"has 100 rows; the splits of etth1 need 14,400"):
        set_up("etth1", path=str(ett(Path("part.csv"), 100)))


def test_other_long_sets_are_split_by_shares():
    module = set_up("weather", path=str(ett(Path("weather.csv"), 1000)), look_back=48, horizon=12)
    assert sizes(module) == {"train": 700 - 48 - 12 + 1, "val": 100 - 12 + 1, "test": 200 - 12 + 1}


def test_only_what_is_fetched_can_do_without_a_path():
    with pytest.raises(ConfigError, match="path"):
        registry.create_dataset("weather")
    assert registry.create_dataset("etth1").path is None


def m4(folder: Path) -> Path:
    folder.mkdir()
    train = ['"V1","V2","V3"', '"H1",' + ",".join(f'"{v}"' for v in range(1, 201)) + ",,", '"H2",' + "7," * 179 + "8"]
    (folder / "Hourly-train.csv").write_text("\n".join(train) + "\n")
    test = ['"V1","V2"', *(f"{name}," + ",".join(map(str, range(201, 249))) for name in ("H1", "H2"))]
    (folder / "Hourly-test.csv").write_text("\n".join(test) + "\n")
    return folder


def test_m4_has_one_window_of_test_for_each_series():
    module = set_up("m4_hourly", path=str(m4(Path("m4"))), scaler="none", look_back=24)
    spec = module.data_spec()
    assert (spec.split_sizes["val"], spec.split_sizes["test"]) == (2, 2)
    assert spec.facts["series"] == ["H1", "H2"]
    inputs, target = module.test_dataset.batch(torch.tensor([0, 1]))
    assert inputs[0, :, 0].tolist() == list(range(177, 201))
    assert target[0, :, 0].tolist() == list(range(201, 249))
    assert inputs[1, -1, 0] == 8
    assert spec.facts["mase_scale"][0] == [24.0]
    (Path("m4") / "Hourly-test.csv").write_text('"V1","V2"\nH1,3\n')
    with pytest.raises(DataError, match="'H2' is in one of the two files"):
        set_up("m4_hourly", path="m4")


def test_what_was_fetched_is_read_without_a_path(monkeypatch):
    """Files in the cache are not fetched again; none is fetched from the network here."""
    monkeypatch.setenv("FRAMEWORK_CACHE", str(Path("cache").resolve()))
    monkeypatch.setenv("FRAMEWORK_OFFLINE", "1")
    Path("cache/data").mkdir(parents=True)
    m4(Path("cache/data/m4_hourly"))
    module = set_up("m4_hourly", look_back=24)
    assert sizes(module)["test"] == 2
    assert module.data_spec().source.endswith("Dataset/Train/Hourly-train.csv")
    folder = Path("cache/data/gun_point")
    folder.mkdir()
    lines = [",".join(str(step % (3 + kind)) for step in range(12)) + f":{kind}" for kind in (1, 2) for _ in range(6)]
    for part in ("TRAIN", "TEST"):
        (folder / f"GunPoint_{part}.ts").write_text("@classLabel true 1 2\n@data\n" + "\n".join(lines) + "\n")
    module = set_up("gun_point")
    assert sizes(module) == {"train": 10, "val": 2, "test": 12}
    assert module.data_spec().source.endswith("GunPoint/GunPoint_TRAIN.ts")
    with pytest.raises(DataError, match=r"ArrowHead_TRAIN\.ts is not here, and nothing is fetched"):
        set_up("arrow_head")


def test_the_experiment_of_the_linear_models_has_the_settings_of_their_authors():
    config = compose(["+experiment=ltsf_linear", "model=nlinear", "dataset.horizon=336"]).config
    assert (config.model.name, config.dataset.name, config.dataset.horizon) == ("nlinear", "etth1", 336)
    assert (config.dataset.look_back, config.dataset.batch_size, config.dataset.drop_last) == (336, 32, True)
    assert (config.optimizer.name, config.optimizer.lr, config.early_stopping.patience) == ("adam", 0.005, 3)
    assert (config.trainer.max_epochs, config.averaging.kind, config.seed) == (10, "ema", 2021)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=config.optimizer.lr)
    falling = {key: value for key, value in config.scheduler.settings().items() if key in ("milestones", "gamma")}
    schedule = multistep(optimizer, total_steps=100, steps_per_epoch=10, warmup_steps=0, **falling)
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[::10] == pytest.approx([0.005 * 0.5 ** max(0, epoch - 1) for epoch in range(10)])


FIRST = "1,2,?," + ",".join(map(str, range(40)))
SECOND = ",".join(map(str, range(50)))


def monash(first=FIRST):
    Path("shops.tsf").write_text(TSF.format(first=first, second=SECOND))
    return "shops.tsf"


def test_a_file_of_the_monash_archive_says_its_horizon():
    with pytest.raises(DataError, match=r"A value is missing of y: shops\.tsf, series 'T1', 2001-03-01"):
        set_up("tsf", path=monash())
    module = set_up("tsf", path="shops.tsf", missing="forward", scaler="none")
    spec = module.data_spec()
    assert (spec.input_shape, spec.target_shape) == ((12, 2), (6, 1))
    assert (spec.facts["season"], spec.facts["step"]) == (12, "MS")
    assert module.test_dataset[0][1].flatten().tolist() == list(range(34, 40))
    assert module.train_dataset.table[:4, 0].tolist() == [1, 2, 2, 0]


def test_a_line_of_the_archive_that_is_wrong_is_named():
    with pytest.raises(DataError, match=r"shops\.tsf, line 10: could not convert string to float: 'x'"):
        set_up("tsf", path=monash(first="1,x"))
    Path("bare.tsf").write_text("@relation r\n")
    with pytest.raises(DataError, match="no line @data"):
        set_up("tsf", path="bare.tsf")


@pytest.fixture
def real():
    folder = os.environ.get(FILES)
    if not folder:
        pytest.skip(f"{FILES} names no folder")
    return Path(folder)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("horizon", "mse", "mae"), [(96, 1.295, 0.713), (192, 1.325, 0.733), (336, 1.323, 0.744), (720, 1.339, 0.756)]
)
def test_repeating_the_last_value_of_etth1_gives_the_published_figures(real, train, horizon, mse, mae):
    where = ("dataset.drop_last=true", f"dataset.path={real / 'etth1'}", f"dataset.horizon={horizon}")
    done = train("--model", "naive", "--dataset", "etth1", *where)
    assert done.code == 0, done.err
    assert (round(done.json["metrics"]["test/mse"], 3), round(done.json["metrics"]["test/mae"], 3)) == (mse, mae)


@pytest.mark.thorough
def test_the_seasonal_naive_forecast_of_m4_hourly_gives_the_published_figures(real, train):
    done = train("--model", "seasonal_naive", "--dataset", "m4_hourly", f"dataset.path={real / 'm4-hourly'}")
    assert done.code == 0, done.err
    found = {
        name: round(done.json["metrics"][f"test/{name}"], 3) for name in ("smape", "mase", "naive/smape", "naive/mase")
    }
    assert found == {"smape": 13.912, "mase": 1.193, "naive/smape": 43.003, "naive/mase": 11.608}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("horizon", "mse", "mae"), [(96, 0.375, 0.399), (192, 0.405, 0.416), (336, 0.439, 0.443), (720, 0.472, 0.490)]
)
def test_dlinear_comes_within_three_percent_of_the_published_figures(real, fw, horizon, mse, mae):
    """Table 2 of Zeng et al., by the experiment that is named after their models."""
    where = (f"dataset.path={real / 'etth1'}", f"dataset.horizon={horizon}", "trainer.accelerator=cpu")
    done = fw("train", "+experiment=ltsf_linear", *where, "mlops.tracking.backend=none", "mlops.report=false", "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/mse"] == pytest.approx(mse, rel=0.03)
    assert done.json["metrics"]["test/mae"] == pytest.approx(mae, rel=0.03)
