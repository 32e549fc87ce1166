"""M5: convolutions on the waveform itself."""

from __future__ import annotations

from typing import Any

from torch import nn

from framework_core.errors import ContractError
from framework_plugins_audio.model import BaseAudioModel

FIRST_KERNEL, FIRST_STRIDE, POOL = 80, 4, 4


class M5(BaseAudioModel):
    """Four convolutions on the waveform, each with a pooling, then the mean over time.

    Dai et al., Very Deep Convolutional Neural Networks for Raw Waveforms, https://arxiv.org/abs/1610.00087, table 1:
    the first kernel sees 80 samples, 10 ms at their 8 kHz.

    Args:
        width: Channels of the first convolution; the third has twice as many, the fourth four times.
        dropout: The share of the last features that training leaves out.
        **common: What every model of sound takes: ``loss``, ``label_smoothing`` ...
    """

    def __init__(self, width: int = 128, dropout: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.width = width
        self.dropout = dropout

    def _build_model(self) -> nn.Module:
        """The network.

        Raises:
            ContractError: The clips are too short for its poolings.
        """
        shortest = FIRST_STRIDE * POOL**4
        if self.clip_samples < shortest:
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                [f"clips have {self.clip_samples} samples, and its poolings need {shortest} at least"],
                next_step=f"Take longer clips: dataset.seconds={shortest / self.sample_rate:.3g}",
            )
        channels, width = self.data.channels, self.width
        return nn.Sequential(
            nn.Conv1d(channels, width, FIRST_KERNEL, FIRST_STRIDE, padding=FIRST_KERNEL // 2, bias=False),
            *_rest(width),
            nn.Conv1d(width, width, 3, padding=1, bias=False),
            *_rest(width),
            nn.Conv1d(width, 2 * width, 3, padding=1, bias=False),
            *_rest(2 * width),
            nn.Conv1d(2 * width, 4 * width, 3, padding=1, bias=False),
            *_rest(4 * width),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Dropout(self.dropout),
            nn.Linear(4 * width, self.data.num_outputs),
        )


def _rest(channels: int) -> tuple[nn.Module, ...]:
    """What follows each convolution."""
    return nn.BatchNorm1d(channels), nn.ReLU(), nn.MaxPool1d(POOL)
