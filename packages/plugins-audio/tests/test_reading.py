"""Sound files of every kind, whole and in parts, and brought to another rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_sounds import tone, write

from framework_plugins_audio import reading
from framework_plugins_audio.clips import Clip, ClipReader, Recording, windows
from framework_plugins_audio.resampling import resampled
from framework_plugins_audio.shelves import Files

KINDS = [
    ("a.wav", "PCM_U8", 0.01),
    ("a.wav", "PCM_16", 1e-4),
    ("a.wav", "PCM_24", 1e-6),
    ("a.wav", "PCM_32", 1e-6),
    ("a.wav", "FLOAT", 0.0),
    ("a.wav", "DOUBLE", 1e-7),
    ("a.flac", "PCM_16", 1e-4),
    ("a.flac", "PCM_24", 1e-6),
    ("a.ogg", "VORBIS", 0.05),
    ("a.mp3", "MPEG_LAYER_III", 0.2),
]


@pytest.mark.parametrize(("name", "subtype", "off"), KINDS)
def test_every_kind_of_file_is_read_as_it_was_written(name, subtype, off, project):
    sound = tone(440, 16_000, 0.5, channels=2)
    write(project / name, sound, 16_000, subtype=subtype)
    assert reading.header(name) == reading.Header(16_000, 2, 8_000)
    assert reading.decoded(name).header.frames == 8_000
    assert np.abs(reading.samples(name) - sound).max() <= off


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_part_is_what_it_is_in_the_whole(name, project):
    write(project / name, tone(440, 8_000, 2.0), 8_000)
    whole = reading.samples(name)
    assert np.array_equal(reading.samples(name, 5_000, 9_000), whole[5_000:9_000])
    assert np.array_equal(reading.samples(name, 15_000, 99_000), whole[15_000:])


def test_a_file_is_known_by_what_it_holds_and_not_by_its_name(project):
    sound = tone(440, 8_000, 0.1)
    write(project / "a.wav", sound, 8_000).rename("a.mp3")
    assert np.abs(reading.samples("a.mp3") - sound).max() < 1e-4


def test_what_a_program_streamed_without_knowing_its_length_is_read_to_its_end(project):
    content = bytearray(write(project / "a.wav", tone(440, 8_000, 0.1), 8_000).read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    Path("a.wav").write_bytes(content)
    assert reading.decoded("a.wav").header.frames == 800


@pytest.mark.parametrize(("rate", "to"), [(44_100, 16_000), (8_000, 16_000), (22_050, 8_000), (8_000, 8_000)])
def test_a_window_of_another_rate_is_what_it_is_in_the_whole(rate, to, project):
    write(project / "a.wav", np.random.default_rng(0).uniform(-1, 1, (3 * rate, 1)), rate, subtype="FLOAT")
    whole = resampled(reading.samples("a.wav"), rate, to)[:, 0]
    reader = ClipReader(Files(), to, 1, to)
    recording = Recording("a.wav", rate, 0, 3 * rate)
    assert reader.samples_in(recording) == len(whole) == 3 * to
    for first in (0, 1, to // 3, 2 * to - 7, 2 * to):
        assert np.abs(reader(Clip(recording, first))[0] - whole[first : first + to]).max() < 1e-5


def test_a_window_of_a_long_file_is_read_without_the_rest(project, monkeypatch):
    hour = np.zeros((3600 * 200, 1), np.float32)
    hour[1800 * 200] = 1
    write(project / "hour.wav", hour, 200)
    taken = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, count, **how: taken.append(count) or read(self, count, **how)
    )
    recording = Recording("hour.wav", 200, 0, len(hour))
    clip = ClipReader(Files(), 100, 1, 100)(Clip(recording, 1800 * 100))
    assert int(clip[0].argmax()) == 0
    assert max(taken) < 2_000


def test_windows_reach_from_the_beginning_to_the_end():
    assert windows(100, 100, 0.5) == [0]
    assert windows(3, 100, 0.5) == [0]
    assert windows(101, 100, 0.5) == [0, 1]
    assert windows(250, 100, 0.5) == [0, 50, 100, 150]
    assert windows(250, 100, 0.0) == [0, 100, 150]
