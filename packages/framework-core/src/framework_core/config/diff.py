"""In which settings two files or runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from framework_core.config.compose import compose
from framework_core.config.saved import as_text, flattened, saved_settings

ABSENT = "-"
"""What stands for a setting that one of the two does not have."""


class Difference(NamedTuple):
    """A setting that is not the same in both."""

    key: str
    first: str
    second: str


def differences(first: Path, second: Path) -> list[Difference]:
    """The settings in which two settings files differ, once everything they leave out has its default.

    Raises:
        ConfigError: One of them holds settings that are not allowed.
        ConfigFileError: One of them cannot be read.
    """
    a, b = (flattened(saved_settings(compose(config_file=file).config)) for file in (first, second))
    return [
        Difference(key, _text(a, key), _text(b, key))
        for key in dict.fromkeys([*a, *b])
        if a.get(key, ABSENT) != b.get(key, ABSENT)
    ]


def _text(settings: dict[str, object], key: str) -> str:
    return as_text(settings[key]) if key in settings else ABSENT
