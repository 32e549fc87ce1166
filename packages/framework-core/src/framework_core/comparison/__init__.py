"""Runs side by side: in what they differ, which is better, and how surely. Nothing here imports torch."""

from framework_core.comparison.comparing import Comparison as Comparison
from framework_core.comparison.comparing import compare as compare

__all__ = ["Comparison", "compare"]
