"""The page of what plugins promise, from the checks themselves."""

from __future__ import annotations

from framework_core.testing.check import KINDS, checks_of
from generator.markdown import table

INTRODUCTION = """# What plugins promise
Each promise is a check: `fw plugin check PACKAGE` makes them all, and the suites of `framework_core.testing` are the same
for a package's own tests. [How to check a plugin](../how-to/plugin.md#does-it-keep-its-promises).
"""
TITLES = {"package": "Packages", "component": "Every component", "model": "Models", "dataset": "Datasets"}


def page() -> str:
    """A table for each kind of thing that promises something."""
    parts = [INTRODUCTION]
    for kind in KINDS:
        rows = [
            [f"`{each.name}`", f"{each.promise}.{' With `--thorough` only.' if each.thorough else ''}"]
            for each in checks_of(kind, thorough=True)
        ]
        parts += [f"## {TITLES[kind]}", table(["check", "promise"], rows)]
    return "\n\n".join(parts) + "\n"
