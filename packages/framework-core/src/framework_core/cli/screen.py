"""What is printed, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from framework_core.process import is_main_process

if TYPE_CHECKING:
    from framework_core.errors import FrameworkError


RED, BOLD, RESET = "\033[31m", "\033[1m", "\033[0m"
"""What terminals take for a colour."""


def print_error(error: FrameworkError) -> None:
    """An expected error: what is wrong, what is possible, what to type next."""
    label = f"{RED}{BOLD}error:{RESET}" if sys.stderr.isatty() else "error:"
    text = str(error).replace("\n", "\n  ")
    # In one piece: what several processes say at a time does not mix.
    sys.stderr.write(f"{label} {text}\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """A result for a script."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """A result for people: aligned columns, the last one cut where the terminal ends."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for row in [head, *rows]:
        line = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        shown = line if len(line) <= width else line[: width - 1] + "…"
        print(f"{BOLD}{shown}{RESET}" if row is head and sys.stdout.isatty() else shown)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line; empty values are left out."""
    shown = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name.ljust(width)}  {value}")


def note(text: str) -> None:
    """Something beside the result."""
    if is_main_process():
        print(text, file=sys.stderr, flush=True)


class _Lines(logging.Formatter):
    """A log record as a line; a warning is called one."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"warning: {text}" if record.levelno >= logging.WARNING else text


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


def show_log() -> None:
    """Let the library's own messages appear on stderr."""
    log = logging.getLogger("framework_core")
    if not log.handlers:
        handler = _Stderr()
        handler.setFormatter(_Lines())
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(logging.INFO if is_main_process() else logging.ERROR)
