"""What the tests of the package for sound share: a folder to work in, the command, and sounds made on the spot."""

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


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own, with a cache of its own, and nothing left behind in the process."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path / "cache"))
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
    from framework_core.cli.program import main

    def run(*words: object) -> Done:
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

    return run


@pytest.fixture
def train(fw) -> Callable[..., Done]:
    """``fw train`` for a few steps on the processor, recorded in the run's folder only, its result as JSON."""

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
