"""Sound that goes on is followed, and what is heard is told once, when it begins."""

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from framework_core import DataError
from framework_plugins_audio.streaming import Heard, SoundStream

pytestmark = pytest.mark.drawn

RATE = 8000
ROWS, COLUMNS, KEYS = (697, 770, 852, 941), (1209, 1336, 1477, 1633), ("123A", "456B", "789C", "*0#D")
PRESSED = "159#0"


def pressed(keys, rate=RATE, seconds=0.5):
    """Keys of a telephone, one after the other, with as much silence around each."""
    time = np.arange(round(seconds * rate)) / rate
    parts = [np.zeros_like(time)]
    for key in keys:
        row = next(index for index, each in enumerate(KEYS) if key in each)
        tones = ROWS[row], COLUMNS[KEYS[row].index(key)]
        parts += [sum(0.3 * np.sin(2 * np.pi * hertz * time) for hertz in tones), np.zeros_like(time)]
    return np.concatenate(parts).astype(np.float32)


def heard(text):
    """The time and the name of each line."""
    return [(float(line.split()[0]), line.split()[2]) for line in text.splitlines()]


@pytest.mark.parametrize(("ending", "rate"), [("wav", RATE), ("flac", 44100)])
def test_the_keys_of_a_file_are_told_in_their_order_when_they_are_pressed(fw, keypad_run, ending, rate):
    soundfile.write(f"keys.{ending}", pressed(PRESSED, rate), rate)
    done = fw("predict", "--stream", keypad_run, f"keys.{ending}")
    assert done.code == 0, done.err
    found = heard(done.out)
    assert [name for _, name in found] == list(PRESSED)
    for position, (seconds, _) in enumerate(found):
        assert position + 0.5 < seconds < position + 1.4  # a key is pressed for half a second, from there on


def test_what_another_program_sends_is_followed(keypad_run):
    sent = (pressed(PRESSED) * 32767).astype("<i2").tobytes()
    words = [sys.executable, "-m", "framework_core", "predict", "--stream", str(keypad_run), "-"]
    done = subprocess.run(
        words, input=sent, capture_output=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr.decode()
    assert [name for _, name in heard(done.stdout.decode())] == list(PRESSED)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.wav"], "there is no such file"),
        (["text.wav"], "it is no sound file"),
        (["keys.wav", "keys.wav"], "one file is followed"),
        (["keys.wav", "--json"], "printed when it is heard"),
    ],
)
def test_what_cannot_be_followed_is_told(fw, keypad_run, project, words, said):
    (project / "text.wav").write_text("no sound")
    soundfile.write("keys.wav", pressed("1"), RATE)
    done = fw("predict", "--stream", keypad_run, *words)
    assert done.code == 2
    assert said in done.err


def test_windows_cover_a_stream_and_the_last_is_filled_up(project):
    wave = np.arange(1, 1001, dtype=np.float32) / 2000
    soundfile.write("ramp.wav", wave, 1000, subtype="FLOAT")
    stream = SoundStream(project / "ramp.wav", sample_rate=1000, channels=1, samples=300, hop_seconds=0.25)
    found = list(stream)
    assert [round(each.seconds, 3) for each in found] == [0.3, 0.55, 0.8, 1.0]
    for seconds, window in found[:3]:
        end = round(seconds * 1000)
        assert torch.equal(window[0], torch.from_numpy(wave[end - 300 : end]))
    last = found[3].wave[0]
    assert torch.equal(last[:250], torch.from_numpy(wave[750:]))
    assert not last[250:].any()


@pytest.mark.parametrize("length", [1, 299, 300, 301])
def test_a_short_stream_is_a_window_or_two(project, length):
    soundfile.write("short.wav", np.full(length, 0.5, dtype=np.float32), 1000, subtype="FLOAT")
    stream = SoundStream(project / "short.wav", sample_rate=1000, channels=1, samples=300, hop_seconds=0.1)
    found = list(stream)
    assert len(found) == (2 if length > 300 else 1)
    assert int(found[0].wave.ne(0).sum()) == min(length, 300)


def test_other_channels_than_in_training_are_refused_but_mixed_to_one(project):
    sound = np.stack([np.full(400, 0.25), np.full(400, 0.75)], axis=1).astype(np.float32)
    soundfile.write("two.wav", sound, 1000, subtype="FLOAT")
    settings = {"sample_rate": 1000, "samples": 300, "hop_seconds": 0.1}
    (first, *_) = SoundStream(project / "two.wav", channels=1, **settings)
    assert torch.allclose(first.wave, torch.tensor(0.5))
    assert next(iter(SoundStream(project / "two.wav", channels=2, **settings))).wave.shape == (2, 300)
    with pytest.raises(DataError, match="has 2 channels, and the model was trained on 3"):
        SoundStream(project / "two.wav", channels=3, **settings)


def test_a_sound_is_told_once_while_it_lasts_and_again_when_it_comes_back():
    tell = Heard(("_silence_", "yes", "no"), threshold=0.5, windows=1, single=True)
    yes, no, silence = (torch.eye(3)[index] for index in (1, 2, 0))
    told = [[name for name, _ in tell(each)] for each in (silence, yes, yes, no, no, None, no)]
    assert told == [[], ["yes"], [], ["no"], [], [], ["no"]]


def test_a_moment_is_averaged_away():
    tell = Heard(("yes", "no"), threshold=0.6, windows=3, single=True)
    yes, unsure = torch.tensor([1.0, 0.0]), torch.tensor([0.4, 0.4])
    told = [tell(each) for each in (unsure, unsure, yes, yes)]
    assert [len(each) for each in told] == [0, 0, 0, 1]


def test_of_tags_each_is_told_when_it_begins():
    tell = Heard(("rain", "bark"), threshold=0.5, windows=1, single=False)
    told = [[name for name, _ in tell(torch.tensor(each))] for each in ([0.9, 0.1], [0.8, 0.7], [0.1, 0.9])]
    assert told == [["rain"], ["bark"], []]
