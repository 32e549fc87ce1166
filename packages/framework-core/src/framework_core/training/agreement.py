"""Processes that train together stop at the same step, whichever of them was told to."""

from __future__ import annotations

import time

import torch

from framework_core.training.processes import observe

EVERY_SECONDS = 1.0
"""How long a word may take from one process to the others; asking at every step would slow a small model down."""

MOST_STEPS = 10_000


class Agreement:
    """Asks all processes from time to time whether one was told to stop. All ask before the same steps.

    How many steps lie between two questions goes by how long a step takes, and is agreed on with each question.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._next = 1
        self._since = time.monotonic()

    def signal(self, mine: int, device: torch.device) -> int:
        """The highest number that any process was told; 0 where none was, or where nobody asks before this step.

        Args:
            mine: The signal that this process was sent; 0 for none.
            device: Where tensors are that processes exchange.
        """
        self._steps += 1
        if self._steps < self._next:
            return 0
        each = (time.monotonic() - self._since) / self._steps
        wish = max(1, min(MOST_STEPS, int(EVERY_SECONDS / max(each, 1e-6))))
        word = torch.tensor([mine, -wish], device=device)
        torch.distributed.all_reduce(word, torch.distributed.ReduceOp.MAX)
        told, less = word.tolist()
        self._steps, self._next, self._since = 0, -int(less), time.monotonic()
        return int(told)


def let_others_end() -> None:
    """Keep Lightning's observer from killing this process because another has ended before it."""
    observe(lambda: True)
