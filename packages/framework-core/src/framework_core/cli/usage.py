"""Runs the typer program, and says what it refuses in the form of every other error."""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Sequence
from enum import Enum
from typing import Any

import typer

from framework_core.errors import (
    FrameworkError,
    MissingWordError,
    OptionValueError,
    RunInterrupted,
    UnknownCommandError,
    UnknownOptionError,
    UsageError,
)

# typer brings click's classes along in some versions, and imports click in others.
REFUSED: Any = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")


def run(app: typer.Typer, words: Sequence[str]) -> None:
    """Run the program.

    Raises:
        UsageError: It cannot read the words.
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        code = app(list(words), prog_name="fw", standalone_mode=False)
    except typer.Abort as stop:
        raise KeyboardInterrupt from stop
    except REFUSED as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(error.exit_code)
        raise _in_our_words(app, error, words) from error
    # In this mode an exit code is returned, Ctrl-C among them.
    if code == RunInterrupted.exit_code:
        raise KeyboardInterrupt
    if isinstance(code, int) and code:
        sys.exit(code)


def _in_our_words(app: typer.Typer, error: Any, words: Sequence[str]) -> FrameworkError:
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context else _called(app, words)
    kind = type(error).__name__
    if kind == "NoSuchOption":
        # Of -json only -j is told.
        typed = next(
            (word.partition("=")[0] for word in words if word.startswith(error.option_name)), error.option_name
        )
        return UnknownOptionError(command, typed, _options(context))
    if (named := re.search(r"No such command '(.*?)'", error.message)) and hasattr(context.command, "commands"):
        return UnknownCommandError(command, named[1], context.command.commands)
    if kind == "MissingParameter":
        return MissingWordError(command, _name(error.param), error.param.help or "")
    if kind == "BadOptionUsage":
        return MissingWordError(command, f"a value after {error.option_name}")
    if extra := re.search(r"unexpected extra arguments? ?(?:\(s\) )?\((.*?)\)", error.message):
        what = f"{command} takes nothing more, so what is {extra[1]!r}?"
        return UsageError(what, command=command, possible="Its options may follow, and nothing else.")
    if kind == "BadParameter" and error.param is not None:
        return _bad_value(command, error, words)
    return UsageError(error.format_message(), command=command)


def _called(app: typer.Typer, words: Sequence[str]) -> str:
    """The command that the words call, where the error does not say."""
    path: list[str] = ["fw"]
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        path.append(word)
    return " ".join(path)


def _bad_value(command: str, error: Any, words: Sequence[str]) -> FrameworkError:
    name, known = _name(error.param), choices_of(error.ctx.command, error.param.name)
    cause = re.sub(r"^Input should be ([^,]*).*", r"it must be \1", str(error.message)).rstrip(".")
    value = next((value for value in _values_of(error.param.opts, words)), "")
    if known and not value:
        value = next((word for word in words if repr(word) in cause), "")
    return OptionValueError(command, name, value, cause="" if known else f"{cause}.", known=known)


def _values_of(options: Sequence[str], words: Sequence[str]) -> typing.Iterator[str]:
    """What was given to an option."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in options:
            yield value if equals else following


def choices_of(command: Any, parameter: str) -> list[str]:
    """The words that a parameter of a command can be, where its type is an enumeration, or that and nothing."""
    annotation = typing.get_type_hints(command.callback).get(parameter) if command.callback else None
    kinds = [each for each in typing.get_args(annotation) or (annotation,) if isinstance(each, type)]
    return [word.value for kind in kinds if issubclass(kind, Enum) for word in kind]


def _options(context: Any) -> list[str]:
    """The options of a command, and those of every command."""
    commands = [context.command, context.find_root().command]
    words = [word for each in commands for parameter in each.params for word in parameter.opts]
    return sorted({"--help", *(word for word in words if word.startswith("-"))})


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name.upper()).split()[0].strip("[].")
