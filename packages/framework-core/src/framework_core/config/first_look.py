"""What can be said of the words of a command line before anything heavy is imported.

It judges by the kept vocabulary, and passes whatever it cannot judge: ``${...}``, lists, quoted words, settings whose
class has code of its own, components that declare no settings, what an experiment may have chosen. pydantic stays the
judge of all settings; this only answers a slip of the finger at once, in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Any

from framework_core.config.moved import moved
from framework_core.errors import ConfigProblem, FrameworkError, near_names
from framework_core.plugins.hints import unknown_name
from framework_core.spelling import slips
from framework_core.wording import (
    PHRASES,
    TRUTHS,
    group_of,
    limit,
    no_name,
    no_option,
    no_setting,
    no_strategy,
    no_such_setting,
    not_allowed,
    one_of,
)

Node = dict[str, Any]
Problem = ConfigProblem | FrameworkError

OVERRIDE = re.compile(r"(?P<added>\+{0,2})(?P<key>\w[\w.-]*)=(?P<value>.*)", re.ASCII | re.DOTALL)
PLAIN = re.compile(r"[\w./+%|-]+", re.ASCII)
"""A value that is one word to Hydra, and no more than a word."""

INTEGER = re.compile(r"[+-]?(0|[1-9](_?[0-9])*)")
FLOAT = re.compile(r"[+-]?([0-9](_?[0-9])*\.([0-9](_?[0-9])*)?|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?")
TAKEN_FOR_TRUTHS = {"0", "1", "off", "on", "f", "t", "false", "true", "n", "y", "no", "yes"}
"""What pydantic takes for true or false, in any case."""

MISSING = "???"
"""Hydra's word for a value that is still to be set; it is left out."""

UNKNOWN: Any = object()
"""A value that is not judged."""


@dataclass(frozen=True)
class Line:
    """What a command line says of settings.

    Args:
        overrides: Its ``KEY=VALUE`` words.
        named: Components named by options, by group.
        body: The settings of the file it names; of a run's own, where it continues one.
        complete: Whether ``body`` is all there is: not, where a run or a file could not be read.
        folder: The user's own config groups.
    """

    overrides: Sequence[str]
    named: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    complete: bool = True
    folder: Path | None = None


