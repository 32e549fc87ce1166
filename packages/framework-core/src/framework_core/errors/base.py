"""What every expected error is: what is wrong, what is possible, what to type next."""

from __future__ import annotations

from typing import ClassVar

from framework_core.secrets import conceal


class FrameworkError(Exception):
    """An expected error: it is shown without a traceback.

    Args:
        what: What is wrong, in the user's own words and values.
        possible: What would have been right.
        next_step: What to type next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, possible: str = "", next_step: str = "") -> None:
        self.what = conceal(what)
        self.possible = conceal(possible)
        self.next_step = conceal(next_step)
        super().__init__(self.what)

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.possible, self.next_step) if part)


class RequestError(FrameworkError):
    """What was asked for cannot be done; nothing was started."""

    exit_code = 2


def quoted(text: str) -> str:
    """``text`` as one word of a shell command."""
    import shlex

    return shlex.quote(text)
