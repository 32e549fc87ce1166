"""The registry: what is installed, and what the running program adds to it with a decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from framework_core.contracts.specs import SPECS, ComponentSpec
from framework_core.errors import AmbiguousNameError, ConfigError, ImportTargetError
from framework_core.plugins.catalogue import Catalogue, config_class, import_builder
from framework_core.plugins.discovery import Offer, Plugins
from framework_core.plugins.switches import strict, why_left_out
from framework_core.plugins.targets import import_target

if TYPE_CHECKING:
    from framework_core.contracts.config import ComponentConfig
    from framework_core.contracts.data import DataSpec

Component = TypeVar("Component", bound=Callable[..., Any])


class Registry:
    """What can be named in this process. Plugins are found when something is first asked for."""

    def __init__(self) -> None:
        self._plugins: Plugins | None = None
        self._catalogue: Catalogue | None = None
        self._registered: dict[tuple[str, str], Offer] = {}

    def refresh(self) -> None:
        """Look for plugins anew when something is next asked for."""
        self._plugins = self._catalogue = None

    @property
    def plugins(self) -> Plugins:
        """The plugins that are installed."""
        if self._plugins is None:
            self._plugins = Plugins(why_left_out, strict=strict())
        return self._plugins

    @property
    def catalogue(self) -> Catalogue:
        """Everything that can be named."""
        if self._catalogue is None:
            installed = (offer for plugin in self.plugins.found for offer in plugin.offers)
            self._catalogue = Catalogue([*installed, *self._registered.values()])
        return self._catalogue

    def register_model(self, name: str, **facts: Any) -> Callable[[Component], Component]:
        """Offer a model in this process, under a name of your choice.

        Args:
            name: What to call it.
            **facts: Any other field of ``ModelSpec``: ``summary``, ``tags``, ``paper`` ...

        Raises:
            AmbiguousNameError: Another class of this process has the name.
        """
        return self._register("model", name, facts)

    def register_dataset(self, name: str, **facts: Any) -> Callable[[Component], Component]:
        """Offer a dataset in this process, under a name of your choice.

        Args:
            name: What to call it.
            **facts: Any other field of ``DatasetSpec``.

        Raises:
            AmbiguousNameError: Another class of this process has the name.
        """
        return self._register("dataset", name, facts)

    def create_model(self, name: str, *, data: DataSpec | None = None, **config: Any) -> Any:
        """Build a model by its name.

        Args:
            name: A name from ``fw list models``, or one registered in this process.
            data: What the model is to be trained on; many models have a default of their own.
            **config: Its settings.

        Raises:
            UnknownNameError: Nobody offers the name.
            ConfigError: A setting is not allowed.
        """
        return build(*self._configured("model", name, config), data=data)

    def create_dataset(self, name: str, **config: Any) -> Any:
        """Build a datamodule by its name.

        Args:
            name: A name from ``fw list datasets``, or one registered in this process.
            **config: Its settings.

        Raises:
            UnknownNameError: Nobody offers the name.
            ConfigError: A setting is not allowed.
        """
        return build(*self._configured("dataset", name, config))

    def resolve(self, kind: str, name: str) -> Offer:
        """The component of a name, of ``dist:name``, of ``file.py:Class`` or of ``package.module:Class``.

        Raises:
            UnknownNameError: Nobody offers the name.
            AmbiguousNameError: Two packages offer it.
            ImportTargetError: It names a class that cannot be imported.
        """
        owner = name.rpartition(":")[0]
        if not owner or any(offer.distribution == owner for offer in self.catalogue.offers(kind)):
            return self.catalogue.get(kind, name)
        target = import_target(name)
        if not callable(target):
            raise ImportTargetError(name, f"it is {type(target).__name__}, not a class or a function.")
        return Offer(_spec_of(kind, target), distribution=target.__module__, version="", target=target)

    def _configured(self, kind: str, name: str, config: dict[str, Any]) -> tuple[Offer, ComponentConfig]:
        from framework_core.contracts.validation import validated

        offer = self.resolve(kind, name)
        settings, problems = validated(config_class(offer), {"name": name, **config}, prefix="")
        if settings is None:
            raise ConfigError(problems, next_step=f"See its settings: fw info {kind} {name}")
        return offer, settings

    def _register(self, kind: str, name: str, facts: dict[str, Any]) -> Callable[[Component], Component]:
        def decorate(component: Component) -> Component:
            spec = _spec_of(kind, component, name=name, **facts)
            offer = Offer(spec, distribution=component.__module__, version="", target=component)
            before = self._registered.get((spec.kind, name))
            if before is not None and before.spec.builder != spec.builder:
                raise AmbiguousNameError(spec.kind, name, [before.spec.builder, spec.builder])
            self._registered[spec.kind, name] = offer
            self._catalogue = None
            return component

        return decorate


def build(offer: Offer, config: ComponentConfig, *, data: DataSpec | None = None) -> Any:
    """Build a component from its settings.

    Args:
        offer: The component.
        config: Its settings, already checked.
        data: What the data turned out to be; given to builders that take ``data``, and used to fill
            parameters that are named like a property of it and that nobody set.
    """
    from framework_core.contracts.signature import FROM_DATA, accepts

    builder = import_builder(offer)
    arguments = config.settings()
    if data is not None:
        for name in FROM_DATA:
            if arguments.get(name, ...) is None:
                arguments[name] = getattr(data, name)
        if accepts(builder, "data"):
            arguments["data"] = data
    return builder(**arguments)


def _spec_of(kind: str, component: Any, **facts: Any) -> ComponentSpec:
    """What a class says of itself."""
    qualified_name = component.__qualname__.replace("<locals>.", "")
    known = {
        "name": component.__name__,
        "builder": f"{component.__module__}:{qualified_name}",
        "summary": (component.__doc__ or "").strip().partition("\n")[0],
    }
    if kind in ("model", "dataset"):
        known |= {key: getattr(component, key) for key in ("domain", "tasks") if hasattr(component, key)}
    return SPECS[kind](**{**known, **facts})


registry = Registry()
register_model = registry.register_model
register_dataset = registry.register_dataset
