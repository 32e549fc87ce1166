"""The base class of models of sound: what is learned from recordings, by the task of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from framework_core import BaseTaskModel
from framework_core.errors import ContractError

CLASSIFICATION, TAGGING, REGRESSION = "audio-classification", "audio-tagging", "audio-regression"
TASKS = (CLASSIFICATION, TAGGING, REGRESSION)
"""What can be learned: one class, several classes, or numbers for each recording."""


class BaseAudioModel(BaseTaskModel):
    """Learns from recordings: their class, several classes, or numbers, as the data says.

    Inputs are ``(batch, channels, samples)`` from -1 to 1, filled up with zeros at their end; outputs are one number a
    class or target, ``(batch, self.data.num_outputs)``. ``self.sample_rate`` says how many samples make a second. A
    subclass gives ``_build_model``; loss, metrics, figures and predictions have defaults that it may replace.

    Args:
        loss: What is made small; empty takes the task's own.
        label_smoothing: The share of a label that is spread over all classes.
        bce_threshold: With ``loss="bce"``, the share of a class above which it counts as the whole class.
        huber_delta: With ``loss="huber"``, the error up to which it is a square.
        threshold: With tags, the probability from which a recording has one.
        data: What the model is trained on.

    Raises:
        ConfigError: The loss makes no sense for the data's task.
    """

    domain: ClassVar[str] = "audio"
    tasks: ClassVar[tuple[str, ...]] = TASKS
    task_places: ClassVar[Mapping[str, str]] = {
        CLASSIFICATION: "framework_core.tasks.classification:Classification",
        TAGGING: "framework_core.tasks.multi_label:MultiLabel",
        REGRESSION: "framework_core.tasks.regression:Regression",
    }

    @property
    def sample_rate(self) -> int:
        """Samples a second of the data.

        Raises:
            ContractError: The data does not say it.
        """
        found = self.data.facts.get("sample_rate")
        if not isinstance(found, int):
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                ["the data does not say its sample_rate: its samples are not recordings"],
            )
        return found

    @property
    def clip_samples(self) -> int:
        """Samples of one input, each channel.

        Raises:
            ContractError: An input is not ``(channels, samples)``.
        """
        shape = self.data.input_shape
        if len(shape) != 2:
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                [f"a recording is (channels, samples), and a sample of this data is {shape}"],
            )
        return shape[1]
