"""A random crop brought to one size, and a mirror image: torchvision's, with less around them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import InterpolationMode, v2

TRIES = 10
"""Crops that are tried before the largest one in the middle is taken, as in torchvision."""

SMOOTH = {InterpolationMode.BILINEAR: "bilinear", InterpolationMode.BICUBIC: "bicubic"}


class RandomResizedCrop(v2.RandomResizedCrop):  # type: ignore[misc]  # torchvision has no types
    """Crops are drawn as in torchvision and have its pixels; for bytes it takes a third of the time.

    All random numbers are drawn at once, and the crop is made contiguous, for which torch's resizing is fastest.
    """

    def forward(self, *inputs: Any) -> Any:
        """One image; or what belongs together, all of it cropped alike."""
        if len(inputs) == 1 and type(inputs[0]) is Tensor:
            return self.transform(inputs[0], self.make_params([inputs[0]]))
        return super().forward(*inputs)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Where the crop is: ``top``, ``left``, ``height`` and ``width``."""
        height, width = flat_inputs[0].shape[-2:] if isinstance(flat_inputs[0], Tensor) else flat_inputs[0].size[::-1]
        area = height * width
        low, high = (math.log(each) for each in self.ratio)
        for share, aspect, top, left in torch.rand(TRIES, 4).tolist():
            wanted = area * (self.scale[0] + share * (self.scale[1] - self.scale[0]))
            ratio = math.exp(low + aspect * (high - low))
            wide, tall = round(math.sqrt(wanted * ratio)), round(math.sqrt(wanted / ratio))
            if 0 < wide <= width and 0 < tall <= height:
                place = {"top": int(top * (height - tall + 1)), "left": int(left * (width - wide + 1))}
                return {**place, "height": tall, "width": wide}
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        wide, tall = min(width, round(height * ratio)), min(height, round(width / ratio))
        return {"top": (height - tall) // 2, "left": (width - wide) // 2, "height": tall, "width": wide}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The crop of an image, a mask ..."""
        mode = SMOOTH.get(self.interpolation)
        if type(inpt) is not Tensor or inpt.dtype != torch.uint8 or inpt.ndim != 3 or mode is None:
            return super().transform(inpt, params)
        top, left = params["top"], params["left"]
        crop = inpt[None, :, top : top + params["height"], left : left + params["width"]]
        crop = crop.contiguous(memory_format=torch.channels_last)
        size = (self.size[0], self.size[1])
        return functional.interpolate(crop, size, mode=mode, align_corners=False, antialias=True)[0]


class RandomHorizontalFlip(v2.RandomHorizontalFlip):  # type: ignore[misc]  # torchvision has no types
    """Mirrors half of the images."""

    def forward(self, *inputs: Any) -> Any:
        """One image; or what belongs together, all of it mirrored or none."""
        if len(inputs) == 1 and type(inputs[0]) is Tensor:
            return inputs[0].flip(-1) if float(torch.rand(())) < self.p else inputs[0]
        return super().forward(*inputs)
