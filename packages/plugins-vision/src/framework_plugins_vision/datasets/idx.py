"""IDX files, the form of MNIST: http://yann.lecun.com/exdb/mnist, bottom of the page; gzip'd or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from framework_core import DataError

UNSIGNED_BYTES = 0x08
ANEW = "Copy it anew, or leave dataset.path out to fetch it."


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of bytes that an IDX file holds.

    Raises:
        DataError: It is cut short, or no such file.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = "is cut short" if isinstance(error, EOFError) else f"is broken: {error}"
        raise DataError(f"The file {path} {what}.", paths=[path], next_step=ANEW) from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTES:
        raise DataError(
            f"The file {path} is no IDX file of bytes.",
            paths=[path],
            possible="It begins with the numbers 0, 0, 8 and that of its dimensions.",
            next_step=ANEW,
        )
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start]) if len(content) >= start else ()
    wanted = start + math.prod(shape)
    if not shape or len(content) != wanted:
        says = f"; its beginning says {'x'.join(map(str, shape))}, which takes {wanted:,}" if shape else ""
        raise DataError(f"The file {path} has {len(content):,} bytes{says}.", paths=[path], next_step=ANEW)
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
