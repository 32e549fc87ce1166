"""Features of waves: as transformers has them, whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank

from framework_core.errors import ConfigError
from framework_plugins_audio.front_end.features import FrontEnd
from framework_plugins_audio.front_end.of_checkpoints import ASTFeatures, WhisperFeatures, standardised
from framework_plugins_audio.front_end.real_span import real_span
from framework_plugins_audio.front_end.spec_augment import SpecAugment

CLOSE = 1e-5
"""How far values may lie from transformers', relative to the largest."""


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """A burst that swells and fades, so that its spectrum is not the same everywhere."""
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(samples) * np.hanning(samples)).astype(np.float32)


def apart(found: torch.Tensor, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.numpy() - wanted).max() / np.abs(wanted).max())


def mels_by_numpy(wave: np.ndarray, front_end: FrontEnd, rate: int) -> np.ndarray:
    """Powers in mel bands of transformers, of frames that NumPy transforms."""
    of_it = front_end.spectrogram
    padded = np.pad(wave, of_it.points // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, of_it.points)[:: of_it.hop]
    taper = np.zeros(of_it.points)
    first = (of_it.points - of_it.window) // 2
    taper[first : first + of_it.window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(of_it.window) / of_it.window)
    powers = np.abs(np.fft.rfft(frames * taper, axis=1)) ** 2
    bank = mel_filter_bank(of_it.frequencies, 40, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney")
    return (powers @ bank).T


@pytest.mark.parametrize(("rate", "samples"), [(8_000, 4_321), (16_000, 16_000)])
def test_mels_are_those_of_transformers_filters_and_numpy_s_transform(rate, samples):
    wave = noise(samples)
    front_end = FrontEnd(rate, features="mel", normalization="none")
    wanted = mels_by_numpy(wave, front_end, rate)
    waves = torch.from_numpy(wave)[None, None]
    assert apart(front_end(waves)[0, 0], wanted) < CLOSE
    logs = FrontEnd(rate, normalization="none")(waves)[0, 0]
    assert apart(logs, np.log(np.maximum(wanted, 1e-10))) < CLOSE


def test_pcen_learns_each_of_its_numbers():
    front_end = FrontEnd(8_000, features="pcen", trainable_pcen=True)
    front_end(torch.from_numpy(noise(8_000))[None, None]).square().sum().backward()
    (learned,) = front_end.parameters()
    assert learned.shape == (4, 40)
    assert bool((learned.grad.abs().sum(dim=1) > 0).all())
    assert not list(FrontEnd(8_000, features="pcen").parameters())


@pytest.mark.parametrize("features", ["log_mel", "mel", "mfcc", "pcen"])
@pytest.mark.parametrize("normalization", ["clip", "band"])
def test_a_clip_is_the_same_alone_and_filled_up_in_a_batch(features, normalization):
    front_end = FrontEnd(8_000, features=features, normalization=normalization)
    short, long = noise(3_000), noise(8_000, seed=1)
    alone = front_end(torch.from_numpy(short)[None, None])[0]
    batch = torch.zeros(2, 1, 8_000)
    batch[0, 0, :3_000], batch[1, 0] = torch.from_numpy(short), torch.from_numpy(long)
    together = front_end(batch)
    frames = alone.shape[-1]
    torch.testing.assert_close(together[0, ..., :frames], alone, rtol=1e-4, atol=1e-4)
    assert not together[0, ..., frames:].any()
    assert together[1, ..., frames:].any()


def test_a_clip_that_was_moved_keeps_its_scale():
    front_end = FrontEnd(8_000)
    hop = front_end.spectrogram.hop
    wave = torch.from_numpy(noise(3_000))
    batch = torch.zeros(2, 1, 8_000)
    batch[0, 0, :3_000] = wave
    batch[1, 0, 20 * hop : 20 * hop + 3_000] = wave
    first, moved = front_end(batch)
    # The frames at its very ends reach into what is around it.
    torch.testing.assert_close(moved[..., 22:55], first[..., 2:35], rtol=0.05, atol=0.05)
    assert not moved[..., :20].any()


def test_the_features_of_a_clip_have_mean_zero_and_deviation_one():
    batch = torch.zeros(1, 2, 8_000)
    batch[0, :, :5_000] = torch.from_numpy(np.stack([noise(5_000), 0.1 * noise(5_000, seed=1)]))
    front_end = FrontEnd(8_000)
    real = front_end(batch)[..., front_end.real_frames(batch)[0]]
    assert real.mean().abs() < CLOSE
    assert abs(real.std(correction=0) - 1) < 1e-3


def test_silence_has_features_that_are_numbers():
    silence = torch.zeros(2, 1, 4_000)
    for features in ("log_mel", "mel", "mfcc", "pcen"):
        for normalization in ("clip", "band", "none"):
            assert torch.isfinite(FrontEnd(8_000, features=features, normalization=normalization)(silence)).all()
    first, behind = real_span(silence)
    assert (first.tolist(), behind.tolist()) == ([0, 0], [4_000, 4_000])


def test_a_wave_of_a_few_samples_has_a_frame():
    for samples in (1, 3, 79, 80):
        found = FrontEnd(8_000)(torch.full((1, 1, samples), 0.5))
        assert found.shape == (1, 1, 40, 1 + samples // 80)
        assert torch.isfinite(found).all()


def test_half_precision_around_it_changes_nothing():
    front_end, waves = FrontEnd(8_000, features="mfcc"), torch.from_numpy(noise(8_000))[None, None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = front_end(waves)
    assert torch.equal(found, front_end(waves))


def test_masks_hide_bands_and_frames_of_the_real_part_in_training_only():
    torch.manual_seed(0)
    features = torch.randn(64, 1, 40, 100)
    real = torch.arange(100) < torch.randint(20, 100, (64, 1))
    features = features * real[:, None, None]
    masks = SpecAugment(band_masks=2, bands=8, time_masks=2, frames=20, share=0.5)
    assert torch.equal(masks.eval()(features, real), features)
    hidden = masks.train()(features, real) != features
    bands, frames = hidden.any(dim=3)[:, 0], hidden.any(dim=2)[:, 0]
    of_bands = hidden.all(dim=2, keepdim=True)  # frames that are hidden as a whole
    assert (of_bands[:, 0, 0] & ~real).sum() == 0
    assert of_bands[:, 0, 0].sum(dim=1).max() <= 40
    assert (of_bands[:, 0, 0].sum(dim=1) <= real.sum(dim=1)).all()
    assert bands.any()
    assert frames.any()
    assert len({tuple(row) for row in of_bands[:, 0, 0].tolist()}) > 32, "each clip has its own masks"


def test_what_is_hidden_becomes_the_mean_of_the_clip():
    torch.manual_seed(0)
    features, real = torch.randn(8, 2, 10, 30) + 5, torch.ones(8, 30, dtype=torch.bool)
    masked = SpecAugment(band_masks=1, bands=4)(features, real)
    hidden = masked != features
    assert hidden.any()
    means = features.mean(dim=(1, 2, 3), keepdim=True).expand_as(features)
    torch.testing.assert_close(masked[hidden], means[hidden])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_mels": 400}, r"model\.n_mels: \d+ of the bands hold none of the 129 frequencies .*given: 400"),
        ({"fmax": 5_000.0}, r"model\.fmax: sound of 8000 Hz has no frequencies above 4000"),
        ({"fmin": 4_000.0}, r"model\.fmin: is not below the last band's end, 4000 Hz"),
    ],
)
def test_bands_that_cannot_be_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        FrontEnd(8_000, **settings)


def test_it_is_exported_as_it_is():
    front_end = FrontEnd(8_000, features="mfcc").eval()
    waves = torch.zeros(3, 1, 4_000)
    waves[:, 0, :2_500] = torch.from_numpy(noise(2_500))
    exported = torch.export.export(front_end, (waves,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    torch.testing.assert_close(exported.module()(waves), front_end(waves), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(exported.module()(waves[:2]), front_end(waves[:2]), rtol=1e-4, atol=1e-4)


LENGTHS = (16_000, 9_000, 401)
"""Clips of a second and shorter, at 16 kHz."""


def clips() -> tuple[list[np.ndarray], torch.Tensor]:
    """Clips by themselves, and in a batch."""
    waves = [noise(length, seed=length) for length in LENGTHS]
    batch = torch.zeros(len(waves), 1, 16_000)
    for row, wave in zip(batch, waves, strict=True):
        row[0, : len(wave)] = torch.from_numpy(wave)
    return waves, batch


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.parametrize("frames", [98, 60, 128])
def test_features_of_ast_are_those_of_transformers(frames):
    from transformers import ASTFeatureExtractor

    waves, batch = clips()
    extractor = ASTFeatureExtractor(max_length=frames)
    wanted = extractor(waves, sampling_rate=16_000, return_tensors="np")["input_values"]
    found = ASTFeatures(128, frames, mean=extractor.mean, deviation=extractor.std, spec_augment=SpecAugment())(batch)
    assert apart(found, wanted) < CLOSE * 10


@pytest.mark.parametrize("bands", [80, 128])
def test_features_of_whisper_are_those_of_transformers(bands):
    from transformers import WhisperFeatureExtractor

    waves, batch = clips()
    extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=2)
    wanted = extractor(waves, sampling_rate=16_000, return_tensors="np")["input_features"]
    assert apart(WhisperFeatures(bands, 200)(batch), wanted) < CLOSE


def test_waves_are_standardised_as_in_transformers():
    from transformers import Wav2Vec2FeatureExtractor

    waves, batch = clips()
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    wanted = extractor(waves, sampling_rate=16_000, padding=True, return_tensors="np")["input_values"]
    assert apart(standardised(batch[:, 0], torch.tensor(LENGTHS)), wanted) < CLOSE
