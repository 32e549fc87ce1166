"""What can be said of a sound in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

QUIETEST = 1e-6
"""The least level that is told apart from silence, as a share of full scale: -120 dB."""


def sound_features(sound: np.ndarray[Any, Any]) -> dict[str, float]:
    """Level and peak in dB of full scale, how often the sign changes from sample to sample, and the share of silence.

    Args:
        sound: ``(channels, samples)``.
    """
    values = sound.astype(np.float64)
    if not values.size:
        return {}
    size = np.abs(values)
    return {
        "level": _decibels(float(np.sqrt((values**2).mean()))),
        "peak": _decibels(float(size.max())),
        "crossings": float((np.diff(np.signbit(values), axis=-1)).mean()) if values.shape[-1] > 1 else 0.0,
        "silence": float((size < QUIETEST).mean()),
    }


def _decibels(share: float) -> float:
    return float(20 * np.log10(max(share, QUIETEST)))
