"""A vision transformer of a size that small images can fill."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from framework_core.contracts import ModelContract
from framework_plugins_vision.model import BaseVisionModel


class SmallViT(BaseVisionModel):
    """The vision transformer of Dosovitskiy et al., https://arxiv.org/abs/2010.11929, equations 1 to 4, made small.

    Patches of 4x4 pixels; the width, heads and MLP ratio of ViT-Ti (Touvron et al.,
    https://arxiv.org/abs/2012.12877, table 1) and half its depth. One deviation: the tokens' mean is classified, and
    there is no class token (Beyer et al., https://arxiv.org/abs/2205.01580, section 3).

    Args:
        patch_size: The side of a patch, in pixels.
        width: The length of a token.
        depth: How many blocks.
        heads: How many attention heads.
        drop_rate: Dropout in each block.
        **common: What every model for images takes: ``data``, ``loss``, ``label_smoothing`` ...
    """

    def __init__(
        self,
        patch_size: int = 4,
        width: int = 192,
        depth: int = 6,
        heads: int = 3,
        drop_rate: float = 0.0,
        **common: Any,
    ) -> None:
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        super().__init__(**common)
        self.patch_size = patch_size
        self.width = width
        self.depth = depth
        self.heads = heads
        self.drop_rate = drop_rate

    @property
    def contract(self) -> ModelContract:
        """Whole patches."""
        return super().contract.model_copy(
            update={
                "multiple_of": self.patch_size,
                "advice": f"Choose a size that is a multiple of {self.patch_size}, or another model.patch_size.",
            }
        )

    def _build_model(self) -> nn.Module:
        channels, height, width = self.data.input_shape
        patches = (height // self.patch_size) * (width // self.patch_size)
        block = nn.TransformerEncoderLayer(
            self.width,
            self.heads,
            4 * self.width,
            self.drop_rate,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        return nn.Sequential(
            nn.Conv2d(channels, self.width, self.patch_size, self.patch_size),
            nn.Flatten(2),
            _Positions(patches, self.width),
            nn.TransformerEncoder(block, self.depth, nn.LayerNorm(self.width), enable_nested_tensor=False),
            _Mean(),
            nn.Linear(self.width, self.data.num_outputs),
        )


class _Positions(nn.Module):
    """Adds a learned position to each token."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, patches, width) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, width, patches)`` to ``(batch, patches, width)``."""
        return x.transpose(1, 2) + self.positions


class _Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """``(batch, patches, width)`` to ``(batch, width)``."""
        return x.mean(dim=1)
