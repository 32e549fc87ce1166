"""The page of commands, from the typer program."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import typer

from framework_core.cli.app import app
from framework_core.cli.plugin_commands import GROUP
from generator.markdown import code, table

HELD_BACK = ("install_completion", "show_completion", "help")
"""Options that every typer program has."""


def page() -> str:
    """Every command with its arguments and options."""
    program = typer.main.get_command(app)
    parts = [
        "# Commands",
        f"{program.help} `python -m framework_core` is the same program.",
        "## Options of every command",
        "They may stand anywhere in the line. `-h` and `--help` explain a command.",
        _parameters(program),
    ]
    for name, command in commands(program):
        parts += _section(name, command)
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        for name, command in commands(typer.main.get_command(entry.load()), f"{entry.name} "):
            parts += [*_section(name, command), f"It comes with `{entry.dist.name}`." if entry.dist else ""]
    return "\n\n".join(parts) + "\n"


def _section(name: str, command: Any) -> list[str]:
    """One command."""
    return [
        f"## fw {name}",
        f"```text\nfw {name} {_usage(command)}\n```",
        command.help or "",
        _parameters(command),
    ]


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with all the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _usage(command: Any) -> str:
    arguments = [each for each in command.params if _is_argument(each)]
    words = [_argument(each) if each.required else f"[{_argument(each)}]" for each in arguments]
    return " ".join(["[OPTIONS]", *words])


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[].")
    return f"{name}..." if parameter.nargs == -1 else name


def _parameters(command: Any) -> str:
    shown = [each for each in command.params if each.name not in HELD_BACK]
    if not shown:
        return ""
    rows = [[code(_name(each)), code(_takes(each)), _default(each), each.help or ""] for each in shown]
    return table(["name", "takes", "default", "what"], rows)


def _name(parameter: Any) -> str:
    return _argument(parameter) if _is_argument(parameter) else ", ".join(parameter.opts)


def _takes(parameter: Any) -> str:
    if _is_argument(parameter) or isinstance(parameter.default, bool):
        return ""
    return parameter.metavar or parameter.name.upper().removeprefix("AS_")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "has to be given"
    return code(str(parameter.default)) if parameter.default not in (None, "", False, [], ()) else ""
