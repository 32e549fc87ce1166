"""The base class of vision models: what is learned from images, by the task of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from framework_core import BaseTaskModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_WHOLE_IMAGES = ("image-classification", "multi-label-classification", "regression")
"""The tasks with one target for an image."""


class BaseVisionModel(BaseTaskModel):
    """Learns from images: their class, several classes, numbers, or the class of each pixel, as the data says.

    Inputs are ``(batch, channels, height, width)``; outputs are one number a class or target, ``(batch, outputs)``, and
    for masks ``(batch, classes, height, width)``. ``self.data.num_outputs`` says how many. A subclass gives
    ``_build_model``; metrics, loss and ``forward`` have defaults that it may replace.

    Args:
        loss: What is made small; empty takes the task's own.
        label_smoothing: The share of a label that is spread over all classes.
        bce_threshold: With ``loss="bce"``, the share of a class above which it counts as the whole class.
        huber_delta: With ``loss="huber"``, the error up to which it is a square.
        threshold: With several labels, the probability from which an image has a class.
        data: What the model is trained on.

    Raises:
        ConfigError: The loss makes no sense for the data's task.
    """

    domain: ClassVar[str] = "vision"
    tasks: ClassVar[tuple[str, ...]] = OF_WHOLE_IMAGES
    task_places: ClassVar[Mapping[str, str]] = {
        "image-classification": "framework_core.tasks.classification:Classification",
        "multi-label-classification": "framework_core.tasks.multi_label:MultiLabel",
        "regression": "framework_core.tasks.regression:Regression",
        "semantic-segmentation": "framework_plugins_vision.segmentation:Segmentation",
    }

    def mistakes_figure(self, inputs: Sequence[Tensor], outputs: Tensor, target: Tensor) -> Figure | None:
        """The images with the highest loss, with what was right and what was said."""
        captions = self.task.captions(outputs, target)
        if not captions:
            return None
        from framework_plugins_vision.plots import gallery

        return gallery(inputs, captions)
