"""The page of the Python interface: the public names of core and of the domain packages."""

from __future__ import annotations

import inspect
from typing import Any

import framework_core
import framework_core.model_registry
import framework_plugins_audio
import framework_plugins_nlp
import framework_plugins_timeseries
import framework_plugins_vision
from generator.markdown import docstring, first_line

PACKAGES = (
    framework_core,
    framework_core.model_registry,
    framework_plugins_vision,
    framework_plugins_nlp,
    framework_plugins_timeseries,
    framework_plugins_audio,
)
TOLD_ELSEWHERE = {
    "DataSpec": "contracts.md#dataspec",
    "RunResult": "contracts.md#runresult",
    "hookimpl": "hooks.md",
    "DataError": "errors.md",
    "FrameworkError": "errors.md",
}

INTRODUCTION = """# Python
What the command line does, Python does in one call. Names are imported when they are used: `import framework_core`
imports no torch. [How to train from Python](../how-to/python.md).
"""


def page() -> str:
    """Every public name."""
    parts = [INTRODUCTION]
    for package in PACKAGES:
        parts.append(f"## {package.__name__}")
        for name in package.__all__:
            parts += [f"### {name}", *_told(name, getattr(package, name))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _told(name: str, thing: Any) -> list[str]:
    if name in TOLD_ELSEWHERE:
        return [f"See [{name}]({TOLD_ELSEWHERE[name]})."]
    if inspect.isclass(thing):
        return [_code(name, thing.__init__), docstring(thing), _methods(thing)]
    if callable(thing):
        return [_code(name, thing), docstring(thing)]
    return [docstring(thing) or first_line(type(thing)), _methods(type(thing))]


def _methods(cls: type) -> str:
    """What a class has of its own, one line each."""
    lines = []
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if (not name.startswith("_") or name in ("_build_model", "_setup_metrics")) and inspect.isfunction(function):
            call = name if isinstance(member, property) else f"{name}{_arguments(function)}"
            lines.append(f"- `{call}`: {first_line(function)}")
    return "\n".join(lines)


def _code(name: str, function: Any) -> str:
    return f"```python\n{name}{_arguments(function)}\n```"


def _arguments(function: Any) -> str:
    """The parameters as they are written."""
    parts: list[str] = []
    for each in inspect.signature(function).parameters.values():
        if each.name in ("self", "cls"):
            continue
        if each.kind is each.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        annotation = "" if each.annotation is each.empty else f": {each.annotation}"
        default = "" if each.default is each.empty else f" = {each.default!r}"
        star = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        parts.append(f"{star}{each.name}{annotation}{default}")
    return f"({', '.join(parts)})"
