"""The words of a command line, read as typer will read them, without importing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from framework_core.errors import UnknownOptionError
from framework_core.plugins.kept import kept
from framework_core.spelling import slips


@dataclass
class Words:
    """A command line that was read."""

    path: tuple[str, ...]
    """The command and the command below it."""

    node: dict[str, Any]
    """What is known of it."""

    options: dict[str, str] = field(default_factory=dict)
    """The options that were given, by the name of their parameter."""

    arguments: list[str] = field(default_factory=list)
    """The other words."""

    waiting: dict[str, Any] | None = None
    """The option whose value is missing at the end of the line."""

    clear: bool = True
    """Whether every word could be placed."""


def all_known() -> dict[str, Any]:
    """The commands and everything that settings can say, as kept."""

    def make() -> Any:
        from framework_core.cli.tree import everything_to_say

        return everything_to_say()

    def folders() -> list[str]:
        from framework_core.config.vocabulary import config_folders

        return list(config_folders())

    known: dict[str, Any] = kept("words", make, folders=folders)
    return known


def read(words: Sequence[str], commands: dict[str, Any]) -> Words:
    """Read a line as far as it can be read.

    Raises:
        UnknownOptionError: A long option has only one dash, so that its letters would be read as short ones.
    """
    found = Words((), commands)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            found.arguments += rest
            break
        if word.startswith("-") and word != "-":
            _read_option(found, word, rest)
        elif "commands" in found.node and not found.arguments:
            below = found.node["commands"].get(word)
            if below is None:
                found.arguments.append(word)
                found.clear = False
            else:
                found.path, found.node = (*found.path, word), below
        else:
            found.arguments.append(word)
        if found.node.get("foreign"):
            found.clear = False
            break
    return found


def _read_option(found: Words, word: str, rest: list[str]) -> None:
    options = found.node.get("options", {})
    name, equals, value = word.partition("=")
    if word[:2] in options and not word.startswith("--") and len(name) > 2:
        _refuse_one_dash(found, name)
        name, equals, value = word[:2], "=", word[2:]
    option = options.get(name)
    if option is None:
        found.clear = False
    elif not option["takes"]:
        found.options[option["name"]] = "true"
    elif equals or rest:
        found.options[option["name"]] = value if equals else rest.pop(0)
    else:
        found.waiting = option


def _refuse_one_dash(found: Words, word: str) -> None:
    """Refuse ``-model``, which would be read as ``-m odel``."""
    options = found.node["options"]
    if len(word) > 4 and any(slips(word, each) <= 1 for each in options if each.startswith("--")):
        raise UnknownOptionError(" ".join(["fw", *found.path]), word, options)
