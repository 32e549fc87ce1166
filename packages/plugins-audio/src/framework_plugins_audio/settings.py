"""The settings of this package's models. Read without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from framework_core.contracts import ComponentConfig

Share = Annotated[float, Field(ge=0, lt=1)]
Loss = Literal["cross_entropy", "bce", "mse", "l1", "huber"]


class AudioModelConfig(ComponentConfig):
    """What every model of sound takes; what makes no sense for the data's task is refused when the data is known."""

    loss: Loss | None = None
    """What is made small; empty takes the task's own: cross_entropy, bce for tags, mse for numbers."""

    label_smoothing: Share = 0.0
    """The share of a label that is spread over all classes (https://arxiv.org/abs/1512.00567, section 7)."""

    bce_threshold: float | None = Field(default=None, ge=0, lt=1)
    """With ``loss=bce``: a share of a class above it counts as the whole class, any other as none."""

    huber_delta: float = Field(default=1.0, gt=0)
    """With ``loss=huber``: the error up to which it is a square."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """With tags: the probability from which a recording has one, in F1 and in predictions."""

    stream_threshold: float = Field(default=0.5, gt=0, lt=1)
    """The probability from which ``fw predict --stream`` tells of a sound."""


class M5Config(AudioModelConfig):
    """Convolutions on the waveform."""

    width: PositiveInt = 128
    """Channels of the first convolution; the last has four times as many."""

    dropout: Share = 0.0
    """The share of the last features that training leaves out."""
