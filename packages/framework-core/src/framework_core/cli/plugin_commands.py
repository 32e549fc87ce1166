"""Commands that plugins bring: the entry-point group ``framework.commands``, name to a ``typer.Typer``.

A group of its own, and no hook, so that ``fw --help`` can name them without importing a plugin.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

GROUP = "framework.commands"


def add_plugin_commands(app: typer.Typer, words: list[str], why_left_out: Callable[[str, str, str], str]) -> None:
    """Add the commands of plugins: the one that is called for real, the others by name for the help.

    Args:
        app: Where to add them.
        words: What was typed, without the options of every command.
        why_left_out: Says of a command's name, its distribution and version why it is not there; empty where it is.

    Raises:
        ImportTargetError: The command that is called cannot be imported.
    """
    own = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    called = next((word for word in words if not word.startswith("-")), "")
    if called in own:
        return
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        origin, version = (entry.dist.name, entry.dist.version) if entry.dist else ("a plugin", "")
        if entry.name in own or why_left_out(entry.name, origin, version):
            continue
        command = _load(entry.value, origin) if entry.name == called else typer.Typer(help=f"Comes with {origin}.")
        app.add_typer(command, name=entry.name)


def _load(target: str, origin: str) -> typer.Typer:
    from framework_core.plugins.targets import import_target

    loaded = import_target(target)
    if not isinstance(loaded, typer.Typer):
        from framework_core.errors import ImportTargetError

        raise ImportTargetError(target, f"{origin} offers it as a command, and it is no typer.Typer.")
    return loaded
