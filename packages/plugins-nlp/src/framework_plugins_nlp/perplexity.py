"""How many tokens a language model wavers between."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric


class Perplexity(Metric):
    """The exponential of the mean negative log likelihood of the tokens that followed."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Count a batch: logits ``(B, T, V)`` and tokens ``(B, T)``, or without B; -100 stands for no token."""
        self.total += functional.cross_entropy(
            outputs.flatten(0, -2).float(), target.flatten(), reduction="sum"
        ).double()
        self.count += target.ne(-100).sum()

    def compute(self) -> Tensor:
        """That of everything counted."""
        return (self.total / self.count).exp().float()
