"""The page of contracts, from the pydantic classes and protocols."""

from __future__ import annotations

import inspect
from typing import get_type_hints

from pydantic import BaseModel

from framework_core import contracts
from generator.markdown import code, docstring, prose, table
from generator.source import attributes

INTRODUCTION = """# Contracts
What core and plugins promise each other: everything in `framework_core.contracts`. Importing it imports no torch.
[Why they are as they are](../explanation/contracts.md).

A contract is a frozen pydantic model that refuses fields it does not know. The contract between core and plugins has
version {version}.
"""


def page() -> str:
    """Every public name of ``framework_core.contracts``."""
    parts = [INTRODUCTION.format(version=contracts.CONTRACT_VERSION)]
    for name in contracts.__all__:
        thing = getattr(contracts, name)
        if inspect.isclass(thing):
            parts += [f"## {name}", docstring(thing), _members(thing)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _members(cls: type) -> str:
    rows = [
        [code(name), code(annotation), code(default), prose(text)]
        for name, annotation, default, text in attributes(cls)
    ]
    fields = table(["field", "type", "default", "what"], rows) if rows else ""
    return "\n".join([fields, *(_method(each) for each in _methods(cls))])


def _methods(cls: type) -> list[object]:
    shown = []
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            shown.append(function)
    return shown if not issubclass(cls, BaseModel) or get_type_hints(cls) else []


def _method(function: object) -> str:
    arguments = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]  # type: ignore[arg-type]
    call = f"({', '.join(arguments)})" if arguments else ""
    return f"- `{function.__name__}{call}`: {prose((inspect.getdoc(function) or '').partition(chr(10))[0])}"  # type: ignore[attr-defined]
