"""Runs told to people: one, or several side by side. Nothing here imports torch."""

from framework_core.reports.comparing import Comparison as Comparison
from framework_core.reports.comparing import compare as compare

__all__ = ["Comparison", "compare"]
