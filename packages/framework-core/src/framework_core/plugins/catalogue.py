"""The components that can be named, and who offers each."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from framework_core.errors import AmbiguousNameError, MissingPackageError
from framework_core.plugins.discovery import Offer
from framework_core.plugins.hints import unknown_name
from framework_core.plugins.targets import import_target

if TYPE_CHECKING:
    from framework_core.contracts.config import ComponentConfig


class Catalogue:
    """Every offered component by kind and name.

    Args:
        offers: What is offered, from plugins and from decorators alike.
    """

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._offers: dict[str, dict[str, list[Offer]]] = {}
        for offer in offers:
            same_name = self._offers.setdefault(offer.spec.kind, {}).setdefault(offer.spec.name, [])
            if all(offer.spec.builder != other.spec.builder for other in same_name):
                same_name.append(offer)

    def offers(self, kind: str) -> list[Offer]:
        """Every offer of a kind, by name; a name offered twice stands there twice."""
        by_name = self._offers.get(kind, {})
        return [offer for name in sorted(by_name) for offer in by_name[name]]

    def names(self, kind: str) -> list[str]:
        """What the user can type: the names of a kind, ``dist:name`` for one that is offered twice."""
        names = []
        for name, offers in sorted(self._offers.get(kind, {}).items()):
            names += [name] if len(offers) == 1 else [f"{offer.distribution}:{name}" for offer in offers]
        return names

    def __contains__(self, key: tuple[str, str]) -> bool:
        kind, name = key
        owner, _, plain = name.rpartition(":")
        return any(not owner or offer.distribution == owner for offer in self._offers.get(kind, {}).get(plain, ()))

    def get(self, kind: str, name: str) -> Offer:
        """The offer of a name, or of ``dist:name``.

        Raises:
            UnknownNameError: Nobody offers it.
            AmbiguousNameError: Two packages offer it and ``name`` chooses neither.
        """
        owner, _, plain = name.rpartition(":")
        offers = self._offers.get(kind, {}).get(plain, [])
        matching = [offer for offer in offers if not owner or offer.distribution == owner]
        if not matching:
            raise unknown_name(kind, name, self.names(kind))
        if len(matching) > 1:
            raise AmbiguousNameError(kind, plain, [offer.distribution for offer in matching])
        return matching[0]


def import_builder(offer: Offer) -> Any:
    """Import what builds the component.

    Raises:
        MissingPackageError: It requires something that is not installed.
        ImportTargetError: It cannot be imported.
    """
    if offer.target is not None:
        return offer.target
    require(offer)
    return import_target(offer.spec.builder)


def require(offer: Offer) -> None:
    """See that what the component requires is installed.

    Raises:
        MissingPackageError: It is not, or not in a version that will do.
    """
    from packaging.requirements import Requirement

    for text in offer.spec.requires:
        requirement = Requirement(text)
        try:
            fits = requirement.specifier.contains(version(requirement.name), prereleases=True)
        except PackageNotFoundError:
            fits = False
        if not fits:
            needed_for = f"The {offer.spec.kind} {offer.spec.name!r}"
            raise MissingPackageError(requirement.name, needed_for=needed_for, requirement=text)


def config_class(offer: Offer) -> type[ComponentConfig]:
    """The settings of a component: its own class of them, or what its builder's signature says.

    Raises:
        MissingPackageError: The builder has to be read, and requires something that is not installed.
        ImportTargetError: The settings or the builder cannot be imported.
    """
    if offer.spec.config is not None:
        found: type[ComponentConfig] = import_target(offer.spec.config)
        return found
    builder = import_builder(offer)
    if hasattr(builder, "config_class"):
        own: type[ComponentConfig] = builder.config_class()
        return own
    from framework_core.contracts.signature import config_from_signature

    return config_from_signature(builder)
