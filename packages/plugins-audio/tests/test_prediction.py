"""A trained network predicts sound files: one row each, however long they are."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from made_sounds import tone, write

from framework_core.contracts import DataSpec
from framework_core.errors import DataError
from framework_plugins_audio.new_sounds import SoundsToPredict


@pytest.fixture
def of_two() -> DataSpec:
    """Two classes of sounds of a tenth of a second."""
    return DataSpec(
        task="audio-classification",
        input_shape=(1, 800),
        class_names=("cat", "dog"),
        facts={"sample_rate": 8_000},
    )


def test_a_long_file_is_one_row_with_the_mean_of_its_windows(of_two, project):
    write(project / "short.wav", tone(300, 8_000, 0.05), 8_000)
    write(project / "long.wav", tone(300, 16_000, 0.2, channels=2), 16_000)
    dataset = SoundsToPredict(["short.wav", "long.wav"], of_two)
    assert tuple(dataset.batch(torch.arange(4)).shape) == (4, 1, 800)
    assert len(dataset) == 4

    def said(cat):
        return {
            "label": "cat" if cat > 0.5 else "dog",
            "confidence": max(cat, 1 - cat),
            "probabilities": {"cat": cat, "dog": 1 - cat},
        }

    windows = [said(0.9), said(0.6), said(0.2), said(0.1)]
    batches = [{name: [each[name] for each in part] for name in windows[0]} for part in (windows[:3], windows[3:])]
    short, long = dataset.rows(batches)
    assert short == {"path": "short.wav", "seconds": 0.05, "windows": 1, **said(0.9)}
    assert (long["path"], long["seconds"], long["windows"], long["label"]) == ("long.wav", 0.2, 3, "dog")
    assert long["probabilities"] == pytest.approx({"cat": 0.3, "dog": 0.7})
    assert long["confidence"] == pytest.approx(0.7)


def test_a_tag_that_one_window_has_is_a_tag_of_the_file(of_two, project):
    write(project / "long.wav", tone(300, 8_000, 0.15), 8_000)
    dataset = SoundsToPredict(["long.wav"], of_two)
    windows = {"labels": [["cat"], []], "probabilities": [{"cat": 0.8, "dog": 0.1}, {"cat": 0.2, "dog": 0.3}]}
    (row,) = dataset.rows([windows])
    assert row["labels"] == ["cat"]
    assert row["probabilities"] == {"cat": 0.8, "dog": 0.3}
    (numbers,) = dataset.rows([{"age": torch.tensor([1.0, 3.0])}])
    assert numbers["age"] == 2.0


def test_files_and_folders_become_a_table(keypad_run, fw, project):
    write(project / "new" / "a.wav", tone(941, 8_000, 1.0) * 0.5 + tone(1336, 8_000, 1.0) * 0.5, 8_000)
    write(project / "new" / "b.flac", tone(697, 16_000, 0.4) * 0.5 + tone(1209, 16_000, 0.4) * 0.5, 16_000)
    Path("new/notes.txt").write_text("no sound")
    done = fw("predict", keypad_run, "new", "-o", "out.csv")
    assert done.code == 0, done.err
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [(row["path"], row["label"], row["windows"]) for row in rows] == [
        ("new/a.wav", "0", "4"),
        ("new/b.flac", "1", "1"),
    ]
    shares = [float(value) for name, value in rows[0].items() if name.startswith("probabilities.")]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    Path("new/b.flac").write_text("no sound either")
    done = fw("predict", keypad_run, "new", "-o", "broken.csv")
    assert done.code == 2
    assert "The sound new/b.flac cannot be read: it is no sound file of a known format" in done.err
    assert not Path("broken.csv").exists()


def test_another_number_of_channels_than_was_trained_on_is_refused(of_two, project):
    write(project / "mono.wav", tone(300, 8_000, 0.1), 8_000)
    stereo = of_two.model_copy(update={"input_shape": (2, 800)})
    with pytest.raises(DataError, match=r"mono\.wav has 1 channels, and the model was trained on 2"):
        SoundsToPredict(["mono.wav"], stereo)
