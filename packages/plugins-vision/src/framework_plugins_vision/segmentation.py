"""A class for each pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassJaccardIndex

from framework_core import shared_sum
from framework_core.contracts import Processing, SampleScore, ScoredSamples
from framework_core.tasks.task import MOST_PARTS, Task, as_floats, metric_name
from framework_plugins_vision.colours import mask_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 4
"""How many images of the test are drawn with their masks."""


class Segmentation(Task):
    """Outputs are one logit for each class and pixel; a target is the class of each pixel, or ``ignore_index``."""

    losses = ("cross_entropy_dice", "cross_entropy", "dice")
    loss_counts_all_processes = True
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/miou", "max")
    used_with: ClassVar[Mapping[str, tuple[str, ...]]] = {"label_smoothing": ("cross_entropy", "cross_entropy_dice")}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._examples: list[tuple[Tensor, Tensor, Tensor]] = []
        self._iou: list[float] = []
        self._pixels: list[Tensor] = []

    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """Cross-entropy of pixels, the Dice loss of classes, or their sum."""
        smoothing = self.objective.label_smoothing if training else 0.0
        ignored = self.data.ignore_index
        found = outputs.new_zeros(())
        if self.loss_name != "dice":
            found = found + pixel_cross_entropy(outputs, target, ignored, smoothing, training=training)
        if self.loss_name != "cross_entropy":
            found = found + dice_loss(outputs, target, ignored, training=training)
        return found

    def loss_count(self, target: Tensor) -> int:
        """Pixels that count, for a mean over them; a Dice loss is of a batch as a whole."""
        if self.loss_name != "cross_entropy" or self.data.ignore_index is None:
            return len(target)
        return int((target != self.data.ignore_index).sum())

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """The logarithm of the number of classes, and the Dice loss where each has its share of the pixels."""
        classes = self.data.num_classes
        entropy, dice = math.log(classes) if classes > 1 else 0.0, 1 - 1 / classes
        parts = {"cross_entropy": entropy, "dice": dice, "cross_entropy_dice": entropy + dice}
        return parts[self.loss_name] or None

    def metrics(self) -> Mapping[str, Metric]:
        """Intersection over union, averaged over classes, and the share of pixels that are right."""
        classes, ignored = self.data.num_classes, self.data.ignore_index
        return {
            "miou": _OfPixels(MulticlassJaccardIndex(classes, average="macro", ignore_index=ignored)),
            "pixel_accuracy": _OfPixels(MulticlassAccuracy(classes, average="micro", ignore_index=ignored)),
        }

    def test_metrics(self) -> Mapping[str, Metric]:
        """Which pixels were taken for what."""
        self._examples, self._pixels = [], []
        classes, ignored = self.data.num_classes, self.data.ignore_index
        return {"confusion": _OfPixels(MulticlassConfusionMatrix(classes, ignore_index=ignored))}

    def observe(self, inputs: Tensor, outputs: Tensor, target: Tensor) -> None:
        """Keep the first images, and the counts of each."""
        counts = pixel_counts(outputs.argmax(dim=1), target, outputs.shape[1], self.data.ignore_index)
        self._pixels.append(counts.cpu())
        for each in zip(inputs, target, outputs.argmax(dim=1), strict=True):
            if len(self._examples) < SHOWN:
                image, true, predicted = (tensor.detach().cpu() for tensor in each)
                self._examples.append((image.float(), true, predicted))

    def finish_test(self, counted: Mapping[str, Any]) -> Mapping[str, float]:
        """The intersection over union of each class; of one that is nowhere there is none."""
        confusion = counted["confusion"].double()
        both = confusion.diagonal()
        self._iou = as_floats(both / (confusion.sum(dim=0) + confusion.sum(dim=1) - both))
        named = zip(self.data.class_names, self._iou, strict=True)
        return {f"iou/{metric_name(name)}": value for name, value in named if not math.isnan(value)}

    def probabilities(self, outputs: Tensor) -> Tensor:
        """The probability of each class, for each pixel."""
        return torch.softmax(outputs.float(), dim=1)

    def postprocessing(self) -> Processing:
        """The same columns, without torch."""
        settings = {"class_names": list(self.data.class_names)}
        return Processing(builder="framework_plugins_vision.serving_masks:MaskAnswers", settings=settings)

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """The intersection over union of each image and class, and the share of its pixels that are right.

        That of an image is the mean over the classes that it has, or was said to have; that of a class counts pixels.
        """
        if not self._pixels:
            return None
        counts = torch.cat(self._pixels).double()
        right, said, there = counts.unbind(dim=1)
        union = said + there - right
        of_classes = torch.where(union > 0, right / union, torch.nan)
        names = self.data.class_names if self.data.num_classes <= MOST_PARTS else ()
        parts = {
            name: SampleScore(values=of_classes[:, number].tolist(), weights=union[:, number].tolist())
            for number, name in enumerate(names)
        }
        iou = SampleScore(values=of_classes.nanmean(dim=1).tolist(), parts={"class": parts} if parts else {})
        pixels = there.sum(dim=1)
        accuracy = SampleScore(values=(right.sum(dim=1) / pixels.clamp(min=1)).tolist(), weights=pixels.tolist())
        shares = (said / said.sum(dim=1, keepdim=True).clamp(min=1)).tolist()
        return ScoredSamples(
            truth=there.long().tolist(),
            scores={"iou": iou, "pixel_accuracy": accuracy},
            answers=[{"shares": dict(zip(self.data.class_names, row, strict=True))} for row in shares],
        )

    def predict(self, outputs: Tensor) -> dict[str, Any]:
        """The mask as an image file, and the share of the pixels that each class has."""
        classes = outputs.argmax(dim=1)
        count, names = outputs.shape[1], self.data.class_names
        shares = functional.one_hot(classes, count).float().mean(dim=(1, 2))
        return {
            "mask": [MaskFile(mask.to(torch.uint8).cpu().numpy()) for mask in classes],
            "shares": [dict(zip(names, row, strict=True)) for row in shares.tolist()],
        }

    def figures(self) -> dict[str, Figure]:
        """Images of the last test with their masks and predictions, and how well each class is met."""
        from framework_core.tracking.plots import bars
        from framework_plugins_vision.plots import masks

        if not self._iou:
            return {}
        return {
            "masks": masks(self._examples, self.data.class_names, self.data.ignore_index),
            "classes": bars("Classes of the test", self.data.class_names, {"intersection over union": self._iou}),
        }


class MaskFile:
    """A predicted mask: written as a PNG of the size of the image, the index of a class in each pixel.

    Args:
        classes: ``(height, width)``, as the model gave it.
    """

    suffix = ".png"

    def __init__(self, classes: np.ndarray[Any, Any]) -> None:
        self.classes = classes

    def content(self, source: Path) -> bytes:
        """The file, as large as the image that was predicted, upright."""
        with Image.open(source) as image:
            size = ImageOps.exif_transpose(image).size
        return mask_png(self.classes, size)


def pixel_counts(said: Tensor, target: Tensor, classes: int, ignored: int | None) -> Tensor:
    """How many pixels of each image are of each class.

    Args:
        said: The class of each pixel by the model, ``(batch, height, width)``.
        target: The same as it is; or ``ignored``.
        classes: How many classes there are.
        ignored: What stands where nobody says what a pixel is: it counts in none.

    Returns:
        ``(batch, 3, classes)``: those that are right, that were said, that are there.
    """
    images = torch.arange(len(target), device=target.device).view(-1, 1, 1).expand_as(target)
    counts = torch.ones_like(target, dtype=torch.bool) if ignored is None else target != ignored
    size = len(target) * classes
    sides = [(said, counts & (said == target)), (said, counts), (target, counts)]
    found = [torch.bincount((images * classes + of)[chosen].flatten(), minlength=size) for of, chosen in sides]
    return torch.stack([each.view(len(target), classes) for each in found], dim=1)


def pixel_cross_entropy(
    outputs: Tensor, target: Tensor, ignored: int | None, smoothing: float = 0.0, *, training: bool = False
) -> Tensor:
    """The mean cross-entropy of the pixels that count; zero where none does."""
    nothing = -100 if ignored is None else ignored
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    own = functional.cross_entropy(outputs, target, ignore_index=nothing, label_smoothing=smoothing, reduction="sum")
    summed, counted = shared_sum(
        torch.stack([own, (target != nothing).sum().to(own.dtype)]), training=training
    ).unbind()
    return summed / counted.clamp(min=1)


def dice_loss(outputs: Tensor, target: Tensor, ignored: int | None, *, training: bool = False) -> Tensor:
    """One minus the Dice coefficient (Milletari et al., https://arxiv.org/abs/1606.04797), averaged over classes.

    Classes that no pixel of the batch has do not count.
    """
    counts = torch.ones_like(target, dtype=torch.bool) if ignored is None else target != ignored
    known = torch.where(counts, target, 0)
    true = functional.one_hot(known, outputs.shape[1]).movedim(-1, 1).to(torch.float32) * counts.unsqueeze(1)
    shares = outputs.float().softmax(dim=1) * counts.unsqueeze(1)
    own = [each.sum(dim=(0, 2, 3)) for each in (shares * true, shares + true, true)]
    both, size, there = shared_sum(torch.stack(own), training=training).unbind()
    present = there > 0
    coefficients = 2 * both / size.clamp(min=1e-6)
    return ((1 - coefficients) * present).sum() / present.sum().clamp(min=1)


class _OfPixels(Metric):
    """A metric of torchmetrics that is given logits in any precision."""

    def __init__(self, of: Metric) -> None:
        super().__init__()
        self.of = of

    def update(self, preds: Tensor, target: Tensor) -> None:
        self.of.update(preds.argmax(dim=1), target)

    def compute(self) -> Any:
        return self.of.compute()

    def reset(self) -> None:
        super().reset()
        self.of.reset()
