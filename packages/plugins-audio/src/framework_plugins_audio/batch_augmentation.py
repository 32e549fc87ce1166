"""What happens to a whole batch of training clips, on the model's device: moved, louder, noisier, mixed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from framework_plugins_audio.front_end.real_span import real_span, span_mask


class Background:
    """Recordings of noise, of which pieces are taken.

    Args:
        recordings: Each ``(samples,)``, at the sampling rate of the data, with one sample at least.
    """

    def __init__(self, recordings: Sequence[Tensor]) -> None:
        self.recordings = list(recordings)
        self._samples = 0
        self._together = self._starts = self._choices = torch.empty(0)

    def pieces(self, count: int, samples: int, device: torch.device) -> Tensor:
        """Random pieces, ``(count, samples)``; a recording that is shorter is repeated, a longer one likelier."""
        if samples != self._samples or self._together.device != device:
            self._prepare(samples, device)
        which = torch.multinomial(self._choices, count, replacement=True)
        first = self._starts[which] + (torch.rand(count, device=device) * self._choices[which]).long()
        found: Tensor = self._together[first[:, None] + torch.arange(samples, device=device)]
        return found

    def _prepare(self, samples: int, device: torch.device) -> None:
        whole = [each.repeat(-(-samples // len(each))) for each in self.recordings]
        lengths = torch.tensor([len(each) for each in whole])
        self._samples = samples
        self._together = torch.cat(whole).to(device)
        self._starts = (lengths.cumsum(0) - lengths).to(device)
        self._choices = (lengths - samples + 1).float().to(device)


class AudioAugmentation:
    """Changes the clips of a training batch, each in its own random way; their padding stays exact zeros.

    The order is that of a recording: what sounds is mixed, moved, as loud as it is, and noise comes on top. Random
    numbers are torch's, so a run that is continued draws what it would have drawn.

    Args:
        sample_rate: In hertz.
        shift: How many seconds a clip is moved at most, to its end or its beginning, with zeros in its place.
        gain: How many decibels louder or softer it is at most.
        noise_snr: How many decibels noise lies below the clip, from and to; empty adds none. Noise is white, or a piece
            of ``background``.
        noise_prob: The share of clips with noise.
        background: Recordings of noise.
        mixup: The alpha of mixup (Zhang et al., https://arxiv.org/abs/1710.09412): a clip is mixed with another, and
            its target becomes shares of classes; 0 does not.
        mix_prob: The share of clips that are mixed.
        num_classes: How many classes there are.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        shift: float = 0.0,
        gain: float = 0.0,
        noise_snr: tuple[float, float] | None = None,
        noise_prob: float = 1.0,
        background: Background | None = None,
        mixup: float = 0.0,
        mix_prob: float = 1.0,
        num_classes: int = 0,
    ) -> None:
        self.sample_rate = sample_rate
        self.shift = shift
        self.gain = gain
        self.noise_snr = noise_snr
        self.noise_prob = noise_prob
        self.background = background
        self.mixup = mixup
        self.mix_prob = mix_prob
        self.num_classes = num_classes

    def __bool__(self) -> bool:
        return bool(self.shift or self.gain or self.noise_snr or self.mixup)

    def __call__(self, waves: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """A batch, changed; what came in stays as it is.

        Args:
            waves: ``(batch, channels, samples)``.
            target: Of each clip; of classes an index, or one number a class.
        """
        if self.mixup:
            waves, target = self._mixed(waves, target)
        if self.shift:
            waves = moved(waves, self._uniform(waves, -self.shift, self.shift).mul(self.sample_rate).round().long())
        if self.gain:
            waves = waves * (10.0 ** (self._uniform(waves, -self.gain, self.gain) / 20.0))[:, None, None]
        if self.noise_snr is not None:
            waves = waves + self._noise(waves, *self.noise_snr)
        return waves.clamp(-1.0, 1.0) if self.gain or self.noise_snr is not None else waves, target

    def _mixed(self, waves: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        shares = target if target.is_floating_point() else functional.one_hot(target, self.num_classes).float()
        alpha = torch.full((len(waves),), self.mixup, device=waves.device)
        other = torch.distributions.Beta(alpha, alpha).sample()
        other = torch.where(self._chosen(waves, self.mix_prob), other, 0.0)
        partner = torch.randperm(len(waves), device=waves.device)
        return (
            waves.lerp(waves[partner], other[:, None, None].to(waves.dtype)),
            shares.lerp(shares[partner], other[:, None].to(shares.dtype)),
        )

    def _noise(self, waves: Tensor, lowest: float, highest: float) -> Tensor:
        """Noise so far below each clip, where the clip is; none in padding."""
        count, _, samples = waves.shape
        if self.background is None:
            noise = torch.randn(count, 1, samples, device=waves.device)
        else:
            noise = self.background.pieces(count, samples, waves.device)[:, None]
        mask = span_mask(*real_span(waves), samples)[:, None]
        noise = noise * mask
        ratio = 10.0 ** (self._uniform(waves, lowest, highest) / 10.0)
        wanted, found = (each.square().mean(dim=1).sum(dim=-1) for each in (waves, noise))
        scale = (wanted / (ratio * found.clamp(min=1e-12))).sqrt()
        scale = torch.where(self._chosen(waves, self.noise_prob), scale, 0.0)
        return (noise * scale[:, None, None]).to(waves.dtype)

    def _uniform(self, waves: Tensor, lowest: float, highest: float) -> Tensor:
        return torch.empty(len(waves), device=waves.device).uniform_(lowest, highest)

    def _chosen(self, waves: Tensor, share: float) -> Tensor:
        return torch.rand(len(waves), device=waves.device) < share


def moved(waves: Tensor, steps: Tensor) -> Tensor:
    """Each clip moved to its end by so many samples, or to its beginning where they are negative; zeros come in.

    Args:
        waves: ``(batch, channels, samples)``.
        steps: ``(batch,)``.
    """
    samples = waves.shape[-1]
    source = torch.arange(samples, device=waves.device) - steps[:, None]
    inside = (source >= 0) & (source < samples)
    found = waves.gather(-1, source.clamp(0, samples - 1)[:, None].expand_as(waves))
    return found * inside[:, None]
