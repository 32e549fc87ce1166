"""Every check of the project.

`nox` runs what CI runs; `nox -l` lists the others too: coverage, all Python versions, the lowest dependencies, the
whole catalogue, servers that are killed, the benchmarks.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

# The tests start hundreds of processes; without compiled modules each of them would compile Lightning and torch anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

HERE = Path(__file__).parent
CORE, VISION = "./packages/framework-core", "./packages/plugins-vision"
NLP, TIMESERIES, MONGODB = "./packages/plugins-nlp", "./packages/plugins-timeseries", "./packages/mlflow-mongodb"
AUDIO = "./packages/plugins-audio"
PACKAGES = (f"{CORE}[train,onnx,serve]", AUDIO, f"{NLP}[lora]", TIMESERIES, VISION, f"{MONGODB}[local]")
EDITABLE = [word for package in PACKAGES for word in ("-e", package)]
PINNED = ["-c", "constraints.txt"]
PROJECT = nox.project.load_toml(HERE / "pyproject.toml")
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
EVERYTHING = {**ONE_THREAD, "ALL_CASES": "1"}
"""Nothing is drawn (conftest.py)."""
"""Two test processes of two threads each would crawl on two cores."""

WORKERS = "3"
"""Test processes on two cores: some of them wait for servers, clocks and disks."""

MAIN_JOB = "tests/test_main_job.py"
LIKE_SQL = ("packages/mlflow-mongodb/tests", "-k", "equivalence or gateway or like_sql")
"""Tests that tell the store on MongoDB and MLflow's own the same: a few random examples, or MONGODB_EXAMPLES."""

CORE_TESTS = "packages/framework-core/tests"
ON_A_GPU = (
    *(
        f"{CORE_TESTS}/test_{name}.py"
        for name in ("gpu", "faults", "replay", "exact_resume", "checkpoints", "run", "strategies")
    ),
    "packages/plugins-vision/tests/test_gpu.py",
    "packages/plugins-vision/tests/test_tasks.py",
    "packages/plugins-vision/tests/test_timm_training.py",
    *(
        f"packages/plugins-nlp/tests/test_{name}.py"
        for name in (
            *("language_models", "masked_language_models", "question_answering"),
            *("seq2seq", "token_classification", "transformers"),
        )
    ),
    *(f"packages/plugins-audio/tests/test_{name}.py" for name in ("batch_augmentation", "models", "transformers")),
    "packages/plugins-timeseries/tests/test_forecasting.py",
    "packages/plugins-timeseries/tests/test_anomalies.py",
    "packages/plugins-timeseries/tests/test_classification.py",
)
"""Tests of what may go another way on a GPU."""

GPU = shutil.which("nvidia-smi") is not None
LONG = "(long or ddp) and not thorough and not faults"
QUICK = "not thorough and not faults and not long and not ddp and not docs and not catalogue and not editor" + (
    "" if GPU else " and not gpu"
)


def group(name: str) -> list[str]:
    """The requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session
def checks(session: nox.Session) -> None:
    """The sessions lint, types, tests, long, docs and editor in one environment, which is filled and compiled once."""
    groups = ("lint", "types", "test", "docs", "editor")
    session.install(*EDITABLE, *(requirement for each in groups for requirement in group(each)), *PINNED)
    failed = []
    for part in (run_lint, run_types, run_tests, run_main_job, run_long_docs_and_editor):
        try:
            part(session)
        except nox.command.CommandFailed:
            failed.append(part.__name__)
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session(default=False)
def lint(session: nox.Session) -> None:
    """Formatting, style, and who imports whom."""
    session.install(*EDITABLE, *group("lint"), *PINNED)
    run_lint(session)


@nox.session(default=False)
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install(*EDITABLE, *group("types"), *PINNED)
    run_types(session)


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """The quick tests of every package; arguments after -- go to pytest."""
    session.install(*EDITABLE, *group("test"), *PINNED)
    run_tests(session)


@nox.session(default=False)
def long(session: nox.Session) -> None:
    """The main job to its accuracy, several processes, signals, servers, wheels in fresh environments."""
    session.install(*EDITABLE, *group("test"), *PINNED)
    run_main_job(session)
    spread = ("-n", WORKERS, "--dist", "loadfile", "--durations=8")
    session.run("pytest", *files_marked("long", "ddp"), "-m", LONG, "--deselect", MAIN_JOB, *spread, env=ONE_THREAD)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation and run every command and example in it."""
    session.install(*EDITABLE, *group("test"), *group("docs"), *PINNED)
    spread = ("-n", WORKERS, "--dist", "loadgroup")
    session.run("pytest", "-m", "docs", *spread, *session.posargs, env=ONE_THREAD)


