"""The proof that a run of this model on this data may be killed at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.config.saved import settings_text
from framework_core.contracts.config import RunConfig
from framework_core.errors import ProofError
from framework_core.tracking.checkpoints import Facts, newest

SMALL = (
    "trainer.max_epochs=2",
    "trainer.limit_train_batches=8",
    "trainer.limit_val_batches=2",
    "trainer.limit_test_batches=0",
    "trainer.num_sanity_val_steps=0",
    "trainer.enable_progress_bar=false",
    "checkpoint.every_n_train_steps=2",
    "mlops.tracking.backend=none",
    "mlops.report=false",
    "preflight=false",
)
"""Settings of the proof, unless others are asked for: two epochs of a few batches, and nothing recorded."""

STATE = {"state_dict": "weights", "optimizer_states": "optimizer", "lr_schedulers": "scheduler"}
"""What is compared in the last checkpoints, in words."""


@dataclass(frozen=True)
class Kill:
    """A SIGKILL."""

    batches: int
    """Batches behind it."""

    continued_from: str
    """Where the next process went on."""


@dataclass(frozen=True)
class Difference:
    """The first thing that is not as in the run that was never stopped."""

    where: str
    what: str
    cause: str


@dataclass(frozen=True)
class Proof:
    """What was found."""

    steps: int
    kills: tuple[Kill, ...]
    difference: Difference | None

    @property
    def equal(self) -> bool:
        """Whether the killed run ended as the other."""
        return self.difference is None


def verify_resume(config: RunConfig, *, kills: Sequence[float] = (0.2, 0.5, 0.8)) -> Proof:
    """Train once without a stop, and once killed and continued; compare. Leaves nothing behind.

    Args:
        config: The settings, from ``compose`` with ``SMALL``.
        kills: Where the run is killed, as shares of its batches; 0.5 of two epochs is an epoch's end.

    Raises:
        ProofError: The training itself fails.
    """
    folder = Path(tempfile.mkdtemp(prefix="fw-verify-"))
    if threading.current_thread() is threading.main_thread():
        # Its processes and its folder go with it, whoever ends it.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        straight = _Trial(config, folder, "straight")
        straight.train()
        whole = straight.seen()
        killed = _Trial(config, folder, "killed")
        done = tuple(killed.kill_at(max(1, round(share * len(whole)))) for share in kills)
        killed.train()
        found = _difference(whole, killed.seen(), straight, killed)
        if found is not None:
            again = _Trial(config, folder, "again")
            again.train()
            if _difference(whole, again.seen(), straight, again) is not None:
                cause = "two runs that were never stopped differ as well: the training itself is not deterministic"
                found = Difference(found.where, found.what, cause)
        return Proof(len(whole), done, found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Trial:
    """A run of the proof, in as many processes as it takes."""

    def __init__(self, config: RunConfig, folder: Path, name: str) -> None:
        self._name = name
        self.folder = folder / name
        self._settings, self._seen = folder / f"{name}.yaml", folder / f"{name}.jsonl"
        experiment = config.experiment.model_copy(update={"run_name": name})
        own = config.model_copy(update={"output_dir": str(folder), "experiment": experiment})
        self._settings.write_text(settings_text(own), encoding="utf-8")

    def train(self) -> None:
        """Train to the end."""
        code, said = self._process(None)
        if code != 0:
            raise ProofError(code, last_words(said))

    def kill_at(self, batches: int) -> Kill:
        """Train until it is killed."""
        code, said = self._process(batches)
        if code != -signal.SIGKILL:
            raise ProofError(code, last_words(said))
        checkpoint, _ = newest(self.folder / "checkpoints")
        facts = Facts.read(checkpoint) if checkpoint else None
        return Kill(batches, f"epoch {facts.epoch + 1}, batch {facts.batch}" if facts else "the start")

    def _process(self, kill_at: int | None) -> tuple[int, str]:
        request = {
            "settings": str(self._settings),
            "seen": str(self._seen),
            "kill_at": kill_at,
            "resume": self._name if (self.folder / "run.json").exists() else None,
        }
        command = [sys.executable, "-m", "framework_core.verification.process", json.dumps(request)]
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
            try:
                code = process.wait()
            finally:
                _end_group(process.pid)
            said.seek(0)
            return code, said.read()

    def seen(self) -> list[dict[str, Any]]:
        """Every step that counts: of one that was trained again, the last time."""
        lines = [json.loads(line) for line in self._seen.read_text("utf-8").splitlines()] if self._seen.exists() else []
        found = {(line["epoch"], line["batch"]): line for line in lines}
        return [found[place] for place in sorted(found)]

    def state(self) -> dict[str, Any]:
        """Its last checkpoint."""
        from framework_core.training.checkpoint_io import read

        checkpoint, _ = newest(self.folder / "checkpoints")
        return read(checkpoint) if checkpoint else {}


def _end_group(group: int) -> None:
    """Other processes of the training do not outlive the one that was killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def last_words(text: str) -> str:
    """An error that was told in words, whole; else the last line."""
    lines = text.strip().splitlines()
    told = [index for index, line in enumerate(lines) if line.startswith("error: ")]
    last = lines[told[-1] :] if told else lines[-1:]
    return " ".join(line.strip() for line in last).removeprefix("error: ")


