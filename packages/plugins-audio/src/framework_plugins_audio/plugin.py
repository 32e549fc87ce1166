"""What this package offers. Read whenever models or datasets are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from framework_core import hookimpl
from framework_core.contracts import ComponentSpec, ModelSpec

TASKS = ("audio-classification", "audio-tagging", "audio-regression")
SETTINGS = "framework_plugins_audio.settings"


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The models and datasets of this package."""
    yield from _models()


def _models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="m5",
        domain="audio",
        tasks=TASKS,
        summary="M5: convolutions on the waveform itself, 0.56 M parameters",
        builder="framework_plugins_audio.models.m5:M5",
        config=f"{SETTINGS}:M5Config",
        tags=("waveform",),
        licence="MIT",
        paper="Dai et al., Very Deep Convolutional Neural Networks for Raw Waveforms, https://arxiv.org/abs/1610.00087",
        parameters=558_090,
    )
