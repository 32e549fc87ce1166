"""The command ``fw init``: a project in which ``fw train`` works at once."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from framework_core.config.compose import compose
from framework_core.project.settings import OWN

pytestmark = pytest.mark.drawn

ALWAYS = {"config.yaml", "README.md", "schema.json", ".gitignore"}
PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import DatasetSpec, ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="net", builder="zoo_parts:Net", config="zoo_parts:NetConfig", domain="savanna")
    yield DatasetSpec(name="rows", builder="zoo_parts:Rows", config="zoo_parts:RowsConfig", domain="savanna",
                      default=True)
    yield DatasetSpec(name="waves", builder="zoo_parts:Rows", config="zoo_parts:RowsConfig", tasks=("forecasting",))
    yield DatasetSpec(name="files", builder="zoo_parts:Rows", config="zoo_parts:FilesConfig", domain="savanna")
"""
PARTS = """
from framework_core.contracts.config import ComponentConfig

class NetConfig(ComponentConfig):
    width: int = 8
    '''How wide ``it`` is.'''
    colour: str = "brown: dark"

class RowsConfig(ComponentConfig):
    rows: int = 90

class FilesConfig(ComponentConfig):
    path: str
    '''Where the files are.'''
"""


@pytest.fixture
def zoo(install):
    """A plugin with a model and datasets whose settings are light."""
    modules = {"zoo_plugin": PLUGIN, "zoo_parts": PARTS}
    return install("zoo-dist", modules, {"framework.plugins": {"zoo": "zoo_plugin"}})


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_project_has_settings_that_are_complete_and_valid(zoo, fw, project):
    done = fw("init", "flowers", "--model", "net")
    assert done.code == 0, done.err
    assert {Path(line).name for line in done.out.splitlines()} == names_in(project / "flowers") == ALWAYS
    assert done.err == "\nStart: cd flowers && fw train\n"
    config = compose([], config_file=Path("flowers/config.yaml")).config
    assert (config.model.name, config.dataset.name, config.experiment.name) == ("net", "rows", "flowers")
    plain = compose(["model=net", "experiment.name=flowers"]).config
    assert config == plain


def test_every_line_that_is_commented_out_is_a_setting_with_its_default(zoo, fw, project):
    fw("init", "--model", "net")
    lines = Path("config.yaml").read_text().splitlines()
    assert "  # width: 8  # How wide it is." in lines
    assert sum(line.lstrip().startswith("# ") and ": " in line for line in lines) > 15
    body = [line for line in lines if not line.startswith("#")]
    bare = [line.replace("  # ", "  ", 1) if line.startswith("  # ") else line for line in body]
    Path("all.yaml").write_text("\n".join(bare))
    assert compose([], config_file=Path("all.yaml")).config == compose([], config_file=Path("config.yaml")).config


def test_a_project_here_is_made_beside_what_is_there(zoo, fw, project):
    (project / "notes.txt").write_text("mine")
    done = fw("init", "--model", "net", "--dataset", "rows")
    assert done.err == "\nStart: fw train\n"
    assert names_in(project) == {*ALWAYS, "notes.txt"}
    assert yaml.safe_load(Path("config.yaml").read_text())["experiment"]["name"] == "project"


def test_nothing_is_overwritten_and_every_file_in_the_way_is_named(zoo, fw, project):
    (project / "flowers").mkdir()
    (project / "flowers" / "README.md").write_text("mine")
    (project / "flowers" / "model.py").symlink_to("nowhere")
    done = fw("init", "flowers", "--local")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(
        "error: Nothing was written, because flowers/README.md and flowers/model.py are there already."
    )
    assert names_in(project / "flowers") == {"README.md", "model.py"}
    assert (project / "flowers" / "README.md").read_text() == "mine"


