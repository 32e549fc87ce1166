"""From an image file to its pixels: upright, in eight bits, grey or RGB, by the fastest decoder that gives them.

JPEG files, which are most of what is trained on, are decoded by libjpeg-turbo without a detour over PIL; the pixels
are the same. Everything else, and every JPEG that is out of the ordinary, goes through PIL. No torch here: a model that
answers outside training reads its images in the same way.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Shares = np.ndarray[Any, np.dtype[np.float32]]

UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
"""What decoders raise for a file that they cannot read."""

UPRIGHT = 1
TURNED = {2: (False, (1,)), 3: (False, (0, 1)), 4: (False, (0,)), 5: (True, ()), 6: (True, (1,)), 7: (True, (0, 1))}
TURNED[8] = (True, (0,))
"""For each orientation of EXIF: whether rows and columns change places, and which of them are flipped then."""

_ORIENTATION = 0x0112
_WHITE = (255, 255, 255, 255)


def pixels(content: bytes, channels: int, *, short_side: int = 0, quick: bool = False) -> Pixels:
    """The pixels of an image file, ``(channels, height, width)`` of ``uint8``.

    A large JPEG is decoded at a half, a quarter or an eighth of its size, as long as its shorter side keeps
    ``short_side`` pixels; 0 decodes the whole. A ``quick`` one is decoded with a faster cosine transform and colours
    that are repeated rather than interpolated: in a twelfth less time, 1.6 levels of 255 off on average.

    Raises:
        OSError: It is cut short, or no image (as any of ``UNREADABLE``).
    """
    if (found := jpeg_pixels(content, channels, short_side, quick=quick)) is not None:
        return found
    array: Pixels = np.array(opened(content, channels))
    return array.transpose(2, 0, 1) if array.ndim == 3 else array[None]


def opened(content: bytes, channels: int) -> Image.Image:
    """An image as PIL has it: upright, its first frame, 1 channel as ``L`` or 3 as ``RGB``.

    What is transparent is shown on white, and 16 bits become 8 by their share of the whole.

    Raises:
        OSError: It cannot be read (as any of ``UNREADABLE``).
    """
    mode = "L" if channels == 1 else "RGB"
    with Image.open(BytesIO(content)) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode == "F":
            raise ValueError("its pixels are floating-point numbers, whose range is not known")
        if image.mode.startswith("I"):
            return _eight_bits(image).convert(mode)
        if image.has_transparency_data:
            shown = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", shown.size, _WHITE), shown).convert(mode)
        return image.convert(mode)


def pixel_count(content: bytes) -> int:
    """How many pixels an image file has, told by its header.

    Raises:
        OSError: It is no image (as any of ``UNREADABLE``).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(BytesIO(content)) as image:
            return int(image.width) * int(image.height)


@contextmanager
def quiet() -> Iterator[None]:
    """Without PIL's remarks on files that it reads all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def reason(error: Exception) -> str:
    """Why an image cannot be read, in few words."""
    if isinstance(error, UnidentifiedImageError):
        return "it is no image"
    if isinstance(error, OSError) and error.strerror:
        return "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror.lower()
    if isinstance(error, Image.DecompressionBombError):
        count = re.search(r"\d+", str(error))
        return _too_large(int(count[0])) if count else "it is too large"
    first = str(error).partition("\n")[0] or type(error).__name__
    return "it is cut short" if "truncated" in first.lower() else first


def most_pixels() -> int | None:
    """How many pixels an image may have: PIL's limit, beyond which a small file may fill the memory."""
    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


def _too_large(count: int) -> str:
    return f"it has {count / 1e6:,.0f} megapixels, and {(most_pixels() or 0) / 1e6:,.0f} are the most that is decoded"


def jpeg_pixels(content: bytes, channels: int, short_side: int = 0, *, quick: bool = False) -> Pixels | None:
    """The pixels of an ordinary JPEG; nothing where PIL knows better, or knows what is wrong.

    Raises:
        DecompressionBombError: It is too large.
    """
    if content[:3] != b"\xff\xd8\xff":
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if colours not in ("Gray", "YCbCr", "RGB"):
            return None
        if (most := most_pixels()) is not None and height * width > most:
            raise Image.DecompressionBombError(f"{height * width} pixels")
        least = _scaled(height, width, short_side)
        array: Pixels = simplejpeg.decode_jpeg(
            content,
            "GRAY" if channels == 1 else "RGB",
            min_height=least[0],
            min_width=least[1],
            fastdct=quick,
            fastupsample=quick,
        )
    except ValueError:
        return None
    planes: Pixels = _upright(array, _orientation(content)).transpose(2, 0, 1)
    return planes


def _scaled(height: int, width: int, short_side: int) -> tuple[int, int]:
    """The size of an image at the smallest of the scales that libjpeg is fast at; 0 is its own."""
    if short_side:
        for divisor in (8, 4, 2):
            if min(height, width) >= divisor * short_side:
                return -(-height // divisor), -(-width // divisor)
    return 0, 0


def _orientation(content: bytes) -> int:
    """How a JPEG says its picture is turned, in the words of EXIF: 1 is upright."""
    position = 2
    while content[position : position + 1] == b"\xff" and position + 4 <= len(content):
        marker, length = content[position + 1], struct.unpack(">H", content[position + 2 : position + 4])[0]
        if marker == 0xE1 and content[position + 4 : position + 10] == b"Exif\0\0":
            return _exif_orientation(content[position + 10 : position + 2 + length])
        if marker == 0xDA:
            break
        position += 2 + length
    return UPRIGHT


def _exif_orientation(block: bytes) -> int:
    """The orientation in the first directory of a TIFF block; upright where that cannot be made out."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", block, start + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:
        pass
    return UPRIGHT


def _upright(image: Pixels, orientation: int) -> Pixels:
    """``(height, width, channels)``, the right way up."""
    if orientation not in TURNED:
        return image
    transposed, flipped = TURNED[orientation]
    return np.ascontiguousarray(np.flip(image.transpose(1, 0, 2) if transposed else image, flipped))


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16 bits."""
    array = np.asarray(image).astype(np.int64)
    if array.min() < 0 or array.max() > 0xFFFF:
        raise ValueError("its pixels are 32-bit numbers, whose range is not known")
    return Image.fromarray(((array + 128) // 257).astype(np.uint8))
