"""What tells samples apart, whatever is done to them before a model sees them."""

from __future__ import annotations

from typing import NamedTuple


class SampleHash(NamedTuple):
    """One sample, as short as that it can be compared with a million others."""

    name: str
    """What a person finds it by: a path, or its number in the split."""

    exact: bytes
    """A digest of its content: two samples that have the same are the same."""

    alike: bytes = b""
    """A perceptual hash: the fewer bits two samples differ in, the more they are alike. Empty where there is none."""
