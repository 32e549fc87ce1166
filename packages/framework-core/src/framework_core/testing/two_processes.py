"""Gradients of one batch, taken by two processes together and by one alone.

Each of the two is ``python -m framework_core.testing.two_processes REQUEST``, and takes a half of the batch. Alone, the
loss is the mean of the losses of both halves: that is what averaging gradients between processes stands for, whatever
the loss counts. The model is in eval mode, where nothing in it is random.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.testing.check import NotApplicableError, expect
from framework_core.testing.subjects import ModelSubject

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule
    from torch import Tensor

PROCESSES, STEPS = 2, 2
"""What a process does not use in a step is noticed at the next."""
WAIT_SECONDS = 60
"""How long one process may wait for the other."""
START_SECONDS = 120
"""How long both may take for everything else."""
ERROR = re.compile(r"(?:\[rank\d+\]: )?(?P<said>[\w.]+(?:Error|Exception): .*)")
"""A line that tells of an error; torch puts the process before it."""


@dataclass(frozen=True)
class Apart:
    """How far the gradients lie apart at most, as a share of the largest gradient, and of which parameter."""

    share: float
    parameter: str


def gradients_apart(model: ModelSubject) -> Apart:
    """Train a step in two processes and in one.

    Args:
        model: The model.

    Raises:
        BrokenPromiseError: The two processes ended with an error, or waited for each other for ever.
        NotApplicableError: A batch of it cannot be divided.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = {"name": model.name, "dataset": model.dataset, "settings": list(model.settings), "folder": folder}
        processes = [_start(asked, rank) for rank in range(PROCESSES)]
        try:
            said = [process.communicate(timeout=WAIT_SECONDS + START_SECONDS)[1] for process in processes]
        except subprocess.TimeoutExpired:
            expect(False, f"two processes wait for each other after {WAIT_SECONDS + START_SECONDS} seconds")
        finally:
            for process in processes:
                process.kill()
                process.wait()
        answers = [Path(folder, f"{rank}.json") for rank in range(PROCESSES)]
        failed = [text for text, answer in zip(said, answers, strict=True) if not answer.exists()]
        # The other's error is only that its neighbour has gone.
        expect(not failed, _last(min(failed, key=lambda text: "gloo" in text, default="")))
        found = json.loads(answers[0].read_text())
    if "why" in found:
        raise NotApplicableError(found["why"])
    return Apart(**found)


def _start(asked: dict[str, Any], rank: int) -> subprocess.Popen[str]:
    surroundings = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(PROCESSES),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps({**asked, "rank": rank})],
        env={**os.environ, **surroundings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def main(request: str) -> None:
    """Be one of the two processes."""
    from torch import distributed

    asked = json.loads(request)
    rank, folder = asked["rank"], Path(asked["folder"])
    subject = ModelSubject(asked["name"], asked["dataset"], asked["settings"])
    with contextlib.redirect_stdout(io.StringIO()):
        halves = divided(subject.batch)
        if not halves:
            answer: dict[str, Any] = {"why": "its batches have nothing to divide between two processes"}
        else:
            distributed.init_process_group(
                "gloo",
                init_method=f"file://{folder / 'meeting'}",
                rank=rank,
                world_size=PROCESSES,
                timeout=timedelta(seconds=WAIT_SECONDS),
            )
            together = _gradients(_built(subject), [halves[rank]], together=True)
            answer = _compared(together, _gradients(_built(subject), halves, together=False))
    (folder / f"{rank}.json").write_text(json.dumps(answer))


def _built(subject: ModelSubject) -> LightningModule:
    model = subject.model(seed=0).eval()
    model.log = model.log_dict = lambda *_, **__: None  # type: ignore[method-assign,assignment]  # there is no trainer
    return model


def _gradients(model: LightningModule, batches: Sequence[Any], *, together: bool) -> dict[str, Tensor]:
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    class Step(nn.Module):
        """The loss of a batch as a forward pass, which is what gradients are averaged for."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, batch: Any) -> Any:
            given = self.model.training_step(batch, 0)
            return given["loss"] if isinstance(given, dict) else given

    step = DistributedDataParallel(Step()) if together else Step()
    for _ in range(STEPS):
        model.zero_grad()
        losses = [step(batch) for batch in batches]
        (sum(losses) / len(losses)).backward()
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


def _compared(together: dict[str, Tensor], alone: dict[str, Tensor]) -> dict[str, Any]:
    largest = max((float(each.abs().max()) for each in alone.values()), default=0.0) or 1.0
    apart = {name: float((together[name] - alone[name]).abs().max()) / largest for name in alone if name in together}
    apart |= dict.fromkeys({*together} ^ {*alone}, 1.0)
    name = max(apart, key=lambda each: apart[each], default="")
    return {"share": apart.get(name, 0.0), "parameter": name}


def divided(batch: Any) -> list[Any]:
    """A batch in as many parts of one size as there are processes; none where it has too few samples or no tensors."""
    from torch import Tensor
    from torch.utils._pytree import tree_leaves, tree_map

    sizes = {len(each) for each in tree_leaves(batch) if isinstance(each, Tensor) and each.ndim}
    size = min(sizes, default=0)
    share = size // PROCESSES
    if share == 0 or len(sizes) > 1:
        return []

    def part(rank: int) -> Any:
        def cut(leaf: Any) -> Any:
            return leaf[rank * share : (rank + 1) * share] if isinstance(leaf, Tensor) and leaf.ndim else leaf

        return tree_map(cut, batch)

    return [part(rank) for rank in range(PROCESSES)]


def _last(text: str) -> str:
    """The first line of the error at the end, or just the last line."""
    lines = text.strip().splitlines() or ["a process ended without a word"]
    told = [found["said"] for line in lines if (found := ERROR.match(line))]
    return told[-1] if told else lines[-1]


if __name__ == "__main__":
    main(sys.argv[1])
