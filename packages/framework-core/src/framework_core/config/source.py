"""Config groups made from the catalogue: every component's settings are a Hydra option without a line of YAML.

``framework://`` answers Hydra for the groups ``model``, ``dataset``, ``optimizer``, ``scheduler`` and ``callbacks``,
for ``trainer/default``, and for ``framework``: every other setting with its default.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from framework_core.errors import near_names

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEME = "framework"
BASE = "framework"
REQUEST = "framework_request"
COMPONENT_GROUPS = {
    "model": "model",
    "dataset": "dataset",
    "optimizer": "optimizer",
    "scheduler": "scheduler",
    "callbacks": "callback",
}
"""The config groups made from components, and the kind of component in each."""


@dataclass(frozen=True)
class Request:
    """What one composition was asked for beyond overrides."""

    choices: dict[str, str] = field(default_factory=dict)
    """The option of each component group that is not chosen by an override."""

    body: dict[str, Any] = field(default_factory=dict)
    """Settings from a file."""

    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    """Words that stand for components which Hydra could not name: ``file.py:Class``, ``dist:name``."""

    config_dir: Path | None = None
    """The user's own folder of config groups."""


NO_REQUEST = Request()
LISTED = 20

current_request: ContextVar[Request] = ContextVar("current_request", default=NO_REQUEST)  # frozen
_not_found: ContextVar[str] = ContextVar("_not_found", default="")


class FrameworkSearchPath(SearchPathPlugin):
    """Adds the user's folder, every plugin's config package, and the catalogue to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra when it starts."""
        from framework_core.plugins.registry import registry

        config_dir = current_request.get().config_dir
        if config_dir is not None:
            search_path.append("config-dir", f"file://{config_dir.resolve()}")
        for distribution, package in registry.plugins.config_packages():
            search_path.append(distribution, f"pkg://{package}")
        search_path.append("framework-core", f"{SCHEME}://catalogue")


class FrameworkConfigSource(ConfigSource):
    """Answers Hydra from the catalogue."""

    @staticmethod
    def scheme() -> str:
        """The scheme of the search path entry."""
        return SCHEME

    def available(self) -> bool:
        """Whether there is anything to answer from: always."""
        return True

    def load_config(self, config_path: str) -> ConfigResult:
        """One config as Hydra wants it."""
        group, _, option = _plain(config_path).rpartition("/")
        content = self._content(group, option)
        header = {"package": "_global_" if group == "" else None}
        return ConfigResult(
            provider=self.provider, path=self.full_path(), config=OmegaConf.create(content), header=header
        )

    def is_group(self, config_path: str) -> bool:
        """Whether there is such a group."""
        return config_path.strip("/") in ("", "trainer", *COMPONENT_GROUPS)

    def is_config(self, config_path: str) -> bool:
        """Whether there is such an option."""
        from framework_core.plugins.registry import registry

        group, _, option = _plain(config_path).rpartition("/")
        if group == "":
            return option in (BASE, REQUEST)
        if group == "trainer":
            return option == "default"
        if group not in COMPONENT_GROUPS:
            return False
        if (group, option) in current_request.get().aliases:
            return True
        known = (COMPONENT_GROUPS[group], option) in registry.catalogue
        if not known:
            _not_found.set(option)
        return known

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The groups or options under a path."""
        from framework_core.plugins.registry import registry

        group = config_path.strip("/")
        found: list[str] = []
        if group == "" and results_filter is not ObjectType.CONFIG:
            found += ["trainer", *COMPONENT_GROUPS]
        if results_filter is not ObjectType.GROUP:
            if group == "":
                found.append(BASE)
            elif group == "trainer":
                found.append("default")
            elif group in COMPONENT_GROUPS:
                found += _shortened(registry.catalogue.names(COMPONENT_GROUPS[group]))
        return sorted(found)

    def _content(self, group: str, option: str) -> dict[str, Any]:
        request = current_request.get()
        if group == "trainer":
            from framework_core.contracts.trainer import TrainerConfig

            return defaults_of(TrainerConfig)
        if group in COMPONENT_GROUPS:
            name = request.aliases.get((group, option), option)
            content = component_defaults(COMPONENT_GROUPS[group], name)
            return {name: content} if group == "callbacks" else content
        if option == REQUEST:
            # A group that nobody has chosen from yet stands there empty, so that an experiment may choose.
            chosen = {"model": None, "dataset": None, **request.choices}
            return {
                "defaults": [BASE, *({group: option} for group, option in chosen.items()), "_self_"],
                **request.body,
            }
        return base_defaults()


def _shortened(names: list[str]) -> list[str]:
    """The names Hydra lists when it has not found one: under ``@hydra.main`` those near it, not all thousand."""
    if current_request.get() is not NO_REQUEST or len(names) <= LISTED:
        return names
    return near_names(_not_found.get(), names, most=LISTED) or names[:LISTED]


def component_defaults(kind: str, name: str) -> dict[str, Any]:
    """A component's settings with their defaults; ``???`` where one has to be set."""
    from framework_core.plugins.catalogue import config_class
    from framework_core.plugins.registry import registry

    return {**defaults_of(config_class(registry.resolve(kind, name))), "name": name}


def base_defaults() -> dict[str, Any]:
    """Every setting that belongs to no component, with its default."""
    from framework_core.contracts.config import RunConfig

    components = {*COMPONENT_GROUPS, "trainer"} - {"callbacks"}
    return {key: value for key, value in defaults_of(RunConfig).items() if key not in components}


def defaults_of(settings_class: type[BaseModel]) -> dict[str, Any]:
    """The defaults of a settings class, in its order; ``???`` where a setting has none."""
    from pydantic import BaseModel
    from pydantic_core import PydanticUndefined, to_jsonable_python

    found: dict[str, Any] = {}
    for name, info in settings_class.model_fields.items():
        default = info.get_default(call_default_factory=True, validated_data={})
        annotation = info.annotation
        if default is not PydanticUndefined:
            found[name] = to_jsonable_python(default)
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found[name] = defaults_of(annotation)
        else:
            found[name] = "???"
    return found


def _plain(config_path: str) -> str:
    return config_path.strip("/").removesuffix(".yaml")
