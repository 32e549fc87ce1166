"""The built-in default: keys of a telephone by their standard frequencies."""

from __future__ import annotations

import torch

from framework_core import registry
from framework_plugins_audio.datasets.dtmf import CLASSES, HIGH, KEYS, LOW


def module(**settings):
    found = registry.create_dataset("dtmf", **{"count": 320, **settings})
    found.setup()
    return found


def test_each_key_has_its_two_tones():
    found = module(lowest_snr=60.0)
    sound, labels = found.train_dataset.batch(torch.arange(len(found.train_dataset)))
    length = sound.shape[-1]
    power = torch.fft.rfft(sound[:, 0]).abs() ** 2
    hertz = torch.fft.rfftfreq(length, 1 / 8_000)
    for row, label in zip(power, labels.tolist(), strict=True):
        low, high = divmod(KEYS.index(CLASSES[label]), 4)
        for frequencies, wanted in ((LOW, low), (HIGH, high)):
            around = [row[(hertz - each).abs() < 0.045 * each].sum() for each in frequencies]
            assert int(torch.stack(around).argmax()) == wanted


def test_it_is_made_the_same_by_the_same_seed_and_said_to_be_made():
    assert module().fingerprint() == module().fingerprint() != module(made_seed=1).fingerprint()
    spec = module().data_spec()
    assert spec.source == "made: 320 keys by ITU-T Q.23, seed 0"
    assert spec.class_names == tuple("0123456789*#ABCD")
    assert (spec.input_shape, spec.facts) == ((1, 3_200), {"sample_rate": 8_000})
    assert set(spec.class_counts.values()) == {14}


def test_it_is_made_at_the_rate_and_length_that_a_model_asks_for():
    spec = module(sample_rate=16_000, seconds=1.0).data_spec()
    assert (spec.input_shape, spec.facts["sample_rate"]) == ((1, 16_000), 16_000)


def test_it_is_what_is_trained_on_where_nobody_names_data(train):
    done = train("--model", "m5", "model.width=8")
    assert done.code == 0, done.err
    assert "dtmf: 1,120 train, 240 val, 240 test samples of 1x3200, 16 classes" in done.err
