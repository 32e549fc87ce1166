"""Bands of frequencies as wide as they sound."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from framework_plugins_audio.front_end.spectrogram import Spectrogram

SLANEY_CORNER, SLANEY_STEP = 1000.0, 200.0 / 3
"""Slaney's scale is linear up to the corner, a mel for each step, and logarithmic above: 27 mels to a factor of 6.4."""
SLANEY_LOG_STEP = math.log(6.4) / 27.0

AT_ONCE = 2**18
"""How many samples of frames a CPU transforms in one go, so that they stay in its cache."""


def to_mels(hertz: Tensor, scale: str) -> Tensor:
    """Frequencies in mels.

    Args:
        hertz: Frequencies in hertz.
        scale: ``slaney`` (Slaney, Auditory Toolbox, 1998, as in librosa), ``htk`` (Young et al., The HTK Book) or
            ``kaldi``, which is HTK's with a natural logarithm.
    """
    if scale == "slaney":
        above = SLANEY_CORNER / SLANEY_STEP + (hertz / SLANEY_CORNER).clamp(min=1.0).log() / SLANEY_LOG_STEP
        return torch.where(hertz < SLANEY_CORNER, hertz / SLANEY_STEP, above)
    return 2595.0 * torch.log10(1.0 + hertz / 700.0) if scale == "htk" else 1127.0 * torch.log(1.0 + hertz / 700.0)


def to_hertz(mels: Tensor, scale: str) -> Tensor:
    """The way back from ``to_mels``."""
    if scale == "slaney":
        corner = SLANEY_CORNER / SLANEY_STEP
        above = SLANEY_CORNER * ((mels - corner).clamp(min=0.0) * SLANEY_LOG_STEP).exp()
        return torch.where(mels < corner, mels * SLANEY_STEP, above)
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0) if scale == "htk" else 700.0 * ((mels / 1127.0).exp() - 1.0)


def mel_filter_bank(
    sample_rate: int,
    points: int,
    bands: int,
    *,
    lowest: float = 0.0,
    highest: float | None = None,
    scale: str = "slaney",
    of_equal_area: bool = True,
) -> Tensor:
    """Triangles that overlap by half, as many as there are bands.

    Args:
        sample_rate: In hertz.
        points: The length of the Fourier transform.
        bands: How many bands.
        lowest: Where the first begins, in hertz.
        highest: Where the last ends; empty takes half the sampling rate.
        scale: ``slaney``, ``htk`` or ``kaldi``; with Kaldi's the sides are straight in mels and not in hertz.
        of_equal_area: Whether each is divided by its width (librosa's ``norm="slaney"``); otherwise each is 1 high.

    Returns:
        ``(points // 2 + 1, bands)``.
    """
    highest = sample_rate / 2 if highest is None else highest
    hertz = torch.linspace(0.0, sample_rate / 2, points // 2 + 1, dtype=torch.float64)
    ends = to_mels(torch.tensor([lowest, highest], dtype=torch.float64), scale)
    corners = torch.linspace(float(ends[0]), float(ends[1]), bands + 2, dtype=torch.float64)
    if scale == "kaldi":
        hertz = to_mels(hertz, scale)
    else:
        corners = to_hertz(corners, scale)
    rising = (hertz[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hertz[:, None]) / (corners[2:] - corners[1:-1])
    bank = torch.minimum(rising, falling).clamp(min=0.0)
    if of_equal_area:
        bank = bank * (2.0 / (corners[2:] - corners[:-2]))
    return bank.float()


class MelSpectrogram(nn.Module):
    """The power in each band of each frame.

    Args:
        spectrogram: What gives the spectra.
        bank: The share of each frequency in each band, ``(F, bands)``.
    """

    bank: Tensor

    def __init__(self, spectrogram: Spectrogram, bank: Tensor) -> None:
        super().__init__()
        self.spectrogram = spectrogram
        # Once for the real part and once for the imaginary one: squares are added up in the product.
        self.register_buffer("bank", bank.repeat_interleave(2, dim=0), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        """Waves ``(N, samples)`` to ``(N, bands, frames)``, in 32 bits under any precision."""
        with torch.autocast(waves.device.type, enabled=False):
            waves = waves.float()
            if waves.device.type != "cpu" or torch.compiler.is_compiling():
                return self._powers(waves)
            frames = self.spectrogram.count(waves.shape[-1])
            some = max(1, AT_ONCE // (frames * self.spectrogram.points))
            return torch.cat([self._powers(part) for part in torch.split(waves, some)])

    def _powers(self, waves: Tensor) -> Tensor:
        return (self.spectrogram.parts(waves).flatten(-2).square() @ self.bank.float()).transpose(1, 2)
