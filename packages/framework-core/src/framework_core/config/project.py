"""The settings file of the working directory. Light: it is asked for before anything is composed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SETTINGS_FILE = "config.yaml"
"""The settings file of a project."""

SAYS_WHAT_TO_TRAIN = {"model", "model.name", "experiment"}


def settings_file_here(overrides: Sequence[str], *, model: str = "") -> Path | None:
    """The settings file of the working directory, where nothing that was typed says what to train.

    Args:
        overrides: The settings that were typed.
        model: The model that was named otherwise.
    """
    named = {text.partition("=")[0].lstrip("+") for text in overrides} & SAYS_WHAT_TO_TRAIN
    path = Path(SETTINGS_FILE)
    return path if not model and not named and path.is_file() else None


def taken_from(file: Path) -> str:
    """What is said beside an error, since nobody named the file."""
    return f"The settings are those of {file} here; others: --model NAME, or --config FILE"
