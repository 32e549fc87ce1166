"""Where each setting comes from, and what it replaced: every layer of a composition with its place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import OmegaConf

from framework_core.config.references import ENVIRONMENT
from framework_core.config.saved import flattened
from framework_core.config.source import COMPONENT_GROUPS, REQUEST, SCHEME, current_request
from framework_core.contracts.signature import FROM_DATA
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.discovery import CORE
from framework_core.plugins.registry import registry

Kind = Literal[
    "command line",
    "settings file",
    "experiment",
    "config group",
    "environment",
    "data",
    "plugin default",
    "core default",
]


@dataclass(frozen=True)
class Origin:
    """Where a value was given."""

    kind: Kind
    """What kind of place it is."""

    place: str = ""
    """What was typed, or whose default it is."""

    file: str = ""
    """The file, where there is one."""

    line: int = 0
    """The line in the file."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (self.kind, self.place, where) if part)


@dataclass(frozen=True)
class Given:
    """A value as it was written, and where."""

    value: Any
    origin: Origin


Trails = dict[str, list[Given]]
"""What was given for each setting, by its path; each replaces the one before it."""


def trails(config_name: str, lines: Sequence[str], typed: Mapping[str, str], settings_file: Path | None) -> Trails:
    """Follow every setting through the layers that Hydra merges. Called while Hydra is set up.

    Args:
        config_name: The config that is composed.
        lines: The overrides as Hydra got them.
        typed: What the user typed to choose an option, by its group.
        settings_file: The settings file, where there is one.
    """
    loader: Any = GlobalHydra.instance().config_loader()
    defaults = loader.compute_defaults_list(config_name, list(lines), RunMode.RUN)
    _, repository = loader._parse_overrides_and_create_caching_repo(config_name, list(lines))
    found: Trails = {}
    choosers: dict[str, Origin] = {}
    for default in defaults.defaults:
        if default.config_path.startswith("hydra"):
            continue
        result = loader._load_single_config(default=default, repo=repository)
        layer = _Layer(default, result.path, settings_file)
        choosers |= layer.chosen()
        for path, value in _values(result.config).items():
            found.setdefault(path, []).append(Given(value, layer.origin(path)))
    for override in defaults.config_overrides:
        _apply(override, found)
    _name_choosers(found, typed, choosers)
    return found


def explained(path: str, given: Sequence[Given]) -> list[Given]:
    """What was given for one setting, with what fills it in where it is left empty."""
    last = given[-1]
    if isinstance(last.value, str) and (names := ENVIRONMENT.findall(last.value)):
        place = f"{' and '.join(names)}, named by {last.origin}"
        return [*given[:-1], Given(last.value, Origin("environment", place))]
    if last.value is not None:
        return list(given)
    group, _, name = path.rpartition(".")
    if group == "model" and name in FROM_DATA:
        return [*given, Given(None, Origin("data", f"DataSpec.{name}, known when the dataset is set up"))]
    if path == "mlops.tracking.uri" and "MLFLOW_TRACKING_URI" in os.environ:
        return [*given, Given("${oc.env:MLFLOW_TRACKING_URI}", Origin("environment", "MLFLOW_TRACKING_URI"))]
    return list(given)


def made_name(model: str, dataset: str) -> Given:
    """The name that an experiment gets where nobody names it."""
    return Given(None, Origin("core default", f"made from the model {model} and the dataset {dataset}"))


