"""The loss of each text of a test."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from framework_core.contracts import SampleScore, ScoredSamples

IGNORED = -100


class TokenLosses:
    """Gathers the loss of each text, which counts as much as it has tokens.

    Axes: B texts, T tokens, V vocabulary.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._right: list[Tensor] = []
        self._counts: list[Tensor] = []
        self._truth: list[Tensor] = []

    def see(self, outputs: Tensor, target: Tensor) -> None:
        """Take a batch: logits ``(B, T, V)``, and the tokens that were wanted, ``(B, T)``; -100 stands for none."""
        target = target[:, : outputs.shape[1]]
        losses = functional.cross_entropy(
            outputs.flatten(0, 1).float(), target.flatten(), ignore_index=IGNORED, reduction="none"
        )
        self.add(losses.view(target.shape).sum(dim=1), outputs.argmax(dim=2).eq(target).sum(dim=1), target)

    def add(self, losses: Tensor, right: Tensor, target: Tensor) -> None:
        """Take the sums of a batch.

        Args:
            losses: The loss of each text, ``(B,)``.
            right: How many of its tokens were right, ``(B,)``.
            target: The tokens that were wanted, ``(B, T)``; -100 stands for none.
        """
        self._losses.append(losses.detach().float())
        self._right.append(right)
        self._counts.append(target.ne(IGNORED).sum(dim=1))
        places = torch.arange(1, target.shape[1] + 1, device=target.device)
        self._truth.append((target.clamp(min=0) * places).sum(dim=1))

    def scored(self) -> ScoredSamples | None:
        """The loss of each text, a token, and the share of its tokens that are right; nothing before a test."""
        if not self._losses:
            return None
        counts = torch.cat(self._counts).cpu()
        losses, right = (torch.cat(each).cpu() / counts.clamp(min=1) for each in (self._losses, self._right))
        weights = counts.double().tolist()
        scores = {
            "loss": SampleScore(values=losses.tolist(), weights=weights, less_is_better=True),
            "accuracy": SampleScore(values=right.tolist(), weights=weights),
        }
        return ScoredSamples(
            truth=list(zip(torch.cat(self._truth).tolist(), counts.tolist(), strict=True)),
            scores=scores,
            features={"tokens": weights},
        )