def _difference(
    whole: list[dict[str, Any]], other: list[dict[str, Any]], one: _Trial, two: _Trial
) -> Difference | None:
    # A run of another length differs before that, where its data does.
    for index, (before, after) in enumerate(zip(whole, other, strict=False)):
        for name in ("samples", "data", "random", "weights", "loss", "lr"):
            if before[name] != after[name]:
                where = f"epoch {before['epoch'] + 1}, batch {before['batch']}"
                what = f"{name}: {_shown(before[name])} without a stop, {_shown(after[name])} after one"
                return Difference(where, what, _cause(name, whole[: index + 1], other[: index + 1]))
    if len(whole) != len(other):
        what = f"{len(other)} steps in place of {len(whole)}"
        return Difference("the whole run", what, "the training was ended early, or its length follows from something")
    return next(_states(one.state(), two.state()), None)


def _states(one: dict[str, Any], two: dict[str, Any]) -> Iterator[Difference]:
    from framework_core.verification.witness import digest

    for key, name in STATE.items():
        if digest(one.get(key)) != digest(two.get(key)):
            yield Difference("the last checkpoint", f"the {name}", "it is changed outside of the steps")
    before, after = (each["loops"]["fit_loop"]["state_dict"] for each in (one, two))
    for key, name in {"ranks": "random numbers or unfinished sums", "metrics": "metrics"}.items():
        if digest(before[key]) != digest(after[key]):
            yield Difference(
                "the last checkpoint", f"the {name}", "validation gives other numbers for the same weights"
            )


CAUSES = {
    "samples": "a sampler keeps a state of its own between epochs",
    "data": "the dataset gives other data for the same samples: it has random numbers of its own, or counts its calls",
    "random": "something draws random numbers outside of the steps and not every time",
    "loss": "the model computes something else from the same weights and data: it has a state that is in no checkpoint",
    "weights": "the optimizer, or what changes weights beside it, has a state that is in no checkpoint",
    "lr": "the scheduler has a state that is in no checkpoint",
}


def _cause(name: str, whole: list[dict[str, Any]], other: list[dict[str, Any]]) -> str:
    """What is likely: an attribute that differs when the difference appears, if there is one."""
    before, after = whole[-1]["attributes"], other[-1]["attributes"]
    parts = ("dataset", "model") if name == "data" else ("model", "dataset")
    odd = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    odd.sort(key=lambda key: not key.startswith(parts[0]))
    if odd:
        return f"{CAUSES[name]}; {odd[0]} differs, and is in no checkpoint"
    elsewhere = ", in an attribute of another kind or in a global variable" if name in ("data", "loss") else ""
    return CAUSES[name] + elsewhere


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."
