"""Sound files answered without torch: the rows of `fw predict`, from the exported network and what stands around it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from made_sounds import tone, write

from framework_core import predict, registry
from framework_core.contracts import DataSpec
from framework_core.deployment.export import export
from framework_core.deployment.network import Network
from framework_core.errors import DataError
from framework_core.prediction import table_of
from framework_core.serving.processing import build
from framework_core.trained import trained

pytestmark = pytest.mark.drawn("file")

ANSWERS = """
import importlib, json, pkgutil, sys
from pathlib import Path

for name in ("torch", "lightning", "mlflow", "transformers", "torchmetrics", "torchaudio", "pyarrow", "datasets"):
    sys.modules[name] = None  # whoever imports it fails
import onnxruntime
import framework_plugins_audio
from framework_core.contracts import Processing
from framework_core.serving.processing import build

for module in pkgutil.iter_modules(framework_plugins_audio.__path__):
    if module.name.startswith("serving"):
        importlib.import_module(f"framework_plugins_audio.{module.name}")
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


@pytest.fixture
def files(project) -> list[Path]:
    """Keys that are short and long, of other rates, forms and channels."""

    def key(rate, seconds, **how):
        return tone(941, rate, seconds, **how) * 0.5 + tone(1336, rate, seconds, **how) * 0.5

    write(project / "short.wav", key(8_000, 0.1), 8_000)
    write(project / "long.flac", key(16_000, 1.0, channels=2), 16_000)
    write(project / "old.ogg", key(44_100, 0.5), 44_100)
    write(project / "float.wav", key(11_025, 0.4), 11_025, subtype="FLOAT")
    return [Path("short.wav"), Path("long.flac"), Path("old.ogg"), Path("float.wav")]


def in_json(*processings) -> str:
    return json.dumps([json.loads(each.model_dump_json()) for each in processings])


def test_a_program_without_torch_gives_the_rows_of_predict(keypad_run, files, project):
    export("keypad", "onnx", Path("exported"), output_dir=keypad_run.parent)
    found = trained("keypad", output_dir=keypad_run.parent)
    assert json.loads(Path("exported/export.json").read_text())["compared_files"]["files"] == 8
    datamodule = registry.create_dataset("dtmf")
    Path("processing.json").write_text(in_json(datamodule.preprocessing(found.data), found.model.postprocessing()))
    done = subprocess.run([sys.executable, "-c", ANSWERS, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # A processor with units for bf16 predicts with them; an export does not.
    exact = ("trainer.precision=32-true",)
    said, wanted = json.loads(done.stdout), predict("keypad", files, overrides=exact, output_dir=keypad_run.parent)
    assert [row["windows"] for row in said] == [1, 4, 2, 1]
    for one, other in zip(said, wanted, strict=True):
        for name in ("path", "seconds", "windows", "label"):
            assert one[name] == other[name]
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def model_for(task: str, channels: int = 1, **what):
    data = DataSpec(task=task, input_shape=(channels, 1600), facts={"sample_rate": 8_000}, **what)
    return registry.create_model("m5", width=4, data=data).eval().requires_grad_(False)


def answered(model, datamodule, files) -> list:
    """The rows of files, by what an export is told of data and model."""
    before, behind = build(datamodule.preprocessing(model.data)), build(model.postprocessing())
    rows = []
    for path in files:
        samples = before.samples(path.read_bytes(), path.suffix)
        found = Network(model)(torch.from_numpy(before.batch([each.input for each in samples])))
        outputs = dict(zip(("output", "probabilities"), (each.numpy() for each in found), strict=False))
        rows += [{"path": str(path), **row} for row in before.rows(samples, behind.rows(outputs))]
    return rows


def predicted(model, datamodule, files) -> list:
    """The rows of files, as `fw predict` gives them."""
    dataset = datamodule.predict_dataset(files, model.data)
    return table_of(dataset, files, [model.predict_step(batch, 0) for batch in datamodule.loader(dataset)])


@pytest.mark.parametrize(
    ("task", "what"),
    [
        ("audio-tagging", {"class_names": ("bird", "rain", "train"), "target_shape": (3,)}),
        ("audio-regression", {"target_names": ("age", "size"), "target_shape": (2,)}),
    ],
)
def test_tags_and_numbers_are_those_of_predict(files, task, what):
    model, datamodule = model_for(task, **what), registry.create_dataset("dtmf", num_workers=0)
    for one, other in zip(answered(model, datamodule, files), predicted(model, datamodule, files), strict=True):
        assert one.pop("labels", None) == other.pop("labels", None)
        assert one.pop("path") == other.pop("path")
        assert one.pop("probabilities", {}) == pytest.approx(other.pop("probabilities", {}), abs=1e-6)
        assert one == pytest.approx(other, abs=1e-5)


def without_an_end(path: Path) -> bytes:
    return path.read_bytes()[:-500]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.wav", lambda files: b""),
        ("words.mp3", lambda files: b"no sound at all"),
        ("cut.wav", lambda files: without_an_end(files[0])),
        ("header.wav", lambda files: files[0].read_bytes()[:44]),
        ("cut.flac", lambda files: files[1].read_bytes()[:60]),
    ],
)
def test_what_cannot_be_read_is_told_as_predict_tells_it(files, name, content):
    Path(name).write_bytes(content(files))
    model, datamodule = model_for("audio-classification", class_names=("a", "b")), registry.create_dataset("dtmf")
    with pytest.raises(DataError) as wanted:
        datamodule.predict_dataset([Path(name)], model.data)
    with pytest.raises(DataError) as said:
        build(datamodule.preprocessing(model.data)).samples(Path(name).read_bytes(), Path(name).suffix)
    assert said.value.what == wanted.value.what.replace(name, f"input{Path(name).suffix}")


