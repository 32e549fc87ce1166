"""Files of series answered without torch: the rows of `fw predict`, from the exported network and what is around it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from framework_core import predict, registry
from framework_core.config.compose import compose
from framework_core.deployment.export import export
from framework_core.deployment.formats import to_onnx
from framework_core.deployment.network import Network, Source
from framework_core.errors import DataError
from framework_core.prediction import table_of
from framework_core.run import train
from framework_core.serving.processing import build
from framework_core.trained import trained
from framework_plugins_timeseries.forecast_numbers import ForecastNumbers
from framework_plugins_timeseries.heads import head_for
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.scaling import Scaler
from framework_plugins_timeseries.serving_forecasts import M4Inputs, TsfInputs

pytestmark = pytest.mark.drawn("file")

QUIET = ("mlops.tracking.backend=none", "mlops.report=false", "preflight=false", "trainer.accelerator=cpu")
EXACT = "trainer.precision=32-true"
"""A processor with units for bf16 is trained on and predicts with them; an export does not."""
SHORT = ("trainer.max_epochs=1", "trainer.limit_train_batches=2")

ANSWERS = """
import importlib, json, pkgutil, sys
from pathlib import Path

for name in ("torch", "lightning", "mlflow", "transformers", "torchmetrics", "statsmodels", "pyarrow", "sklearn"):
    sys.modules[name] = None  # whoever imports it fails
import onnxruntime
import framework_plugins_timeseries
from framework_core.contracts import Processing
from framework_core.serving.processing import build

for module in pkgutil.iter_modules(framework_plugins_timeseries.__path__):
    if module.name.startswith("serving"):
        importlib.import_module(f"framework_plugins_timeseries.{module.name}")
before, behind = (build(Processing(**each)) for each in json.loads(Path("processing.json").read_text()))
session = onnxruntime.InferenceSession("exported/model.onnx", providers=["CPUExecutionProvider"])
names = [each.name for each in session.get_outputs()]
rows = []
for path in map(Path, sys.argv[1:]):
    samples = before.samples(path.read_bytes(), path.suffix)
    outputs = session.run(None, {"input": before.batch([each.input for each in samples])})
    said = behind.rows(dict(zip(names, outputs)))
    rows += [{"path": str(path), **row} for row in before.rows(samples, said)]
