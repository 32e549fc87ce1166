"""The JSON schema of all settings, with those of every installed component."""

from __future__ import annotations

from typing import Any

from framework_core.config.migrations import KEY
from framework_core.contracts.config import ComponentConfig, RunConfig
from framework_core.errors import FrameworkError
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.registry import registry

KINDS = {"model": "model", "dataset": "dataset", "optimizer": "optimizer", "scheduler": "scheduler"}


BY_PATH = {"type": "string", "pattern": r"^.+:[A-Za-z_][A-Za-z0-9_.]*$"}
"""A class of one's own: ``file.py:Class`` or ``package.module:Class``; and ``dist:name``."""


def json_schema() -> dict[str, Any]:
    """The schema of a settings file. A component's section is the settings of one component of its kind.

    Components that say their settings only in their constructor are not imported for it: of them the name alone
    is known, and anything may stand beside it.
    """
    schema = RunConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Settings of fw train"
    schema.pop("required", None)
    definitions = schema.setdefault("$defs", {})
    for section, kind in KINDS.items():
        described = str(schema["properties"][section].get("description", ""))
        names = registry.catalogue.names(kind)
        schema["properties"][section] = {
            "description": described,
            "anyOf": [{"enum": names}, BY_PATH, _component(names, _alternatives(kind, definitions))],
        }
    schema["properties"][KEY] = {
        "type": "integer",
        "description": "The version of saved settings; a later release brings them to its own.",
    }
    schema["properties"]["defaults"] = {
        "type": "array",
        "description": "Options of config groups, as in Hydra.",
    }
    return schema


def _component(names: list[str], alternatives: list[dict[str, Any]]) -> dict[str, Any]:
    """A section with a name in it, which decides about everything else: an editor then explains what is wrong."""
    of_name = [
        {"if": {"properties": {"name": each["properties"]["name"]}, "required": ["name"]}, "then": each}
        for each in alternatives
    ]
    name = {"anyOf": [{"enum": names}, BY_PATH]}
    return {"type": "object", "properties": {"name": name}, "required": ["name"], "allOf": of_name}


def _alternatives(kind: str, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    by_class: dict[type[ComponentConfig] | None, list[str]] = {}
    for name in registry.catalogue.names(kind):
        offer = registry.catalogue.get(kind, name)
        try:
            found = config_class(offer) if offer.spec.config is not None else None
        except FrameworkError:
            found = None
        by_class.setdefault(found, []).append(name)
    alternatives = []
    for settings_class, names in by_class.items():
        known: dict[str, Any] = {"properties": {"name": {"enum": names}}, "required": ["name"], "type": "object"}
        if settings_class is not None:
            own = settings_class.model_json_schema(ref_template="#/$defs/{model}")
            definitions |= own.pop("$defs", {})
            own.pop("required", None)
            own["properties"] = {**own["properties"], **known["properties"]}
            known = {**own, "required": ["name"]}
        alternatives.append(known)
    return alternatives
