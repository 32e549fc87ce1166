"""Exported models answer as the models do: some of the catalogue, and all of it in a session of its own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from framework_core import registry
from framework_core.testing.model_checks import exports_answer_the_same
from framework_core.testing.subjects import ModelSubject

DECLARED = sorted(
    offer.spec.name
    for offer in registry.catalogue.offers("model")
    if getattr(offer.spec, "exports", ()) and offer.distribution.startswith("framework-plugins-")
)
"""Every model that says what it is exported to."""

SOME = random.Random(5).sample(DECLARED, 1)


def answers_the_same(name):
    exports_answer_the_same(ModelSubject(name, settings=registry.resolve("model", name).spec.check_settings))


@pytest.mark.long
@pytest.mark.parametrize("name", SOME)
def test_some_models_answer_the_same_wherever_they_are_exported_to(name):
    answers_the_same(name)


@pytest.mark.catalogue
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", DECLARED)
def test_every_model_answers_the_same_wherever_it_is_exported_to(name):
    answers_the_same(name)


READ_BY_ONNX_RUNTIME_ALONE = """
import json, sys
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx", providers=["CPUExecutionProvider"])
golden = np.load(sys.argv[1] + "/golden.npz")
output, probabilities = session.run(None, {"input": golden["input"][:3]})
about = session.get_modelmeta().custom_metadata_map
print(json.dumps({
    "apart": float(abs(output - golden["output"][:3]).max()),
    "sums": probabilities.sum(axis=1).tolist(),
    "names": json.loads(about["framework.class_names"]),
    "heavy": [name for name in ("torch", "lightning", "mlflow", "framework_core") if name in sys.modules],
}))
"""

READ_BY_TORCH_ALONE = """
import json, sys
import numpy as np
import torch

extra = {"framework.json": ""}
network = torch.export.load(sys.argv[1] + "/model.pt2", extra_files=extra).module()
golden = np.load(sys.argv[1] + "/golden.npz")
output, probabilities = network(torch.from_numpy(golden["input"][:3]))
print(json.dumps({
    "apart": float((output - torch.from_numpy(golden["output"][:3])).abs().max()),
    "sums": probabilities.sum(dim=1).tolist(),
    "names": json.loads(extra["framework.json"])["class_names"],
    "heavy": [name for name in ("lightning", "mlflow", "framework_core") if name in sys.modules],
}))
"""

READ_BY_MLFLOW = """
import mlflow
import numpy as np

golden = np.load("for-mlflow/golden.npz")
print(abs(mlflow.pyfunc.load_model("for-mlflow").predict(golden["input"]) - golden["output"]).max())
"""


@pytest.fixture(scope="module")
def fw(warm):
    def run(*words):
        command = [warm.command, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, fw):
    """A folder with a run on images."""
    place = tmp_path_factory.mktemp("export")
    before = Path.cwd()
    os.chdir(place)
    try:
        words = ("trainer=debug", "mlops.tracking.backend=none", "mlops.report=false", "experiment.run_name=digits")
        done = fw("train", "--model", "resnet20", *words)
        assert done.returncode == 0, done.stderr
        yield place
    finally:
        os.chdir(before)


@pytest.mark.long
@pytest.mark.parametrize(
    ("format", "program"), [("onnx", READ_BY_ONNX_RUNTIME_ALONE), ("torch-export", READ_BY_TORCH_ALONE)]
)
def test_a_program_without_the_framework_runs_it_and_finds_the_names(folder, format, program, fw):
    done = fw("export", "digits", "--to", format, "-o", f"{format}-model", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == "test"
    alone = subprocess.run(
        [sys.executable, "-c", program, f"{format}-model"], capture_output=True, text=True, timeout=120
    )
    assert alone.returncode == 0, alone.stderr
    found = json.loads(alone.stdout)
    assert found["apart"] < 1e-4
    assert found["sums"] == pytest.approx([1, 1, 1], abs=1e-4)
    assert found["names"] == list("0123456789")
    assert found["heavy"] == []


@pytest.mark.long
def test_mlflow_loads_what_is_exported_to_it(folder, fw):
    done = fw("export", "digits", "--to", "mlflow", "-o", "for-mlflow")
    assert done.returncode == 0, done.stderr
    alone = subprocess.run([sys.executable, "-c", READ_BY_MLFLOW], capture_output=True, text=True, timeout=120)
    assert alone.returncode == 0, alone.stderr
    assert float(alone.stdout.splitlines()[-1]) < 1e-4
    about = json.loads(Path("for-mlflow/export.json").read_text())
    assert about["input"] == {"name": "input", "dtype": "float32", "shape": [None, 1, 32, 32]}


@pytest.mark.long
def test_without_its_data_a_model_is_compared_on_made_up_samples(folder, fw):
    settings = Path("runs/digits/config.yaml")
    moved = settings.read_text().replace("name: digits\n", "name: image_folder\n  path: nowhere\n", 1)
    assert "nowhere" in moved
    other = Path("runs/moved")
    subprocess.run(["cp", "-r", "runs/digits", other], check=True)
    (other / "config.yaml").write_text(moved)
    (other / "run.json").write_text((other / "run.json").read_text().replace('"digits"', '"moved"'))
    done = fw("export", "moved", "--to", "torch-export", "-o", "from-moved", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == "made up"
    assert "samples   are made up: There is no folder nowhere" in done.stderr


@pytest.mark.long
def test_a_folder_that_holds_something_is_left_as_it_is_and_nothing_half_written_stays(folder, fw):
    Path("taken").mkdir()
    Path("taken/mine.txt").write_text("mine")
    before = sorted(path.name for path in Path.cwd().iterdir())
    done = fw("export", "digits", "--to", "onnx", "-o", "taken")
    assert (done.returncode, "is there already" in done.stderr) == (2, True)
    assert sorted(path.name for path in Path.cwd().iterdir()) == before
    assert [path.name for path in Path("taken").iterdir()] == ["mine.txt"]


PLANTED = """
from framework_core.contracts import Processing
from framework_plugins_vision.datasets.digits import Digits
from framework_plugins_vision.models.cifar_resnet import CifarResNet


class OtherSize(Digits):
    def preprocessing(self, data):
        made = super().preprocessing(data)
        return made.model_copy(update={"settings": {**made.settings, "side": 7}})


class Turned(CifarResNet):
    def postprocessing(self):
        made = super().postprocessing()
        return made.model_copy(update={"settings": {"class_names": made.settings["class_names"][::-1]}})
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--model", "resnet20", "--dataset", "planted.py:OtherSize"),
            "prepares 0-digit-0.png otherwise than training",
        ),
        (
            ("--model", "planted.py:Turned", "--dataset", "digits"),
            "answers 0-digit-0.png otherwise than the model does",
        ),
    ],
)
def test_what_prepares_or_words_otherwise_than_training_is_refused(words, said, folder, fw):
    (folder / "planted.py").write_text(PLANTED)
    quiet = ("trainer=debug", "mlops.tracking.backend=none", "mlops.report=false", "experiment.run_name=planted")
    assert fw("train", *words, *quiet).returncode == 0
    done = fw("export", "last", "--to", "torch-export", "-o", "planted-model")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not Path("planted-model").exists()
