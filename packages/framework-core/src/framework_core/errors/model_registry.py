"""Versions of registered models, and the stages that they stand in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from framework_core.errors.base import FrameworkError, RequestError, quoted
from framework_core.spelling import near_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class VersionNotFoundError(RequestError):
    """A version of a registered model that is not there.

    Args:
        name: The model.
        number: The version that was asked for.
        stage: The stage in which one was looked for.
        versions: Every version that there is.
        stages: The version in each stage.

    Example::

        $ fw registry show flowers 7
        error: There is no version 7 of the model 'flowers'.
          It has 1, 2.
          See which stands where: fw registry show flowers
    """

    def __init__(
        self,
        name: str,
        number: int | None = None,
        *,
        stage: str = "",
        versions: Sequence[int] = (),
        stages: Mapping[str, int] | None = None,
    ) -> None:
        self.name = name
        self.number = number
        self.stage = stage
        self.versions = tuple(versions)
        self.stages = dict(stages or {})
        if number is not None:
            what = f"There is no version {number} of the model {name!r}."
            possible = f"It has {', '.join(map(str, self.versions))}." if self.versions else "It has none."
        elif stage:
            what = f"No version of the model {name!r} stands in {stage!r}."
            near = near_names(stage, self.stages)
            meant = f"Near it: {', '.join(near)}." if near else ""
            held = ", ".join(f"{each} in {place}" for place, each in self.stages.items())
            possible = meant or (f"There are version {held}." if held else "None stands in any stage.")
        else:
            what = f"{name!r} names no version of a registered model."
            possible = "A version is named NAME@STAGE or NAME/NUMBER: digits@production, digits/3."
        show = f"fw registry show {quoted(name)}" if number is not None or stage else "fw registry list"
        super().__init__(what, possible=possible, next_step=f"See which stands where: {show}")


class RegistryError(RequestError):
    """A version that cannot be registered, moved or used as was asked.

    Args:
        what: What is wrong.
        possible: What would have been right.
        next_step: What to type next.

    Example::

        $ fw registry promote flowers 1 dev
        error: flowers/1 cannot be promoted to 'dev': every version begins there.
          Stages above it: staging, production.
          Take it out of its stage: fw registry demote flowers 1
    """


class GateFinding(Protocol):
    """What a gate found."""

    @property
    def gate(self) -> str:
        """The gate."""

    @property
    def passed(self) -> bool:
        """Whether it lets the version through."""

    @property
    def told(self) -> str:
        """What it found."""


class PromotionRefusedError(FrameworkError):
    """A version that does not have what its stage needs.

    Args:
        version: The version.
        stage: The stage.
        findings: What each gate found.
        policy: The file that asks for it.

    Example::

        $ fw registry promote flowers 1 production
        error: flowers/1 is not promoted to production; 1 of 1 gates refuses it:
            metrics.test/accuracy: the run has no metric 'test/accuracy'
          What the stage needs stands in registry.yaml.
          Promote it all the same, which is remembered: add --force --why REASON
    """

    def __init__(self, version: str, stage: str, findings: Sequence[GateFinding], policy: str) -> None:
        self.version = version
        self.stage = stage
        self.findings = tuple(findings)
        self.policy = policy
        refused = [each for each in self.findings if not each.passed]
        refuse = "refuses" if len(refused) == 1 else "refuse"
        head = f"{version} is not promoted to {stage}; {len(refused)} of {len(self.findings)} gates {refuse} it:"
        super().__init__(
            "\n".join([head, *(f"  {each.gate}: {each.told}" for each in refused)]),
            possible=f"What the stage needs stands in {policy}.",
            next_step="Promote it all the same, which is remembered: add --force --why REASON",
        )


class StageTakenError(FrameworkError):
    """A stage that somebody else has changed meanwhile, so that nothing was done.

    Args:
        name: The model.
        stage: The stage.
        holds: The version that stands there; ``None`` where none does.
        expected: The version that was to stand there.
        who: Who changed it, and when; empty where nobody is known.

    Example::

        $ fw registry promote flowers 2 production --replaces 7
        error: Nothing was promoted: no version of flowers stands in production, and it was to be 7.
          What stood there when the promotion began has to stand there still.
          Look at it, and ask again: fw registry history flowers
    """

    def __init__(self, name: str, stage: str, *, holds: int | None, expected: int | None, who: str = "") -> None:
        self.name = name
        self.stage = stage
        self.holds = holds
        self.expected = expected
        self.who = who
        stands = "no version" if holds is None else f"version {holds}"
        was = "none" if expected is None else str(expected)
        super().__init__(
            f"Nothing was promoted: {stands} of {name} stands in {stage}{f' ({who})' if who else ''}, and it was to be "
            f"{was}.",
            possible="What stood there when the promotion began has to stand there still.",
            next_step=f"Look at it, and ask again: fw registry history {quoted(name)}",
        )
