"""Secret values: known to the process that uses them, shown to nobody.

A value that a setting took from the environment (``${oc.env:NAME}``), from a secret (``${secret:NAME}``) or into a
field of pydantic's ``SecretStr`` is remembered here, and wherever text leaves the process it is replaced by what the
user wrote.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

SHORTEST = 5
"""Shorter values are words and numbers that stand everywhere; hiding them would spoil every text."""

HIDDEN = "**********"
"""What stands for a secret that has no name."""

FILES = "/run/secrets"
"""Where container runtimes put secrets, a file each."""

_known: dict[str, str] = {}


def remember(value: str, shown: str = HIDDEN) -> None:
    """Never show ``value`` from now on.

    Args:
        value: The secret.
        shown: What stands in its place, for example ``${oc.env:TOKEN}``.
    """
    if len(value) < SHORTEST:
        return
    import json
    from urllib.parse import quote

    for written in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]):
        _known.setdefault(written, shown)
    _known.setdefault(quote(value, safe=""), shown)


def conceal(text: str) -> str:
    """``text`` without any secret that is known."""
    for value in sorted((each for each in _known if each in text), key=len, reverse=True):
        text = text.replace(value, _known[value])
    return text


def concealed(value: Any) -> Any:
    """Plain values without any secret, in whatever they stand."""
    if isinstance(value, str):
        return conceal(value)
    if isinstance(value, dict):
        return {concealed(key): concealed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(concealed(each) for each in value) if type(value) in (list, tuple) else value
    return value


def forget() -> None:
    """Know no secret any more."""
    _known.clear()


def secret(name: str) -> str:
    """The secret of a name: an environment variable, or a file of the container's secrets.

    Args:
        name: ``HUB_TOKEN``, or a setting's path: ``model.token`` is looked for as ``MODEL_TOKEN`` too.

    Raises:
        KeyError: Nobody has set it.
    """
    variable = "".join(letter if letter.isalnum() else "_" for letter in name).upper()
    for each in (name, variable):
        if each in os.environ:
            return os.environ[each]
        file = os.path.join(FILES, each)  # noqa: PTH118  # pathlib would be imported for every completion
        if os.path.isfile(file):  # noqa: PTH113
            with open(file, encoding="utf-8") as content:  # noqa: PTH123
                return content.read().rstrip("\n")
    raise KeyError(variable)


class UnwritableError(OSError):
    """What is printed cannot be written: a full disk, say."""


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwritableError(error.errno, error.strerror) from error


class _Concealing:
    """A text stream that shows no secret.

    Args:
        stream: Where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text`` without secrets.

        Raises:
            UnwritableError: The stream takes nothing more.
            BrokenPipeError: Its reader has gone.
        """
        with _telling():
            self._stream.write(conceal(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what is held.

        Raises:
            UnwritableError: The stream takes nothing more.
            BrokenPipeError: Its reader has gone.
        """
        with _telling():
            self._stream.flush()

    def writelines(self, lines: list[str]) -> None:
        """Write lines without secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def concealed_output() -> Iterator[None]:
    """Whatever is printed meanwhile, by whomever, shows no secret; where a stream is closed, it goes nowhere."""
    with ExitStack() as stack:
        out, err = (
            stack.enter_context(open(os.devnull, "w", encoding="utf-8")) if stream is None else stream  # noqa: PTH123
            for stream in (sys.stdout, sys.stderr)
        )
        concealing: tuple[Any, Any] = (_Concealing(out), _Concealing(err))
        stack.enter_context(redirect_stdout(concealing[0]))
        stack.enter_context(redirect_stderr(concealing[1]))
        yield
