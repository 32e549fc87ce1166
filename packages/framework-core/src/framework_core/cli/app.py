"""Wires the commands together, and turns every expected error into a message and an exit code."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from framework_core.cli import config, doctor, evaluate, info, init, listing, predict, search, train, ui
from framework_core.cli.plugin_commands import add_plugin_commands
from framework_core.cli.screen import print_error
from framework_core.errors import FrameworkError, RunInterrupted
from framework_core.process import is_main_process
from framework_core.secrets import concealed_output

app = typer.Typer(
    name="fw",
    help="Train models that plugins bring: from data to a tracked run with one command.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: fw list models, then fw train --model NAME",
)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.add_typer(listing.app, name="list")
app.command("search")(search.search)
app.add_typer(info.app, name="info")
app.add_typer(config.app, name="config")
app.command("ui")(ui.ui)
app.command("doctor")(doctor.doctor)
app.command("init")(init.init)


def _version(wanted: bool) -> None:
    if wanted:
        from framework_core import __version__

        print(f"framework-core {__version__}")
        raise typer.Exit


@app.callback()
def options(
    without: list[str] = typer.Option([], "--without", metavar="PLUGIN", help="Leave a plugin out. Can be repeated."),
    strict: bool = typer.Option(False, "--strict", help="Make a broken plugin an error."),
    debug: bool = typer.Option(False, "--debug", help="Show where an error arose."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Options of every command; they may stand anywhere."""
    from framework_core.cli.screen import show_log

    show_log()
    if without or strict:
        from framework_core.plugins import switches

        switches.configure(without=without, strict=strict)


def main(arguments: list[str] | None = None) -> None:
    """Run ``fw``. Exit codes: 0 done, 1 failed while running, 2 the request was wrong, 130 stopped by Ctrl-C."""
    with concealed_output():
        _run(sys.argv[1:] if arguments is None else arguments)


def _run(arguments: list[str]) -> None:
    front, rest = hoisted(arguments)
    debug = "--debug" in front
    try:
        add_plugin_commands(app, rest, _left_out(front))
        app([*front, *rest], prog_name="fw")
    except FrameworkError as error:
        _tell(error, debug)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as stop:
        # Typer turns Ctrl-C into this exit code, and says nothing.
        if isinstance(stop, SystemExit) and stop.code != RunInterrupted.exit_code:
            raise
        stopped = RunInterrupted("Ctrl-C")
        stopped.__cause__ = stop
        _tell(stopped, debug)
        sys.exit(stopped.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except Exception:  # noqa: BLE001  # what nobody expected is shown in full, but for secrets
        traceback.print_exc()
        sys.exit(1)
    finally:
        _let_go_of_stdout()


def _let_go_of_stdout() -> None:
    """Write what is left; a reader that has gone, as ``head`` does, is no error, nor is a program without stdout."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(error: FrameworkError, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    elif is_main_process() or not isinstance(error, RunInterrupted):
        print_error(error)


def _left_out(front: list[str]) -> set[str]:
    """The plugins that the options of every command, or the environment, leave out."""
    from framework_core.plugins.switches import switched_off

    return switched_off() | {word.removeprefix("--without=") for word in front if word.startswith("--without=")}


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
        if word in ("--strict", "--debug") or word.startswith("--without="):
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
