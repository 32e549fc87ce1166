"""The page of settings, from the pydantic classes."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from framework_core.config.describe import described
from framework_core.contracts import RunConfig
from generator.markdown import code, first_line, prose, table

OF_A_COMPONENT = ("model", "dataset", "optimizer", "scheduler")

INTRODUCTION = """# Settings
Every setting that `fw train` takes, as `KEY=VALUE`, in a settings file, or in Python. `fw config show model=NAME`
prints all of them with their values; [how to choose and change them](../how-to/settings.md).
A setting that is `null` is empty.

The sections `model`, `dataset`, `optimizer` and `scheduler` hold the settings of the component that is named:
[Components](components.md) has those of the first-party packages, `fw info model NAME` those of any.
"""


def page() -> str:
    """Every section of a run's settings."""
    parts = [INTRODUCTION]
    for path, section in sections():
        rows = [
            [code(_key(path, each["name"])), each["type"], code(each["default"]), prose(each["description"])]
            for each in described(section)
            if not _is_section(section, each["name"])
        ]
        if rows:
            parts += [
                f"## {path or 'At the top'}",
                first_line(section),
                table(["key", "takes", "default", "what"], rows),
            ]
    return "\n\n".join(parts) + "\n"


def sections(section: type[BaseModel] = RunConfig, path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section with its path, the top one first; those of components are left to their page."""
    yield path, section
    for name, info in section.model_fields.items():
        if _is_section(section, name) and name not in OF_A_COMPONENT:
            yield from sections(info.annotation, _key(path, name))  # type: ignore[arg-type]


def _is_section(section: type[BaseModel], name: str) -> bool:
    annotation = section.model_fields[name].annotation
    return name in OF_A_COMPONENT or (isinstance(annotation, type) and issubclass(annotation, BaseModel))


def _key(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
