"""The spectrum of short frames of a wave.

Axes: N waves, S samples, T frames, F frequencies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Spectrogram(nn.Module):
    """Spectra of frames whose middles lie a hop apart, the first at the first sample, as librosa's ``stft``.

    Frames are cut out and transformed directly: on a CPU that takes half the time of ``torch.stft`` and less.

    Args:
        window: The length of a frame, in samples; its window is a periodic Hann window.
        hop: How many samples lie between the middles of two frames.
        points: The length of the Fourier transform, ``window`` at least; the window is in its middle.
        pad_mode: What lies before and behind a wave: ``constant`` for silence, or ``reflect``.
    """

    taper: Tensor

    def __init__(self, window: int, hop: int, points: int, *, pad_mode: str = "constant") -> None:
        super().__init__()
        self.window = window
        self.hop = hop
        self.points = points
        self.pad_mode = pad_mode
        self.register_buffer("taper", torch.hann_window(window, dtype=torch.float64).float(), persistent=False)

    @property
    def frequencies(self) -> int:
        """How many frequencies a spectrum has, from 0 to half the sampling rate."""
        return self.points // 2 + 1

    def count(self, samples: int) -> int:
        """How many frames a wave has."""
        return 1 + samples // self.hop

    def frames(self, waves: Tensor) -> Tensor:
        """``(N, S)`` to frames under their window, ``(N, T, window)``."""
        left = self.points // 2 - (self.points - self.window) // 2
        right = self.window - left + (self.count(waves.shape[-1]) - 1) * self.hop - waves.shape[-1]
        if self.pad_mode == "constant":
            padded = functional.pad(waves, (left, max(0, right)))
        else:
            padded = functional.pad(waves[:, None], (left, max(0, right)), mode=self.pad_mode)[:, 0]
        return padded.unfold(-1, self.window, self.hop)[:, : self.count(waves.shape[-1])] * self.taper.float()

    def parts(self, waves: Tensor) -> Tensor:
        """``(N, S)`` to the real and imaginary parts of spectra, ``(N, T, F, 2)``; their phases are of the frames."""
        return torch.view_as_real(torch.fft.rfft(self.frames(waves), n=self.points))

    def forward(self, waves: Tensor) -> Tensor:
        """Waves ``(N, S)`` to powers ``(N, F, T)``; their square roots are magnitudes."""
        return self.parts(waves).square().sum(dim=-1).transpose(1, 2)


class KaldiSpectrogram(Spectrogram):
    """Spectra as Kaldi has them: frames inside the wave only, without mean, pre-emphasised, a symmetric Hann window.

    The defaults of ``compute-fbank-feats``, https://kaldi-asr.org/doc/feat.html, but for its window.

    Args:
        window: The length of a frame, in samples.
        hop: How many samples lie between two frames.
        points: The length of the Fourier transform.
        preemphasis: The share of the sample before that is taken off each sample.
    """

    def __init__(self, window: int, hop: int, points: int, *, preemphasis: float = 0.97) -> None:
        super().__init__(window, hop, points)
        self.preemphasis = preemphasis
        self.taper = torch.hann_window(window, periodic=False, dtype=torch.float64).float()

    def count(self, samples: int) -> int:
        """How many whole frames a wave has; one that is shorter than a frame is filled up to one."""
        return max(0, samples - self.window) // self.hop + 1

    def frames(self, waves: Tensor) -> Tensor:
        """``(N, S)`` to frames under their window, ``(N, T, window)``."""
        missing = max(0, self.window - waves.shape[-1])
        frames = functional.pad(waves, (0, missing)).unfold(-1, self.window, self.hop)
        frames = frames - frames.mean(dim=-1, keepdim=True)
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        return (frames - self.preemphasis * before) * self.taper.float()
