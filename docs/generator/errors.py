"""The page of errors and exit codes, from the tree of classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from framework_core import errors
from framework_core.errors import FrameworkError, RequestError, RunInterrupted
from generator.markdown import prose, table

INTRODUCTION = """# Errors and exit codes
An expected error is a message without a traceback, on stderr: what is wrong, what is possible, what to type next.
`--debug` shows where it arose.

## Exit codes
"""


def page() -> str:
    """The exit codes, the tree, and every class."""
    codes = {
        "0": "done",
        str(FrameworkError.exit_code): "it failed while running",
        str(RequestError.exit_code): "the request was wrong, nothing was started",
        str(
            RunInterrupted.exit_code
        ): "stopped by Ctrl-C, SIGTERM or SIGUSR1; training leaves a checkpoint to continue from",
    }
    tree = (inspect.getdoc(errors) or "").split("\n\n")[1]
    parts = [
        INTRODUCTION,
        table(["code", "what"], [[f"`{code}`", what] for code, what in codes.items()]),
        "## The tree",
        f"All are in `framework_core.errors`.\n\n```text\n{inspect.cleandoc(tree)}\n```",
        prose(
            "Each keeps its facts as attributes, and every one has ``what``, ``possible`` and ``next_step``. The examples are "
            "run by a test: ``mine.py`` holds a model ``Net`` and a dataset ``Iris``, ``trouble.py`` others that go wrong, and ``first`` is a run."
        ),
        *(_section(cls) for cls in classes()),
    ]
    return "\n\n".join(parts) + "\n"


def _section(cls: type[FrameworkError]) -> str:
    """One class: what it is for, its facts, and an example."""
    written, _, example = inspect.cleandoc(cls.__doc__ or "").partition("Example::")
    summary, _, arguments = written.partition("Args:")
    parts = [f"## {cls.__name__}", f"{prose(summary.strip())} Exit code {cls.exit_code}."]
    if example:
        parts.append(f"```text\n{inspect.cleandoc(example)}\n```")
        facts = [line.strip().split(": ", 1) for line in arguments.strip().splitlines() if ": " in line]
        made = "".join(inspect.getsource(each.__init__) for each in cls.__mro__ if issubclass(each, FrameworkError))
        kept = [[f"`{name}`", prose(what)] for name, what in facts if f"self.{name} = " in made]
        parts.append(table(["attribute", "what"], kept))
    return "\n\n".join(parts)


def classes(cls: type[FrameworkError] = FrameworkError) -> Iterator[type[FrameworkError]]:
    """Every expected error, a base before what derives from it."""
    yield cls
    for each in cls.__subclasses__():
        yield from classes(each)
