"""What a check is: a promise of plugins, and a function that looks whether it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Kind = Literal["package", "component", "model", "dataset"]
KINDS: tuple[Kind, ...] = ("package", "component", "model", "dataset")
Function = TypeVar("Function", bound=Callable[[Any], None])


class BrokenPromiseError(AssertionError):
    """A promise is not kept; the message says what was found, in words for the plugin's author."""


class NotApplicableError(Exception):
    """There is nothing to look at: the message says why."""


@dataclass(frozen=True)
class Check:
    """A promise and how it is checked.

    Args:
        name: What it is called in reports and in ``expected_failures``.
        promise: What a plugin promises, as a sentence.
        kind: What it looks at: a package, any component, a model or a dataset.
        function: Looks; raises ``BrokenPromiseError`` or ``NotApplicableError``.
        thorough: Whether it trains for long.
    """

    name: str
    promise: str
    kind: Kind
    function: Callable[[Any], None]
    thorough: bool = False


CHECKS: dict[str, Check] = {}
"""Every check by its name, in the order in which they are made."""


def check(kind: Kind, *, thorough: bool = False) -> Callable[[Function], Function]:
    """Make a function a check: its name is the check's, the first line of its docstring the promise."""

    def added(function: Function) -> Function:
        name = function.__name__
        promise = (function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        CHECKS[name] = Check(name, promise, kind, function, thorough)
        return function

    return added


def expect(kept: bool, found: str) -> None:
    """Break the promise with these words unless it is kept.

    Raises:
        BrokenPromiseError: It is not.
    """
    if not kept:
        raise BrokenPromiseError(found)


def checks_of(*kinds: Kind, thorough: bool = False) -> list[Check]:
    """The checks of these kinds, in order.

    Args:
        *kinds: What they look at.
        thorough: Whether those that train for long are among them.
    """
    return [each for each in all_checks() if each.kind in kinds and (thorough or not each.thorough)]


def all_checks() -> list[Check]:
    """Every check there is."""
    from framework_core.testing import component_checks, dataset_checks, model_checks, package_checks  # noqa: F401

    return sorted(CHECKS.values(), key=lambda each: KINDS.index(each.kind))
