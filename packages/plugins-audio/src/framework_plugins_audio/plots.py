"""Figures and pages of recordings."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from framework_core.tracking.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR_DB = 80.0
"""How far below the loudest point of a spectrogram its darkest colour is."""

WINDOW_SECONDS = 0.025

LONGEST_SECONDS = 10.0
"""How much of a recording a page holds."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Worst mistakes</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 1.5rem; }}
main {{ display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }}
figure {{ margin: 0; }}
img, audio {{ display: block; width: 100%; }}
figcaption {{ margin: 0.25rem 0; white-space: pre-line; }}
</style>
</head>
<body>
<h1>Worst mistakes</h1>
<p>The recordings of the test with the highest loss, the highest first.</p>
<main>
{figures}
</main>
</body>
</html>
"""
FIGURE = """<figure>
<img alt="Spectrogram of recording {number}" src="data:image/png;base64,{image}">
<figcaption>{caption}</figcaption>
<audio controls preload="metadata" aria-label="Recording {number}" src="data:audio/wav;base64,{sound}"></audio>
</figure>"""


def gallery(waves: Sequence[Tensor], captions: Sequence[str], sample_rate: int) -> Figure:
    """Spectrograms in a square, each under its caption.

    Args:
        waves: Each ``(channels, samples)``.
        captions: A line or two for each.
        sample_rate: Samples a second.
    """
    side = max(1, math.ceil(math.sqrt(len(waves))))
    rows = -(-len(waves) // side)
    figure = new_figure(2.4 * side, 2.2 * rows)
    for index, (wave, caption) in enumerate(zip(waves, captions, strict=True)):
        axes = figure.add_subplot(rows, side, index + 1)
        _draw(axes, wave, sample_rate)
        axes.set_title(caption, fontsize=8)
        axes.tick_params(labelsize=6)
    figure.supxlabel("seconds", fontsize=8)
    figure.supylabel("kHz", fontsize=8)
    return figure


def page(waves: Sequence[Tensor], captions: Sequence[str], sample_rate: int) -> bytes:
    """A page with the spectrogram of each recording, its caption, and the recording itself to be heard.

    Args:
        waves: Each ``(channels, samples)``.
        captions: A line or two for each.
        sample_rate: Samples a second.
    """
    figures = [
        FIGURE.format(
            number=number,
            image=_base64(_picture(wave, sample_rate)),
            caption=html.escape(caption),
            sound=_base64(_sound(wave, sample_rate)),
        )
        for number, (wave, caption) in enumerate(zip(waves, captions, strict=True), start=1)
    ]
    return PAGE.format(figures="\n".join(figures)).encode("utf-8")


def _draw(axes: Axes, wave: Tensor, sample_rate: int) -> None:
    level, seconds = _decibels(wave, sample_rate)
    extent = (0.0, seconds, 0.0, sample_rate / 2000)
    axes.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-FLOOR_DB, vmax=0)


def _decibels(wave: Tensor, sample_rate: int) -> tuple[np.ndarray[Any, Any], float]:
    """The spectrogram of all channels together, below its loudest point, and how long the recording is."""
    sound = _without_padding(wave).float().mean(dim=0)
    size = max(16, round(WINDOW_SECONDS * sample_rate))
    padded = torch.nn.functional.pad(sound, (0, max(0, size - len(sound))))
    power = torch.stft(
        padded, size, max(1, size // 4), window=torch.hann_window(size), center=False, return_complex=True
    )
    level = 20 * power.abs().clamp(min=1e-10).log10()
    return (level - level.max()).numpy(), len(sound) / sample_rate


def _without_padding(wave: Tensor) -> Tensor:
    """A recording without the zeros that fill it up."""
    sounding = wave.ne(0).any(dim=0).nonzero()
    return wave[:, : int(sounding[-1]) + 1] if len(sounding) else wave


def _picture(wave: Tensor, sample_rate: int) -> bytes:
    figure = new_figure(3.2, 2.0)
    axes = figure.add_subplot()
    _draw(axes, wave, sample_rate)
    axes.set(xlabel="seconds", ylabel="kHz")
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def _sound(wave: Tensor, sample_rate: int) -> bytes:
    """The recording as a WAV of 16 bits."""
    samples = _without_padding(wave)[:, : round(LONGEST_SECONDS * sample_rate)].float().clamp(-1, 1)
    written = io.BytesIO()
    soundfile.write(written, samples.numpy().T, sample_rate, format="WAV", subtype="PCM_16")
    return written.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
