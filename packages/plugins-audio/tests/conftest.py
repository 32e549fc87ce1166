"""What the tests of the audio package share: a folder to work in, the command, and sounds made on the spot."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile
from filelock import FileLock
from made_sounds import tone

from framework_core.plugins import switches
from framework_core.plugins.registry import registry

ACCELERATOR = os.environ.get("TEST_ACCELERATOR", "cpu")
"""What runs are on where a test does not say it; on a GPU `nox -s gpu` sets it."""

BARE = (
    f"trainer.accelerator={ACCELERATOR}",
    "mlops.tracking.backend=none",
    "mlops.report=false",
    "preflight=false",
    "trainer.limit_train_batches=2",
    "trainer.max_epochs=1",
)
"""Settings that leave out of a run what takes most of a short run's time."""


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def command(*words: object) -> Done:
    """``fw``, run in this process."""
    from framework_core.cli.program import main

    out, err = io.StringIO(), io.StringIO()
    log = logging.getLogger("framework_core")
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        finally:
            log.handlers.clear()
            log.propagate = True
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands keep for the next one: as full as a user's is after the first command."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own, and nothing left behind in the process."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FRAMEWORK_CACHE", str(cache))
    for name in ("MLFLOW_TRACKING_URI", "FRAMEWORK_WITHOUT_PLUGINS", "FRAMEWORK_RUN_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    path = list(sys.path)
    yield folder
    registry.refresh()
    switches.configure()
    sys.path[:] = path


@pytest.fixture
def fw() -> Callable[..., Done]:
    """The command ``fw``, run in this process."""
    return command


@pytest.fixture
def train(fw) -> Callable[..., Done]:
    """``fw train`` of two steps, its result as JSON."""

    def run(*words: object) -> Done:
        return fw("train", *BARE, *words, "--json")

    return run


@pytest.fixture
def sounds(project: Path) -> Callable[..., Path]:
    """Make folders of short tones: each class a pitch of its own, no two sounds alike."""

    def make(name: str, counts: Mapping[str, int], *, rate: int = 8_000, seconds: float = 0.1) -> Path:
        number = 0
        for pitch, (folder, count) in enumerate(sorted(counts.items())):
            place = project / name / folder
            place.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                number += 1
                sound = tone(300 + 200 * (pitch % 4), rate, seconds, seed=number)
                soundfile.write(place / f"{index:02}.wav", sound, rate)
        return project / name

    return make


@pytest.fixture(scope="session")
def keypad_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that tells the keys of a telephone; processes that share the tests share it."""
    several = "PYTEST_XDIST_WORKER" in os.environ
    folder = tmp_path_factory.getbasetemp().parent / "keypad" if several else tmp_path_factory.mktemp("keypad")
    with FileLock(f"{folder}.lock"):
        if not (folder / "keypad").exists():
            train_on_keys(folder)
    return folder / "keypad"


def train_on_keys(folder: Path) -> None:
    quiet = ("mlops.tracking.backend=none", "duplicates.action=ignore", f"trainer.accelerator={ACCELERATOR}")
    sizes = ("model.width=16", "dataset.count=1000", "trainer.max_epochs=4", "optimizer.lr=0.01")
    done = command(
        *("train", "--model", "m5", "--dataset", "dtmf", "dataset.batch_size=16", *quiet, *sizes),
        *(f"output_dir={folder}", "experiment.run_name=keypad", "--json"),
    )
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/accuracy"] > 0.95
