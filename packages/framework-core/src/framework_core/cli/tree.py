"""The commands with their options and arguments, as plain data, and everything else a line can say."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import typer

from framework_core.cli.app import app
from framework_core.cli.plugin_commands import GROUP
from framework_core.cli.usage import choices_of
from framework_core.config.vocabulary import vocabulary
from framework_core.plugins import index

FILTERS = {"--domain": "domain", "--task": "tasks", "--tag": "tags", "--plugin": "distribution"}
"""Options of ``fw list``, each with the field of a component that it looks at."""


def everything_to_say() -> dict[str, Any]:
    """The commands and the vocabulary of settings, ready for JSON."""
    commands = _node(typer.main.get_command(app))
    for entry in entry_points(group=GROUP):
        origin = entry.dist.name if entry.dist else "a plugin"
        # A plugin is not imported for its options.
        commands["commands"].setdefault(entry.name, {"help": f"Comes with {origin}.", "foreign": True})
    return {"commands": commands, "settings": vocabulary(), "filters": _filters()}


def _node(command: Any) -> dict[str, Any]:
    help_text = (command.help or "").strip().partition("\n")[0]
    options: dict[str, Any] = {}
    arguments = []
    for each in command.params:
        choices = choices_of(command, each.name)
        if each.param_type_name == "argument":
            arguments.append({"name": each.name, "many": each.nargs == -1, "choices": choices})
            continue
        words = [*each.opts, *each.secondary_opts]
        known = {"name": each.name, "takes": not each.is_flag, "help": each.help or "", "choices": choices}
        options |= {word: {**known, "words": words} for word in words}
    options |= {
        word: {"name": "help", "takes": False, "help": "Show this message.", "words": ["-h", "--help"], "choices": []}
        for word in ("-h", "--help")
    }
    below = {name: _node(each) for name, each in getattr(command, "commands", {}).items()}
    return {"help": help_text, "options": options, "arguments": arguments, **({"commands": below} if below else {})}


def _filters() -> dict[str, dict[str, list[str]]]:
    """What each filter of ``fw list`` can be, by kind."""
    found: dict[str, dict[str, list[str]]] = {}
    for kind in ("model", "dataset"):
        rows = index.rows(kind)
        found[kind] = {
            option: sorted({each for row in rows for each in _listed(row.get(field))})
            for option, field in FILTERS.items()
        }
    return found


def _listed(values: Any) -> list[str]:
    return [values] if isinstance(values, str) else list(values or ())
