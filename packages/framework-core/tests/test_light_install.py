"""Core without its extras: a machine where nobody trains can look around, and is told what training needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.drawn("file")]

PACKAGES = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with core alone, and the vision plugin without what it depends on."""
    folder = tmp_path_factory.mktemp("light") / "venv"
    python = folder / "bin" / "python"
    pip = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    for command in (
        ["uv", "venv", "--quiet", "--python", sys.executable, str(folder)],
        [*pip, str(PACKAGES / "framework-core")],
        [*pip, "--no-deps", str(PACKAGES / "plugins-vision")],
    ):
        subprocess.run(command, check=True, timeout=300)
    return folder


@pytest.fixture
def light(environment):
    """The command ``fw`` as it is installed there."""

    def run(*words):
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        command = [environment / "bin" / "fw", *words]
        return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60)

    return run


def test_nothing_that_trains_is_installed(environment):
    code = "import importlib.util as u; print([n for n in ('torch', 'lightning', 'mlflow', 'numpy') if u.find_spec(n)])"
    done = subprocess.run([environment / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("--help", "train"),
        ("list models --json", '"resnet50"'),
        ("list datasets", "digits"),
        ("list strategies", "ddp"),
        ("list plugins", "vision"),
        ("search resnet 50", "resnet50"),
        ("info model resnet50", "model.drop_rate"),
        ("info dataset digits", "dataset.batch_size"),
        ("config show model=resnet50", "name: resnet50"),
        ("config schema", "max_epochs"),
        ("doctor", "warning  packages     nothing can be trained here: torch and "),
    ],
)
def test_looking_around_works(words, shown, light):
    done = light(*words.split())
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert shown in done.stdout


def test_no_plugin_is_broken(light):
    assert {row["state"] for row in json.loads(light("list", "plugins", "--json").stdout)} == {"active"}


def test_settings_are_checked(light):
    assert light("config", "validate", "model=resnet50").returncode == 0
    done = light("config", "validate", "model=resnet50", "trainer.max_epochs=-7", "model.nope=1")
    assert done.returncode == 2
    assert "2 settings are not allowed" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--model", "resnet50"),
        ("train", "--model", "resnet50", "--dry-run"),
        ("evaluate", "last"),
        ("predict", "last", "a.png"),
    ],
)
def test_training_says_what_to_install(words, light, project):
    done = light(*words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: fw {words[0]} needs the package '")
    assert "pip install 'framework-core[train]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(project.iterdir()) == []


def test_the_page_says_what_to_install(light):
    done = light("ui")
    assert done.returncode == 2
    assert "pip install 'framework-core[train]'" in done.stderr


def test_bad_settings_are_told_before_what_is_missing(light):
    done = light("train", "--model", "resnet50", "trainer.max_epochs=-7")
    assert done.returncode == 2
    assert "trainer.max_epochs" in done.stderr
    assert "pip install" not in done.stderr


def test_the_doctor_says_what_training_needs_and_finds_nothing_else(light):
    findings = json.loads(light("doctor", "--json").stdout)
    (wrong,) = [each for each in findings if each["state"] != "ok" and each["check"] != "environment"]
    assert "'framework-core[train]' framework-plugins-vision" in wrong["mend"]
