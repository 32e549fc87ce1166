"""The page of errors and exit codes, from the tree of classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from framework_core import errors
from framework_core.errors import FrameworkError, RequestError, RunInterrupted
from generator.markdown import first_line, prose, table

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
        str(RunInterrupted.exit_code): "stopped by Ctrl-C or SIGTERM; training leaves a checkpoint to continue from",
    }
    tree = (inspect.getdoc(errors) or "").split("\n\n")[1]
    rows = [
        [f"`{cls.__name__}`", f"`{cls.__base__.__name__}`", str(cls.exit_code), first_line(cls)] for cls in classes()
    ]
    parts = [
        INTRODUCTION,
        table(["code", "what"], [[f"`{code}`", what] for code, what in codes.items()]),
        "## Classes",
        f"All are in `framework_core.errors`.\n\n```text\n{inspect.cleandoc(tree)}\n```",
        prose("Each keeps its facts as attributes, and every one has ``what``, ``possible`` and ``next_step``."),
        table(["class", "is a", "exit code", "what"], rows),
    ]
    return "\n\n".join(parts) + "\n"


def classes(cls: type[FrameworkError] = FrameworkError) -> Iterator[type[FrameworkError]]:
    """Every expected error, a base before what derives from it."""
    yield cls
    for each in cls.__subclasses__():
        yield from classes(each)
