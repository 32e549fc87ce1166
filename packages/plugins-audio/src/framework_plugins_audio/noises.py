"""Recordings of noise, to be added to others."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from framework_core.errors import DataError
from framework_plugins_audio.clips import mixed
from framework_plugins_audio.reading import SUFFIXES, UNREADABLE, header, reason, samples
from framework_plugins_audio.resampling import resampled

NEXT = "Name another folder with dataset.noise=PATH, or leave it out for white noise"


def noises_in(folder: Path, sample_rate: int) -> list[Tensor]:
    """All recordings of a folder and those in it, one channel each.

    Args:
        folder: Where they are.
        sample_rate: The rate that they are brought to, in hertz.

    Returns:
        Each ``(samples,)``.

    Raises:
        DataError: There is no such folder, there are none in it, or one cannot be read or is silent.
    """
    folder = folder.expanduser()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not paths:
        what = "no recordings of noise in it" if folder.is_dir() else "no such folder"
        raise DataError(
            f"Noise cannot be added from {folder}: there is {what}.",
            paths=[folder],
            possible=f"Recordings end in {', '.join(SUFFIXES[:4])} ...",
            next_step=NEXT,
        )
    return [_noise(path, sample_rate) for path in paths]


def _noise(path: Path, sample_rate: int) -> Tensor:
    try:
        sound = resampled(mixed(samples(str(path)), 1), header(str(path)).rate, sample_rate)
    except UNREADABLE as error:
        what = f"The recording of noise {path} cannot be read: {reason(error)}."
        raise DataError(what, paths=[path], next_step=NEXT) from error
    wave = torch.from_numpy(sound.reshape(-1).copy())
    if not bool(wave.any()):
        raise DataError(f"The recording of noise {path} is silent.", paths=[path], next_step=NEXT)
    return wave