class _Layer:
    """One config that Hydra merges.

    Args:
        default: Which one.
        source: The entry of the search path that it was found in.
        settings_file: The settings file, where there is one.
    """

    def __init__(self, default: ResultDefault, source: str, settings_file: Path | None) -> None:
        self._path = str(default.config_path)
        self._file = settings_file if self._path == REQUEST else _file(source, self._path)
        self._lines = yaml_lines(self._file) if self._file else {}
        group = self._path.rpartition("/")[0]
        self._kind: Kind = "experiment" if group == "experiment" else "config group"
        if self._path == REQUEST:
            self._kind = "settings file"

    def origin(self, path: str) -> Origin:
        """Where this layer gives a setting."""
        if self._file is None:
            return _default_of(self._path, path)
        place = self._path.partition("/")[2] if self._kind == "experiment" else ""
        return Origin(self._kind, place, _shown(self._file), self._line(path))

    def chosen(self) -> dict[str, Origin]:
        """The groups that the file's own defaults list or sections choose an option of."""
        if self._file is None:
            return {}
        found = {}
        for group in ("trainer", *COMPONENT_GROUPS):
            for written in (f"{group}.name", f"defaults.{group}", group):
                if written in self._lines:
                    place = self._path.partition("/")[2] if self._kind == "experiment" else ""
                    found[group] = Origin(self._kind, place, _shown(self._file), self._lines[written])
                    break
        return found

    def _line(self, path: str) -> int:
        parts = path.split(".")
        # The file of an option holds the keys below its group: max_epochs, not trainer.max_epochs.
        return next((line for first in range(len(parts)) if (line := self._lines.get(".".join(parts[first:])))), 0)


def _file(source: str, config_path: str) -> Path | None:
    scheme, _, place = source.partition("://")
    if scheme == SCHEME:
        return None
    folder = Path(str(files(place))) if scheme == "pkg" else Path(place)
    return folder / f"{config_path}.yaml"


def _default_of(config_path: str, path: str) -> Origin:
    """Whose default a setting has."""
    group, _, option = config_path.partition("/")
    if group not in COMPONENT_GROUPS:
        return Origin("core default")
    name = current_request.get().aliases.get((group, option), option)
    offer = registry.resolve(COMPONENT_GROUPS[group], name)
    if offer.distribution == CORE:
        return Origin("core default", config_class(offer).__name__)
    version = f" {offer.version}" if offer.version else ""
    return Origin("plugin default", f"{offer.distribution}{version}, {config_class(offer).__name__}")


def yaml_lines(file: Path) -> dict[str, int]:
    """The line of every key of a YAML file, by its dotted path; of its defaults list as ``defaults.GROUP``."""
    try:
        return lines_of(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}


def lines_of(text: str) -> dict[str, int]:
    """The line of every key of a YAML text."""
    return dict(_lines(yaml.compose(text, Loader=yaml.SafeLoader), ""))


def _lines(node: Any, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.SequenceNode) and prefix == "defaults":
        for item in node.value:
            for path, line in _lines(item, ""):
                yield f"defaults.{path.removeprefix('override ').strip('/ ')}", line
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{prefix}.{key.value}" if prefix else str(key.value)
        yield path, key.start_mark.line + 1
        yield from _lines(value, path)


def _values(config: Any) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(config, resolve=False)
    plain.pop("defaults", None)
    return {path: value for path, value in flattened(plain).items() if value != "???"}


def _apply(override: Override, found: Trails) -> None:
    key = override.key_or_group
    typed = str(override.input_line).removeprefix("++")
    origin = Origin("command line", typed)
    if override.is_delete():
        for path in [each for each in found if each == key or each.startswith(f"{key}.")]:
            del found[path]
        return
    value = override.value()
    nested = flattened({key: value}) if isinstance(value, dict) else {key: value}
    for path, each in nested.items():
        found.setdefault(path, []).append(Given(_plain(each), origin))


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | list | dict | None) else str(value)


def _name_choosers(found: Trails, typed: Mapping[str, str], choosers: Mapping[str, Origin]) -> None:
    """A component's name comes from whoever chose it, not from the component."""
    for group in COMPONENT_GROUPS:
        path = f"{group}.name"
        if path not in found:
            continue
        value = found[path][-1].value
        if group in typed:
            found[path] = [Given(value, Origin("command line", typed[group]))]
        elif group in choosers:
            found[path] = [Given(value, choosers[group])]
        else:
            found[path] = [Given(value, Origin("core default", "taken where nobody chooses"))]


def _shown(file: Path) -> str:
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)
