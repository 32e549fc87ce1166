"""Finding plugins: every entry point is loaded by itself, so a broken one costs its own offers and nothing else."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import pluggy
from pydantic import ValidationError

from framework_core.contracts._contract import CONTRACT_VERSION
from framework_core.contracts.specs import ComponentSpec, DatasetSpec, ModelSpec
from framework_core.errors import PluginError, near_names
from framework_core.plugins.hookspecs import PROJECT, HookSpecs
from framework_core.plugins.importing import forget_ends, guarded
from framework_core.plugins.trial import judged

PLUGIN_GROUP = "framework.plugins"
COMPONENT_GROUPS: dict[str, type[ComponentSpec]] = {
    "framework.models": ModelSpec,
    "framework.datasets": DatasetSpec,
}
CORE = "framework-core"

OF_CORE = re.compile(r"framework[-_.]core\b", re.IGNORECASE)
"""A requirement of the core, with or without extras."""

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Offer:
    """A component and who offers it."""

    spec: ComponentSpec
    distribution: str
    version: str
    target: Any = None
    """The builder itself where it is already imported: classes registered by a decorator or given by path."""


@dataclass
class Plugin:
    """A plugin and what became of it."""

    name: str
    distribution: str
    version: str
    state: Literal["active", "broken", "disabled"] = "active"
    cause: str = ""
    hooks: tuple[str, ...] = ()
    offers: list[Offer] = field(default_factory=list)
    seconds: float = 0.0
    """How long it took to import it and to ask what it offers."""

    @property
    def key(self) -> str:
        """What tells it from every other plugin."""
        return f"{self.distribution}:{self.name}"


class Plugins:
    """What is installed, found once.

    Args:
        why_left_out: Says of a plugin's name, distribution and version why it is not looked at; empty where it is.
        strict: Whether a broken plugin is an error.
        judge: Whether a plugin that ended processes while they imported it is disabled.

    Raises:
        PluginError: A plugin is broken and ``strict`` is set.
    """

    def __init__(
        self, why_left_out: Callable[[str, str, str], str], *, strict: bool = False, judge: bool = True
    ) -> None:
        self._judge = judge
        self._why_left_out = why_left_out
        self._strict = strict
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(HookSpecs)
        self._entries = entry_points()
        self._failed: set[tuple[str, str]] = set()
        self.found = [*self._hook_plugins(), *self._component_plugins()]

    def config_packages(self) -> list[tuple[str, str]]:
        """The config packages of every plugin, each with the distribution it belongs to."""
        packages = []
        for plugin, hook in self._implementations("register_config_packages"):
            try:
                names: Any = hook.function() or ()
                packages += [(plugin.distribution, str(package)) for package in names]
            except Exception as error:  # noqa: BLE001  # a stranger's code
                self._break(plugin, f"register_config_packages: {_cause(error)}")
        return packages

    def announce(self, event: str, **arguments: Any) -> None:
        """Call an event hook of every plugin; what goes wrong there is reported once and goes no further."""
        for plugin, hook in self._implementations(event):
            try:
                hook.function(*(arguments[name] for name in hook.argnames))
            except Exception as error:  # noqa: BLE001  # a stranger's code
                if (plugin.key, event) not in self._failed:
                    self._failed.add((plugin.key, event))
                    _log.warning("Plugin %r failed in %s: %s", plugin.name, event, _cause(error))

    def _implementations(self, hook: str) -> list[tuple[Plugin, pluggy.HookImpl]]:
        """Each plugin's own implementation, to be called by itself: one that fails must not stop the others."""
        by_key = {plugin.key: plugin for plugin in self.found}
        return [(by_key[each.plugin_name], each) for each in getattr(self._manager.hook, hook).get_hookimpls()]

    def _hook_plugins(self) -> Iterator[Plugin]:
        yield self._core()
        ended = judged() if self._judge else {}
        for entry in _sorted(self._entries.select(group=PLUGIN_GROUP)):
            plugin = _named(entry)
            if not self._is_left_out(plugin):
                self._load(plugin, entry)
                if plugin.state == "active" and (plugin.name, plugin.version) in ended:
                    forget_ends(plugin.name, plugin.version)
            yield plugin

    def _load(self, plugin: Plugin, entry: EntryPoint) -> None:
        begun = time.perf_counter()
        try:
            with guarded(plugin.name, plugin.version):
                self._register(plugin, entry.load())
            _warn_of_another_core(plugin, entry)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's code
            self._break(plugin, _cause(error))
        plugin.seconds = time.perf_counter() - begun

    def _core(self) -> Plugin:
        from framework_core import __version__
        from framework_core.plugins import builtin

        plugin = Plugin("core", CORE, __version__)
        self._register(plugin, builtin)
        return plugin

    def _component_plugins(self) -> Iterator[Plugin]:
        """Distributions that offer components by an entry point each, without code for it."""
        by_owner: dict[tuple[str, str], Plugin] = {}
        for group, spec_class in COMPONENT_GROUPS.items():
            for entry in _sorted(self._entries.select(group=group)):
                distribution, version = _owner(entry)
                plugin = by_owner.setdefault((distribution, version), Plugin(distribution, distribution, version))
                if plugin.state == "broken" or self._is_left_out(plugin):
                    continue
                try:
                    spec = spec_class(name=entry.name, builder=entry.value)
                except ValidationError as error:
                    self._break(plugin, f"{group} entry point {entry.name!r}: {_cause(error)}")
                else:
                    plugin.offers.append(Offer(spec, distribution, version))
        yield from by_owner.values()

    def _register(self, plugin: Plugin, implementation: Any) -> None:
        self._manager.register(implementation, name=plugin.key)
        plugin.hooks = tuple(sorted(self._hook_names(implementation)))
        if "register_components" in plugin.hooks:
            specs: Iterable[Any] = implementation.register_components() or ()
            for spec in specs:
                if not isinstance(spec, ComponentSpec):
                    raise TypeError(f"register_components gave {spec!r}, which is not a spec")
                self._warn_of_newer_contract(plugin, spec)
                plugin.offers.append(Offer(spec, plugin.distribution, plugin.version))

    def _hook_names(self, implementation: Any) -> Iterator[str]:
        """The hooks that ``implementation`` has.

        Raises:
            AttributeError: One of them is no hook: its name is misspelt.
        """
        known = [name for name in dir(HookSpecs) if not name.startswith("_")]
        for caller in self._manager.get_hookcallers(implementation) or ():
            if caller.name not in known:
                near = near_names(caller.name, known)
                meant = f"; did you mean {near[0]}?" if near else ""
                raise AttributeError(f"there is no hook {caller.name!r}{meant} The hooks are {', '.join(known)}")
            yield caller.name

    def _is_left_out(self, plugin: Plugin) -> bool:
        why = self._why_left_out(plugin.name, plugin.distribution, plugin.version)
        if why:
            plugin.state, plugin.cause = "disabled", why
        return bool(why)

    def _break(self, plugin: Plugin, cause: str) -> None:
        if self._strict:
            raise PluginError(plugin.name, plugin.distribution, plugin.version, cause)
        plugin.state, plugin.cause, plugin.offers = "broken", cause, []
        if self._manager.has_plugin(plugin.key):
            self._manager.unregister(name=plugin.key)
        _log.warning(
            "Plugin %r of %s %s is broken and left out: %s",
            plugin.name,
            plugin.distribution,
            plugin.version,
            cause,
        )

    def _warn_of_newer_contract(self, plugin: Plugin, spec: ComponentSpec) -> None:
        if spec.contract_version > CONTRACT_VERSION:
            _log.warning(
                "Plugin %r of %s %s offers %r for contract %d; this framework-core knows contract %d. "
                "Update it: pip install -U framework-core",
                plugin.name,
                plugin.distribution,
                plugin.version,
                spec.name,
                spec.contract_version,
                CONTRACT_VERSION,
            )


def _warn_of_another_core(plugin: Plugin, entry: EntryPoint) -> None:
    """Say that an installer was made to install the plugin beside a core that it was not made for."""
    ranges = [text for text in (entry.dist.requires or () if entry.dist else ()) if OF_CORE.match(text)]
    if not ranges:
        return
    from packaging.requirements import Requirement

    from framework_core import __version__

    for wanted in map(Requirement, ranges):
        here = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if here and not wanted.specifier.contains(__version__, prereleases=True):
            _log.warning(
                "Plugin %r of %s %s was made for framework-core%s, and this is %s. Update it: pip install -U %s",
                plugin.name,
                plugin.distribution,
                plugin.version,
                wanted.specifier,
                __version__,
                plugin.distribution,
            )


def _sorted(entries: Iterable[EntryPoint]) -> list[EntryPoint]:
    return sorted(entries, key=lambda entry: (*_owner(entry), entry.name))


def _owner(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "?")


def _named(entry: EntryPoint) -> Plugin:
    return Plugin(entry.name, *_owner(entry))


def _cause(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
