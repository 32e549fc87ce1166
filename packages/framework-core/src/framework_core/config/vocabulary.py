"""Everything that settings can say with what is installed, as plain data: what ``first_look`` judges by.

pydantic's own schemas are read, not the JSON schema of them: they show where a validator of a class's own runs before
a value is checked, so that nothing can be said of the value beforehand.

A *node* is a section, ``{"keys": {name: node}, "open": bool}``, or a value, ``{"is": [alternative, ...]}``; a value
without ``is`` may be anything. ``about`` says what a setting is for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from pydantic import BaseModel, TypeAdapter

from framework_core.config.compose import CHOSEN_ONCE, CONFIG_DIR, DEFAULT_CHOICES
from framework_core.config.source import COMPONENT_GROUPS, Request, current_request
from framework_core.config.usual_data import usual_datasets
from framework_core.contracts.config import ComponentConfig, RunConfig
from framework_core.errors import FrameworkError
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.discovery import Offer
from framework_core.plugins.registry import registry

Node = dict[str, Any]


def vocabulary() -> dict[str, Any]:
    """What settings can say, ready for JSON."""
    classes: dict[type[ComponentConfig], int] = {}
    offers = {kind: _offers(kind, classes) for kind in COMPONENT_GROUPS.values()}
    settings = _section(TypeAdapter(RunConfig).core_schema)
    for group in COMPONENT_GROUPS:
        settings["keys"].pop(group)
    return {
        "settings": settings,
        "classes": [_section(TypeAdapter(each).core_schema) for each in classes],
        "offers": offers,
        "twice": {kind: _offered_twice(kind) for kind in COMPONENT_GROUPS.values()},
        "strategies": registry.catalogue.names("strategy"),
        "groups": _groups(),
        "kinds": COMPONENT_GROUPS,
        "once": CHOSEN_ONCE,
        "chosen": DEFAULT_CHOICES,
        "folder": str(CONFIG_DIR),
    }


def config_folders() -> Iterator[str]:
    """The folders of the config packages: a file that is added there is a new option."""
    for _, package in registry.plugins.config_packages():
        spec = importlib.util.find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            yield place
            yield from (str(each) for each in Path(place).rglob("*") if each.is_dir() and each.name != "__pycache__")


def _offers(kind: str, classes: dict[type[ComponentConfig], int]) -> list[dict[str, Any]]:
    """The components of a kind: those together that have the same settings and, of models, the same usual dataset."""
    found: dict[tuple[int | None, str], list[str]] = {}
    typed = set(registry.catalogue.names(kind))
    for offer in registry.catalogue.offers(kind):
        name = offer.spec.name if offer.spec.name in typed else f"{offer.distribution}:{offer.spec.name}"
        declared = _declared(offer)
        number = None if declared is None else classes.setdefault(declared, len(classes))
        usual = usual_datasets(offer.spec) if kind == "model" else []
        found.setdefault((number, usual[0] if len(usual) == 1 else ""), []).append(name)
    return [{"class": number, "dataset": dataset, "names": names} for (number, dataset), names in found.items()]


def _offered_twice(kind: str) -> list[str]:
    names = {offer.spec.name for offer in registry.catalogue.offers(kind)}
    return sorted(names - set(registry.catalogue.names(kind)))


def _declared(offer: Offer) -> type[ComponentConfig] | None:
    """The settings that a component declares; those read from a constructor are not worth importing it."""
    try:
        return config_class(offer) if offer.spec.config is not None else None
    except FrameworkError:
        return None


def _groups() -> dict[str, list[str]]:
    """Every config group with its options, but for the components."""
    token = current_request.set(Request())
    try:
        with initialize_config_module("framework_core.conf", version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            groups = {*loader.list_groups(""), *COMPONENT_GROUPS, "experiment"} - {"hydra"}
            options = {group: loader.get_group_options(group) for group in sorted(groups)}
    finally:
        current_request.reset(token)
    written = {(file.parent.name, file.stem) for folder in config_folders() for file in Path(folder).glob("*.yaml")}
    named = {group: set(registry.catalogue.names(kind)) for group, kind in COMPONENT_GROUPS.items()}
    return {
        group: [each for each in found if each not in named.get(group, ()) or (group, each) in written]
        for group, found in options.items()
    }


# Settings of these kinds in a model's configuration change nothing about what is accepted.
_HARMLESS = {"title", "extra_fields_behavior", "frozen", "from_attributes", "validate_default", "use_enum_values"}
_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of")
_OPAQUE: Node = {}


def _section(schema: Mapping[str, Any]) -> Node:
    """A settings class as a node; open where its own code decides about keys."""
    found = _Reader({}).node(schema)
    return found if "keys" in found else {"keys": {}, "open": True}


class _Reader:
    """Reads pydantic's schema of a settings class."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions

    def node(self, schema: Mapping[str, Any]) -> Node:
        kind = schema["type"]
        if kind == "definitions":
            return _Reader({each["ref"]: each for each in schema["definitions"]}).node(schema["schema"])
        if kind == "definition-ref":
            return self.node(self.definitions[schema["schema_ref"]])
        if kind in ("default", "function-after") and schema.get("on_error", "raise") == "raise":
            return self.node(schema["schema"])
        if kind == "model":
            return self._model(schema)
        alternatives = list(self._alternatives(schema))
        return _OPAQUE if {"kind": "any"} in alternatives else {"is": alternatives}

    def _model(self, schema: Mapping[str, Any]) -> Node:
        fields, config = schema["schema"], schema.get("config", {})
        while fields["type"] == "function-after":
            fields = fields["schema"]
        if fields["type"] != "model-fields" or schema.get("custom_init") or not set(config) <= _HARMLESS:
            return _OPAQUE
        settings_class: type[BaseModel] = schema["cls"]
        keys = {}
        for name, field in fields["fields"].items():
            keys[name] = self.node(field["schema"])
            if about := settings_class.model_fields[name].description:
                keys[name] = {**keys[name], "about": " ".join(about.split())}
        aliased = any("validation_alias" in field for field in fields["fields"].values())
        return {"keys": keys, "open": aliased or config.get("extra_fields_behavior") != "forbid"}

    def _alternatives(self, schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        kind = schema["type"]
        if kind == "nullable":
            yield {"kind": "none"}
            yield from self._alternatives(schema["schema"])
        elif kind == "union":
            for choice in schema["choices"]:
                yield from self._alternatives(choice[0] if isinstance(choice, tuple) else choice)
        elif kind in ("definition-ref", "default", "function-after"):
            inner = self.node(schema)
            yield from [{"kind": "dict"}] if "keys" in inner else inner.get("is", [{"kind": "any"}])
        elif kind in ("int", "float"):
            yield {"kind": kind, **{bound: schema[bound] for bound in _BOUNDS if bound in schema}}
        elif kind == "literal" and all(isinstance(each, str | int) for each in schema["expected"]):
            yield {"kind": "words", "of": schema["expected"]}
        elif kind == "enum" and "missing" not in schema:
            yield {"kind": "words", "of": [member.value for member in schema["members"]]}
        elif kind == "str" and not schema.get("coerce_numbers_to_str"):
            yield {"kind": "str"}
        elif kind in ("bool", "dict"):
            yield {"kind": kind}
        elif kind in ("list", "tuple"):
            yield {"kind": "list"}
        else:
            yield {"kind": "any"}
