"""Names that mean nothing, or too much, and what has to be installed first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_core.errors.base import RequestError, quoted
from framework_core.errors.listing import shortened
from framework_core.spelling import near_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class UnknownNameError(RequestError):
    """A model, dataset, optimizer ... that nothing installed offers.

    Args:
        kind: What the name should have been: ``"model"``, ``"dataset"`` ...
        name: The name as it was typed.
        known: Every name that is offered.
        listing: The command that lists what is offered.
        hint: What would provide the name, where that is known.

    Example::

        $ fw info optimizer adamm
        error: There is no optimizer named 'adamm'.
          Near it: adam, adamw, nadam.
          List them all: fw list optimizers
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, listing: str = "", hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(known)
        self.hint = hint
        self.near = near_names(name, self.known)
        if self.near:
            possible = f"Near it: {', '.join(self.near)}."
        elif self.known:
            possible = f"There are {len(self.known)}: {shortened(self.known)}"
        else:
            possible = f"No {kind} is installed."
        next_step = hint or (f"List them all: {listing}" if listing else "")
        super().__init__(f"There is no {kind} named {name!r}.", possible=possible, next_step=next_step)


class AmbiguousNameError(RequestError):
    """One name that two packages offer.

    Args:
        kind: What is named: ``"model"``, ``"dataset"`` ...
        name: The name both use.
        owners: The distributions that offer it.

    Example::

        $ fw info model gnu
        error: The model 'gnu' is offered by 2 packages: herd-a and herd-b.
          Choose one: herd-a:gnu or herd-b:gnu.
          Or switch a plugin off for this command: --without PLUGIN (fw list plugins)
    """

    def __init__(self, kind: str, name: str, owners: Sequence[str]) -> None:
        self.kind = kind
        self.name = name
        self.owners = tuple(owners)
        super().__init__(
            f"The {kind} {name!r} is offered by {len(owners)} packages: {' and '.join(owners)}.",
            possible=f"Choose one: {' or '.join(f'{owner}:{name}' for owner in owners)}.",
            next_step="Or switch a plugin off for this command: --without PLUGIN (fw list plugins)",
        )


class ImportTargetError(RequestError):
    """A ``file.py:Class`` or ``package.module:Class`` that cannot be used.

    Args:
        target: What was to be imported, as it was typed.
        cause: Why it cannot be used.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw train --model mine.py:Nett --dataset mine.py:Iris
        error: 'mine.py:Nett' cannot be used: mine.py has no 'Nett'.
          It has Net.
          Name a class that is there: path/to/file.py:Class or package.module:Class
    """

    def __init__(self, target: str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.target = target
        self.cause = cause
        next_step = next_step or "Name a class that is there: path/to/file.py:Class or package.module:Class"
        super().__init__(f"{target!r} cannot be used: {cause}", possible=possible, next_step=next_step)


class MissingPackageError(RequestError):
    """Something that has to be installed first.

    Args:
        package: The import name that is missing.
        needed_for: What needs it, in the user's words.
        requirement: What to give to ``pip install``.

    Example::

        $ fw train --model needy --dataset mine.py:Iris
        error: The model 'needy' needs the package 'quite-rare', which is not installed.
          Everything else works without it.
          Install it: pip install 'quite-rare>=2'
    """

    def __init__(self, package: str, *, needed_for: str, requirement: str) -> None:
        self.package = package
        self.needed_for = needed_for
        self.requirement = requirement
        super().__init__(
            f"{needed_for} needs the package {package!r}, which is not installed.",
            possible="Everything else works without it.",
            next_step=f"Install it: pip install {quoted(requirement)}",
        )
