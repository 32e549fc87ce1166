"""Settings with several values: one set of settings for each of them, checked before any is used."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from framework_core.config.compose import Composition, compose
from framework_core.errors import ConfigError, ConfigProblem

EXAMPLE = "For example: --each seed=1,2,3"


@dataclass(frozen=True)
class Variant:
    """One of the sets of settings.

    Attributes:
        values: The value of each setting that varies, as text, by its path.
        composition: The whole.
    """

    values: Mapping[str, str]
    composition: Composition

    @property
    def label(self) -> str:
        """A short name of it: ``fold-3``, ``seed-1-lr-0.1``."""
        parts = [f"{path.rpartition('.')[2]}-{value}" for path, value in self.values.items()]
        return re.sub(r"[^\w.-]+", "_", "-".join(parts)).strip("_")


def compose_each(each: Sequence[str], overrides: Sequence[str] = (), **how: Any) -> list[Variant]:
    """Compose the settings of a run for each value, and for each combination where several settings vary.

    Args:
        each: What varies, in Hydra's words: ``dataset.fold=1,2,3``, ``seed=range(1,6)``.
        overrides: What does not.
        **how: Anything else that ``compose`` takes.

    Raises:
        ConfigError: Something that varies has one value only or none, or a setting is not allowed.
    """
    varying = dict(_values(text) for text in each)
    found = []
    for combination in itertools.product(*varying.values()):
        values = dict(zip(varying, combination, strict=True))
        composition = compose([*overrides, *(f"{path}={value}" for path, value in values.items())], **how)
        found.append(Variant(values, composition))
    return found


def _values(text: str) -> tuple[str, list[str]]:
    """The path of a setting, and its values as they would be typed."""
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise _wrong(text, "is no list of values") from error
    path = override.key_or_group
    if not override.is_sweep_override():
        raise _wrong(path, "has one value only, and a run for each takes several", override.value())
    values = list(override.sweep_string_iterator())
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise _wrong(path, f"has the value {repeated[0]} more than once")
    return path, values


def _wrong(path: str, message: str, value: Any = None) -> ConfigError:
    return ConfigError([ConfigProblem(path, message, value=value)], next_step=EXAMPLE)
