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
    """Three of the ten words and two others, of speakers who are in different splits, and two noises."""
    for number, word in enumerate(("yes", "no", "go", "bed", "happy")):
        for speaker in range(12):
            name = f"{speaker * 7 + 3:08x}_nohash_0.wav"
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
