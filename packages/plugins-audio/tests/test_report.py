"""What a run on sound leaves for people: classes in a table, the worst mistakes to be seen and heard."""

import base64
import csv
import io
import re
from pathlib import Path

import pytest
import soundfile
import torch

from framework_core import registry
from framework_core.contracts import DataSpec
from framework_plugins_audio.plots import page

pytestmark = pytest.mark.drawn("file")


def test_the_classes_of_the_test_are_in_a_table(keypad_run):
    rows = list(csv.DictReader((keypad_run / "tables" / "per_class.csv").read_text().splitlines()))
    assert [row["class"] for row in rows] == list("0123456789*#ABCD")
    assert all(float(row["f1"]) > 0.5 and int(row["samples"]) in (9, 10) for row in rows)


def test_the_worst_mistakes_are_seen_and_heard(keypad_run):
    assert (keypad_run / "plots" / "worst_mistakes.png").read_bytes().startswith(b"\x89PNG")
    text = (keypad_run / "mistakes" / "worst_mistakes.html").read_text()
    sounds = re.findall(r'src="data:audio/wav;base64,([^"]+)"', text)
    assert len(sounds) == len(re.findall(r"<figcaption>true .\npredicted ., \d+%</figcaption>", text)) == 25
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[0])))
    assert rate == 8000
    assert len(samples) == 3200
    assert abs(samples).max() > 0.01


def test_names_are_no_part_of_the_page_and_what_fills_a_sound_up_is_not_heard():
    wave = torch.zeros(2, 1000)
    wave[:, :400] = 0.5
    text = page([wave], ["true <b>bass</b> & 'co'"], 1000).decode()
    assert "true &lt;b&gt;bass&lt;/b&gt; &amp; &#x27;co&#x27;" in text
    (sound,) = re.findall(r'src="data:audio/wav;base64,([^"]+)"', text)
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(sound)))
    assert samples.shape == (400, 2)


@pytest.mark.parametrize("wave", [torch.zeros(1, 500), torch.full((1, 3), 0.5), torch.rand(6, 300)])
def test_silence_three_samples_and_many_channels_are_drawn(wave):
    assert b"data:image/png" in page([wave], ["true a"], 8000)


@pytest.mark.parametrize(("samples", "said"), [(1000, "need 1024 at least"), (1024, "")])
def test_clips_that_are_too_short_for_a_network_are_told(samples, said):
    data = DataSpec(
        task="audio-classification",
        input_shape=(1, samples),
        class_names=("a", "b"),
        facts={"sample_rate": 8000},
    )
    if not said:
        assert registry.create_model("m5", data=data)(torch.zeros(2, 1, samples)).shape == (2, 2)
        return
    with pytest.raises(Exception, match=said) as caught:
        registry.create_model("m5", data=data)
    assert "dataset.seconds=0.128" in str(caught.value)


@pytest.fixture
def long_sounds(project):
    """A table of recordings, some longer than a sample, of three speakers."""
    random = torch.Generator().manual_seed(0)
    rows = ["path,label,speaker,split"]
    for number in range(24):
        label, hertz = (("low", 200), ("high", 900))[number % 2]
        seconds = 0.5 if number % 3 else 1.2
        time = torch.arange(round(seconds * 4000)) / 4000
        noise = torch.randn(len(time), generator=random)
        wave = 0.3 * torch.sin(2 * torch.pi * hertz * time) + (0.4 if number % 5 else 0.05) * noise
        soundfile.write(f"{number}.wav", wave.clamp(-1, 1).numpy(), 4000)
        rows.append(f"{number}.wav,{label},s{number % 3},{('train', 'val', 'test')[number // 8]}")
    (project / "table.csv").write_text("\n".join(rows))
    return "table.csv"


def test_speakers_and_whole_recordings_have_metrics_of_their_own(fw, long_sounds):
    words = ("mlops.tracking.backend=none", "trainer.accelerator=cpu", "trainer.max_epochs=2", "dataset.batch_size=4")
    data = ("--dataset", "audio_manifest", f"dataset.path={long_sounds}", "dataset.seconds=0.5")
    done = fw("train", "--model", "m5", "model.width=8", *data, *words, "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["directory"])
    rows = list(csv.DictReader((folder / "tables" / "per_speaker.csv").read_text().splitlines()))
    assert [row["speaker"] for row in rows] == ["s0", "s1", "s2", "(mean)", "(std)"]
    of_clips = list(csv.DictReader((folder / "tables" / "per_clip.csv").read_text().splitlines()))[:-2]
    windows = [int(row["samples"]) for row in of_clips]
    assert len(windows) == 8
    assert sum(windows) == sum(int(row["samples"]) for row in rows[:3])
    assert sorted(set(windows)) == [1, 4]  # 1.2 s in windows of 0.5 s, each half over the next
    right = sum(float(row["accuracy"]) * int(row["samples"]) for row in of_clips)
    metrics = done.json["metrics"]
    assert metrics["test/accuracy"] == pytest.approx(right / sum(windows), abs=1e-4)
    assert metrics["test/clip_accuracy"] * 8 == pytest.approx(round(metrics["test/clip_accuracy"] * 8), abs=1e-4)
    # A recording whose windows are all right, or all wrong, is so as a whole.
    assert metrics["test/clip_accuracy"] * 8 >= sum(float(row["accuracy"]) == 1 for row in of_clips) - 1e-3
