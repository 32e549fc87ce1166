"""Where in the user's own code something was called."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType, TracebackType

STARTS_TRAINING = "lightning.pytorch.trainer.call"
"""Whoever called this has called everything, and is told of nowhere."""

LIBRARIES = ("torch", "lightning", "lightning_utilities", "torchmetrics", "framework_core")


def _folders() -> tuple[str, ...]:
    specs = [find_spec(name) for name in LIBRARIES]
    found = [str(Path(spec.origin).parent) for spec in specs if spec is not None and spec.origin]
    return (*found, sysconfig.get_path("stdlib"), "<")


_NOT_THE_USERS = _folders()
_SITE = sysconfig.get_path("purelib")


def place(frame: FrameType | None) -> str:
    """The innermost place in code that is of no library here, inside a training; empty where there is none.

    Args:
        frame: Where to begin.
    """
    while frame is not None and frame.f_globals.get("__name__") != STARTS_TRAINING:
        if told := _told(frame.f_code, frame.f_lineno):
            return told
        frame = frame.f_back
    return ""


def place_of(trace: TracebackType | None) -> str:
    """The innermost such place in a traceback, or the innermost of all."""
    places = [(each.tb_frame.f_code, each.tb_lineno) for each in _links(trace)]
    own = [told for code, line in reversed(places) if (told := _told(code, line))]
    if own:
        return own[0]
    return f"{Path(places[-1][0].co_filename).name}:{places[-1][1]} in {places[-1][0].co_name}" if places else ""


def _links(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _told(code: CodeType, line: int) -> str:
    file = code.co_filename
    in_library = file.startswith(_NOT_THE_USERS) and not (_SITE and file.startswith(_SITE) and _is_a_package_of(file))
    return "" if in_library else f"{Path(file).name}:{line} in {code.co_name}"


def _is_a_package_of(file: str) -> bool:
    """Whether a file of site-packages, which lies in the folder of Python's own library, is of another package."""
    return Path(file).relative_to(_SITE).parts[0] not in LIBRARIES
