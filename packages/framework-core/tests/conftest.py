"""What the tests of core share: a folder to work in, the command, and packages that are really installed."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from warm import warm as warm

from framework_core import secrets
from framework_core.plugins import switches
from framework_core.plugins.registry import registry

HERE = Path(__file__).parent
COMPONENTS = HERE / "components.py"

ACCELERATOR = os.environ.get("TEST_ACCELERATOR", "cpu")
"""What runs are on where a test does not say it; on a GPU `nox -s gpu` sets it."""

BARE = (
    f"trainer.accelerator={ACCELERATOR}",
    "mlops.report=false",
    "mlops.tracking.log_model=false",
    "mlops.tracking.system_metrics=false",
    # As it is on a processor.
    *(["faults.every_n_steps=1"] if ACCELERATOR == "gpu" else []),
)
"""Settings that leave out of a run what takes most of a short run's time."""


# A shell that starts the tests in the background makes them deaf to Ctrl-C, and the commands they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

SAID = ("MLFLOW_TRACKING_URI", "FRAMEWORK_PLUGINS", "FRAMEWORK_WITHOUT_PLUGINS", "FRAMEWORK_RUN_DIRECTORY")
"""What the environment says to commands; of one test nothing stays for the next, or for what a module shares."""


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    error: BaseException | None = None
    """What ended it, where it ran in this process."""

    @property
    def json(self):
        assert self.out, self.err
        return json.loads(self.out)


@pytest.fixture(scope="session")
def accelerator() -> str:
    """What runs are on where a test does not say it."""
    return ACCELERATOR


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands keep for the next one: as full as a user's is after the first command."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def project(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder of its own, and nothing left behind in the process."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FRAMEWORK_CACHE", str(cache))
    monkeypatch.setenv("FRAMEWORK_CONFIG", str(tmp_path / "config"))
    for name in SAID:
        os.environ.pop(name, None)
    forget(tmp_path_factory.getbasetemp())
    path = list(sys.path)
    registered = dict(registry._registered)
    registry.refresh()
    yield folder
    registry._registered.clear()
    registry._registered.update(registered)
    registry.refresh()
    switches.configure()
    secrets.forget()
    sys.path[:] = path
    forget(tmp_path_factory.getbasetemp())
    for name in SAID:
        os.environ.pop(name, None)


def forget(folder: Path) -> None:
    """As if nothing of what tests wrote had been imported, nor could be."""
    sys.path[:] = [each for each in sys.path if not each.startswith(str(folder))]
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def fw() -> Callable[..., Done]:
    """The command ``fw``, run in this process."""
    from framework_core.cli.program import main

    def run(*words: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        log = logging.getLogger("framework_core")
        code, error = 0, None
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([str(word) for word in words])
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
                error = stop.__context__
            finally:
                log.handlers.clear()
                log.propagate = True
        return Done(code, out.getvalue(), err.getvalue(), error)

    return run


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a distribution: a folder on ``sys.path`` with its modules and a real dist-info."""

    def installed(
        name: str,
        modules: Mapping[str, str],
        entry_points: Mapping[str, Mapping[str, str]],
        version: str = "1.2.3",
        more: str = "",
    ) -> Path:
        site = tmp_path / f"site-{name}"
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}")
        lines = []
        for group, entries in entry_points.items():
            lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), ""]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for module, text in modules.items():
            path = site / f"{module.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(site)
        registry.refresh()
        return site

    return installed


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store as MLflow makes it: seconds the first time, a copy from then on."""
    from mlflow import MlflowClient

    store = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{store}").search_experiments()
    return store


@pytest.fixture(scope="session")
def trained_in(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Callable[..., Path]:
    """Train the small model on the small dataset several times, in a folder of their own with a store."""
    from framework_core.config.compose import compose
    from framework_core.run import train

    def made(name: str, runs: Mapping[str, Iterable[str]]) -> Path:
        folder = tmp_path_factory.mktemp(name)
        shutil.copy(empty_store, folder)
        shutil.copy(COMPONENTS, folder / "mine.py")
        common = ("trainer.accelerator=cpu", "mlops.tracking.system_metrics=false", "experiment.name=flowers")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for run, words in runs.items():
                chosen = [*common, *words, f"experiment.run_name={run}"]
                train(compose(chosen, model="mine.py:Net", dataset="mine.py:Iris").config)
        return folder

    return made


@pytest.fixture
def same_again(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Make the store that commands use the same as another: MLflow takes long to open one that it has not seen."""
    live = tmp_path_factory.getbasetemp() / "live.db"

    def made(store: Path) -> str:
        with contextlib.closing(sqlite3.connect(store)) as source, contextlib.closing(sqlite3.connect(live)) as target:
            source.backup(target)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{live}")
        return f"sqlite:///{live}"

    return made


@pytest.fixture
def components(project: Path) -> str:
    """A file of a user's own, with a small model and a small real dataset; its path as typed."""
    (project / "mine.py").write_text(COMPONENTS.read_text())
    return "mine.py"


@pytest.fixture
def train(fw, components: str, project: Path, empty_store: Path) -> Callable[..., Done]:
    """``fw train`` with the small model on the small dataset, quickly, into a store that was used before."""
    shutil.copy(empty_store, project)

    def run(*words: str) -> Done:
        chosen = ("--model", f"{components}:Net", "--dataset", f"{components}:Iris")
        return fw("train", *chosen, "trainer.max_epochs=2", *BARE, *words)

    return run


@pytest.fixture
def start_of_fw(request: pytest.FixtureRequest) -> list[str]:
    """The command ``fw``: in a process that Python starts, but for long tests, which start many.

    A test marked ``cold`` wants what only such a process has: another user, its own imports.
    """
    marks = {mark.name for mark in request.node.iter_markers()}
    if "long" not in marks or "cold" in marks:
        return [sys.executable, "-m", "framework_core"]
    return [str(request.getfixturevalue("warm").command)]


@pytest.fixture
def program(start_of_fw: list[str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """The command ``fw`` started in a process of its own, in a group of its own; ended with the test at the latest."""
    started = []

    def start(*words: object, path: Iterable[Path] = (), **options: object) -> subprocess.Popen[str]:
        typed = [*start_of_fw, *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "COLUMNS": "120"}
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True, **options}
        process = subprocess.Popen(typed, env=environment, text=True, **given)
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def fresh(program) -> Callable[..., Done]:
    """The command ``fw``, run in a process of its own to its end."""

    def run(*words: object, **options: object) -> Done:
        process = program(*words, **options)
        out, err = process.communicate(timeout=300)
        return Done(process.returncode, out, err)

    return run
