"""DS-CNN: depthwise separable convolutions for microcontrollers."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from framework_plugins_audio.models.spectral import SpectralModel


class Size(NamedTuple):
    """One of the authors' networks."""

    width: int
    depth: int
    first_stride: tuple[int, int]
    second_stride: tuple[int, int]


SIZES = {"s": Size(64, 4, (2, 2), (1, 1)), "m": Size(172, 4, (1, 2), (2, 2)), "l": Size(276, 5, (1, 2), (2, 2))}
"""Their channels, separable convolutions, and strides over bands and frames; table 7 of the paper."""

KERNEL = (4, 10)
"""How many bands and frames the first convolution sees."""


class DSCNN(SpectralModel):
    """A convolution, some depthwise separable ones, and the mean over what is left.

    Zhang et al., Hello Edge: Keyword Spotting on Microcontrollers, https://arxiv.org/abs/1711.07128. Theirs reads 10
    MFCCs of 40 ms, 20 ms apart: ``features=mfcc n_mfcc=10 window_ms=40 hop_ms=20``.

    Args:
        size: ``s``, ``m`` or ``l``.
        dropout: The share of the last features that training leaves out.
        **settings: Those of the front end, and what every model of sound takes: ``loss``, ``label_smoothing`` ...
    """

    def __init__(self, size: str = "s", dropout: float = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.size = SIZES[size]
        self.dropout = dropout

    def _build_network(self, channels: int, bands: int, frames: int) -> nn.Module:
        width, depth, first, second = self.size
        strides = [second, *[(1, 1)] * (depth - 1)]
        return nn.Sequential(
            nn.ZeroPad2d((*_same(frames, KERNEL[1], first[1]), *_same(bands, KERNEL[0], first[0]))),
            nn.Conv2d(channels, width, KERNEL, first, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            *(part for stride in strides for part in _separable(width, stride)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(self.dropout),
            nn.Linear(width, self.data.num_outputs),
        )


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """The padding before and behind that leaves ``size / stride`` places, rounded up."""
    missing = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return missing // 2, missing - missing // 2


def _separable(width: int, stride: tuple[int, int]) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
