"""The page of hooks and entry points, from the hook specifications."""

from __future__ import annotations

import inspect

from framework_core.cli.plugin_commands import GROUP
from framework_core.plugins.discovery import COMPONENT_GROUPS, PLUGIN_GROUP
from framework_core.plugins.hookspecs import HookSpecs
from generator.markdown import docstring, table

INTRODUCTION = """# Hooks and entry points
How a package offers something. [How to write a plugin package](../how-to/plugin.md) has a complete example.

## Entry points
"""


def page() -> str:
    """The groups of entry points, and every hook."""
    component = {
        group: f'One {spec.kind}, without plugin code: `NAME = "package.module:Class"`'
        for group, spec in COMPONENT_GROUPS.items()
    }
    groups = {
        PLUGIN_GROUP: 'A module with hooks: `NAME = "package.plugin"`',
        **component,
        GROUP: 'A command of `fw`: `NAME = "package.module:app"`, a `typer.Typer`',
    }
    parts = [INTRODUCTION, table(["group", "what"], [[f"`{group}`", what] for group, what in groups.items()])]
    for name in hooks():
        hook = getattr(HookSpecs, name)
        parts += [f"## {name}", f"```python\n{_signature(hook)}\n```", docstring(hook)]
    return "\n\n".join(parts) + "\n"


def hooks() -> list[str]:
    """The names of the hooks, in the order of the source."""
    return [name for name in vars(HookSpecs) if not name.startswith("_")]


def _signature(hook: object) -> str:
    signature = inspect.signature(hook)  # type: ignore[arg-type]
    own = [each for each in signature.parameters.values() if each.name != "self"]
    text = str(signature.replace(parameters=own)).replace("'", "")
    return f"def {hook.__name__}{text}"  # type: ignore[attr-defined]
