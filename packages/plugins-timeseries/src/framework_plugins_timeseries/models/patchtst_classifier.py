"""A transformer over patches of each channel, read for a class.

Axes: B series, C channels, T steps, N patches, D width, K classes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from framework_core.errors import ContractError
from framework_plugins_timeseries.classification_model import BaseSeriesClassifier
from framework_plugins_timeseries.models.patchtst import PatchEncoder, Patches


class PatchTSTClassifier(BaseSeriesClassifier):
    """The encoder of PatchTST of Nie et al., https://arxiv.org/abs/2211.14730, with a head for classes.

    Section 3.1. Patches of every channel by itself go through the encoder of ``patchtst``; the mean over
    the tokens of each channel is read, all channels together, by a linear layer. Deviations: the paper forecasts, and
    has no head for classes; nor are series normalised again, as the dataset scales each of them (``dataset.scaler``).

    Args:
        patch_size: How many steps make a patch.
        patch_stride: How many steps lie between patches.
        width: The length of a token.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden layer in each layer.
        drop_rate: Dropout of tokens, attention and feed-forward.
        head_drop_rate: Dropout before the head.
        pad_end: Whether a last patch is made by repeating the last value.
        residual_attention: Whether attention scores are added up from layer to layer.
        **common: What every model of classes takes: ``data``, ``label_smoothing``.

    Raises:
        ContractError: The series are shorter than a patch.
    """

    def __init__(
        self,
        patch_size: int = 16,
        patch_stride: int = 8,
        width: int = 64,
        depth: int = 3,
        heads: int = 4,
        feed_forward: int = 128,
        drop_rate: float = 0.1,
        head_drop_rate: float = 0.0,
        pad_end: bool = True,
        residual_attention: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.patch_size = patch_size
        self.patch_stride = patch_stride
        self.width = width
        self.depth = depth
        self.heads = heads
        self.feed_forward = feed_forward
        self.drop_rate = drop_rate
        self.head_drop_rate = head_drop_rate
        self.pad_end = pad_end
        self.residual_attention = residual_attention

    def _build_model(self) -> nn.Module:
        channels, steps = self.data.input_shape
        if steps < self.patch_size:
            raise ContractError(
                "PatchTSTClassifier and this data do not fit",
                [f"a patch has {self.patch_size} steps, the series {steps}"],
                next_step=f"Take smaller patches: model.patch_size={max(1, steps // 4)}",
            )
        patches = Patches(self.patch_size, self.patch_stride, pad_end=self.pad_end)
        encoder = PatchEncoder(
            patches,
            patches.count(steps),
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            feed_forward=self.feed_forward,
            drop_rate=self.drop_rate,
            residual_attention=self.residual_attention,
        )
        head = nn.Sequential(
            nn.Flatten(), nn.Dropout(self.head_drop_rate), nn.Linear(channels * self.width, self.data.num_classes)
        )
        return _Read(encoder, head)


class _Read(nn.Module):
    def __init__(self, encoder: PatchEncoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T)`` to ``(B, K)``."""
        found: Tensor = self.head(self.encoder(x.transpose(1, 2)).mean(dim=2))
        return found
