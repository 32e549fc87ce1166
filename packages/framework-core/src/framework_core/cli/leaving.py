"""How ``fw`` ends its process: at once.

Before Python ends, it takes down a million objects one by one, which the system takes back as a whole: a second or two
after the last line of a command. What others may rely on is done: threads end, functions of ``atexit`` run, and files
that nobody closed are written.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import sys
import threading

from framework_core.cli.several import is_one_of_several

_WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
"""Files that keep what they are given for a while; texts give it on to the others."""


def leave(code: int) -> None:
    """End this process; returns where a debugger, a profiler, coverage or other processes wait for Python's own end."""
    if _is_watched() or is_one_of_several():
        return
    try:
        _let_threads_of_mongodb_be()
        threading._shutdown()  # type: ignore[attr-defined]  # what Python itself calls first
        atexit._run_exitfuncs()
        _write_open_files()
    except KeyboardInterrupt:
        return
    os._exit(code)


def _is_watched() -> bool:
    monitoring = getattr(sys, "monitoring", None)
    tools = monitoring is not None and any(monitoring.get_tool(number) for number in range(6))
    return tools or sys.gettrace() is not None or sys.getprofile() is not None


def _let_threads_of_mongodb_be() -> None:
    """MongoDB's driver would wait half a second for threads that watch servers; they end with the process."""
    wait = getattr(sys.modules.get("pymongo.synchronous.monitor"), "_shutdown_resources", None)
    if wait is not None:
        atexit.unregister(wait)


def _write_open_files() -> None:
    found = [each for each in gc.get_objects() if type(each) in _WRITERS]
    for file in sorted(found, key=lambda each: _WRITERS.index(type(each))):
        with contextlib.suppress(OSError, ValueError):
            file.flush()
