"""Images as a trained model takes them, without torch: what ``transforms.evaluation`` does, by PIL and numpy."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from PIL import Image

from framework_core.contracts import Processing
from framework_core.errors import DataError
from framework_core.serving import Preprocessing, Sample
from framework_plugins_vision import reading
from framework_plugins_vision.image_features import image_features

REQUIREMENTS = ("pillow>=10.3", "simplejpeg>=1.8")
SUFFIXES = (".jpg", ".bmp", ".gif", ".jpeg", ".png", ".ppm", ".tif", ".tiff", ".webp")


class _OfImages(Preprocessing):
    """What preparations of images have in common."""

    def features(self, sample: Sample) -> dict[str, float]:
        """Brightness, contrast, sharpness and colours."""
        return image_features(sample.input)

    def size_of(self, content: bytes, suffix: str) -> int:
        """Pixels; 0 where it is no image, which is told when it is read."""
        try:
            return reading.pixel_count(content)
        except Image.DecompressionBombError as error:
            told = re.search(r"\((\d+) pixels", str(error))
            return int(told[1]) if told else reading.most_pixels() or 0
        except reading.UNREADABLE:
            return 0


class ImagePreprocessing(_OfImages):
    """Decode, resize, crop the centre, normalise.

    Args:
        channels: 1 for grey, 3 for RGB.
        resize: The length that the shorter side is brought to; or height and width.
        crop: Height and width of what is cut from the middle.
        interpolation: How pixels are found between others: ``bilinear``, ``bicubic``, ``nearest``.
        mean: Subtracted from each channel, whose values run from 0 to 1.
        std: What each channel is divided by.
        short_side: A large JPEG is decoded smaller, as long as its shorter side keeps so many pixels; 0 decodes all.
    """

    suffixes = SUFFIXES

    def __init__(
        self,
        *,
        channels: int,
        resize: int | Sequence[int],
        crop: Sequence[int],
        interpolation: str,
        mean: Sequence[float],
        std: Sequence[float],
        short_side: int = 0,
    ) -> None:
        self.channels = channels
        self.resize = resize if isinstance(resize, int) else (int(resize[0]), int(resize[1]))
        self.crop = (int(crop[0]), int(crop[1]))
        self.filter = Image.Resampling[interpolation.upper()]
        self.short_side = short_side
        # In one step of float32 each, as Normalization does it.
        self._mean = np.asarray(mean, np.float32)[:, None, None] * np.float32(255)
        self._inverse = 1 / (np.asarray(std, np.float32)[:, None, None] * np.float32(255))

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """One image, ``(channels, height, width)`` of float32.

        Raises:
            DataError: It cannot be read.
        """
        return [Sample(self.prepared(decoded(content, self.channels, self.short_side)))]

    def prepared(self, pixels: reading.Pixels) -> reading.Shares:
        """The input of the network, from the pixels of an image file.

        Args:
            pixels: ``(channels, height, width)``.
        """
        image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0).squeeze()))
        image = image.resize(self._size(image.height, image.width), self.filter)
        array = np.asarray(image)
        planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        found: reading.Shares = (_centre(planes, self.crop).astype(np.float32) - self._mean) * self._inverse
        return found

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """Width and height after resizing, rounded as torchvision rounds them."""
        if not isinstance(self.resize, int):
            return self.resize[1], self.resize[0]
        short, long = sorted((height, width))
        longer = int(self.resize * long / short)
        return (self.resize, longer) if width <= height else (longer, self.resize)


class DigitPreprocessing(_OfImages):
    """A picture of a bright digit on a dark ground, made as coarse as the handwritten digits of scikit-learn.

    Args:
        side: The side of the digits in the set, in pixels.
        image_size: The side that they are enlarged to.
        mean: Subtracted from each value, from 0 to 1.
        std: What it is divided by.
    """

    suffixes = (".png", *(suffix for suffix in SUFFIXES if suffix != ".png"))

    def __init__(self, *, side: int, image_size: int, mean: float, std: float) -> None:
        self.side = side
        self.image_size = image_size
        self.mean, self.std = np.float32(mean), np.float32(std)

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """One digit, ``(1, image_size, image_size)`` of float32.

        Raises:
            DataError: It cannot be read.
        """
        small = coarse(opened(content, 1), self.side)
        large = Image.fromarray(small).resize((self.image_size, self.image_size), Image.Resampling.BILINEAR)
        return [Sample((np.asarray(large)[None] - self.mean) / self.std)]


def coarse(image: Image.Image, side: int) -> reading.Shares:
    """An image in ``(side, side)`` grey values from 0 to 1."""
    small = image.convert("L").resize((side, side), Image.Resampling.BOX)
    shares: reading.Shares = np.asarray(small, dtype=np.float32) / np.float32(255)
    return shares


def image_preprocessing(
    *,
    channels: int,
    size: tuple[int, int],
    crop_pct: float,
    interpolation: str,
    mean: Sequence[float],
    std: Sequence[float],
    short_side: int = 0,
) -> Processing:
    """What ``transforms.evaluation`` does with these settings, for a program without torch."""
    height, width = round(size[0] / crop_pct), round(size[1] / crop_pct)
    return Processing(
        builder="framework_plugins_vision.serving:ImagePreprocessing",
        settings={
            "channels": channels,
            "resize": height if size[0] == size[1] else [height, width],
            "crop": list(size),
            "interpolation": interpolation,
            "mean": list(mean),
            "std": list(std),
            "short_side": short_side,
        },
        requirements=REQUIREMENTS,
    )


def decoded(content: bytes, channels: int, short_side: int = 0) -> reading.Pixels:
    """The pixels of an image file, ``(channels, height, width)``.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with reading.quiet():
            return reading.pixels(content, channels, short_side=short_side)
    except reading.UNREADABLE as error:
        raise DataError(f"The image cannot be read: {reading.reason(error)}.") from error


def opened(content: bytes, channels: int) -> Image.Image:
    """An image file as PIL has it.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with reading.quiet():
            return reading.opened(content, channels)
    except reading.UNREADABLE as error:
        raise DataError(f"The image cannot be read: {reading.reason(error)}.") from error


def _centre(planes: reading.Pixels, size: tuple[int, int]) -> reading.Pixels:
    """The middle of an image; what is smaller is put into the middle of a black one, as torchvision does."""
    height, width = planes.shape[1:]
    wide, high = max(size[1] - width, 0), max(size[0] - height, 0)
    if wide or high:
        planes = np.pad(planes, ((0, 0), (high // 2, (high + 1) // 2), (wide // 2, (wide + 1) // 2)))
        height, width = planes.shape[1:]
    top, left = round((height - size[0]) / 2.0), round((width - size[1]) / 2.0)
    return planes[:, top : top + size[0], left : left + size[1]]
