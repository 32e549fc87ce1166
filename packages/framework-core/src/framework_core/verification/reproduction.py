"""A run repeated from its record, and the first thing in which the two differ."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.config.compose import compose
from framework_core.contracts.config import RunConfig
from framework_core.errors import RebuildError, RegistryError
from framework_core.model_registry.stored_run import StoredFiles, stored_run
from framework_core.tracking.lineage import CodeState, code_state, machine, packages
from framework_core.tracking.lookup import CONFIG, DATA, RUNS
from framework_core.tracking.store_calls import VARIABLE, global_store
from framework_core.verification.rebuilding import rebuild

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ENVIRONMENT = "environment.json"
DIFF, UNTRACKED = "code/uncommitted.diff", "code/untracked-files.txt"
HARDWARE = ("processor", "cores", "gpus", "cuda", "platform")
OF_AN_ENVIRONMENT = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX")
"""Variables that would bring what is installed here into another environment."""

OUTCOMES = ("test/", "val/")
"""How the names of metrics begin that a run ends with."""


@dataclass(frozen=True)
class Change:
    """Something that is not as it was.

    Attributes:
        kind: ``code``, ``data``, ``packages``, ``hardware``, or ``result`` where none of these has changed.
        what: What it was, and what it is.
    """

    kind: str
    what: str


@dataclass(frozen=True)
class Reproduction:
    """What was found.

    Attributes:
        run: The run.
        changes: What is not as it was, in the order in which it is asked for.
        same_result: Whether the metrics and the weights are the same to the last bit.
        metrics: What the repeated run reached.
    """

    run: str
    changes: tuple[Change, ...]
    same_result: bool
    metrics: dict[str, float]

    @property
    def identical(self) -> bool:
        """Whether nothing differs."""
        return self.same_result and not self.changes


@dataclass(frozen=True)
class _Record:
    """What a store has of a run.

    Attributes:
        run: The run.
        uri: The store.
        code: Its code.
        environment: Its packages, where they are from, its machine.
        config: Its settings, as text.
        data: What its data turned out to be.
        weights: Its weights; nothing where it stored no model.
    """

    run: Run
    uri: str
    code: CodeState
    environment: Mapping[str, Any]
    config: str
    data: Mapping[str, Any]
    weights: Path | None


def reproduce(run: str, *, tracking_uri: str = "", output_dir: Path | None = None) -> Reproduction:
    """Train a run once more from what its store has of it, here and now, and compare. Leaves nothing behind.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run.
        RegistryError: The store does not have everything of it that this takes.
        RequestError: It can no longer be trained, for the reason that is told.
    """
    with tempfile.TemporaryDirectory(prefix="fw-reproduce-") as temporary:
        folder = Path(temporary)
        record = _record(run, tracking_uri, output_dir or RUNS, folder)
        (folder / CONFIG).write_text(record.config, encoding="utf-8")
        return _compared(record, compose([], config_file=folder / CONFIG).config, folder)


def reproduce_in(folder: Path, run: str, *, tracking_uri: str = "", output_dir: Path | None = None) -> Reproduction:
    """Make the code and the environment of a run again, train it there once more, and compare. The folder stays.

    Args:
        folder: Where to; it is not there yet, or empty.
        run: As for :func:`reproduce`.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run.
        RegistryError: The store does not have everything of it that this takes.
        FilesInTheWayError: Something is in the folder.
        RebuildError: The code or a package can no longer be had, or the run can no longer be trained.
    """
    with tempfile.TemporaryDirectory(prefix="fw-reproduce-") as temporary:
        record = _record(run, tracking_uri, output_dir or RUNS, Path(temporary))
        place, python = rebuild(folder, record.code, record.environment)
        again = [str(python), "-m", "framework_core", "reproduce", record.run.info.run_id, "--json"]
        variables = {name: value for name, value in os.environ.items() if name not in OF_AN_ENVIRONMENT}
        # A command line is seen by everybody on the machine, and an address may hold a password.
        variables[VARIABLE] = record.uri
        done = subprocess.run(again, cwd=place, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.startswith("{"):
        raise RebuildError(f"In {folder} the run cannot be trained again: it ended with exit code {done.returncode}.")
    found = json.loads(done.stdout)
    changes = tuple(Change(**each) for each in found["changes"])
    return Reproduction(found["run"], changes, found["same_result"], found["metrics"])


def _record(run: str, tracking_uri: str, output_dir: Path, folder: Path) -> _Record:
    """What the store has of a run; ``folder`` takes files of it."""
    with stored_run(run, tracking_uri, output_dir) as (client, uri, recorded), global_store(uri):
        files = StoredFiles(client, recorded.info.run_id, folder)
        texts = {each: files.read(each).decode() for each in (CONFIG, DATA, ENVIRONMENT, DIFF, UNTRACKED)}
        weights = _weights(client, recorded, folder)
    if not texts[CONFIG] or not texts[ENVIRONMENT]:
        raise RegistryError(
            f"The run {recorded.info.run_name!r} cannot be repeated: its store has no {CONFIG} or no {ENVIRONMENT} "
            "of it.",
            possible="A run that fw train has recorded has both.",
            next_step="See what there is: fw artifacts ls RUN",
        )
    commit = recorded.data.tags.get("mlflow.source.git.commit", "")
    return _Record(
        run=recorded,
        uri=uri,
        code=CodeState(commit, texts[DIFF], tuple(texts[UNTRACKED].splitlines())),
        environment=json.loads(texts[ENVIRONMENT]),
        config=texts[CONFIG],
        data=json.loads(texts[DATA] or "{}"),
        weights=weights,
    )


def _compared(record: _Record, config: RunConfig, folder: Path) -> Reproduction:
    from framework_core.run import train

    changes = list(_code(record.code, code_state(Path.cwd())))
    result = train(_alone(config, folder / "repeated"))
    changes += _data(record.data, json.loads((result.run.directory / DATA).read_text("utf-8")))
    changes += _packages(record.environment)
    changes += _hardware(record.environment["machine"], machine())
    metrics = record.run.data.metrics
    others = list(_result(metrics, result.metrics, record.weights, result.best_checkpoint))
    if others and not changes:
        changes = others[:1]
    return Reproduction(record.run.info.run_name, tuple(changes), not others, dict(result.metrics))


def _alone(config: RunConfig, folder: Path) -> RunConfig:
    """The settings of the run for one that is recorded nowhere."""
    tracking = config.mlops.tracking.model_copy(update={"backend": "none"})
    mlops = config.mlops.model_copy(update={"tracking": tracking, "report": False})
    return config.model_copy(update={"mlops": mlops, "output_dir": str(folder)})


def _code(then: CodeState, now: CodeState) -> Iterator[Change]:
    if then.commit != now.commit:
        yield Change("code", f"commit {then.commit or 'none'} then, {now.commit or 'none'} now")
    if then.diff.strip() != now.diff.strip():
        files = sorted({_file(line) for line in _odd(then.diff, now.diff) if line.startswith(("+++ ", "--- "))} - {""})
        named = f" in {', '.join(files)}" if files else ""
        yield Change("code", f"what is not committed is not what it was{named}")
    if gone := set(then.untracked) ^ set(now.untracked):
        yield Change("code", f"files that git does not know are not those that were there: {', '.join(sorted(gone))}")


def _odd(one: str, other: str) -> set[str]:
    return set(one.splitlines()) ^ set(other.splitlines()) | {
        line for line in (one + other).splitlines() if line.startswith("+++ ")
    }


def _file(line: str) -> str:
    return line[4:].removeprefix("a/").removeprefix("b/").replace("/dev/null", "").strip()


def _data(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    if then.get("fingerprint") != now.get("fingerprint"):
        yield Change("data", f"fingerprint {then.get('fingerprint') or 'none'} then, {now.get('fingerprint')} now")


def _packages(environment: Mapping[str, Any]) -> Iterator[Change]:
    python, here = environment["machine"].get("python"), machine()["python"]
    if python != here:
        yield Change("packages", f"Python {python} then, {here} now")
    then, now = environment["packages"], packages()
    for name in sorted({*then, *now}, key=str.lower):
        if then.get(name) != now.get(name):
            yield Change("packages", f"{name} {then.get(name, 'was not installed')} then, {now.get(name, 'none')} now")


def _hardware(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for name in HARDWARE:
        if then.get(name) != now.get(name):
            yield Change("hardware", f"{name} {then.get(name) or 'none'} then, {now.get(name) or 'none'} now")


def _result(
    then: Mapping[str, float], now: Mapping[str, float], weights: Path | None, checkpoint: Path | None
) -> Iterator[Change]:
    for name in sorted(each for each in then if each.startswith(OUTCOMES)):
        if now.get(name) != then[name]:
            yield Change("result", f"{name} was {then[name]!r}, and is {now.get(name)!r}")
    if weights is not None and checkpoint is not None:
        yield from _other_weights(weights, checkpoint)


def _other_weights(weights: Path, checkpoint: Path) -> Iterator[Change]:
    import torch
    from safetensors.torch import load_file

    from framework_core.training.checkpoint_io import read_weights

    now = read_weights(checkpoint)
    for name, value in load_file(weights).items():
        if name not in now or not torch.equal(value, now[name]):
            yield Change("result", f"the weights {name} are others")


def _weights(client: MlflowClient, run: Run, folder: Path) -> Path | None:
    """The weights of the model that the run has stored; nothing where it stored none."""
    import mlflow

    found = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    if not found:
        return None
    place = f"{found[0].artifact_location.rstrip('/')}/data/model/weights.safetensors"
    return Path(mlflow.artifacts.download_artifacts(place, dst_path=str(folder)))