@nox.session(default=False)
def editor(session: nox.Session) -> None:
    """The schema of settings in an editor's language server; npm fetches it."""
    session.install(*EDITABLE, *group("test"), *group("editor"), *PINNED)
    session.run("pytest", "-m", "editor", *session.posargs, env=ONE_THREAD)


def run_lint(session: nox.Session) -> None:
    """What is said of the code without running it, but for its types."""
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports", "--no-cache")


def run_types(session: nox.Session) -> None:
    """The types."""
    session.run("mypy", "--num-workers", "2")


def run_tests(session: nox.Session) -> None:
    """Tests that take seconds, several processes at a time."""
    spread = ("-n", WORKERS, "--dist", "worksteal", "--durations=8")
    session.run("pytest", "-m", QUICK, *spread, *session.posargs, env=ONE_THREAD)


def run_main_job(session: nox.Session) -> None:
    """The main job, which wants both cores for itself."""
    session.run("pytest", MAIN_JOB)


def run_long_docs_and_editor(session: nox.Session) -> None:
    """Long tests a file at a time, every page, the built site, and the language server."""
    marks = f"({LONG}) or docs or editor"
    files = files_marked("long", "ddp", "docs", "editor")
    spread = ("-n", WORKERS, "--dist", "loadgroup", "--durations=12")
    session.run("pytest", *files, "-m", marks, "--deselect", MAIN_JOB, *spread, *session.posargs, env=ONE_THREAD)


def files_marked(*marks: str) -> list[str]:
    """The files with tests of these marks: to collect all of them takes each process a quarter of a minute."""
    found = (path for folder in ("packages", "tests") for path in sorted((HERE / folder).rglob("test_*.py")))
    return [str(path.relative_to(HERE)) for path in found if any(f"mark.{mark}" in path.read_text() for mark in marks)]


@nox.session(default=False)
def gpu(session: nox.Session) -> None:
    """Tests of training once more, on an NVIDIA GPU in place of the processor, and those that need one."""
    session.install(*EDITABLE, *group("test"), *PINNED)
    on_the_gpu = {**ONE_THREAD, "TEST_ACCELERATOR": "gpu"}
    spread = ("-n", "auto", "--dist", "worksteal")
    session.run(
        "pytest",
        *ON_A_GPU,
        "-m",
        "not thorough and not long and not catalogue",
        *spread,
        *session.posargs,
        env=on_the_gpu,
    )


