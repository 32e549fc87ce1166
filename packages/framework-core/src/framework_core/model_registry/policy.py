"""What a version needs for a stage: the gates of a policy file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveInt, model_validator

from framework_core.contracts._section import Section
from framework_core.contracts.validation import validated
from framework_core.errors import ConfigError, ConfigFileError, ConfigProblem, near_names

FILE = "registry.yaml"
"""The policy of a project, where its settings name no other."""


class Limits(Section):
    """Between what a metric has to lie."""

    min: float | None = None
    """The least that it may be."""

    max: float | None = None
    """The most that it may be."""

    @model_validator(mode="after")
    def _check_some(self) -> Limits:
        if self.min is None and self.max is None:
            raise ValueError("needs min or max")
        return self


class Comparison(Section):
    """A comparison with the version in the stage, on the same samples of the test."""

    metric: str
    """The metric: ``test/accuracy``."""

    best: Literal["min", "max"]
    """Whether less or more of it is better."""

    by: float = 0.0
    """How much better it has to be; less than 0 lets it be so much worse."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """How sure that has to be, whatever samples had been drawn for the test."""


class Seeds(Limits):
    """What the worst of several seeds has to reach: the runs of one ``fw train --each seed=1,2,3``."""

    metric: str
    """The metric: ``test/accuracy``."""

    at_least: PositiveInt = 3
    """How many seeds there have to be."""


class DataChecks(Section):
    """What has to hold for the data."""

    duplicates: int | None = Field(default=None, ge=0)
    """How many samples of the test training may have too."""

    same_classes: bool = False
    """Whether the classes have to be those of the version in the stage, in the same order."""

    same_fingerprint: bool = False
    """Whether the data has to be that of the version in the stage."""


class StagePolicy(Section):
    """What a version needs for a stage."""

    stands_in: str | None = None
    """The stage that it has to stand in."""

    metrics: dict[str, Limits] = Field(default_factory=dict)
    """Between what its metrics have to lie."""

    better: list[Comparison] = Field(default_factory=list)
    """Comparisons with the version in the stage."""

    seeds: Seeds | None = None
    """What the worst of several seeds has to reach."""

    parity: bool = False
    """Whether it needs a parity certificate that was passed."""

    data: DataChecks = DataChecks()
    """What has to hold for its data."""


class _File(Section):
    stages: dict[str, StagePolicy]


@dataclass(frozen=True)
class Policy:
    """A policy file.

    Attributes:
        path: The file.
        digest: The SHA-256 of its content.
        stages: What a version needs for each stage.
    """

    path: Path
    digest: str
    stages: dict[str, StagePolicy]


def read_policy(path: Path | None, *, named: str | None, stages: Sequence[str]) -> Policy | None:
    """Read a policy file.

    Args:
        path: The file.
        named: Where no file is given, the one that the settings name.
        stages: The stages that there are.

    Returns:
        The policy; nothing where no file is named and none is in this folder.

    Raises:
        ConfigError: Something in it is not allowed, all of it at once.
        ConfigFileError: It cannot be read.
    """
    file = path or Path(named or FILE)
    if path is None and named is None and not file.is_file():
        return None
    values, digest = _read(file)
    found, problems = validated(_File, values, prefix="")
    if found is not None:
        problems = [_no_stage(each, stages) for each in found.stages if each not in stages]
    if found is None or problems:
        raise ConfigError(problems, next_step=f"They stand in {file}")
    return Policy(file, digest, found.stages)


def _read(file: Path) -> tuple[dict[str, Any], str]:
    how = "See what it may say: the page 'Register and promote models' of the documentation"
    try:
        content = file.read_bytes()
        values = yaml.safe_load(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        cause = "there is no such file." if isinstance(error, FileNotFoundError) else str(error).partition("\n")[0]
        raise ConfigFileError(file, cause, next_step=how) from error
    if not isinstance(values, dict):
        raise ConfigFileError(file, "it is no group of settings.", possible="It begins with stages:", next_step=how)
    return values, hashlib.sha256(content).hexdigest()


def _no_stage(stage: str, stages: Sequence[str]) -> ConfigProblem:
    near = [f"stages.{each}" for each in near_names(stage, stages)]
    return ConfigProblem(f"stages.{stage}", f"there is no such stage; there are {', '.join(stages)}", near=near)
