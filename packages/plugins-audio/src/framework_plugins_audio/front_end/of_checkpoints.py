"""The inputs of published networks, exactly as they were trained with them, at 16 kHz.

Axes: B clips, S samples, T frames, M bands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_audio.front_end.mel import MelSpectrogram, mel_filter_bank
from framework_plugins_audio.front_end.real_span import real_span, span_mask
from framework_plugins_audio.front_end.spec_augment import SpecAugment
from framework_plugins_audio.front_end.spectrogram import KaldiSpectrogram, Spectrogram

RATE, WINDOW, HOP = 16_000, 400, 160
"""Samples a second, of a frame, and between two frames."""

KALDI_FLOOR, KALDI_LOWEST = 1.1920929e-07, 20.0
WHISPER_FLOOR, WHISPER_RANGE = 1e-10, 8.0


class ASTFeatures(nn.Module):
    """Log-mels of the Audio Spectrogram Transformer: Kaldi's filter bank, Gong et al., https://arxiv.org/abs/2104.01778.

    Frames behind a clip's end are 0 before all are normalised, as the authors fill it up.

    Args:
        bands: How many mel bands.
        frames: How many frames a clip has; later ones are cut off.
        mean: Is taken off.
        deviation: Half of what the rest is divided by.
        spec_augment: Masks in training.
    """

    def __init__(self, bands: int, frames: int, *, mean: float, deviation: float, spec_augment: SpecAugment) -> None:
        super().__init__()
        self.frames = frames
        self.mean = mean
        self.deviation = deviation
        self.spec_augment = spec_augment
        self.spectrogram = KaldiSpectrogram(WINDOW, HOP, 512)
        bank = mel_filter_bank(RATE, 512, bands, lowest=KALDI_LOWEST, scale="kaldi", of_equal_area=False)
        self.mel = MelSpectrogram(self.spectrogram, bank)

    def forward(self, waves: Tensor) -> Tensor:
        """``(B, 1, S)`` to ``(B, T, M)``."""
        logs = self.mel(waves[:, 0]).clamp(min=KALDI_FLOOR).log()
        _, behind = real_span(waves)
        whole = ((behind - WINDOW).clamp(min=0) // HOP + 1).clamp(max=self.frames)
        logs = functional.pad(logs, (0, max(0, self.frames - logs.shape[-1])))[..., : self.frames]
        real = span_mask(torch.zeros_like(whole), whole, self.frames)
        normalised = (logs * real[:, None] - self.mean) / (2 * self.deviation)
        masked: Tensor = self.spec_augment(normalised[:, None], real)
        return masked[:, 0].transpose(1, 2).to(waves.dtype)


class WhisperFeatures(nn.Module):
    """Log-mels of Whisper: Radford et al., https://arxiv.org/abs/2212.04356, section 2.2, and the authors' code.

    Args:
        bands: How many mel bands.
        frames: How many frames a clip has; it is filled up with silence.
    """

    def __init__(self, bands: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        bank = mel_filter_bank(RATE, WINDOW, bands)
        self.mel = MelSpectrogram(Spectrogram(WINDOW, HOP, WINDOW, pad_mode="reflect"), bank)

    def forward(self, waves: Tensor) -> Tensor:
        """``(B, 1, S)`` to ``(B, M, T)``."""
        samples = self.frames * HOP
        filled = functional.pad(waves[:, 0], (0, samples - waves.shape[-1]))
        logs = self.mel(filled)[..., :-1].clamp(min=WHISPER_FLOOR).log10()
        loudest = logs.amax(dim=(1, 2), keepdim=True)
        found: Tensor = (logs.maximum(loudest - WHISPER_RANGE) + 4.0) / 4.0
        return found.to(waves.dtype)


def standardised(waves: Tensor, lengths: Tensor, eps: float = 1e-7) -> Tensor:
    """Each wave without its mean and divided by its deviation, as wav2vec 2.0 reads it; padding stays 0.

    Args:
        waves: ``(B, S)``.
        lengths: How many samples are real, ``(B,)``.
        eps: Is added to the variance.
    """
    mask = span_mask(torch.zeros_like(lengths), lengths, waves.shape[-1]).to(waves.dtype)
    number = lengths[:, None].to(waves.dtype)
    mean = (waves * mask).sum(dim=-1, keepdim=True) / number
    centred = (waves - mean) * mask
    return centred / (centred.square().sum(dim=-1, keepdim=True) / number + eps).sqrt()
