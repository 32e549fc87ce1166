"""Sounds made on the spot, and a tiny set in the real form of each published one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile


def tone(hertz: float, rate: int, seconds: float, *, seed: int = 0, channels: int = 1) -> np.ndarray:
    """A tone in a little noise, ``(frames, channels)``."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * time + generator.uniform(0, 6))
    return (wave[:, None] + 0.01 * generator.standard_normal((len(time), channels))).astype(np.float32)


def write(path: Path, sound: np.ndarray, rate: int, **how: str) -> Path:
    """A sound file, with the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, **how)
    return path


def table(path: Path, rows: list[dict[str, object]], *, delimiter: str = ",") -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def fsdd(root: Path) -> Path:
    """Ten digits of two speakers, seven times each."""
    for digit in range(10):
        for speaker in ("ann", "theo"):
            for number in range(7):
                sound = tone(200 + 50 * digit, 8_000, 0.05, seed=digit * 100 + number + (speaker == "ann") * 50)
                write(root / "recordings" / f"{digit}_{speaker}_{number}.wav", sound, 8_000)
    return root


def speech_commands(root: Path) -> Path:
    """The ten words and two others, of speakers who are in different splits, and two noises."""
    words = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "bed", "happy")
    for number, word in enumerate(words):
        for speaker in range(12):
            name = f"{speaker * 6 + 3:08x}_nohash_0.wav"
            write(root / word / name, tone(200 + 90 * number, 16_000, 0.1, seed=number * 50 + speaker), 16_000)
    for number, name in enumerate(("pink_noise", "running_tap")):
        write(root / "_background_noise_" / f"{name}.wav", tone(90, 16_000, 12, seed=900 + number), 16_000)
    (root / "README.md").write_text("Speech Commands\n")
    return root


def esc50(root: Path) -> Path:
    """Four classes, two of them in ESC-10, one sound of each in each of five folds."""
    classes = (("dog", 0, True), ("rooster", 1, True), ("pig", 2, False), ("cow", 3, False))
    rows = []
    for fold in range(1, 6):
        for category, target, ten in classes:
            name = f"{fold}-{1000 * fold + target}-A-{target}.wav"
            write(root / "audio" / name, tone(300 + 100 * target, 8_000, 0.2, seed=fold * 10 + target), 8_000)
            rows.append(
                {
                    "filename": name,
                    "fold": fold,
                    "target": target,
                    "category": category,
                    "esc10": ten,
                    "src_file": 1000 * fold + target,
                    "take": "A",
                }
            )
    table(root / "meta" / "esc50.csv", rows)
    return root


def urbansound8k(root: Path) -> Path:
    """Two classes in three folds, mono and stereo, at two rates."""
    rows = []
    for fold in range(1, 4):
        for number, name in enumerate(("air_conditioner", "siren")):
            rate, channels = ((8_000, 1), (11_025, 2))[number]
            file = f"{fold}00-{number}-0-0.wav"
            sound = tone(300 + 300 * number, rate, 0.1 * fold, seed=fold * 10 + number, channels=channels)
            write(root / "audio" / f"fold{fold}" / file, sound, rate)
            rows.append(
                {
                    "slice_file_name": file,
                    "fsID": f"{fold}00",
                    "start": 0.0,
                    "end": 0.1,
                    "salience": 1,
                    "fold": fold,
                    "classID": number,
                    "class": name,
                }
            )
    table(root / "metadata" / "UrbanSound8K.csv", rows)
    return root


def folder(root: Path, count: int = 24) -> list[tuple[str, int]]:
    """Sound files of three pitches in one folder: their names and classes."""
    made = [(f"{number:03}.wav", number % 3) for number in range(count)]
    for number, (name, label) in enumerate(made):
        write(root / name, tone(300 + 200 * label, 8_000, 0.1, seed=number), 8_000)
    return made


def audio_folder(root: Path) -> dict[str, object]:
    for name, label in folder(root / "all"):
        place = root / "set" / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        (root / "all" / name).rename(place / name)
    return {"path": str(root / "set"), "val_fraction": 0.25, "test_fraction": 0.25}


def audio_manifest(root: Path) -> dict[str, object]:
    rows = [{"path": f"files/{name}", "label": f"class{label}"} for name, label in folder(root / "files")]
    return {"path": str(table(root / "table.csv", rows)), "val_fraction": 0.25, "test_fraction": 0.25}


def audio_manifest_tags(root: Path) -> dict[str, object]:
    rows = [
        {"path": f"files/{name}", "tags": "|".join(["low"] * (label < 2) + ["round"] * (label > 0))}
        for name, label in folder(root / "files")
    ]
    return {
        "path": str(table(root / "table.csv", rows)),
        "task": "audio-tagging",
        "separator": "|",
        "val_fraction": 0.25,
        "test_fraction": 0.25,
    }


def audio_manifest_numbers(root: Path) -> dict[str, object]:
    rows = [{"path": f"files/{name}", "pitch": label * 1.5, "age": -label} for name, label in folder(root / "files")]
    return {
        "path": str(table(root / "table.csv", rows)),
        "task": "audio-regression",
        "target_columns": ["pitch", "age"],
        "val_fraction": 0.25,
        "test_fraction": 0.25,
    }


def huggingface_audio(root: Path) -> dict[str, object]:
    import pyarrow
    from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Value

    def split(count: int, place: str) -> Dataset:
        made = folder(root / place, count)
        names = ClassLabel(names=["low", "middle", "high"])
        features = Features({"audio": Audio(), "label": names, "speaker_id": Value("int64")})
        sound = [{"bytes": (root / place / name).read_bytes(), "path": name} for name, _ in made]
        columns = {"audio": sound, "label": [label for _, label in made], "speaker_id": [n % 4 for n in range(count)]}
        # From dictionaries the library would encode what is encoded already, with torchcodec.
        return Dataset(pyarrow.table(columns, schema=features.arrow_schema))

    whole = DatasetDict({"train": split(24, "one"), "test": split(6, "two")})
    whole.save_to_disk(str(root / "saved"))
    return {"path": str(root / "saved"), "val_fraction": 0.25}


MADE = {
    "dtmf": lambda root: {"count": 160},
    "fsdd": lambda root: {"path": str(fsdd(root)), "val_fraction": 0.25},
    "speech_commands": lambda root: {"path": str(speech_commands(root))},
    "speech_commands twelve": lambda root: {"path": str(speech_commands(root)), "classes": 12},
    "esc50": lambda root: {"path": str(esc50(root))},
    "urbansound8k": lambda root: {"path": str(urbansound8k(root))},
    "audio_folder": audio_folder,
    "audio_manifest": audio_manifest,
    "audio_manifest tags": audio_manifest_tags,
    "audio_manifest numbers": audio_manifest_numbers,
    "huggingface_audio": huggingface_audio,
}
"""By the name of the dataset, and what is special where there are several forms."""
