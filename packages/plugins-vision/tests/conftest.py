"""What the tests of the vision package share: a folder to work in, the command, and pictures made on the spot."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from framework_core.contracts import DataSpec
from framework_core.plugins import switches
from framework_core.plugins.registry import registry

ACCELERATOR = os.environ.get("TEST_ACCELERATOR", "cpu")
"""What runs are on where a test does not say it; on a GPU `nox -s gpu` sets it."""


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
def accelerator() -> str:
    """What runs are on where a test does not say it."""
    return ACCELERATOR


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own, with a cache of its own, and nothing left behind in the process."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path / "cache"))
    for name in ("MLFLOW_TRACKING_URI", "FRAMEWORK_WITHOUT_PLUGINS", "FRAMEWORK_RUN_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    modules, path = set(sys.modules), list(sys.path)
    registered = dict(registry._registered)
    registry.refresh()
    yield folder
    registry._registered.clear()
    registry._registered.update(registered)
    registry.refresh()
    switches.configure()
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def fw() -> Callable[..., Done]:
    """The command ``fw``, run in this process."""
    from framework_core.cli.program import main

    def run(*words: str) -> Done:
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
def fw_process(project: Path) -> Callable[..., Done]:
    """The command ``fw`` in a process of its own, with more in its environment."""

    def run(*words: str, **environment: str) -> Done:
        command = [sys.executable, "-m", "framework_core", *words]
        done = subprocess.run(
            command, cwd=project, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def train(fw) -> Callable[..., Done]:
    """``fw train``, recorded in the run's folder only, its result as JSON."""
    quiet = (
        f"trainer.accelerator={ACCELERATOR}",
        "mlops.tracking.backend=none",
        "mlops.report=false",
        "dataset.num_workers=0",
        "--json",
    )

    def run(*words: str) -> Done:
        return fw("train", *words, *quiet)

    return run


@pytest.fixture
def data() -> Callable[..., DataSpec]:
    """What images turned out to be."""

    def spec(channels: int = 3, height: int = 32, width: int | None = None, classes: int = 7) -> DataSpec:
        return DataSpec(
            task="image-classification",
            input_shape=(channels, height, width or height),
            class_names=tuple(f"class {index}" for index in range(classes)),
        )

    return spec


@pytest.fixture
def pictures(project: Path) -> Callable[..., Path]:
    """Make folders of tiny images: each class in a colour of its own, no two images alike."""

    def make(name: str, counts: Mapping[str, int], *, ending: str = "png", size: tuple[int, int] = (12, 10)) -> Path:
        root = project / name
        number = 0
        for folder, count in counts.items():
            place = root / folder
            place.mkdir(parents=True, exist_ok=True)
            colour = COLOURS[sum(map(ord, place.name)) % len(COLOURS)]
            for index in range(count):
                number += 1
                image = Image.new("RGB", size, colour)
                image.putpixel((number % size[0], number // size[0] % size[1]), (number % 256, 128, 128))
                image.save(place / f"{index}.{ending}")
        return root

    return make


COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 30), (30, 240, 240))


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