@nox.session(default=False)
def strategies(session: nox.Session) -> None:
    """Every strategy in several processes, with DeepSpeed, which compiles a part of itself: g++ has to be there."""
    session.install(*EDITABLE, f"{CORE}[deepspeed]", *group("test"), *PINNED)
    session.run("pytest", f"{CORE_TESTS}/test_strategies.py", "-m", "not gpu", *session.posargs, env=EVERYTHING)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """The quick tests once more, and how much of the code they run."""
    session.install(*EDITABLE, *group("test"), *PINNED)
    session.run("coverage", "erase")
    session.run("pytest", "-m", QUICK, "-n", WORKERS, "--cov", "--cov-report=", env=EVERYTHING)
    session.run("coverage", "report", "--fail-under=85")


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Runs and servers killed again and again: nothing is lost, nothing doubled, the same weights at the end."""
    session.install(*EDITABLE, *group("test"), *PINNED)
    session.run("pytest", "-m", "faults", *session.posargs, env=EVERYTHING)


@nox.session(default=False)
def thorough(session: nox.Session) -> None:
    """What takes minutes a test: servers and clients killed a hundred times, networks compiled to machine code."""
    session.install(*EDITABLE, *group("test"), *group("lint"), *group("types"), *PINNED)
    patient = ["--override-ini", "timeout=3600", *session.posargs]
    session.run("pytest", "-m", "thorough", *patient, env=EVERYTHING)
    session.run("pytest", *LIKE_SQL, *patient, env={**EVERYTHING, "MONGODB_EXAMPLES": "300"})


@nox.session(default=False)
def catalogue(session: nox.Session) -> None:
    """Every architecture of the catalogue and every test, where the commit draws some (conftest.py)."""
    session.install(*EDITABLE, *group("test"), *PINNED)
    session.run("pytest", "-m", "catalogue or some_of or drawn", "-n", "2", *session.posargs, env=EVERYTHING)


@nox.session(default=False, python=PYTHONS)
def versions(session: nox.Session) -> None:
    """The quick tests on every Python, with the newest dependencies."""
    session.install(*EDITABLE, *group("test"))
    session.run("pytest", "-m", QUICK, "-n", "2", *session.posargs, env=ONE_THREAD)


@nox.session(default=False)
@nox.parametrize("mlflow", ["3.15", "3.16"])
def mlflows(session: nox.Session, mlflow: str) -> None:
    """Tracking, the registry and the store on MongoDB with the two minor versions of MLflow before the newest."""
    session.install(*EDITABLE, *group("test"), f"mlflow=={mlflow}.*")
    tests = ("packages/mlflow-mongodb", f"{CORE_TESTS}/test_tracking.py", "tests/test_registry_stores.py")
    session.run("pytest", *tests, "-m", QUICK, "-n", "2", *session.posargs, env=EVERYTHING)


@nox.session(default=False, python="3.10", venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The quick tests with the lowest versions that the packages allow.

    What those need themselves is the newest, of which some use names that have become old since.
    """
    session.install("--resolution", "lowest-direct", *EDITABLE, *group("test"))
    old = ("-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning")
    session.run("pytest", "-m", QUICK, "-n", "2", *old, *session.posargs, env=ONE_THREAD)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Start-up and training loop against peers; takes half an hour and wants a quiet machine."""
    session.install(*EDITABLE, *group("benchmarks"))
    light = Path(session.create_tmp()) / "without-torch"
    python = light / "bin" / "python"
    session.run("uv", "venv", "--clear", str(light), external=True)
    session.run("uv", "pip", "install", "--python", str(python), CORE, external=True)
    session.run("uv", "pip", "install", "--python", str(python), "--no-deps", VISION, external=True)
    session.run("python", "benchmarks/startup.py", "--also", f"without torch={python}")
    session.run("python", "benchmarks/many_plugins.py")
    session.run("python", "benchmarks/typos.py")
    session.run("python", "benchmarks/training_loop.py", *session.posargs)
    session.run("python", "benchmarks/several_processes.py")
    session.run("python", "benchmarks/journal.py")
    session.run("python", "benchmarks/checkpoint.py", "--parameters", "25", "350")
    session.run("python", "benchmarks/resume.py")
    session.run("python", "benchmarks/image_loading.py")
    session.run("python", "benchmarks/vision_training.py")
    session.run("python", "benchmarks/nlp_input.py")
    session.run("python", "benchmarks/audio_input.py")
    session.run("python", "benchmarks/serving.py")
    session.run("python", "benchmarks/nlp_training.py")
    # darts and neuralforecast want other versions than the framework: they have an environment of their own.
    peers = Path(session.create_tmp()) / "series-peers"
    session.run("uv", "venv", "--clear", str(peers), external=True)
    wanted = ["neuralforecast>=3.1", "darts>=0.48"]
    session.run("uv", "pip", "install", "--python", str(peers / "bin" / "python"), *wanted, external=True)
    session.run("python", "benchmarks/timeseries_windows.py", "--peers", str(peers / "bin" / "python"))


@nox.session(default=False, venv_backend="uv")
def constraints(session: nox.Session) -> None:
    """Write constraints.txt anew: the newest versions that fit together on every Python, names and versions only."""
    wanted = [
        *PACKAGES,
        *group("lint"),
        *group("types"),
        *group("test"),
        *group("docs"),
        *group("editor"),
    ]
    requirements = Path(session.create_tmp()) / "requirements.txt"
    requirements.write_text("\n".join(wanted) + "\n")
    plugins = (f"framework-plugins-{domain}" for domain in ("audio", "nlp", "timeseries", "vision"))
    names = ("framework-core", *plugins, "framework-mlflow-mongodb")
    own = [word for name in names for word in ("--no-emit-package", name)]
    resolve = ["--universal", "--python-version", PYTHONS[0], "--no-header", "--no-annotate", "--upgrade"]
    command = ["uv", "pip", "compile", str(requirements), *resolve, *own, "--quiet", "-o", "constraints.txt"]
    session.run(*command, external=True)
