"""What the tests of the time-series package share: a folder to work in, the command, and series made on the spot."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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


def waves(steps: int, *, series: int = 1, seed: int = 0) -> np.ndarray:
    """Days with a weekly wave, a trend and some noise, ``(steps, series)``."""
    random = np.random.default_rng(seed)
    time = np.arange(steps)[:, None]
    phase = np.arange(series)[None]
    wave = np.sin(2 * np.pi * (time + phase) / 7)
    return 10 + 3 * wave + 0.01 * time + random.normal(0, 0.1, (steps, series))


@pytest.fixture
def wide(project: Path) -> Callable[..., Path]:
    """Write a wide table of days: a column for each series."""

    def make(name: str = "wide.csv", steps: int = 120, series: int = 2) -> Path:
        days = pd.date_range("2024-01-01", periods=steps, freq="D")
        frame = pd.DataFrame(waves(steps, series=series), columns=[f"s{index}" for index in range(series)])
        frame.insert(0, "date", days)
        frame.to_csv(project / name, index=False)
        return project / name

    return make


@pytest.fixture
def long(project: Path) -> Callable[..., Path]:
    """Write a long table of days: ``unique_id``, ``ds``, ``y``, a price known ahead, visitors, and a size."""

    def make(name: str = "long.csv", lengths: tuple[int, ...] = (100, 80, 120), ahead: int = 0) -> Path:
        parts = []
        for number, length in enumerate(lengths):
            days = pd.date_range("2024-01-01", periods=length + ahead, freq="D")
            values = waves(length + ahead, seed=number)[:, 0] * (number + 1)
            part = pd.DataFrame({"unique_id": f"shop {number}", "ds": days, "y": values})
            part["price"] = np.cos(np.arange(length + ahead) / 5)
            part["visitors"] = values * 2
            part["size"] = 100.0 * (number + 1)
            part.loc[length:, ["y", "visitors"]] = np.nan
            parts.append(part)
        pd.concat(parts).to_csv(project / name, index=False)
        return project / name

    return make


@pytest.fixture
def sliced(fw) -> Callable[..., dict[str, set[str]]]:
    """What the samples of a test come to together is what the test says; the slices of each column."""

    def check(run: str, metrics: dict[str, float], *names: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name in names:
            done = fw("slices", run, "--metric", name, "--json")
            assert done.code == 0, done.err
            assert done.json["whole"]["mean"] == pytest.approx(metrics[f"test/{name}"], abs=1e-4, rel=1e-4), name
            for each in done.json["slices"]:
                found.setdefault(each["column"], set()).add(each["value"])
        return found

    return check
