"""The command ``fw plugin new``: a plugin package that keeps every promise as it is written."""

import os
import shutil
import subprocess
import sys

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EVERYTHING = ("--model", "--dataset", "--callback", "--strategy", "--config-group")
ALWAYS = {
    ".github/workflows/publish.yml",
    ".github/workflows/tests.yml",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "src/my_frog/__init__.py",
    "src/my_frog/plugin.py",
    "src/my_frog/py.typed",
    "tests/test_promises.py",
}
SETTINGS = "src/my_frog/settings.py"
MORE = {
    EVERYTHING: {
        "src/my_frog/callback.py",
        "src/my_frog/conf/__init__.py",
        "src/my_frog/conf/experiment/my_frog.yaml",
        "src/my_frog/dataset.py",
        "src/my_frog/model.py",
        "src/my_frog/strategy.py",
        SETTINGS,
    },
    ("--model",): {"src/my_frog/model.py", "tests/points.py", SETTINGS},
    ("--dataset",): {"src/my_frog/dataset.py", SETTINGS},
    ("--callback",): {"src/my_frog/callback.py", SETTINGS},
    ("--strategy",): {"src/my_frog/strategy.py"},
    ("--dataset", "--config-group"): {"src/my_frog/dataset.py", SETTINGS},
}


@pytest.fixture
def new(fw, project, install):
    """Write a package and install it."""

    def made(*parts):
        done = fw("plugin", "new", "my-frog", *parts)
        assert done.code == 0, done.err
        facts = tomllib.loads((project / "my-frog" / "pyproject.toml").read_text())["project"]
        more = f"License-Expression: {facts['license']}\n"
        more += "".join(f"Requires-Dist: {each}\n" for each in facts["dependencies"])
        site = install(facts["name"], {}, facts["entry-points"], facts["version"], more)
        shutil.copytree(project / "my-frog" / "src", site, dirs_exist_ok=True)
        return site

    return made


@pytest.mark.parametrize("parts", MORE)
def test_it_writes_what_was_asked_for(parts, fw, project):
    done = fw("plugin", "new", "my-frog", *parts)
    assert done.code == 0, done.err
    folder = project / "my-frog"
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == ALWAYS | MORE[parts]
    assert {f"my-frog/{name}" for name in written} == set(done.out.split())
    assert "Start: cd my-frog && pip install -e . --group dev && pytest" in done.err
    for path in folder.rglob("*.py"):
        compile(path.read_text(), path, "exec")
    assert not [path for path in folder.rglob("*") if path.is_file() and "$" in path.read_text().replace("${{", "")]


@pytest.mark.drawn
def test_what_it_writes_keeps_every_promise(new, fw):
    new(*EVERYTHING)
    done = fw("plugin", "check", "my-frog")
    assert done.code == 0, done.out
    assert "broken" not in done.out
    trained = fw("train", "+experiment=my_frog", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "--json")
    assert trained.code == 0, trained.err
    assert trained.json["metrics"]["test/accuracy"] > 0.9


@pytest.mark.ddp
def test_its_strategy_trains_several_processes(new, project, fresh):
    site = new("--model", "--dataset", "--strategy")
    model = ("--model", "my_frog_net", "--dataset", "my_frog_data", "strategy=my_frog_patient", "trainer.devices=2")
    words = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "mlops.report=false")
    done = fresh("train", *model, *words, "--json", path=[site])
    assert done.code == 0, done.err
    assert done.json["status"] == "finished"


@pytest.mark.drawn
@pytest.mark.long
def test_its_own_tests_pass(new, project):
    site = new("--model")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=project / "my-frog", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("parts", MORE)
def test_formatting_style_and_types_are_in_order(parts, new, project):
    site = new(*parts)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    for words in (("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",)):
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=project / "my-frog", env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["my frog", "--model"], "letters and digits, with single dashes between them"),
        (["../frog", "--model"], "letters and digits, with single dashes between them"),
        (["class", "--model"], "letters and digits, with single dashes between them"),
        (["my-frog"], "a package has to offer something: --model, --dataset, --callback or --strategy"),
        (["my-frog", "--config-group"], "a package has to offer something"),
        (["my-frog", "there", "--model"], "Nothing was written, because there/README.md is there already."),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_written(words, said, fw, project):
    (project / "there").mkdir()
    (project / "there" / "README.md").write_text("mine")
    before = sorted(project.rglob("*"))
    done = fw("plugin", "new", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert sorted(project.rglob("*")) == before
    assert (project / "there" / "README.md").read_text() == "mine"
