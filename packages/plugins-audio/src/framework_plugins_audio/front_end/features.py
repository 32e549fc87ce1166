"""From waves to what a network of pictures reads."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from framework_core.errors import ConfigError, ConfigProblem
from framework_plugins_audio.front_end.mel import MelSpectrogram, mel_filter_bank
from framework_plugins_audio.front_end.mfcc import CosineTransform
from framework_plugins_audio.front_end.normalization import ClipNormalization
from framework_plugins_audio.front_end.pcen import PCEN
from framework_plugins_audio.front_end.real_span import real_span, span_mask
from framework_plugins_audio.front_end.spec_augment import SpecAugment
from framework_plugins_audio.front_end.spectrogram import Spectrogram

FLOOR = 1e-10
"""Powers below it count as it, before their logarithm: that of the last bit of 16-bit sound is larger."""


class FrontEnd(nn.Module):
    """Waves ``(batch, channels, samples)`` to features ``(batch, channels, bands, frames)``.

    Args:
        sample_rate: In hertz.
        features: ``log_mel``, ``mel`` (powers), ``mfcc`` (of log-mels in decibels) or ``pcen``.
        n_mels: How many mel bands.
        n_mfcc: With ``mfcc``, how many coefficients; empty takes as many as there are bands.
        window_ms: The length of a frame, in milliseconds.
        hop_ms: The time between two frames, in milliseconds.
        fmin: Where the first band begins, in hertz.
        fmax: Where the last band ends; empty takes half the sampling rate.
        mel_scale: ``slaney`` or ``htk``.
        trainable_pcen: With ``pcen``, whether its numbers are learned.
        normalization: ``clip``: each clip by the mean and deviation of its own real frames; ``band``: each band of it
            by its own; ``none``.
        frequency_masks: SpecAugment's masks over bands, in training.
        frequency_mask_bands: How many bands each hides at most.
        time_masks: SpecAugment's masks over time, in training.
        time_mask_ms: How many milliseconds each hides at most; never more than half of a clip.

    Raises:
        ConfigError: There is no band, or nothing in one, at this sampling rate.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        features: str = "log_mel",
        n_mels: int = 40,
        n_mfcc: int | None = None,
        window_ms: float = 25.0,
        hop_ms: float = 10.0,
        fmin: float = 0.0,
        fmax: float | None = None,
        mel_scale: str = "slaney",
        trainable_pcen: bool = False,
        normalization: str = "clip",
        frequency_masks: int = 0,
        frequency_mask_bands: int = 8,
        time_masks: int = 0,
        time_mask_ms: float = 100.0,
    ) -> None:
        super().__init__()
        window, hop = (max(1, round(sample_rate * each / 1000)) for each in (window_ms, hop_ms))
        points = 2 ** math.ceil(math.log2(max(2, window)))
        self.kind = features
        self.bands = (n_mfcc or n_mels) if features == "mfcc" else n_mels
        self.spectrogram = Spectrogram(window, hop, points)
        bank = _bank(sample_rate, points, n_mels, fmin, fmax, mel_scale)
        self.mel = MelSpectrogram(self.spectrogram, bank)
        self.cosines = CosineTransform(n_mels, self.bands) if features == "mfcc" else None
        self.pcen = PCEN(n_mels, trainable=trainable_pcen) if features == "pcen" else None
        self.normalization: ClipNormalization | None = None
        if normalization != "none":
            self.normalization = ClipNormalization(of_bands=normalization == "band")
        self.spec_augment = SpecAugment(
            band_masks=frequency_masks,
            bands=frequency_mask_bands,
            time_masks=time_masks,
            frames=round(time_mask_ms / hop_ms),
            share=0.5,
        )

    def count(self, samples: int) -> int:
        """How many frames so many samples have."""
        return self.spectrogram.count(samples)

    def forward(self, waves: Tensor) -> Tensor:
        """Features, normalised, and masked in training."""
        batch, channels, _ = waves.shape
        found = torch.unflatten(self._features(waves.flatten(0, 1)), 0, (batch, channels))
        real = self.real_frames(waves)
        if self.normalization is not None:
            found = self.normalization(found, real)
        masked: Tensor = self.spec_augment(found, real)
        return masked.to(waves.dtype)

    def real_frames(self, waves: Tensor) -> Tensor:
        """Which frames have their middle in a clip and not in its padding: ``(batch, frames)``."""
        first, behind = real_span(waves)
        hop = self.spectrogram.hop
        return span_mask(first // hop, 1 + behind // hop, self.count(waves.shape[-1]))

    def _features(self, waves: Tensor) -> Tensor:
        powers: Tensor = self.mel(waves)
        if self.pcen is not None:
            found: Tensor = self.pcen(powers)
            return found
        if self.kind == "mel":
            return powers
        logs = powers.clamp(min=FLOOR).log()
        if self.cosines is None:
            return logs
        decibels: Tensor = self.cosines(logs * (10.0 / math.log(10.0)))
        return decibels


def _bank(sample_rate: int, points: int, bands: int, lowest: float, highest: float | None, scale: str) -> Tensor:
    half = sample_rate / 2
    top = half if highest is None else highest
    if top > half:
        what = f"sound of {sample_rate} Hz has no frequencies above {half:g}"
        raise ConfigError([ConfigProblem("model.fmax", what, value=highest)])
    if lowest >= top:
        raise ConfigError([ConfigProblem("model.fmin", f"is not below the last band's end, {top:g} Hz", value=lowest)])
    bank = mel_filter_bank(sample_rate, points, bands, lowest=lowest, highest=top, scale=scale)
    empty = int((bank.sum(dim=0) == 0).sum())
    if empty:
        what = f"{empty} of the bands hold none of the {points // 2 + 1} frequencies of a frame of {points} points"
        step = "Take fewer bands, or longer frames: model.window_ms"
        raise ConfigError([ConfigProblem("model.n_mels", what, value=bands)], next_step=step)
    return bank
