"""Training clips that are moved, louder, noisy and mixed: each in its own way, with their padding left as it is."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from made_sounds import tone

from framework_core import registry
from framework_core.errors import ConfigError, DataError
from framework_plugins_audio.batch_augmentation import AudioAugmentation, Background, moved
from framework_plugins_audio.front_end.real_span import real_span

RATE = 1_000


@pytest.fixture
def waves() -> torch.Tensor:
    """Thirty-two clips of half a second in a second, two channels."""
    torch.manual_seed(0)
    found = torch.zeros(32, 2, RATE)
    found[..., :500] = 0.1 * torch.randn(32, 2, 500)
    return found


def power(waves: torch.Tensor) -> torch.Tensor:
    return waves.square().mean(dim=1).sum(dim=1)


def test_clips_are_moved_by_whole_samples_and_zeros_come_in():
    waves = torch.arange(1.0, 6.0).repeat(3, 1, 1)
    found = moved(waves, torch.tensor([2, 0, -1]))[:, 0]
    assert found.tolist() == [[0, 0, 1, 2, 3], [1, 2, 3, 4, 5], [2, 3, 4, 5, 0]]


def test_each_clip_is_moved_by_its_own_time_and_not_too_far(waves):
    found, target = AudioAugmentation(RATE, shift=0.1)(waves, torch.zeros(32))
    first, behind = real_span(found)
    assert behind.max() <= 600
    assert behind.min() >= 400
    assert len(set(behind.tolist())) > 16
    assert first.max() <= 100
    assert torch.equal(target, torch.zeros(32))


def test_each_clip_is_louder_or_softer_within_the_gain(waves):
    found, _ = AudioAugmentation(RATE, gain=6.0)(waves, torch.zeros(32))
    decibels = 10 * torch.log10(power(found) / power(waves))
    assert decibels.abs().max() <= 6.0
    assert decibels.max() > 3
    assert decibels.min() < -3


@pytest.mark.parametrize("background", [None, Background([torch.randn(300), torch.randn(2_500)])])
def test_noise_lies_so_far_below_the_clip_and_not_in_its_padding(waves, background):
    found, _ = AudioAugmentation(RATE, noise_snr=(5.0, 20.0), background=background)(waves, torch.zeros(32))
    ratio = 10 * torch.log10(power(waves) / power(found - waves))
    assert ratio.min() > 4.9
    assert ratio.max() < 20.1
    assert ratio.max() - ratio.min() > 5
    assert not found[..., 500:].any()


def test_a_share_of_the_clips_has_noise(waves):
    found, _ = AudioAugmentation(RATE, noise_snr=(10.0, 10.0), noise_prob=0.5)(waves, torch.zeros(32))
    noisy = (found != waves).flatten(1).any(dim=1)
    assert 4 < int(noisy.sum()) < 28


def test_pieces_of_noise_lie_inside_one_recording():
    pieces = Background([torch.full((3,), 1.0), torch.full((40,), 2.0)]).pieces(200, 10, torch.device("cpu"))
    assert pieces.shape == (200, 10)
    assert (pieces == pieces[:, :1]).all()
    assert set(pieces[:, 0].tolist()) == {1.0, 2.0}


def test_mixed_clips_have_shares_of_classes(waves):
    torch.manual_seed(0)
    labels = torch.arange(32)
    found, shares = AudioAugmentation(RATE, mixup=0.5, num_classes=32)(waves, labels)
    assert shares.shape == (32, 32)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(32))
    assert ((shares > 0).sum(dim=1) == 2).any()
    own = shares[torch.arange(32), labels]
    # What is left of the clip itself, by its own wave: others are not like it.
    left = (found * waves).sum(dim=(1, 2)) / waves.square().sum(dim=(1, 2))
    torch.testing.assert_close(own, left, rtol=0, atol=0.1)
    torch.manual_seed(0)
    tags = torch.nn.functional.one_hot(labels, 32).float()
    assert torch.equal(AudioAugmentation(RATE, mixup=0.5)(waves, tags)[1], shares)


def test_samples_stay_between_minus_one_and_one(waves):
    found, _ = AudioAugmentation(RATE, gain=40.0, noise_snr=(-20.0, 0.0))(waves, torch.zeros(32))
    assert found.abs().max() <= 1


def test_the_seed_decides_what_happens_and_the_batch_is_left_as_it_was(waves):
    augmentation = AudioAugmentation(RATE, shift=0.1, gain=3, noise_snr=(5.0, 20.0), mixup=0.2, num_classes=4)
    before, labels = waves.clone(), torch.arange(32) % 4
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        found.append(augmentation(waves, labels))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert torch.equal(waves, before)


CHANGES = ("dataset.shift=0.05", "dataset.gain=6", "dataset.noise_snr=[5,30]", "dataset.mixup=0.3")


@pytest.mark.drawn
def test_a_run_trains_with_all_of_it_and_its_settings_are_kept(train, project):
    soundfile.write(project / "hum.wav", tone(100, 44_100, 1.0, channels=2), 44_100)
    done = train("--model", "m5", "--dataset", "dtmf", *CHANGES, "dataset.noise=.", "experiment.run_name=noisy")
    assert done.code == 0, done.err
    kept = (project / "runs" / "noisy" / "config.yaml").read_text()
    assert "noise_snr" in kept
    assert "mixup: 0.3" in kept


@pytest.mark.drawn
def test_noise_from_a_place_without_recordings_is_refused(project):
    empty = project / "empty"
    empty.mkdir()
    (project / "dead").mkdir()
    soundfile.write(project / "dead" / "silent.wav", np.zeros(800, dtype=np.float32), 8_000)
    (project / "broken").mkdir()
    (project / "broken" / "text.wav").write_text("no sound")
    for folder, said in (
        (project / "nowhere", "there is no such folder"),
        (empty, "no recordings of noise in it"),
        (project / "dead", r"silent\.wav is silent"),
        (project / "broken", r"text\.wav cannot be read"),
    ):
        made = registry.create_dataset("dtmf", noise=str(folder), noise_snr=(5.0, 30.0))
        made.setup("fit")
        with pytest.raises(DataError, match=said):
            made.data_spec()


def test_numbers_cannot_be_mixed():
    made = registry.create_dataset("dtmf", mixup=0.2)
    made.setup("fit")
    made.task, made.target_names = "audio-regression", ("level",)
    with pytest.raises(ConfigError, match=r"dataset\.mixup: mixes classes, and audio-regression has none"):
        made.data_spec()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("dataset.noise_snr=[30,5]",), "goes from the louder noise to the fainter one"),
        (("dataset.noise=here",), "noise has an effect with noise_snr only"),
        (("dataset.shift=-1",), "dataset.shift"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fw, settings, said):
    done = fw("config", "validate", "model=m5", "dataset=dtmf", *settings)
    assert done.code == 2
    assert said in done.err