print(json.dumps(rows))
"""


def in_json(*processings) -> str:
    return json.dumps([json.loads(each.model_dump_json()) for each in processings])


def same(said: list, wanted: list) -> None:
    """Rows are equal, numbers up to a hundred-thousandth."""
    assert len(said) == len(wanted) > 0
    for one, other in zip(said, wanted, strict=True):
        assert list(one) == list(other)
        numbers = {name for name, value in other.items() if isinstance(value, float)}
        assert {name: one[name] for name in one if name not in numbers | {"probabilities"}} == {
            name: other[name] for name in other if name not in numbers | {"probabilities"}
        }
        for name in numbers:
            assert one[name] == pytest.approx(other[name], rel=1e-5, abs=1e-5), name
        assert one.get("probabilities") == pytest.approx(other.get("probabilities"), abs=1e-5)


def test_a_program_without_torch_gives_the_rows_of_predict(wide, project):
    wide("learned.csv")
    data = ("dataset.path=learned.csv", "dataset.look_back=14", "dataset.horizon=7", "dataset.calendar=[weekday]")
    train(
        compose(
            ["model=dlinear", "dataset=series_table", *data, *SHORT, *QUIET, EXACT, "experiment.run_name=sales"]
        ).config
    )
    export("sales", "onnx", Path("exported"))
    assert json.loads(Path("exported/export.json").read_text())["compared_files"]["files"] == 8
    found = trained("sales", output_dir=Path("runs"))
    datamodule = registry.create_dataset(**found.config.dataset.model_dump())
    Path("processing.json").write_text(in_json(datamodule.preprocessing(found.data), found.model.postprocessing()))

    wide("new.csv", steps=40)
    turned = pd.read_csv("new.csv")[["s1", "date", "s0"]]
    turned.to_csv("turned.csv", index=False)
    files = [Path("new.csv"), Path("turned.csv")]
    done = subprocess.run([sys.executable, "-c", ANSWERS, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    same(said, predict("sales", files))
    # Columns in another order are the same columns.
    assert [row["target"] for row in said[:2]] == ["s0", "s1"]
    for one, other in zip(said[:14], said[14:], strict=True):
        assert one["forecast"] == pytest.approx(other["forecast"], rel=1e-6)


def answered(model, datamodule, files, network=None) -> list:
    """The rows of files, by what an export is told of data and model."""
    before, behind = (
        build(type(each).model_validate_json(each.model_dump_json()))
        for each in (datamodule.preprocessing(model.data), model.postprocessing())
    )
    rows = []
    for path in files:
        samples = before.samples(path.read_bytes(), path.suffix)
        said = behind.answer(network or in_torch(model), before.batch([each.input for each in samples]))
        rows += [{"path": str(path), **row} for row in before.rows(samples, json.loads(json.dumps(said)))]
    return rows


def in_torch(model):
    def network(batch):
        found = Network(model)(torch.from_numpy(batch))
        return dict(zip(("output", "probabilities"), (each.numpy() for each in found), strict=False))

    return network


def in_onnx(model, datamodule, folder: Path):
    """The network in ONNX, written from a batch of the test."""
    import onnxruntime

    inputs, _ = next(iter(datamodule.test_dataloader()))
    to_onnx(Source(model, model.data, {}), inputs, folder, {})
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda batch: dict(zip(names, session.run(None, {"input": batch}), strict=True))


def predicted(model, datamodule, files) -> list:
    """The rows of files, as `fw predict` gives them."""
    dataset = datamodule.predict_dataset(files, model.data)
    return table_of(dataset, files, [model.predict_step(batch, 0) for batch in datamodule.loader(dataset)])


def made(dataset: str, model: str, settings=None, **data):
    datamodule = registry.create_dataset(dataset, batch_size=4, **data)
    datamodule.setup("fit")
    network = registry.create_model(model, data=datamodule.data_spec(), **(settings or {}))
    return network.eval().requires_grad_(False), datamodule


OF_SHOPS = {
    "look_back": 10,
    "horizon": 5,
    "future_covariates": ["price"],
    "past_covariates": ["visitors"],
    "static_covariates": ["size"],
}


@pytest.mark.parametrize("loss", ["mse", "quantile", "normal", "student_t"])
def test_series_with_covariates_are_continued_as_predict_continues_them(long, project, tmp_path, loss):
    long("learned.csv")
    model, datamodule = made("series_table", "tsmixer_ext", {"loss": loss, "width": 8}, path="learned.csv", **OF_SHOPS)
    if loss == "mse":
        model.task.residuals.copy_(torch.randn(model.task.residuals.shape).sort(dim=-1).values)
    new = long("new.csv", lengths=(30, 12), ahead=5).name
    frame = pd.read_csv(new)
    frame["unique_id"] = frame["unique_id"].str.replace("shop 1", "a new shop")
    frame.to_csv(new, index=False)
    files = [Path(new), *datamodule.sample_files(4, tmp_path)]
    assert len(files) == 5
    rows = answered(model, datamodule, files)
    same(rows, predicted(model, datamodule, files))
    assert len(rows) == 6 * 5
    assert all(row["low"] <= row["high"] for row in rows)


def test_commas_for_points_and_other_names_are_read_and_written(long, project, tmp_path):
    frame = pd.read_csv(long()).rename(columns={"ds": "day", "unique_id": "shop"})
    frame.to_csv("learned.csv", index=False, sep=";", decimal=",")
    names = {"time_column": "day", "id_column": "shop", "targets": ["y"], "delimiter": ";", "decimal": ","}
    given = {"path": "learned.csv", "calendar": ["weekday"], **OF_SHOPS, **names}
    model, datamodule = made("series_table", "tide", {"hidden": 4, "depth": 1}, **given)
    files = datamodule.sample_files(3, tmp_path)
    assert files[0].read_text("utf-8").startswith("shop;day;y;visitors;price;size\nshop 0;2024-")
    same(answered(model, datamodule, files), predicted(model, datamodule, files))


MONASH = """@attribute series_name string
@attribute start_timestamp date
@frequency {frequency}
@horizon 4
@data
"""


@pytest.mark.parametrize("frequency", ["monthly", "weekly", "minutely"])
def test_files_of_the_monash_archive_are_continued_as_predict_continues_them(project, tmp_path, frequency):
    head = MONASH.format(frequency=frequency)
    lines = [
        f"T{number}:2001-01-{8 + 7 * number:02} 00-00-00:" + ",".join(map(str, range(number, 40))) for number in (1, 2)
    ]
    Path("learned.tsf").write_text(head + "\n".join(lines) + "\n", "cp1252")
    model, datamodule = made("tsf", "dlinear", path="learned.tsf", missing="forward")
    Path("new.tsf").write_text(
        head + "T2:2003-05-05 12-30-00:1,2.5,?,4,5,6,7,8\n\nN\xe9w:2003-06-02 12-30-00:" + "3," * 9 + "4\n", "cp1252"
    )
    files = [Path("new.tsf"), *datamodule.sample_files(4, tmp_path)]
    assert [path.suffix for path in files] == [".tsf"] * 5
    rows = answered(model, datamodule, files)
    same(rows, predicted(model, datamodule, files))
    assert [row["unique_id"] for row in rows[:8:4]] == ["T2", "N\xe9w"]
    assert len(rows) == 6 * 4


def test_files_of_the_m4_competition_are_continued_as_predict_continues_them(project, tmp_path):
    for part, values in (("train", range(120)), ("test", range(120, 134))):
        lines = [f'"D{number}",' + ",".join(str(number * value) for value in values) for number in (1, 2)]
        Path(f"Daily-{part}.csv").write_text('"V1","V2"\n' + "\n".join(lines) + ",,\n", "utf-8")
    model, datamodule = made("m4_daily", "nlinear", path=".", look_back=20)
    Path("new.csv").write_text(
        '"V1","V2"\nD2,' + "5," * 30 + "6,,\nmine," + ",".join(map(str, range(25))) + "\n", "utf-8"
    )
    files = [Path("new.csv"), *datamodule.sample_files(4, tmp_path)]
    rows = answered(model, datamodule, files)
    same(rows, predicted(model, datamodule, files))
    assert [(row["unique_id"], row["ds"]) for row in rows[:28:14]] == [("D2", "32"), ("mine", "26")]
    assert len(rows) == 6 * 14


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsf", b"@data\nno:1,2\n", "line 2 has 1 attributes, and the head names 0"),
        ("b.tsf", b"@attribute series_name string\n@data\nT1:1,x\n", "could not convert string to float: 'x'"),
        ("c.tsf", b"@attribute start_timestamp date\n@frequency daily\n@data\n2001:1,2\n", "line 4: time data"),
        ("d.tsf", b"\x81\x00", "has no line @data"),
        ("a.csv", b"V1,V2\nD1,x\n", "line 2: could not convert string to float: 'x'"),
        ("b.csv", b"V1,V2\nD\xe91,1\n", "is not UTF-8"),
        ("c.csv", b"V1,V2\n" + b"D1," + b"1" * 200_000, "line 2: field larger than field limit"),
        ("d.csv", b"", "has no series"),
        ("e.csv", b"V1\nD1\n", "line 2: the series 'D1' has no values"),
    ],
)
def test_a_file_of_an_archive_that_cannot_be_read_is_told(name, content, said, project):
    inputs = TsfInputs if name.endswith("tsf") else M4Inputs
    facts = {
        "layout": Layout(4, 2, ("y",), (), (), ()).facts(),
        "scaler": Scaler.fit("none", [np.zeros((9, 1))]).facts(),
        "step": 1,
        "series": ["D1"],
    }
    with pytest.raises(DataError, match=re.escape(said)):
        inputs({}, facts, {}).samples(content, Path(name).suffix)


@pytest.mark.parametrize("loss", ["quantile", "normal", "student_t"])
def test_intervals_are_the_quantiles_that_are_measured(loss):
    head = head_for(loss, quantiles=(0.05, 0.25, 0.5, 0.75, 0.95), huber_delta=1.0)
    outputs = torch.randn(6, 3, 2, head.numbers, generator=torch.Generator().manual_seed(0)) * 3
    tails = torch.tensor([0.1, 0.9])
    measured = head.quantiles(outputs, tails)
    point, low, high = ForecastNumbers(**head.reading(), tails=tails.tolist()).interval(outputs.numpy())
    assert np.array_equal(point, head.point(outputs).numpy())
    np.testing.assert_allclose(low, measured[..., 0].numpy(), rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(high, measured[..., 1].numpy(), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("empty.csv", []),
        ("rows.csv", ["date,s0,s1"]),
        ("short.csv", ["date,s0,s1", "2024-01-01,1,2", "2024-01-02,1,2"]),
        ("other.csv", ["day,s0,s1", "2024-01-01,1,2"]),
        ("words.csv", ["date,s0,s1", "2024-01-01,many,2"]),
        ("ragged.csv", ["date,s0,s1", "2024-01-01,1"]),
        ("gap.csv", ["date,s0,s1", "2024-01-01,1,2", "2024-01-04,1,2"]),
        ("twice.csv", ["date,s0,s1", "2024-01-01,1,2", "2024-01-01,1,2"]),
        ("quote.csv", ["date,s0,s1", "2024-01-01,1,2", '2024-01-02,"1,2', "2024-01-03,1,2"]),
        ("zones.csv", ["date,s0,s1", "2024-01-01 00:00,1,2", "2024-01-02 00:00+05:00,1,2"]),
        ("large.csv", ["date,s0,s1", *(f"2024-01-{day:02},1e38,2" for day in range(1, 21))]),
        ("larger.csv", ["date,s0,s1", *(f"2024-01-{day:02},1e39,2" for day in range(1, 21))]),
        ("more.csv", ["date,s0,s1,s2", "2024-01-01,1,2,3", "2024-01-02,1,2,3"]),
    ],
)
def test_a_table_that_cannot_be_used_is_told_as_predict_tells_it(wide, project, name, lines):
    wide("learned.csv")
    model, datamodule = made("series_table", "dlinear", path="learned.csv", look_back=14, horizon=7)
    model.data.facts["scaler"]["scale"][0][0] = 0.01
    refused_alike(model, datamodule, name, "".join(f"{line}\n" for line in lines).encode())


def refused_alike(model, datamodule, name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(DataError) as wanted:
        datamodule.predict_dataset([Path(name)], model.data)
    with pytest.raises(DataError) as said:
        build(datamodule.preprocessing(model.data)).samples(content, Path(name).suffix)
    assert said.value.what == wanted.value.what.replace(name, f"input{Path(name).suffix}")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_in_another_encoding_is_told_as_predict_tells_it(wide, project, encoding):
    wide("learned.csv")
    model, datamodule = made("series_table", "dlinear", path="learned.csv", look_back=14, horizon=7)
    refused_alike(model, datamodule, "other.csv", "date,s0,s1\n2024-01-01,1,é\n".encode(encoding))


@pytest.mark.parametrize(("scaler", "unequal"), [("instance", "resample"), ("standard", "pad")])
def test_series_are_classified_as_predict_classifies_them(project, tmp_path, scaler, unequal):
    random = np.random.default_rng(0)
    waves = [np.sin(np.arange(30 + index) / (2 + index % 2)) + random.normal(0, 0.1, 30 + index) for index in range(20)]
    lines = [f"{','.join(f'{value:.4f}' for value in wave)}:{'ab'[index % 2]}" for index, wave in enumerate(waves)]
    Path("learned.ts").write_text("\n".join(["@classLabel true a b", "@data", *lines]), "utf-8")
    data = {"path": "learned.ts", "scaler": scaler, "unequal": unequal, "missing": "interpolate"}
    model, datamodule = made("ucr", "inception_time", {"filters": 2, "depth": 3, "networks": 1}, **data)
    Path("new.ts").write_text("# new ones\n@classLabel false\n@data\n" + lines[3][:-2] + "\n1,?,2,4\n", "utf-8")
    Path("new.csv").write_text("a,1,2,4,2\nb,2,3,1,NaN\n", "utf-8")
    files = [Path("new.ts"), Path("new.csv"), *datamodule.sample_files(3, tmp_path)]
    network = in_onnx(model, datamodule, tmp_path) if unequal == "pad" else None
    rows = answered(model, datamodule, files, network)
    assert [row["line"] for row in rows] == [4, 5, 1, 2, 3, 4, 5]
    same(rows, predicted(model, datamodule, files))
    refused_alike(model, datamodule, "two.ts", b"@classLabel false\n@data\n1,2:3,4\n")
    refused_alike(model, datamodule, "nothing.csv", b"")
    refused_alike(model, datamodule, "bytes.ts", b"@data\n\xff\n")
    refused_alike(model, datamodule, "sign.ts", b"@\n@data\n1,2:3,4\n")
    refused_alike(model, datamodule, "large.ts", b"@data\n1,2,1e300\n")


def test_samples_of_the_test_are_prepared_as_the_test_is(project, tmp_path):
    _, datamodule = made("co2_seasons", "inception_time", {"filters": 2, "depth": 3, "networks": 1})
    (path,) = datamodule.sample_files(3, tmp_path)
    samples = build(datamodule.preprocessing(datamodule.data_spec())).samples(path.read_bytes(), ".ts")
    wanted = torch.stack([datamodule.test_dataset[index][0] for index in range(3)])
    assert torch.equal(torch.from_numpy(np.stack([each.input for each in samples])), wanted)

    _, datamodule = made("co2", "dlinear", look_back=20, horizon=4, missing="forward")
    first, *_, last = datamodule.sample_files(3, tmp_path)
    before = build(datamodule.preprocessing(datamodule.data_spec()))
    for path, index in ((first, 0), (last, len(datamodule.test_dataset) - 1)):
        (sample,) = before.samples(path.read_bytes(), ".csv")
        wanted = datamodule.test_dataset[index][0].numpy()
        np.testing.assert_allclose(sample.input, wanted, atol=1e-6)


@pytest.mark.parametrize(("name", "settings"), [("lstm_autoencoder", {"hidden": 4}), ("dlinear", {})])
def test_unusual_steps_are_scored_as_predict_scores_them(long, project, tmp_path, name, settings):
    long("learned.csv")
    data = {"path": "learned.csv", "targets": ["y", "visitors"], "past_covariates": ["price"], "look_back": 8}
    model, datamodule = made("anomaly_table", name, settings, reconstructs=name != "dlinear", **data)
    model.task.middle.copy_(torch.tensor([0.1, -0.2]))
    model.task.spread.copy_(torch.tensor([0.5, 0.25]))
    model.task.threshold.fill_(3.0)
    files = [long("new.csv", lengths=(20, 15)), *datamodule.sample_files(3, tmp_path)]
    assert len(files) == 4
    rows = answered(model, datamodule, files)
    same(rows, predicted(model, datamodule, files))
    assert {row["anomaly"] for row in rows} == {True, False}
    before = build(datamodule.preprocessing(model.data))
    samples = before.samples(files[0].read_bytes(), ".csv")
    assert sum(each.input.size for each in samples) <= before.size_of(files[0].read_bytes(), ".csv")
    refused_alike(model, datamodule, "tiny.csv", long("tiny.csv", lengths=(5,)).read_bytes())
