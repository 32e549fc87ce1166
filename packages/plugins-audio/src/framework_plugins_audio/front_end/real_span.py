"""Where a clip really is inside its batch: zeros before and behind it are padding."""

from __future__ import annotations

import torch
from torch import Tensor


def real_span(waves: Tensor) -> tuple[Tensor, Tensor]:
    """The first sample of each clip that is not zero in every channel, and the sample behind the last one.

    Clips are filled up with exact zeros at their end, and moved with zeros at their start. Silence as a whole counts
    as whole.

    Args:
        waves: ``(batch, channels, samples)``.

    Returns:
        Two of ``(batch,)``, ``int64``.
    """
    sounds = waves.ne(0).any(dim=1).to(torch.uint8)
    # The place of the first of the largest, which is 0 where all are zero.
    return sounds.argmax(dim=-1), waves.shape[-1] - sounds.flip(-1).argmax(dim=-1)


def span_mask(first: Tensor, behind: Tensor, length: int) -> Tensor:
    """Which steps lie in a span: ``(batch, length)``, true from ``first`` to before ``behind``."""
    steps = torch.arange(length, device=first.device)
    return (steps >= first[:, None]) & (steps < behind[:, None])
