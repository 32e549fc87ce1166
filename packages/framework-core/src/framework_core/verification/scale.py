"""The proof that a model is trained the same on any number of devices."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.config.saved import settings_text
from framework_core.contracts.config import RunConfig
from framework_core.errors import ProofError
from framework_core.verification.resume import SMALL as RESUMED
from framework_core.verification.resume import last_words

SMALL = (*(each for each in RESUMED if not each.startswith("checkpoint.")), "trainer.accelerator=cpu")
"""Settings of the proof, unless others are asked for: two epochs of a few batches on processors."""

TOLERANCE = 1e-5
"""How far losses may lie apart, as a share of the loss, or of 1 where it is less: sums in another order differ."""


@dataclass(frozen=True)
class Scaled:
    """One number of processes, held against one process.

    Attributes:
        processes: How many trained together.
        steps: How many steps were compared.
        apart: How far the losses lay apart at most.
        first: Where something else was first trained, or the loss first lay too far apart; empty where nowhere.
        why: What it was, and its likely cause.
    """

    processes: int
    steps: int
    apart: float
    first: str = ""
    why: str = ""

    @property
    def same(self) -> bool:
        """Whether training was the same."""
        return not self.first


def verify_scale(config: RunConfig, *, processes: Sequence[int] = (1, 2, 4)) -> list[Scaled]:
    """Train with one process and with several, and compare every step. Leaves nothing behind.

    Args:
        config: The settings, from ``compose`` with ``SMALL``.
        processes: How many are tried.

    Raises:
        ProofError: One of the trainings fails.
    """
    folder = Path(tempfile.mkdtemp(prefix="fw-verify-"))
    try:
        alone = _trained(config, 1, folder)
        return [
            _compared(count, alone, alone if count == 1 else _trained(config, count, folder)) for count in processes
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trained(config: RunConfig, processes: int, folder: Path) -> list[dict[str, Any]]:
    """What was seen in each step, by all processes together."""
    name = f"of-{processes}"
    experiment = config.experiment.model_copy(update={"run_name": name})
    together = {"enabled": processes > 1, "devices": processes, "num_nodes": 1}
    own = config.model_copy(
        update={
            "output_dir": str(folder),
            "experiment": experiment,
            "distributed": config.distributed.model_copy(update=together),
            "strategy": config.strategy if processes > 1 else "auto",
        }
    )
    settings, seen = folder / f"{name}.yaml", folder / f"{name}.seen"
    settings.write_text(settings_text(own), encoding="utf-8")
    request = {"settings": str(settings), "seen": str(seen), "kill_at": None, "resume": None, "scale": True}
    command = [sys.executable, "-m", "framework_core.verification.process", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProofError(done.returncode, last_words(done.stdout + done.stderr))
    parts = [_lines(seen.with_suffix(f".{rank}")) for rank in range(processes)]
    return [_joined(each) for each in zip(*parts, strict=True)]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One step of all processes."""
    first = parts[0]
    losses = [each["loss"] for each in parts]
    own = [sorted({sample for each in parts for sample in each["own"][at]}) for at in range(len(first["own"]))]
    return {
        **{key: first[key] for key in ("epoch", "batch", "whole", "draws", "averages")},
        "own": own,
        "loss": None if None in losses else sum(losses) / len(losses),
    }


def _compared(processes: int, alone: list[dict[str, Any]], together: list[dict[str, Any]]) -> Scaled:
    apart = 0.0
    for number, (one, other) in enumerate(zip(alone, together, strict=False), 1):
        where = f"epoch {one['epoch'] + 1}, batch {one['batch']}"
        if one["whole"] != other["whole"] or one["own"] != other["own"]:
            return Scaled(processes, number, apart, where, "other samples: a sampler goes by more than seed and epoch")
        if one["loss"] is None or other["loss"] is None:
            continue
        found = abs(one["loss"] - other["loss"]) / max(1.0, abs(one["loss"]))
        apart = max(apart, found)
        if not found <= TOLERANCE:
            told = f"a loss of {one['loss']:.7g} in one process, {other['loss']:.7g} in {processes}: {_cause(one)}"
            return Scaled(processes, number, apart, where, told)
    if len(alone) != len(together):
        why = f"{len(together)} steps in place of {len(alone)}: the data does not divide"
        return Scaled(processes, min(len(alone), len(together)), apart, "the whole run", why)
    return Scaled(processes, len(alone), apart)


def _cause(step: dict[str, Any]) -> str:
    if step["averages"]:
        names = ", ".join(step["averages"])
        return f"{names} averages over its own process; on GPUs trainer.sync_batchnorm=true averages over all"
    if step["draws"]:
        return f"{', '.join(step['draws'])} draws in each process for itself"
    return (
        "the loss is no mean over samples, or each process draws for itself; or it is rounding, which an optimizer "
        "such as Adam enlarges: trainer.precision=64-true tells"
    )