def test_a_second_project_in_one_folder_is_refused(zoo, fw):
    assert fw("init", "--model", "net").code == 0
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert fw("init", "--model", "net").code == 2
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_file_where_the_folder_should_be_is_named(zoo, fw, project):
    (project / "flowers").write_text("a file")
    done = fw("init", "flowers", "--model", "net")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: Nothing was written, because flowers is there already.")


FULL = """
mount -t tmpfs -o size=8k tmpfs small || exit 99
cd small && "$@"
code=$?
ls -A >&2
exit $code
"""


def test_what_cannot_be_written_whole_is_not_written_at_all(project):
    (project / "small").mkdir()
    init = [sys.executable, "-m", "framework_core", "init", "deep/flowers", "--local"]
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", FULL, "sh", *init]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no file system may be mounted here")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: Cannot write to deep/flowers: No space left on device.\n  Choose another folder.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "a model has to be named: --model NAME (fw list models)"),
        (("--model", "nett"), "There is no model named 'nett'."),
        (("--model", "net", "--dataset", "row"), "There is no dataset named 'row'."),
        (("--model", "net", "--local"), "--local and --model cannot stand together"),
        (("--local", "--dataset", "waves"), "the model learns classes, the dataset is for forecasting"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_written(words, said, zoo, fw, project):
    done = fw("init", "flowers", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert list(project.iterdir()) == []


def test_a_setting_that_has_to_be_set_stands_open_and_is_asked_for(zoo, fw):
    fw("init", "--model", "net", "--dataset", "files")
    assert "  path: ???  # Where the files are." in Path("config.yaml").read_text().splitlines()
    done = fw("config", "validate")
    assert done.code == 2
    assert "dataset.path: it has to be set" in done.err


def test_a_model_of_a_file_is_named_as_seen_from_the_project(components, fw, project):
    assert fw("init", "below/flowers", "--model", "mine.py:Net", "--dataset", "mine.py:Iris").code == 0
    settings = yaml.safe_load(Path("below/flowers/config.yaml").read_text())
    assert settings["model"]["name"] == "../../mine.py:Net"


@pytest.mark.some_of(2)
@pytest.mark.parametrize("name", ["2024", "yes", "a: b", "it's", "x # y"])
def test_any_folder_name_is_an_experiment(name, zoo, fw):
    assert fw("init", name, "--model", "net").code == 0
    assert compose([], config_file=Path(name) / "config.yaml").config.experiment.name == name


# Its own model and data


def test_the_settings_of_the_templates_are_those_of_their_classes(fw, project):
    from framework_core.plugins.catalogue import config_class
    from framework_core.plugins.registry import registry

    fw("init", "--local")
    for name, settings in OWN.items():
        kind = "model" if name.startswith("model") else "dataset"
        fields = config_class(registry.resolve(kind, name)).model_fields
        assert {each["name"]: yaml.safe_load(each["default"]) for each in settings} == {
            key: fields[key].default for key in fields if key not in ("name", "num_workers")
        }


def test_a_project_of_its_own_trains_and_learns(fw, project, empty_store):
    assert fw("init", "--local").code == 0
    assert names_in(project) == {*ALWAYS, "model.py", "dataset.py"}
    allowed = json.loads(Path("schema.json").read_text())["properties"]["model"]["anyOf"]
    patterns = [each.get("pattern") for each in allowed]
    assert any(pattern and re.search(pattern, "model.py:Net") for pattern in patterns)
    (project / "mlflow.db").write_bytes(empty_store.read_bytes())
    done = fw("train", "--json", "trainer.accelerator=cpu", "mlops.tracking.system_metrics=false")
    assert done.code == 0, done.err
    assert "  settings  config.yaml" in done.err
    assert done.json["metrics"]["test/accuracy"] > 0.8


def test_a_model_of_its_own_takes_a_dataset_that_is_named(components, fw, project):
    done = fw("init", "flowers", "--local", "--dataset", "mine.py:Iris")
    assert done.code == 0, done.err
    assert names_in(project / "flowers") == {*ALWAYS, "model.py"}
    os.chdir("flowers")
    assert fw("train", "--dry-run", "trainer.accelerator=cpu").code == 0


# fw train, where there is a config.yaml


def test_fw_train_alone_takes_the_settings_of_the_folder(components, fw):
    Path("config.yaml").write_text(f"model: {components}:Net\ndataset: {components}:Iris\nseed: 7\n")
    done = fw("train", "--dry-run", "trainer.accelerator=cpu")
    assert done.code == 0, done.err
    assert "  settings   config.yaml          else: --config FILE, or --model NAME" in done.err.splitlines()
    assert "Net" in done.err
    assert "seed: 7" in fw("config", "show").out.splitlines()


@pytest.mark.parametrize("words", [("model=net",), ("+experiment=quick",), ("--config", "other.yaml")])
def test_settings_of_the_folder_are_left_alone_where_something_says_what_to_train(words, zoo, fw, project):
    Path("config.yaml").write_text("seed: 7\n")
    Path("other.yaml").write_text("model: net\n")
    (project / "configs" / "experiment").mkdir(parents=True)
    (project / "configs" / "experiment" / "quick.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: net\n"
    )
    done = fw("config", "show", *words)
    assert done.code == 0, done.err
    assert "seed: 42" in done.out.splitlines()


def test_a_model_as_an_option_leaves_the_settings_of_the_folder_alone(zoo, fw):
    Path("config.yaml").write_text("seed: 7\nnonsense: 1\n")
    done = fw("train", "--model", "net", "model.width=x")
    assert "model.width" in done.err
    assert "nonsense" not in done.err


def test_settings_of_the_folder_that_are_wrong_are_named(fw):
    Path("config.yaml").write_text("nonsense: 1\n")
    done = fw("train")
    assert done.code == 2
    assert "The settings are those of config.yaml here; others: --model NAME, or --config FILE" in done.err


# A person at a terminal


class Terminal:
    """``fw init`` as a person uses it: questions are waited for, and answered."""

    def __init__(self, *words, path):
        self.screen, other = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(path), "TERM": "dumb", "COLUMNS": "200"}
        command = [sys.executable, "-m", "framework_core", "init", *words]
        self.process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=environment)
        os.close(other)
        self.shown = ""

    def answer(self, question, text):
        self._read(question)
        self.shown = ""
        os.write(self.screen, f"{text}\n".encode())

    def end(self):
        code = self.process.wait(60)
        self._read(None)
        os.close(self.screen)
        return code

    def _read(self, until):
        end = time.monotonic() + 60
        while time.monotonic() < end and (until is None or until not in self.shown):
            if not select.select([self.screen], [], [], 0.2)[0]:
                if until is None:
                    return
                continue
            try:
                self.shown += os.read(self.screen, 10_000).decode()
            except OSError:
                break
        assert until is None or until in self.shown, self.shown


def test_a_person_is_asked_until_the_answers_are_names(zoo, project):
    terminal = Terminal("flowers", path=zoo)
    terminal.answer("A model and data of your own, in Python files? [y/N]:", "")
    terminal.answer("Model (fw list models):", "nett")
    terminal.answer("Model (fw list models):", "net")
    terminal.answer("Dataset (fw list datasets) [rows]:", "")
    assert terminal.end() == 0, terminal.shown
    settings = yaml.safe_load((project / "flowers" / "config.yaml").read_text())
    assert (settings["model"]["name"], settings["dataset"]["name"]) == ("net", "rows")


def test_a_person_may_have_code_of_their_own(zoo, project):
    terminal = Terminal(path=zoo)
    terminal.answer("in Python files? [y/N]:", "y")
    assert terminal.end() == 0, terminal.shown
    assert names_in(project) == {*ALWAYS, "model.py", "dataset.py"}


def test_a_person_who_named_a_model_is_asked_nothing(zoo, project):
    terminal = Terminal("--model", "net", path=zoo)
    assert terminal.end() == 0, terminal.shown
    assert names_in(project) == ALWAYS
