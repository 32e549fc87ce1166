"""The example plugin as a stranger meets it: built, installed into an environment of its own, used, removed."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from served import serving
from uv import find_uv_bin

pytestmark = [pytest.mark.long, pytest.mark.drawn("file")]

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "framework-plugins-wine"
SOURCES = [ROOT / "packages" / "framework-core", ROOT / "packages" / "plugins-vision", EXAMPLE]
A_WINE = "13.2,1.78,2.14,11.2,100,2.65,2.76,0.26,1.28,4.38,1.05,3.4,1050"
QUICK = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "mlops.tracking.backend=none")


class Environment:
    """A fresh environment with the three wheels in it, above the packages that the tests run with."""

    def __init__(self, folder):
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.project = folder / "project"
        self.project.mkdir()
        self.wheels = folder / "wheels"
        variables = {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "FRAMEWORK_CACHE": str(folder / "cache")}
        self.variables = {**os.environ, **variables, "OMP_NUM_THREADS": "1"}
        for name in ("MLFLOW_TRACKING_URI", "FRAMEWORK_WITHOUT_PLUGINS", "VIRTUAL_ENV"):
            self.variables.pop(name, None)
        for source in SOURCES:
            self.uv("build", "--wheel", "--out-dir", self.wheels, source)
        self.uv("venv", "--python", sys.executable, folder / "venv")
        (site,) = (folder / "venv").rglob("site-packages")
        (site / "shared.pth").write_text(sysconfig.get_path("purelib"))
        self.pip("install", "--no-deps", *sorted(self.wheels.glob("*.whl")))

    def uv(self, *words):
        subprocess.run([find_uv_bin(), "--quiet", *map(str, words)], check=True, env=self.variables)

    def pip(self, *words):
        self.uv("pip", *words, "--python", self.bin / "python")

    def fw(self, *words, code=0):
        command = [self.bin / "fw", *words]
        done = subprocess.run(command, cwd=self.project, env=self.variables, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def names(self, kind, *words):
        return {row["name"] for row in json.loads(self.fw("list", kind, "--json", *words).stdout)}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("stranger"))


def test_it_is_listed_with_what_it_offers_by_either_road(environment):
    plugins = json.loads(environment.fw("list", "plugins", "--json").stdout)
    found = {each["name"]: each for each in plugins if each["distribution"] == "framework-plugins-wine"}
    assert {name: (each["state"], each["offers"]) for name, each in found.items()} == {
        "wine": ("active", 2),
        "framework-plugins-wine": ("active", 1),
    }
    assert "gated_mlp" in environment.names("models", "--domain", "tabular")
    assert "wine" in environment.names("datasets")


def test_its_wheel_keeps_every_promise(environment):
    (wheel,) = environment.wheels.glob("framework_plugins_wine-*.whl")
    found = json.loads(environment.fw("plugin", "check", wheel, "--json").stdout)
    assert {each["subject"] for each in found} >= {"framework-plugins-wine", "model gated_mlp", "dataset wine"}
    assert {each["ending"] for each in found} <= {"kept", "not applicable"}


def test_its_settings_are_known_by_either_road(environment):
    assert "model.drop_rate" in environment.fw("info", "model", "gated_mlp").stdout
    assert "dataset.batch_size" in environment.fw("info", "dataset", "wine").stdout
    refused = environment.fw("train", "--model", "gated_mlp", "--dataset", "wine", "model.widht=3", code=2)
    assert "Did you mean model.width?" in refused.stderr


def test_its_model_trains_on_its_dataset(environment):
    done = environment.fw("train", "--model", "gated_mlp", "--dataset", "wine", *QUICK, "--json")
    assert json.loads(done.stdout)["status"] == "finished"
    assert "106 train, 36 val, 36 test samples of 13, 3 classes" in done.stderr


def test_its_experiment_learns_and_its_command_shows_the_run(environment):
    done = environment.fw("train", "+experiment=wine", *QUICK[1:], "--json")
    result = json.loads(done.stdout)
    assert result["metrics"]["test/accuracy"] >= 0.9
    first = environment.fw("wine", "best").stdout.splitlines()[0]
    assert first == f"{result['metrics']['test/accuracy']:.4f}  gated_mlp  {result['name']}"


def test_its_training_goes_on_where_it_was_ended(environment):
    chosen = ("--model", "gated_mlp", "--dataset", "wine", *QUICK, "experiment.run_name=resumed")
    environment.fw("train", *chosen)
    again = environment.fw("train", "--resume", "resumed", "trainer.max_epochs=3", "--json")
    assert "epoch 3/3" in again.stderr
    assert "epoch 1/3" not in again.stderr


def test_its_model_answers_files_from_an_export_and_from_the_run(environment):
    environment.fw("train", "+experiment=wine", *QUICK[1:], "experiment.run_name=served")
    assert (
        "8 files of test answered as the model does"
        in environment.fw("export", "served", "--to", "onnx", "-o", "served-onnx").stdout
    )
    wine = environment.project / "mine.csv"
    wine.write_text(A_WINE)
    expected = json.loads(environment.fw("predict", "served", wine, "--json").stdout)[0]
    for what in ("served-onnx", "served"):
        with serving(environment.bin / "fw", what, folder=environment.project, **environment.variables) as server:
            (row,) = server.predict(wine)
            assert row["label"] == expected["label"] == "grower_0"
            assert row["confidence"] == pytest.approx(expected["confidence"], abs=1e-5)
            refused = server.post("/predict", files=[("file", ("no.csv", b"1,2"))])
            assert (refused.status_code, "13" in refused.json()["error"]) == (422, True)


def test_its_model_and_data_of_another_plugin_are_told_not_to_fit(environment):
    done = environment.fw("train", "--model", "gated_mlp", "--dataset", "digits", code=2)
    assert "the data is for image-classification, the model learns tabular-classification" in done.stderr


def test_switched_off_it_is_not_there(environment):
    without = ("--without", "framework-plugins-wine")
    assert "gated_mlp" not in environment.names("models", *without)
    assert "wine" not in environment.names("datasets", *without)
    assert "no model named 'gated_mlp'" in environment.fw("train", "--model", "gated_mlp", *without, code=2).stderr
    assert "wine" in environment.fw("--help").stdout
    assert "wine" not in environment.fw("--help", *without).stdout


def test_its_own_tests_pass_on_what_was_installed(environment):
    command = [environment.bin / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE]
    done = subprocess.run(command, cwd=environment.project, env=environment.variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_removed_it_is_gone_at_once(environment):
    assert "gated_mlp" in environment.names("models")
    environment.pip("uninstall", "framework-plugins-wine")
    assert "gated_mlp" not in environment.names("models")
    assert "wine" not in environment.names("datasets")
    assert "wine" not in environment.fw("--help").stdout
    environment.fw("wine", "best", code=2)
    environment.pip("install", "--no-deps", *environment.wheels.glob("framework_plugins_wine-*.whl"))
    assert "gated_mlp" in environment.names("models")
