"""A command line that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_core.errors.base import RequestError
from framework_core.errors.listing import near_or_all
from framework_core.spelling import near_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class UsageError(RequestError):
    """A command line that cannot be read.

    Args:
        what: What is wrong with it.
        command: The command, as far as it is one: ``"fw train"``.
        possible: What would have been right.
        next_step: What to type next; without it, where the command is explained.

    Example::

        $ fw ui now
        error: fw ui takes nothing more, so what is 'now'?
          Its options may follow, and nothing else.
          See what it takes: fw ui --help
    """

    def __init__(self, what: str, *, command: str, possible: str = "", next_step: str = "") -> None:
        self.command = command
        super().__init__(what, possible=possible, next_step=next_step or f"See what it takes: {command} --help")


class UnknownCommandError(UsageError):
    """A command that is none.

    Args:
        command: The command above it: ``"fw"``, ``"fw list"``.
        name: The name as it was typed.
        known: Every command there.

    Example::

        $ fw trian
        error: There is no command 'fw trian'.
          Near it: fw train.
          See what it takes: fw --help
    """

    def __init__(self, command: str, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = sorted(known)
        self.near = near_names(name, self.known)
        possible = near_or_all(self.near, self.known, before=f"{command} ")
        super().__init__(f"There is no command {f'{command} {name}'!r}.", command=command, possible=possible)


class UnknownOptionError(UsageError):
    """An option that the command does not have.

    Args:
        command: The command: ``"fw train"``.
        option: The option as it was typed.
        known: Every option of the command.

    Example::

        $ fw train --modle mine.py:Net
        error: fw train has no option '--modle'.
          Near it: --model.
          See what it takes: fw train --help
    """

    def __init__(self, command: str, option: str, known: Iterable[str]) -> None:
        self.option = option
        self.known = sorted(known)
        self.near = near_names(option, [each for each in self.known if each.startswith("--")])
        what = f"{command} has no option {option!r}."
        super().__init__(what, command=command, possible=near_or_all(self.near, self.known))


class MissingWordError(UsageError):
    """A word that the command cannot do without.

    Args:
        command: The command: ``"fw info model"``.
        word: What is missing: an argument, or the value of an option.
        about: What it is for.

    Example::

        $ fw info optimizer
        error: fw info optimizer needs NAME.
          NAME: Its name.
          See what it takes: fw info optimizer --help
    """

    def __init__(self, command: str, word: str, about: str = "") -> None:
        self.word = word
        self.about = about
        super().__init__(f"{command} needs {word}.", command=command, possible=f"{word}: {about}" if about else "")


class OptionValueError(UsageError):
    """A value that an option does not take.

    Args:
        command: The command: ``"fw evaluate"``.
        option: The option: ``"--split"``.
        value: The value as it was typed.
        cause: What is wrong with it, where it is not a word of a few.
        known: The words that are possible, where there are only a few.

    Example::

        $ fw evaluate first --split tst
        error: --split cannot be 'tst'.
          Near it: test.
          See what it takes: fw evaluate --help
    """

    def __init__(self, command: str, option: str, value: str, *, cause: str = "", known: Iterable[str] = ()) -> None:
        self.option = option
        self.value = value
        self.cause = cause
        self.known = list(known)
        self.near = near_names(value, self.known)
        what = f"{option} cannot be {value!r}{f': {cause}' if cause else '.'}"
        super().__init__(what, command=command, possible=near_or_all(self.near, self.known) if self.known else "")


class ConflictingOptionsError(UsageError):
    """Options that cannot stand together.

    Args:
        command: The command: ``"fw train"``.
        options: The options.
        cause: Why they cannot.
        next_step: What to type instead.

    Example::

        $ fw train --resume first --config night.yaml
        error: --resume and --config cannot stand together: a run is continued with its own settings.
          One of them is possible, or single settings beside --resume.
          Change single settings: fw train --resume RUN KEY=VALUE
    """

    def __init__(
        self, command: str, options: Sequence[str], cause: str, *, possible: str = "", next_step: str = ""
    ) -> None:
        self.options = tuple(options)
        self.cause = cause
        what = f"{' and '.join(options)} cannot stand together: {cause}"
        possible = possible or "One of them is possible."
        super().__init__(what, command=command, possible=possible, next_step=next_step)
