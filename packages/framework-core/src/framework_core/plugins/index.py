"""What can be listed: ``fw list`` answers from a kept answer, without importing pydantic or a plugin."""

from __future__ import annotations

from typing import Any

from framework_core.plugins.kept import kept

Row = dict[str, Any]
"""What is known of a component: the fields of its spec that are not empty, its kind, and who offers it."""


def rows(kind: str) -> list[Row]:
    """The components of a kind, by name."""
    found: list[Row] = everything()[kind]
    return found


def everything() -> dict[str, list[Row]]:
    """The components of every kind, by name."""
    found: dict[str, list[Row]] = kept("index", _asked)
    return found


def _asked() -> dict[str, list[Row]]:
    """Ask the plugins."""
    from framework_core.contracts.specs import SPECS
    from framework_core.plugins.registry import registry

    return {
        kind: [
            {
                "name": offer.spec.name,
                "kind": kind,
                "distribution": offer.distribution,
                **offer.spec.model_dump(mode="json", exclude_defaults=True, exclude={"name"}),
            }
            for offer in registry.catalogue.offers(kind)
        ]
        for kind in SPECS
    }
