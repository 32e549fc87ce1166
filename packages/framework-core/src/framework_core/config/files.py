"""Reading a settings file: the user's own, or one that a run saved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from framework_core.config.migrations import NewerSettingsError, migrated
from framework_core.config.source import COMPONENT_GROUPS
from framework_core.errors import ConfigFileError, near_names

_log = logging.getLogger("framework_core")


def read_settings(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Read a settings file.

    A ``defaults`` list chooses options as in Hydra; so does a section that is only a name (``model: resnet50``)
    and a component's section with a ``name`` in it, as saved settings have them.

    Returns:
        The chosen option of each group, and the settings beside them.

    Raises:
        ConfigFileError: It is not there, is no YAML, is no mapping, or was written by a later release.
    """
    body = _of_this_release(path, _mapping(path))
    choices = _choices(path, body.pop("defaults", []))
    for group in COMPONENT_GROUPS:
        section = body.get(group)
        if isinstance(section, str):
            choices[group] = section
            del body[group]
        elif isinstance(section, dict) and group != "callbacks" and isinstance(section.get("name"), str):
            choices[group] = section["name"]
    return choices, body


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        here = sorted(each.name for each in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        near = near_names(path.name, here)
        cause = "it is a folder." if path.is_dir() else "there is no such file."
        raise ConfigFileError(path, cause, possible=f"Near it: {path.parent / near[0]}" if near else "")
    try:
        loaded = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigFileError(path, f"{where}{error.problem or 'it is no YAML'}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigFileError(path, f"{error}.") from error
    if not isinstance(loaded, dict):
        raise ConfigFileError(path, "it holds no settings; write KEY: VALUE lines.")
    return {str(key): value for key, value in loaded.items()}


def _of_this_release(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    try:
        found, changes = migrated(settings)
    except NewerSettingsError as error:
        raise ConfigFileError(path, f"{error}.", next_step="Update: pip install -U framework-core") from error
    for change in changes:
        _log.info("%s was saved by an earlier release: %s", path, change)
    return found


def _choices(path: Path, defaults: Any) -> dict[str, str]:
    choices: dict[str, str] = {}
    for entry in defaults if isinstance(defaults, list) else [defaults]:
        if entry == "_self_":
            continue
        if not isinstance(entry, dict) or len(entry) != 1 or not isinstance(option := next(iter(entry.values())), str):
            raise ConfigFileError(path, f"defaults: {entry!r} is not of the form GROUP: OPTION.")
        group = str(next(iter(entry))).removeprefix("override ").removeprefix("optional ").strip("/ ")
        choices[group] = option
    return choices
