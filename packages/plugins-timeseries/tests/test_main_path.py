"""From the command to a forecast of a file, in a run that another process could have made."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

INTERVALS = ("pinball", "crps", "coverage", "mase")
TABLE = ("--dataset", "series_table", "dataset.look_back=14", "dataset.horizon=7")


def rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_a_model_alone_trains_on_the_built_in_series(train, fw):
    done = train("--model", "dlinear", "experiment.run_name=air")
    assert done.code == 0, done.err
    assert "co2" in done.err
    assert "1,470 train, 203 val, 432 test samples of 104x1" in done.err
    assert {
        "test/mase",
        "test/naive/mae",
        "test/seasonal_naive/mae",
        "test/linear/mae",
        "test/crps",
        "test/coverage",
    } <= set(done.json["metrics"])
    measured = fw("evaluate", "air", "--json")
    assert measured.json["test/mase"] == pytest.approx(done.json["metrics"]["test/mase"])


def test_stamps_of_another_kind_than_was_learned_are_told(train, fw, project):
    assert train("--model", "naive", "--dataset", "sunspots", "experiment.run_name=years").code == 0
    lines = ["ds,y", *(f"{1700 + year}-01-01,{year}" for year in range(200))]
    (project / "dates.csv").write_text("\n".join(lines))
    done = fw("predict", "years", "dates.csv")
    assert done.code == 2
    assert "stamps are dates, as 1700-01-01 is, and those that the model was trained on are numbers" in done.err


@pytest.mark.drawn
def test_the_report_has_forecasts_and_tables(train, fw, sliced):
    done = train("--model", "naive", "--dataset", "sunspots", "mlops.report=true")
    assert done.code == 0, done.err
    (folder,) = Path("runs").iterdir()
    assert {"forecasts.png", "error_by_step.png"} <= {path.name for path in (folder / "plots").iterdir()}
    by_step = rows(str(folder / "tables" / "by_step.csv"))
    assert [row["step"] for row in by_step] == [str(step) for step in range(1, 12)]
    columns = sliced(folder.name, done.json["metrics"], "mae", "mse", "coverage")
    assert columns["horizon"] == {"1 to 3", "4 to 6", "7 to 8", "9 to 11"}
    assert "1947 to 1960" in columns["time"]
    said = fw("slices", folder.name, "--by", "horizon", "--json").json
    assert said["clustered"]
    first = [float(row["model mae"]) for row in by_step[:3]]
    (found,) = (each["mean"] for each in said["slices"] if each["value"] == "1 to 3")
    assert found == pytest.approx(sum(first) / 3, rel=1e-4)


def test_a_wide_file_is_continued_with_intervals_on_its_own_scale(train, wide, fw):
    path = wide(steps=150)
    done = train("--model", "nlinear", *TABLE, f"dataset.path={path.name}", "experiment.run_name=sales")
    assert done.code == 0, done.err
    predicted = fw("predict", "sales", path.name, "-o", "next.csv")
    assert predicted.code == 0, predicted.err
    found = rows("next.csv")
    assert list(found[0]) == ["path", "ds", "target", "forecast", "low", "high", "level"]
    assert [row["ds"] for row in found[::2]] == [
        str(d.date()) for d in pd.date_range("2024-05-30", periods=7, freq="D")
    ]
    assert [row["target"] for row in found[:2]] == ["s0", "s1"]
    assert all(float(row["low"]) <= float(row["high"]) for row in found)
    assert all(5 < float(row["forecast"]) < 18 for row in found)


def test_the_last_value_of_each_series_is_what_the_naive_model_says(train, long, fw):
    path = long()
    done = train("--model", "naive", *TABLE, f"dataset.path={path.name}", "experiment.run_name=shops")
    assert done.code == 0, done.err
    frame = pd.read_csv(path)
    frame["unique_id"] = frame["unique_id"].replace("shop 2", "a new shop")
    frame.to_csv("new.csv", index=False)
    assert fw("predict", "shops", "new.csv", "-o", "next.csv").code == 0
    last = frame.groupby("unique_id")["y"].last()
    found = rows("next.csv")
    assert {row["unique_id"] for row in found} == {"shop 0", "shop 1", "a new shop"}
    for row in found:
        assert float(row["forecast"]) == pytest.approx(last[row["unique_id"]], rel=1e-4)


COVARIATES = ("dataset.future_covariates=[price]", "dataset.past_covariates=[visitors]", "dataset.calendar=[weekday]")


@pytest.mark.drawn
def test_covariates_are_known_ahead_or_the_file_is_refused(train, long, fw):
    done = train("--model", "dlinear", *TABLE, f"dataset.path={long().name}", *COVARIATES, "experiment.run_name=shops")
    assert done.code == 0, done.err
    assert "visitors, price, weekday: DLinear does not use such covariates" in done.err
    assert fw("predict", "shops", long("ahead.csv", ahead=7).name, "-o", "next.csv").code == 0
    assert len(rows("next.csv")) == 3 * 7
    refused = fw("predict", "shops", long("short.csv", ahead=3).name, "-o", "other.csv")
    assert refused.code == 2
    assert (
        "The covariates price of short.csv stop at 2024-04-12: 3 steps are known ahead, and the horizon is 7."
        in refused.err
    )
    assert "Add 4 lines to short.csv" in refused.err
    too_short = fw("predict", "shops", long("tiny.csv", lengths=(9,), ahead=7).name, "-o", "other.csv")
    assert too_short.code == 2
    assert "9 steps, and the model looks back 14" in too_short.err


def test_a_horizon_of_nothing_is_refused(fw):
    done = fw("train", "--model", "dlinear", "dataset.horizon=0")
    assert done.code == 2
    assert "dataset.horizon: must be more than 0 (given: 0)" in done.err


def test_the_scale_is_kept_with_the_run_and_not_fitted_on_the_new_file(train, wide, fw):
    path = wide(steps=150)
    assert train("--model", "naive", *TABLE, f"dataset.path={path.name}", "experiment.run_name=sales").code == 0
    (folder,) = Path("runs").iterdir()
    kept = json.loads((folder / "data.json").read_text())["facts"]["scaler"]
    training = pd.read_csv(path)[["s0", "s1"]].to_numpy()[:105]
    np.testing.assert_allclose(kept["shift"][0], training.mean(axis=0))
    np.testing.assert_allclose(kept["scale"][0], training.std(axis=0))
    moved = pd.read_csv(path)
    moved[["s0", "s1"]] += 1000
    moved.to_csv("moved.csv", index=False)
    assert fw("predict", "sales", "moved.csv", "-o", "next.csv").code == 0
    assert float(rows("next.csv")[0]["forecast"]) == pytest.approx(moved["s0"].iloc[-1], rel=1e-5)


@pytest.mark.ddp
@pytest.mark.drawn
def test_two_processes_measure_intervals_that_one_measures(train, wide):
    path = wide(steps=150)
    words = ("--model", "nlinear", *TABLE, f"dataset.path={path.name}", "dataset.batch_size=16")
    alone = train(*words)
    quick = ("trainer.accelerator=cpu", "mlops.tracking.backend=none", "mlops.report=false", "preflight=false")
    short = ("trainer.max_epochs=1", "trainer.limit_train_batches=2")
    together = (*quick, *short, "distributed.enabled=true", "distributed.devices=2")
    command = [sys.executable, "-m", "framework_core", "train", *words, *together, "--json"]
    two = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert two.returncode == 0, two.stderr
    found = {name: json.loads(two.stdout)["metrics"][f"test/{name}"] for name in INTERVALS}
    assert found == pytest.approx({name: alone.json["metrics"][f"test/{name}"] for name in INTERVALS}, rel=1e-4)