def test_the_size_of_a_sound_is_told_by_its_beginning(files):
    model = model_for("audio-classification", class_names=("a", "b"))
    before = build(registry.create_dataset("dtmf").preprocessing(model.data))
    # Two channels of a second at 16,000 Hz; windows of 0.2 s at 8,000 Hz that overlap by half would be less.
    assert before.size_of(files[1].read_bytes(), ".flac") == 32_000
    assert before.size_of(files[0].read_bytes(), ".wav") == 1_600
    assert before.size_of(b"no sound", ".wav") == 0


def test_samples_that_are_no_numbers_and_missing_channels_are_refused(files):
    broken = tone(300, 8_000, 0.1)
    broken[400] = np.nan
    write(Path("nan.wav"), broken, 8_000, subtype="FLOAT")
    datamodule = registry.create_dataset("dtmf")
    of_two = model_for("audio-classification", channels=2, class_names=("a", "b")).data
    with pytest.raises(DataError, match=r"input\.wav has 1 channels, and the model was trained on 2"):
        build(datamodule.preprocessing(of_two)).samples(files[0].read_bytes(), ".wav")
    of_one = of_two.model_copy(update={"input_shape": (1, 1600)})
    with pytest.raises(DataError, match=r"input\.wav cannot be read: it has samples that are no numbers .* 0\.050 s"):
        build(datamodule.preprocessing(of_one)).samples(Path("nan.wav").read_bytes(), ".wav")


def test_samples_of_the_test_come_as_files(sounds, project, tmp_path):
    made = registry.create_dataset("dtmf", count=200)
    made.setup("fit")
    first, second = made.sample_files(2, tmp_path)
    read, rate = soundfile.read(second, dtype="float32", always_2d=True)
    assert (rate, first.name) == (8_000, "0.wav")
    assert torch.equal(torch.from_numpy(read.T), made.test_dataset[1][0])

    sounds("own", {"a": 10, "b": 10})
    folder = registry.create_dataset("audio_folder", path="own", test_fraction=0.2, seconds=0.05, num_workers=0)
    folder.setup("fit")
    found = folder.sample_files(3, tmp_path)
    assert found == [Path(each.recording.name) for each in folder.test_dataset.clips][::3][:3]
    assert all(each.parent.parent == Path("own") for each in found)


def test_parts_of_files_come_as_files_of_their_own(project, tmp_path):
    write(project / "long.wav", tone(300, 8_000, 1.0), 8_000)
    lines = [f"long.wav,{part / 10},{part / 10 + 0.1},{'ab'[part % 2]}" for part in range(10)]
    Path("parts.csv").write_text("\n".join(["path,start,end,label", *lines]), "utf-8")
    datamodule = registry.create_dataset("audio_manifest", path="parts.csv", test_fraction=0.4, num_workers=0)
    datamodule.setup("fit")
    (path, *_) = datamodule.sample_files(3, tmp_path)
    read, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert path.parent == tmp_path
    assert torch.equal(torch.from_numpy(read.T), datamodule.test_dataset[0][0])
