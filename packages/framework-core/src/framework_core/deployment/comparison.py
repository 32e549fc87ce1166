"""What was written, against the model that it was written from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from torch import Tensor

from framework_core.deployment.formats import FORMATS, Answer, Read
from framework_core.deployment.network import Network, Source, answers
from framework_core.errors import ExportError

TOLERANCE = 1e-3
"""How far an answer may lie from that of the model, as a share of the largest of its kind."""


def expected_of(source: Source, inputs: Tensor) -> Answer:
    """What the model itself answers."""
    return tuple(each.float().numpy() for each in answers(Network(source.model), inputs))


def difference_of(read: Read, inputs: Tensor, expected: Answer) -> float:
    """How far what was written lies from the model at most, as a share of the largest answer.

    Args:
        read: What was written.
        inputs: Samples: they are asked all at once, and the first alone, which is another size of batch.
        expected: What the model answers to them.

    Raises:
        ExportError: It lies further than ``TOLERANCE``.
    """
    one = tuple(each[:1] for each in expected)
    difference = max(_apart(read(inputs), expected), _apart(read(inputs[:1]), one))
    if not difference <= TOLERANCE:
        raise ExportError(f"its answers differ from the model's by {difference:.2g} of the largest")
    return difference


def trial(source: Source, to: str, inputs: Tensor) -> float:
    """Export a model into a folder that is thrown away, and compare.

    Raises:
        ExportError: The model cannot be written in this format, or would answer otherwise there.
        MissingPackageError: The format needs a package that is not installed.
    """
    expected = expected_of(source, inputs)
    with tempfile.TemporaryDirectory() as folder:
        read = FORMATS[to](source, inputs, Path(folder), {})
        return difference_of(read, inputs, expected)


def _apart(found: Answer, expected: Answer) -> float:
    apart = 0.0
    for one, other in zip(found, expected, strict=False):
        largest = max(1.0, float(np.abs(other).max(initial=0.0)))
        apart = max(apart, float(np.abs(one - other).max(initial=0.0)) / largest)
    return apart