def problems(line: Line, vocabulary: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with the settings of a command line, where all of them can be judged."""
    if any(word.startswith("~") for word in line.overrides):
        return []
    settings = Settings(line, vocabulary)
    found = list(settings.problems())
    # What is wrong is told at once or not at all: the full check tells the rest too.
    return [] if settings.unjudged else found


class Settings:
    """The settings that a command line may say, and those it says.

    Args:
        line: What it says.
        vocabulary: What can be said.
    """

    def __init__(self, line: Line, vocabulary: Mapping[str, Any]) -> None:
        self.line = line
        self.known = Known(vocabulary, line.folder)
        self.given: dict[str, str] = {}
        self.broken: list[str] = []
        self.unjudged: set[str] = set()
        """Keys of which nothing can be said, because their component is not known or says nothing."""
        for word in line.overrides:
            if "=" not in word:
                self.broken.append(word)
            elif (match := OVERRIDE.fullmatch(word)) is not None:
                # The last one counts.
                self.given.pop(match["key"], None)
                self.given[match["key"]] = match["value"]
        self.choices = {group: self._choice(group) for group in vocabulary["once"]}
        model = self.choices["model"]
        if self.choices["dataset"] == "" and model and (":" in model or self.known.has("model", model)):
            self.choices["dataset"] = self.known.default_dataset(model)
        self.settings = self.known.settings(self.choices)

    def problems(self) -> Iterator[Problem]:
        """What is wrong, in the order of the words."""
        for word in self.broken:
            yield no_setting(word, self._near_setting(word))
        for group, name in self.line.named.items():
            yield from self._option(group, name)
        for key, text in self.given.items():
            if key in self.known.groups and (key not in self.settings["keys"] or not text.startswith("{")):
                yield from self._chosen(key, text)
            else:
                yield from self._set(key, text)
        yield from self._in_file(self.line.body, "")

    def keys(self, begun: str) -> Iterator[tuple[str, str]]:
        """How a key may go on, up to its next dot, with what it is for."""
        for group in sorted(self.known.groups):
            if group.startswith(begun) and group not in self.given:
                yield f"{group}=", f"the {group}"
        prefix = begun[: begun.rfind(".") + 1]
        node = self._node(prefix[:-1]) if prefix else self.settings
        for name, below in (node or {}).get("keys", {}).items():
            key = f"{prefix}{name}"
            if key.startswith(begun) and not ("keys" in below and not below["keys"]):
                yield f"{key}{'.' if 'keys' in below else '='}", below.get("about", "")

    def values(self, key: str) -> list[str]:
        """The words that a key may be set to."""
        if key in self.known.groups:
            return self.known.options(key)
        if key in ("strategy", "trainer.strategy"):
            return list(self.known.data["strategies"])
        words: list[str] = []
        for each in (self._node(key) or {}).get("is", ()):
            words += ["null"] if each["kind"] == "none" else _words(each)
        return sorted(dict.fromkeys(words), key=lambda word: word == "null") if words != ["null"] else []

    def _choice(self, group: str) -> str | None:
        """The option of a group; empty where none is named, ``None`` where that cannot be told."""
        if f"{group}.name" in self.given:
            return None
        if group in self.line.named:
            return self.line.named[group]
        if group in self.given:
            value = value_of(self.given[group])
            return value if isinstance(value, str) else None
        chosen = _defaults(self.line.body)
        if (
            not self.line.complete
            or "experiment" in self.given
            or not chosen.keys() <= self.known.groups - {"experiment"}
        ):
            return None
        section = self.line.body.get(group)
        name = section.get("name") if isinstance(section, Mapping) else section
        if name is None:
            name = chosen.get(group, self.known.data["chosen"].get(group, ""))
        return name if isinstance(name, str) and "$" not in name else None

    def _chosen(self, group: str, text: str) -> Iterator[Problem]:
        value = value_of(text)
        if isinstance(value, str):
            yield from self._option(group, value)
        elif value is not UNKNOWN and value is not None:
            yield no_name(group, value)

    def _option(self, group: str, name: str) -> Iterator[Problem]:
        if ":" in name or "/" in name or self.known.has(group, name):
            return
        options = self.known.options(group)
        if group in self.known.data["once"]:
            yield unknown_name(self.known.data["kinds"].get(group, group), name, options)
        else:
            yield no_option(group, name, options)

    def _set(self, key: str, text: str) -> Iterator[Problem]:
        node = self._node(key)
        if text == MISSING:
            return
        if node is None:
            yield self._unknown_key(key)
        elif node.get("keys") and value_of(text) is not UNKNOWN:
            value = value_of(text)
            yield not_allowed(key, value, [group_of(key, node["keys"])], (), self._taking(value, key))
        elif "is" in node and not self._is_replaced(key):
            yield from self._value(key, node, value_of(text))

    def _value(self, key: str, node: Node, value: Any) -> Iterator[Problem]:
        if value is UNKNOWN or (key == "experiment.name" and not value):
            return
        if key in ("strategy", "trainer.strategy") and isinstance(value, str):
            if value not in self.known.data["strategies"]:
                yield no_strategy(key, value, self.known.data["strategies"])
            return
        if not any(accepts(each, value) for each in node["is"]):
            allowed = [phrase(each, value) for each in node["is"] if each["kind"] != "none"]
            words = [word for each in node["is"] for word in _words(each)]
            yield not_allowed(key, value, allowed, words, self._taking(value, key.rpartition(".")[0]))

    def _is_replaced(self, key: str) -> bool:
        """Whether a whole group of settings is given beside the one."""
        return any(key.startswith(f"{other}.") and text.startswith("{") for other, text in self.given.items())

    def _in_file(self, values: Mapping[str, Any], prefix: str) -> Iterator[Problem]:
        for name, value in values.items():
            key = f"{prefix}{name}"
            if ":" in key:
                continue
            if not prefix and (name == "defaults" or (name in self.known.groups and not isinstance(value, Mapping))):
                continue
            if not prefix and name in self.known.data["once"] and (name in self.given or name in self.line.named):
                continue
            node = self._node(key)
            if node is None:
                yield self._unknown_key(key)
            elif isinstance(value, Mapping):
                yield from self._in_file(value, f"{key}.") if "keys" in node else ()
            elif "is" in node and key not in self.given and "experiment" not in self.given:
                yield from self._value(key, node, _plain(value))

    def _node(self, key: str) -> Node | None:
        """What is known of a key: nothing where there is no such setting, an empty node where anything may be."""
        node = self.settings
        for part in key.split("."):
            if "keys" in node:
                found = node["keys"].get(part)
                if found is None and node["open"]:
                    if not node.get("void"):
                        self.unjudged.add(key)
                    return {}
                if found is None:
                    return None
                node = found
            elif "is" in node and not any(each["kind"] == "dict" for each in node["is"]):
                return None
            else:
                return {}
        return node

    def _section(self, key: str) -> Mapping[str, Node]:
        """The settings of a section by their names; without a key, those at the top."""
        node = self._node(key) or {} if key else self.settings
        found: Mapping[str, Node] = node.get("keys", {})
        return found

    def _taking(self, value: Any, section: str) -> list[str]:
        """The settings of a section that a word is a value of, with it."""
        if not isinstance(value, str):
            return []
        names = [
            name
            for name, node in self._section(section).items()
            if any(value in _words(each) for each in node.get("is", ()))
        ]
        return [f"{section}.{name}={value}" if section else f"{name}={value}" for name in names]

    def _unknown_key(self, key: str) -> ConfigProblem:
        group, _, rest = key.partition(".")
        if group == "callbacks" and (name := rest.partition(".")[0]) not in self.settings["keys"][group]["keys"]:
            error = unknown_name("callback", name, self.settings["keys"][group]["keys"])
            return ConfigProblem(f"{group}.{name}", error.what.rstrip("."), near=error.near)
        paths = [*_paths(self.settings), *self.known.groups]
        near = near_names(key, paths)
        if near and slips(key, near[0]) <= 1:
            return no_such_setting(key, near, ())
        if here := moved(key, paths.__contains__):
            return no_such_setting(key, [here], ())
        parent, _, leaf = key.rpartition(".")
        beside = self._section(parent)
        if parent and beside:
            near = [f"{parent}.{name}" for name in near_names(leaf, beside)]
        elsewhere = [path for path in paths if path.endswith(f".{leaf}")]
        return no_such_setting(key, [*elsewhere, *near][:3], beside)

    def _near_setting(self, word: str) -> list[str]:
        """What a word without ``=`` may have been: a component without its option, a setting that lacks the sign."""
        for group in ("model", "dataset"):
            if self.known.offers(group, word):
                return [f"--{group} {word}"]
        keys = [key for key in (*_paths(self.settings), *self.known.groups) if word.startswith(key) and word != key]
        return [f"{key}={word[len(key) :].lstrip(' :-')}" for key in sorted(keys, key=len, reverse=True)[:1]]


class Known:
    """The vocabulary, with the user's own config groups as they are now."""

    def __init__(self, data: Mapping[str, Any], folder: Path | None = None) -> None:
        self.data = data
        self.own = _options_in(folder if folder is not None else Path(data["folder"]))
        self.groups = {*data["groups"], *self.own}
        self._offered = {
            kind: {name for offer in found for name in offer["names"]} for kind, found in data["offers"].items()
        }

    def names(self, kind: str) -> list[str]:
        """The components of a kind."""
        return sorted(self._offered[kind])

    def offers(self, kind: str, name: str) -> bool:
        """Whether a component is offered, by one package or by more."""
        return name in self._offered[kind] or name in self.data["twice"][kind]

    def options(self, group: str) -> list[str]:
        """What can be chosen in a group."""
        kind = self.data["kinds"].get(group, "")
        found = {*self._offered.get(kind, ()), *self.data["groups"].get(group, ()), *self.own.get(group, ())}
        return sorted(found)

    def has(self, group: str, name: str) -> bool:
        """Whether a group has an option."""
        kind = self.data["kinds"].get(group, "")
        return (
            name in self._offered.get(kind, ())
            or name in self.data["groups"].get(group, ())
            or name in self.own.get(group, ())
            or name in self.data["twice"].get(kind, ())
        )

    def default_dataset(self, model: str) -> str | None:
        """The dataset that is taken for a model where none is named."""
        offers = self.data["offers"]["model"]
        return next((offer["dataset"] for offer in offers if model in offer["names"]), None) or None

    def settings(self, choices: Mapping[str, str | None]) -> Node:
        """All settings as one node, with those of the components that are chosen."""
        keys = dict(self.data["settings"]["keys"])
        for group, kind in self.data["kinds"].items():
            keys[group] = self._component(group, kind, choices.get(group))
        callbacks = {name: self._component("callbacks", "callback", name) for name in self._offered["callback"]}
        keys["callbacks"] = {"keys": callbacks, "open": bool(self.data["twice"]["callback"])}
        return {"keys": keys, "open": False}

    def _component(self, group: str, kind: str, name: str | None) -> Node:
        if name == "" or (name and ":" not in name and not self.has(group, name)):
            # Of a component that is not there no settings can be wrong.
            return {"keys": {}, "open": True, "void": True}
        if name and name not in self.own.get(group, ()) and name not in self.data["groups"].get(group, ()):
            for offer in self.data["offers"][kind]:
                if name in offer["names"] and offer["class"] is not None:
                    found: Node = self.data["classes"][offer["class"]]
                    return found
        return {"keys": {}, "open": True}


def value_of(text: str) -> Any:
    """The value of an override, where it is one plain word: text, a number, true or false, or nothing."""
    if not PLAIN.fullmatch(text):
        return UNKNOWN
    lowered = text.lower()
    if lowered in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[lowered]
    if lowered.lstrip("+-") in ("inf", "nan"):
        return UNKNOWN
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if FLOAT.fullmatch(text) else text


def accepts(alternative: Mapping[str, Any], value: Any) -> bool:
    """Whether a value may be one that is allowed; in doubt it may."""
    kind = alternative["kind"]
    if kind in ("int", "float"):
        number = _number(value)
        fits = isinstance(number, int | float) and (kind == "float" or number == int(number))
        return number is UNKNOWN or (fits and phrase(alternative, value) == PHRASES[kind])
    if kind == "bool":
        return value in (0, 1) or str(value).lower() in TAKEN_FOR_TRUTHS
    if kind == "words":
        return value in alternative["of"]
    return (kind == "str" and isinstance(value, str)) or (kind == "none" and value is None)


def phrase(alternative: Mapping[str, Any], value: Any) -> str:
    """What would be allowed, in words; of a number the bound that it breaks."""
    kind = alternative["kind"]
    if kind == "words":
        return one_of(alternative["of"])
    number = _number(value)
    if kind in ("int", "float") and isinstance(number, int | float) and (kind == "float" or number == int(number)):
        broken = [
            name for name, holds in BOUNDS.items() if name in alternative and not holds(number, alternative[name])
        ]
        return limit(broken[0], alternative[broken[0]]) if broken else PHRASES[kind]
    return PHRASES[kind]


BOUNDS: dict[str, Callable[[Any, Any], bool]] = {"gt": gt, "ge": ge, "lt": lt, "le": le}


def _words(alternative: Mapping[str, Any]) -> list[str]:
    """The words that an alternative allows."""
    return list(TRUTHS) if alternative["kind"] == "bool" else [str(word) for word in alternative.get("of", ())]


def _number(value: Any) -> Any:
    """The number that pydantic sees in a value; ``None`` where it sees none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return UNKNOWN if isinstance(value, float) and not isfinite(value) else value


def _plain(value: Any) -> Any:
    """A value of a file, where it can be judged."""
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else UNKNOWN
    return value if value is None or isinstance(value, bool | int | float) else UNKNOWN


def _defaults(body: Mapping[str, Any]) -> dict[str, Any]:
    """The choices in a file's list of defaults; an entry of another form may be anything."""
    found: dict[str, Any] = {}
    entries = body.get("defaults")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping):
            for key, option in entry.items():
                found[str(key).removeprefix("override ").removeprefix("optional ").strip("/ ")] = option
    return found


def _options_in(folder: Path) -> dict[str, list[str]]:
    """The config groups of a folder, each with its options."""
    if not folder.is_dir():
        return {}
    return {each.name: sorted(file.stem for file in each.glob("*.yaml")) for each in folder.iterdir() if each.is_dir()}


def _paths(node: Node, prefix: str = "") -> Iterator[str]:
    """Every key below a node, dotted."""
    for name, below in node["keys"].items():
        yield f"{prefix}{name}"
        if "keys" in below:
            yield from _paths(below, f"{prefix}{name}.")
