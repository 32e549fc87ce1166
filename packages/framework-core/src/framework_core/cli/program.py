"""The program ``fw``: what it does before a command, and what it says after one.

Nothing heavy is imported for a request that can be answered at once: a completion, or a slip of the finger.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from framework_core.errors import FrameworkError, OutputError, RunInterrupted
from framework_core.heap import seldom_collected
from framework_core.process import COMPLETE, is_main_process
from framework_core.secrets import UnwritableError, concealed_output


def program() -> None:
    """``fw`` as a process of its own."""
    code = 0
    try:
        main()
    except SystemExit as end:
        if not (end.code is None or isinstance(end.code, int)):
            raise
        code = end.code or 0
    from framework_core.cli.leaving import leave

    leave(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``fw``. Exit codes: 0 done, 1 failed while running, 2 the request was wrong, 130 stopped by Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if COMPLETE in os.environ:
        from framework_core.cli.complete import answer

        answer(words)
        return
    with seldom_collected(), concealed_output(), _stoppable():
        _answer(words)


SOON = 0.05
"""Seconds after which a Ctrl-C that Python could not raise is raised again."""


class CtrlC(KeyboardInterrupt):
    """Ctrl-C, not by its plain name.

    Once a plain ``KeyboardInterrupt`` has passed through ``exec`` of a text, as there is in every dataclass, Python
    ends the process by the signal, whatever exit code it was given.
    """


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise CtrlC

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    hook = sys.unraisablehook

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        # It came while Python took something down, as it does for every import, where nothing can be raised.
        if isinstance(unraisable.exc_value, CtrlC):
            threading.Timer(SOON, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            hook(unraisable)

    signal.signal(signal.SIGINT, stop)
    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _answer(words: list[str]) -> None:
    front, rest = hoisted(words)
    debug = "--debug" in front
    try:
        _follow(front)
        _refuse_slips(rest)
        _run(front, rest)
    except FrameworkError as error:
        _tell(error, debug)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as stop:
        stopped = RunInterrupted("Ctrl-C")
        stopped.__cause__ = stop
        _tell(stopped, debug)
        sys.exit(stopped.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except UnwritableError as full:
        _tell_unwritable(full)
    except Exception:  # noqa: BLE001  # what nobody expected is shown in full, but for secrets
        import traceback

        traceback.print_exc()
        sys.exit(1)
    finally:
        _let_go_of_stdout()


def _follow(front: list[str]) -> None:
    """Do what the options of every command say."""
    from framework_core.cli.screen import show_log
    from framework_core.plugins import switches

    show_log()
    without = [word.removeprefix("--without=") for word in front if word.startswith("--without=")]
    if "--offline" in front:
        from framework_core.download import go_offline

        go_offline()
    no_plugins = "--no-plugins" in front
    if without or no_plugins or "--strict" in front:
        switches.configure(without=without, only=() if no_plugins else None, strict="--strict" in front)


def _refuse_slips(words: list[str]) -> None:
    from framework_core.cli.slips import refuse_slips

    refuse_slips(words)


def _run(front: list[str], rest: list[str]) -> None:
    from framework_core.cli.app import app
    from framework_core.cli.plugin_commands import add_plugin_commands
    from framework_core.cli.usage import run
    from framework_core.plugins.switches import why_left_out

    add_plugin_commands(app, rest, why_left_out)
    run(app, [*front, *rest])


def _let_go_of_stdout() -> None:
    """Write what is left; a reader that has gone, as ``head`` does, is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_what_is_left()
    except UnwritableError as full:
        _tell_unwritable(full)


def _tell_unwritable(full: UnwritableError) -> None:
    """The result could not be written; nobody has it."""
    _drop_what_is_left()
    _tell(OutputError("the standard output", f"{full.strerror}."), debug=False)
    sys.exit(1)


def _drop_what_is_left() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(error: FrameworkError, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(error)
    elif is_main_process() or not isinstance(error, RunInterrupted):
        from framework_core.cli.screen import print_error
        from framework_core.cli.several import is_told

        if not is_told(str(error)):
            print_error(error)


def hoisted(words: list[str]) -> tuple[list[str], list[str]]:
    """The options of every command, which typer wants in front, and the rest; after ``--`` nothing moves."""
    front: list[str] = []
    rest: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            rest += words[position:]
            break
        if word in ("--no-plugins", "--strict", "--offline", "--debug") or word.startswith("--without="):
            front.append(word)
        elif word == "--without":
            position += 1
            if position == len(words):
                return [*front, word], []
            front.append(f"--without={words[position]}")
        else:
            rest.append(word)
        position += 1
    return front, rest
