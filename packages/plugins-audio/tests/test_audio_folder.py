"""Folders of sounds: classes, splits, windows, rates and channels."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from made_sounds import tone, write

from framework_core import registry
from framework_core.errors import DataError

HALF = {"val_fraction": 0.25, "test_fraction": 0.25}


def module(root, **settings):
    found = registry.create_dataset("audio_folder", path=str(root), **{**HALF, **settings})
    found.setup()
    return found


def test_folders_are_classes_and_sounds_are_split_by_class(sounds):
    found = module(sounds("pets", {"cat": 8, "dog": 8}))
    spec = found.data_spec()
    assert spec.task == "audio-classification"
    assert spec.class_names == ("cat", "dog")
    assert spec.input_shape == (1, 800)
    assert spec.facts == {"sample_rate": 8_000}
    assert spec.split_sizes == {"train": 8, "val": 4, "test": 4}
    assert spec.class_counts == {"cat": 4, "dog": 4}
    sound, label = found.train_dataset[0]
    assert (sound.dtype, tuple(sound.shape), label.dtype) == (torch.float32, (1, 800), torch.int64)


def test_train_val_and_test_folders_are_the_splits(sounds):
    sounds("pets/train", {"cat": 4, "dog": 4})
    sounds("pets/val", {"cat": 1, "dog": 1})
    assert module("pets", test_fraction=0.25).data_spec().split_sizes == {"train": 6, "val": 2, "test": 2}


def test_what_is_longer_than_a_sample_becomes_windows_of_one_split(sounds, project):
    root = sounds("pets", {"cat": 8, "dog": 8})
    long = tone(200, 8_000, 0.45, seed=99)
    write(root / "dog" / "long.wav", long, 8_000, subtype="FLOAT")
    found = module(root, seconds=0.2, overlap=0.5)
    assert found.data_spec().input_shape == (1, 1_600)
    clips = [(split, group) for split, groups in found.groups.items() for group in groups["clip"]]
    own = [split for split, clip in clips if clip.endswith("long.wav")]
    assert len(own) == 4
    assert len(set(own)) == 1
    dataset = getattr(found, f"{own[0]}_dataset")
    clips = found.groups[own[0]]["clip"]
    heard = [dataset[index][0] for index, clip in enumerate(clips) if clip.endswith("long.wav")]
    begins = (0, 800, 1_600, 2_000)
    for sound, begin in zip(heard, begins, strict=True):
        np.testing.assert_array_equal(sound[0].numpy(), long[begin : begin + 1_600, 0])


def test_what_is_shorter_is_filled_up_with_zeros_at_its_end(sounds):
    root = sounds("pets", {"cat": 4, "dog": 4})
    write(root / "cat" / "blip.wav", np.array([0.5, -0.5, 0.25]), 8_000)
    found = module(root, val_fraction=0, test_fraction=0)
    index = next(index for index, clip in enumerate(found.groups["train"]["clip"]) if clip.endswith("blip.wav"))
    sound, _ = found.train_dataset[index]
    assert sound[0, :3].tolist() == pytest.approx([0.5, -0.5, 0.25], abs=1e-4)
    assert not sound[0, 3:].any()
    assert sound.shape == (1, 800)


def test_the_longest_training_sound_says_how_long_a_sample_is_up_to_ten_seconds(sounds, caplog):
    root = sounds("pets", {"cat": 4, "dog": 4}, rate=400)
    write(root / "cat" / "long.wav", tone(50, 400, 12.0), 400)
    with caplog.at_level("INFO", "framework_core"):
        found = module(root, val_fraction=0, test_fraction=0)
    assert found.data_spec().input_shape == (1, 4_000)
    assert "10.00 s: the first 10 s and what follows (dataset.seconds)" in caplog.text


def test_files_of_several_rates_and_channels_are_brought_together(sounds, caplog):
    root = sounds("pets", {"cat": 6, "dog": 6})
    write(root / "cat" / "stereo.wav", tone(300, 44_100, 0.1, channels=2), 44_100)
    write(root / "dog" / "six.wav", tone(500, 22_050, 0.1, channels=6), 22_050)
    with caplog.at_level("INFO", "framework_core"):
        found = module(root, val_fraction=0, test_fraction=0)
    assert found.data_spec().facts["sample_rate"] == 8_000
    assert "1 of 44,100 Hz" in caplog.text
    assert len(found.train_dataset) == 14
    assert module(root, sample_rate=16_000).data_spec().input_shape == (1, 1_600)


def test_the_mean_of_all_channels_is_taken_or_all_of_them(project):
    for number in range(8):
        sound = np.stack([np.full(100, 0.5), np.full(100, 0.1)], axis=1)
        write(project / "pets" / ("cat", "dog")[number % 2] / f"{number}.wav", sound, 8_000, subtype="FLOAT")
    mixed = module("pets", channels=1).train_dataset[0][0]
    assert mixed.shape == (1, 100)
    torch.testing.assert_close(mixed, torch.full((1, 100), 0.3))
    both = module("pets", channels=2).train_dataset[0][0]
    torch.testing.assert_close(both, torch.tensor([[0.5], [0.1]]).expand(2, 100))
    with pytest.raises(DataError, match=r"it has 2 channels, and dataset\.channels is 3 \(1 mixes them\)"):
        module("pets", channels=3)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cache", ["memory", "none"])
def test_batches_are_the_same_however_they_are_loaded(cache, workers, sounds):
    found = module(sounds("pets", {"cat": 8, "dog": 8}), cache=cache, num_workers=workers, batch_size=3, seconds=0.06)
    loader = found.test_dataloader()
    batches = list(loader)
    if workers:
        loader._iterator._shutdown_workers()
    heard = torch.cat([sound for sound, _ in batches])
    plain = module("pets", cache="none", num_workers=0, seconds=0.06).test_dataset
    torch.testing.assert_close(heard, torch.stack([sound for sound, _ in plain]), rtol=0, atol=0)


def test_the_fingerprint_is_of_content_and_split(sounds):
    root = sounds("pets", {"cat": 8, "dog": 8})
    before = module(root).fingerprint()
    assert module(root).fingerprint() == before
    assert module(root, split_seed=1).fingerprint() != before
    write(root / "cat" / "00.wav", tone(600, 8_000, 0.1, seed=77), 8_000)
    assert module(root).fingerprint() != before


def test_a_sound_is_known_again_in_another_lossless_form(sounds):
    root = sounds("pets", {"cat": 4, "dog": 4})
    whole = {"val_fraction": 0, "test_fraction": 0}
    before = module(root, **whole).sample_hashes("train", [0])[0]
    levels, rate = soundfile.read(root / "cat" / "00.wav", dtype="int16")
    (root / "cat" / "00.wav").unlink()
    write(root / "cat" / "00.flac", levels, rate)
    after = module(root, **whole).sample_hashes("train", [0])[0]
    assert before.exact == after.exact
    assert before.name.endswith("00.wav")


def test_training_batches_are_augmented_and_others_are_not(sounds):
    found = module(sounds("pets", {"cat": 4, "dog": 4}))
    found.augment = lambda sound, target: (sound * 0, target)

    class _Trainer:
        training = True

    found.trainer = _Trainer()
    batch = (torch.ones(2, 1, 10), torch.zeros(2, dtype=torch.int64))
    assert not found.on_after_batch_transfer(batch, 0)[0].any()
    _Trainer.training = False
    assert found.on_after_batch_transfer(batch, 0)[0].all()
