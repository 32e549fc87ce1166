"""Sounds that cannot be used: each told by its name and what to do, with exit code 2, and left out where asked for."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import table, tone, write

pytestmark = pytest.mark.drawn

TWO = {"cat": 6, "dog": 6}
SMALL = (
    *("--model", "m5", "model.width=8", "--dataset", "audio_folder"),
    *("dataset.path=pets", "dataset.batch_size=4", "dataset.seconds=0.15"),
)


def nothing(path):
    path.write_bytes(b"")


def header_only(path):
    path.write_bytes(path.read_bytes()[:44])


def less_than_promised(path):
    path.write_bytes(path.read_bytes()[:1_000])


def text(path):
    path.write_text("This is no sound.\n" * 20)


def no_numbers(path):
    sound = tone(300, 8_000, 0.1)
    sound[80] = np.nan
    write(path, sound, 8_000, subtype="FLOAT")


BAD = [
    (nothing, "it is empty (0 bytes)"),
    (header_only, "it holds no samples, only a header"),
    (less_than_promised, "it is cut short: its header promises 800 frames, and 478 are there"),
    (text, "it is no sound file of a known format"),
    (no_numbers, "it has samples that are no numbers (NaN or infinite), the first at 0.010 s"),
]


@pytest.mark.parametrize(("spoil", "why"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(spoil, why, train, sounds):
    spoil(sounds("pets", TWO) / "cat" / "03.wav")
    done = train(*SMALL)
    assert done.code == 2
    assert "A sound of 12" in done.err
    assert f"pets/cat/03.wav: {why}" in done.err
    assert "dataset.on_error=skip" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("spoil", [nothing, text])
def test_it_is_seen_by_its_beginning_too(spoil, train, sounds):
    spoil(sounds("pets", TWO) / "cat" / "03.wav")
    assert train(*SMALL, "dataset.verify=quick").code == 2


@pytest.mark.parametrize(("name", "keep"), [("a.flac", 0.6), ("a.ogg", 0.6), ("a.mp3", 0.5)])
def test_a_compressed_file_that_is_cut_short_is_refused(name, keep, train, sounds):
    path = write(sounds("pets", TWO) / "cat" / name, tone(300, 8_000, 2.0), 8_000)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    done = train(*SMALL)
    assert done.code == 2
    assert name in done.err
    assert "cut short" in done.err or "holds no samples" in done.err


def test_what_cannot_be_read_is_left_out_counted_and_named(train, sounds):
    root = sounds("pets", {"cat": 8, "dog": 8})
    nothing(root / "cat" / "03.wav")
    text(root / "dog" / "05.wav")
    done = train(*SMALL, "dataset.on_error=skip")
    assert done.code == 0, done.err
    assert "2 sounds of 16" in done.err
    assert "03.wav: it is empty" in done.err
    assert "Left out, as dataset.on_error=skip says." in done.err


@pytest.mark.parametrize("workers", [0, 2])
def test_what_breaks_while_it_is_loaded_is_told_and_never_hangs(workers, train, sounds):
    no_numbers(sounds("pets", TWO) / "cat" / "03.wav")
    words = ("dataset.verify=quick", "dataset.cache=none", f"dataset.num_workers={workers}", "dataset.val_fraction=0")
    done = train(*SMALL, *words, "dataset.test_fraction=0", "trainer.limit_train_batches=null")
    assert done.code == 2
    assert "pets/cat/03.wav cannot be read: it has samples that are no numbers" in done.err
    left_out = train(
        *SMALL, *words, "dataset.test_fraction=0", "trainer.limit_train_batches=null", "dataset.on_error=skip"
    )
    assert left_out.code == 0, left_out.err


def test_files_of_any_kind_rate_and_number_of_channels_train_together(train, sounds):
    root = sounds("pets", TWO)
    write(root / "cat" / "two.wav", tone(300, 44_100, 0.1, channels=2), 44_100)
    write(root / "dog" / "six.wav", tone(500, 16_000, 0.1, channels=6), 16_000)
    write(root / "dog" / "a.flac", tone(500, 8_000, 0.1), 8_000)
    write(root / "cat" / "b.wav", tone(300, 8_000, 0.1), 8_000).rename(root / "cat" / "b.mp3")
    done = train(*SMALL)
    assert done.code == 0, done.err


def test_silence_is_trained_on_and_told(train, sounds):
    write(sounds("pets", TWO) / "cat" / "quiet.wav", np.zeros((800, 1)), 8_000)
    done = train(*SMALL)
    assert done.code == 0, done.err
    assert "every sample is 0 in 1 of 13 sounds" in done.err
    assert "quiet.wav" in done.err


def test_an_empty_class_folder_is_refused(train, sounds):
    (sounds("pets", TWO) / "bird").mkdir()
    done = train(*SMALL)
    assert done.code == 2
    assert "The class folder pets/bird holds no sound." in done.err
    assert "Put sounds in, or remove the folder." in done.err


def test_a_class_that_training_lacks_is_refused(train, sounds):
    sounds("pets/train", TWO)
    sounds("pets/val", {"cat": 1, "bird": 1})
    done = train(*SMALL)
    assert done.code == 2
    assert "pets/val holds classes that training does not have: bird." in done.err
    assert "Classes of training: cat, dog." in done.err


def test_a_class_whose_sounds_are_all_left_out_is_refused(train, sounds):
    root = sounds("pets", {"cat": 6, "dog": 6, "owl": 1})
    nothing(root / "owl" / "00.wav")
    done = train(*SMALL, "dataset.on_error=skip")
    assert done.code == 2
    assert "There is no sound to train on of owl" in done.err


def test_accents_quotes_and_spaces_in_names_do_not_matter(train, sounds):
    root = sounds("pets", {'chât "noir"': 5, "l'été, 100 %": 5, "日本 語": 5})
    for number, path in enumerate(sorted(root.rglob("*.wav"))):
        path.rename(path.with_name(f"ö 'quoted' \"twice\" {number};.wav"))
    done = train(*SMALL)
    assert done.code == 0, done.err


def test_a_folder_that_is_not_there_or_has_no_classes_says_what_to_do(train, sounds, project):
    done = train(*SMALL)
    assert done.code == 2
    assert "There is no folder pets." in done.err
    write(project / "pets" / "a.wav", tone(300, 8_000, 0.1), 8_000)
    done = train(*SMALL)
    assert done.code == 2
    assert "pets holds 1 sound" in done.err
    assert "--dataset audio_manifest" in done.err


def test_each_missing_file_of_a_manifest_is_told_with_its_line(train, sounds, project):
    root = sounds("pets", TWO)
    rows = [{"path": f"pets/{path.parent.name}/{path.name}", "label": path.parent.name} for path in root.rglob("*.wav")]
    rows[3]["path"] = "pets/cat/gone.wav"
    rows[7]["path"] = "pets/dog/gone too.wav"
    table(project / "all.csv", rows)
    done = train("--model", "m5", "--dataset", "audio_manifest", "dataset.path=all.csv")
    assert done.code == 2
    assert "2 sounds of 12 named in all.csv cannot be used" in done.err
    assert "all.csv, line 5: pets/cat/gone.wav: there is no such file" in done.err
    assert "all.csv, line 9: pets/dog/gone too.wav: there is no such file" in done.err
    assert "dataset.audio_root=FOLDER" in done.err
