"""The experiments that a package brings, each composed and checked as ``fw`` would."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from framework_core.errors import ConfigError, FrameworkError

UNSET = "it has to be set"
"""What is said of a setting without a value; an experiment may leave the place of the data to its user."""


def problems_of(distribution: str) -> list[str]:
    """What is wrong with the experiments of a distribution: ``experiment/mine: model.widht: there is no ...``."""
    from framework_core.plugins.registry import registry

    packages = [package for owner, package in registry.plugins.config_packages() if owner == distribution]
    options = [option for package in packages for option in _options(files(package))]
    return [problem for option in options if option.startswith("experiment/") for problem in _problems(option)]


def _problems(option: str) -> list[str]:
    """What is wrong with an option: ``experiment/mine``."""
    from framework_core.config.compose import compose

    try:
        compose([f"+{option.replace('/', '=', 1)}"])
    except ConfigError as error:
        return [f"{option}: {problem}" for problem in error.problems if problem.message != UNSET]
    except FrameworkError as error:
        return [f"{option}: {error}"]
    return []


def _options(folder: Any, group: str = "") -> Iterator[str]:
    for entry in sorted(folder.iterdir(), key=lambda each: str(each.name)):
        if entry.is_dir() and not entry.name.startswith("__"):
            yield from _options(entry, f"{group}{entry.name}/")
        elif entry.name.endswith((".yaml", ".yml")):
            yield group + entry.name.rpartition(".")[0]
