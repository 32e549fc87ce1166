"""Settings that are not allowed, and files of settings that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_core.errors.base import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ConfigProblem:
    """One setting that is not allowed.

    Args:
        path: Where it stands, dotted: ``"trainer.max_epochs"``.
        message: What is wrong with it and what is allowed.
        value: The value as it was given; ``None`` where the key itself is the problem.
        near: Names that may have been meant, the most likely first.
    """

    def __init__(self, path: str, message: str, *, value: object = None, near: Sequence[str] = ()) -> None:
        self.path = path
        self.message = message
        self.value = value
        self.near = tuple(near)

    def __str__(self) -> str:
        meant = f" Did you mean {' or '.join(self.near[:2])}?" if self.near else ""
        given = "" if self.value is None else f" (given: {self.value!r})"
        return f"{self.path}: {self.message}{given}.{meant}"


class ConfigError(RequestError):
    """Settings that are not allowed, all of them at once.

    Args:
        problems: What is wrong with each, and what is possible.
        next_step: What to type next.

    Example::

        $ fw config validate model=mine.py:Net dataset=mine.py:Iris trainer.max_epoch=30 optimizer.lr=-1
        error: 2 settings are not allowed:
            trainer.max_epoch: there is no such setting. Did you mean trainer.max_epochs or trainer.min_epochs?
            optimizer.lr: must be more than 0 (given: -1).
          See every setting with its value: fw config show
    """

    def __init__(self, problems: Sequence[ConfigProblem], *, next_step: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "A setting is not allowed:" if count == 1 else f"{count} settings are not allowed:"
        super().__init__(
            "\n".join([head, *(f"  {problem}" for problem in self.problems)]),
            next_step=next_step or "See every setting with its value: fw config show",
        )


class ConfigFileError(RequestError):
    """A settings file that cannot be read.

    Args:
        path: The file.
        cause: What is wrong with it.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw train --config nigth.yaml
        error: The settings file nigth.yaml cannot be used: there is no such file.
          Near it: night.yaml
          Make one with every setting in it: fw config show model=NAME > my.yaml
    """

    def __init__(self, path: Path | str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(
            f"The settings file {self.path} cannot be used: {cause}",
            possible=possible,
            next_step=next_step or "Make one with every setting in it: fw config show model=NAME > my.yaml",
        )
