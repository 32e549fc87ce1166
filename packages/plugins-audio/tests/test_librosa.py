"""Features of waves are those of librosa. To compile librosa takes half a minute, so this is a session of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from framework_plugins_audio.front_end.features import FrontEnd
from framework_plugins_audio.front_end.pcen import PCEN
from framework_plugins_audio.front_end.spectrogram import Spectrogram

pytestmark = pytest.mark.thorough

CLOSE = 1e-5
"""How far values may lie from librosa's, relative to the largest."""


@pytest.fixture(scope="module")
def librosa():
    import librosa

    return librosa


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """A burst that swells and fades, so that its spectrum is not the same everywhere."""
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(samples) * np.hanning(samples)).astype(np.float32)


def apart(found: torch.Tensor, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.numpy() - wanted).max() / np.abs(wanted).max())


def mels_of(librosa, wave: np.ndarray, front_end: FrontEnd, rate: int, **more: object) -> np.ndarray:
    of_it = front_end.spectrogram
    sizes = {"n_fft": of_it.points, "win_length": of_it.window, "hop_length": of_it.hop}
    return librosa.feature.melspectrogram(y=wave, sr=rate, n_mels=40, **sizes, **more)


@pytest.mark.parametrize(("rate", "samples"), [(8_000, 4_321), (16_000, 16_000), (22_050, 30_011)])
def test_a_spectrogram_is_that_of_librosa(librosa, rate, samples):
    wave = noise(samples)
    window, hop = round(rate * 0.025), round(rate * 0.010)
    points = 2 ** int(np.ceil(np.log2(window)))
    wanted = np.abs(librosa.stft(wave, n_fft=points, hop_length=hop, win_length=window)) ** 2
    found = Spectrogram(window, hop, points)(torch.from_numpy(wave)[None])[0]
    assert apart(found, wanted) < CLOSE


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("ends", [(0.0, None), (300.0, 3_400.0)])
def test_mels_and_their_logarithms_are_those_of_librosa(librosa, scale, ends):
    wave = noise(16_000)
    settings = {"normalization": "none", "mel_scale": scale, "fmin": ends[0], "fmax": ends[1]}
    front_end = FrontEnd(16_000, features="mel", **settings)
    wanted = mels_of(librosa, wave, front_end, 16_000, htk=scale == "htk", fmin=ends[0], fmax=ends[1])
    waves = torch.from_numpy(wave)[None, None]
    assert apart(front_end(waves)[0, 0], wanted) < CLOSE
    assert apart(FrontEnd(16_000, **settings)(waves)[0, 0], np.log(np.maximum(wanted, 1e-10))) < CLOSE


def test_cepstral_coefficients_are_those_of_librosa(librosa):
    wave = noise(16_000)
    front_end = FrontEnd(16_000, features="mfcc", n_mfcc=13, normalization="none")
    decibels = librosa.power_to_db(mels_of(librosa, wave, front_end, 16_000), top_db=None)
    wanted = librosa.feature.mfcc(S=decibels, n_mfcc=13)
    assert apart(front_end(torch.from_numpy(wave)[None, None])[0, 0], wanted) < CLOSE


@pytest.mark.parametrize("frames", [1, 2, 63, 64, 300])
def test_pcen_is_that_of_librosa(librosa, frames):
    energy = np.random.default_rng(0).exponential(0.01, (40, frames)).astype(np.float32)
    start = (1 - 0.025) * energy[:, :1]  # a moving average that begins with the first frame
    wanted = librosa.pcen(energy, b=0.025, gain=0.98, bias=2, power=0.5, eps=1e-6, zi=start)
    assert apart(PCEN(40)(torch.from_numpy(energy)[None])[0], wanted) < CLOSE
