"""Every error a user can meet, in one tree.

    FrameworkError                 exit 1    something that was allowed went wrong
    ├── RequestError               exit 2    what was asked for cannot be done
    │   ├── UnknownNameError                 a name that nothing installed offers
    │   ├── AmbiguousNameError               a name that two packages offer
    │   ├── ImportTargetError                a file.py:Class or package.module:Class that cannot be used
    │   ├── MissingPackageError              something that has to be installed first
    │   ├── ConfigError                      settings that are not allowed, all of them at once
    │   ├── ConfigFileError                  a settings file that cannot be read
    │   ├── DataError                        data that cannot be used
    │   ├── ContractError                    a model and data that do not fit each other
    │   ├── RunNotFoundError                 a run that is not there
    │   ├── OutputError                      a place that cannot be written to
    │   ├── FilesInTheWayError               files that are there and are not overwritten
    │   └── TrackingError                    a tracking store that cannot be used
    ├── PluginError                          a broken plugin, where ``--strict`` asked for none
    ├── TrainingError                        training that cannot go on
    └── RunInterrupted             exit 130  stopped from outside, with a checkpoint

An error keeps its facts as attributes and says three things: what is wrong, in the user's own words and
values; what is possible; what to type next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from framework_core.secrets import conceal
from framework_core.spelling import near_names as near_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


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


class UnknownNameError(RequestError):
    """A model, dataset, optimizer ... that nothing installed offers.

    Args:
        kind: What the name should have been: ``"model"``, ``"dataset"`` ...
        name: The name as it was typed.
        known: Every name that is offered.
        listing: The command that lists what is offered.
        hint: What would provide the name, where that is known.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, listing: str = "", hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(known)
        self.near = near_names(name, self.known)
        if self.near:
            possible = f"Near it: {', '.join(self.near)}."
        elif self.known:
            possible = f"There are {len(self.known)}: {_shortened(self.known)}"
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
    """A ``file.py:Class`` or ``package.module:Class`` that cannot be used."""

    def __init__(self, target: str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.target = target
        self.cause = cause
        super().__init__(f"{target!r} cannot be used: {cause}", possible=possible, next_step=next_step)


class MissingPackageError(RequestError):
    """Something that has to be installed first.

    Args:
        package: The import name that is missing.
        needed_for: What needs it, in the user's words.
        requirement: What to give to ``pip install``.
    """

    def __init__(self, package: str, *, needed_for: str, requirement: str) -> None:
        self.package = package
        self.needed_for = needed_for
        self.requirement = requirement
        super().__init__(
            f"{needed_for} needs the package {package!r}, which is not installed.",
            next_step=f"Install it: pip install {quoted(requirement)}",
        )


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
    """Settings that are not allowed, all of them at once."""

    def __init__(self, problems: Sequence[ConfigProblem], *, next_step: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "A setting is not allowed:" if count == 1 else f"{count} settings are not allowed:"
        super().__init__(
            "\n".join([head, *(f"  {problem}" for problem in self.problems)]),
            next_step=next_step or "See every setting with its value: fw config show",
        )


class ConfigFileError(RequestError):
    """A settings file that cannot be read."""

    def __init__(self, path: Path | str, cause: str, *, next_step: str = "") -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(f"The settings file {self.path} cannot be used: {cause}", next_step=next_step)


class DataError(RequestError):
    """Data that cannot be used.

    Args:
        what: What is wrong with it.
        paths: The files or folders it is about.
        possible: What the data should look like.
        next_step: What to do about it.
    """

    def __init__(self, what: str, *, paths: Sequence[Path | str] = (), possible: str = "", next_step: str = "") -> None:
        self.paths = tuple(str(path) for path in paths)
        super().__init__(what, possible=possible, next_step=next_step)


class ContractError(RequestError):
    """A model and data that do not fit each other.

    Args:
        subject: What was checked, for example ``"model 'resnet50' on dataset 'digits'"``.
        violations: One sentence for each thing that does not fit.
        next_step: What to change.
    """

    def __init__(self, subject: str, violations: Sequence[str], *, next_step: str = "") -> None:
        self.subject = subject
        self.violations = tuple(violations)
        super().__init__("\n".join([f"{subject}:", *(f"  {line}" for line in violations)]), next_step=next_step)


class RunNotFoundError(RequestError):
    """A run that is not there, or is not complete enough for what was asked."""

    def __init__(self, run: str, cause: str, *, known: Sequence[str] = ()) -> None:
        self.run = run
        self.known = tuple(known)
        super().__init__(
            f"There is no run {run!r}: {cause}" if cause else f"There is no run {run!r}.",
            possible=f"The newest runs here: {', '.join(self.known)}." if self.known else "",
            next_step="A run is named by its id, the beginning of its id, its name, its folder, or 'last'.",
        )


class OutputError(RequestError):
    """A place that cannot be written to."""

    def __init__(self, path: Path | str, cause: str, *, next_step: str = "") -> None:
        self.path = str(path)
        super().__init__(f"Cannot write to {self.path}: {cause}", next_step=next_step)


class FilesInTheWayError(RequestError):
    """Files that are there already, and are not overwritten."""

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self.paths = tuple(str(path) for path in paths)
        there, them = ("is", "it") if len(self.paths) == 1 else ("are", "them")
        super().__init__(
            f"Nothing was written, because {' and '.join(self.paths)} {there} there already.",
            next_step=f"Move {them} out of the way, or choose another folder: fw init FOLDER",
        )


class TrackingError(RequestError):
    """A tracking store that cannot be used. The URI is shown without its credentials."""

    def __init__(self, uri: str, cause: str, *, next_step: str = "") -> None:
        self.uri = uri
        super().__init__(
            f"The tracking store {uri} cannot be used: {cause}",
            next_step=next_step or "Use another with mlops.tracking.uri=URI, or none with mlops.tracking.backend=none",
        )


class PluginError(FrameworkError):
    """A broken plugin, where ``--strict`` asked for none."""

    def __init__(self, plugin: str, distribution: str, version: str, cause: str) -> None:
        self.plugin = plugin
        self.distribution = distribution
        self.version = version
        self.cause = cause
        super().__init__(
            f"The plugin {plugin!r} of {distribution} {version} is broken: {cause}",
            next_step=f"Switch it off with --without {plugin}, or update it: pip install -U {distribution}",
        )


class TrainingError(FrameworkError):
    """Training that cannot go on."""


class RunInterrupted(FrameworkError):  # noqa: N818  # it is no fault
    """Stopped from outside (Ctrl-C, SIGTERM); the run can be continued.

    Args:
        cause: What stopped it, for example ``"Ctrl-C"``.
        run: The run to continue; empty where none had been started.
    """

    exit_code = 130

    def __init__(self, cause: str, *, run: str = "") -> None:
        self.cause = cause
        self.run = run
        super().__init__(f"Stopped by {cause}.", next_step=f"Continue it: fw train --resume {run}" if run else "")


def quoted(text: str) -> str:
    """``text`` as one word of a shell command."""
    import shlex

    return shlex.quote(text)


def _shortened(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} ..." if len(names) > most else f"{shown}."
