"""Moving versions between stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from framework_core.config.registry_settings import registry_settings
from framework_core.errors import PromotionRefusedError, RegistryError, StageTakenError, VersionNotFoundError, quoted
from framework_core.model_registry import aliases
from framework_core.model_registry.gates import Finding, ask
from framework_core.model_registry.lookup import check_stage, model_in, numbers_of, version_in
from framework_core.model_registry.measured import Measured
from framework_core.model_registry.moves import Moves
from framework_core.model_registry.policy import Policy, read_policy
from framework_core.model_registry.record import Record
from framework_core.model_registry.store import opened
from framework_core.model_registry.telling import tell_of_move
from framework_core.model_registry.version import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient


def promote(
    name: str,
    version: int,
    stage: str,
    *,
    why: str = "",
    replaces: int | None = None,
    policy: Path | None = None,
    force: bool = False,
    tracking_uri: str = "",
) -> Record:
    """Let a version stand in a higher stage, in place of the one that stands there.

    Args:
        name: The model.
        version: The version.
        stage: The stage.
        why: What is to be remembered of it.
        replaces: The version that has to stand there now, else nothing is done.
        policy: The file with what the stage needs; without it, the project's.
        force: Whether it is done although a gate refuses it, which needs a reason and is remembered.
        tracking_uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.

    Raises:
        UnknownNameError: There is no such model, or no such stage.
        VersionNotFoundError: There is no such version.
        RegistryError: The version stands there already, or higher; or force has no reason.
        PromotionRefusedError: A gate refuses it.
        ConfigError: Something in the policy is not allowed.
        StageTakenError: Somebody else promoted another version meanwhile.
    """
    settings = registry_settings()
    stages = settings.stages
    check_stage(stage, stages)
    rules = read_policy(policy, named=settings.policy, stages=stages)
    _check_reason(why, force=force)
    with opened(tracking_uri) as (client, uri):
        moves = _moves(client, name)
        candidate = version_in(client, uri, name, version, moves.standing)
        _check_upwards(name, version, stage, moves.standing.stage_of(version), stages)
        holds = moves.standing.in_stage(stage)
        if replaces is not None and holds != replaces:
            raise StageTakenError(name, stage, holds=holds, expected=replaces, who=_who_changed(moves, stage))
        held = _holder(client, uri, name, holds, moves)
        findings = _asked(rules, stage, client, candidate, held)
        refused = not all(each.passed for each in findings)
        if refused and not force and rules is not None:
            raise PromotionRefusedError(str(candidate), stage, findings, str(rules.path))
        evidence = {} if rules is None else {"policy": rules.digest, "gates": [vars(each) for each in findings]}
        record = moves.move("promote", version, stage, why=why, changes=stage, forced=refused, evidence=evidence)
        aliases.show(client, name)
        tell_of_move(name, record)
        return record


def demote(name: str, version: int, *, why: str = "", tracking_uri: str = "") -> Record:
    """Take a version out of its stage; it stands in the first one then, and nothing in its place.

    Args:
        name: The model.
        version: The version.
        why: What is to be remembered of it.
        tracking_uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.

    Raises:
        UnknownNameError: There is no such model.
        VersionNotFoundError: There is no such version.
        RegistryError: The version stands in the first stage.
        StageTakenError: Somebody else moved it meanwhile.
    """
    first = registry_settings().stages[0]
    with opened(tracking_uri) as (client, uri):
        moves = _moves(client, name)
        version_in(client, uri, name, version, moves.standing)
        stage = moves.standing.stage_of(version)
        if moves.standing.stages.get(stage) != version:
            raise RegistryError(
                f"{name}/{version} cannot be demoted: it stands in {(stage or 'no stage')!r}.",
                possible=f"What stands above {first!r} can be.",
                next_step=f"See which stands where: fw registry show {quoted(name)}",
            )
        home = moves.standing.registered.get(version, first)
        record = moves.move("demote", version, home, why=why, changes=stage)
        aliases.show(client, name)
        tell_of_move(name, record)
        return record


def rollback(name: str, stage: str, *, why: str = "", tracking_uri: str = "") -> Record:
    """Put the version back into a stage that stood there before the present one.

    Args:
        name: The model.
        stage: The stage.
        why: What is to be remembered of it.
        tracking_uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.

    Raises:
        UnknownNameError: There is no such model, or no such stage.
        RegistryError: No version stood there before, or it is deleted.
        StageTakenError: Somebody else changed the stage meanwhile.
    """
    stages = registry_settings().stages
    check_stage(stage, stages)
    with opened(tracking_uri) as (client, _):
        moves = _moves(client, name)
        there = set(numbers_of(client, name))
        earlier = [each for each in moves.standing.earlier.get(stage, []) if each in there]
        if not earlier:
            raise RegistryError(
                f"The stage {stage!r} of {name} cannot be rolled back: no other version stood there before.",
                possible="A rollback puts back what stood there until the last promotion.",
                next_step=f"See what stood where: fw registry history {quoted(name)}",
            )
        record = moves.move("rollback", earlier[-1], stage, why=why, changes=stage)
        aliases.show(client, name)
        tell_of_move(name, record)
        return record


def _asked(
    rules: Policy | None, stage: str, client: MlflowClient, candidate: Version, holder: Version | None
) -> list[Finding]:
    if rules is None or stage not in rules.stages:
        return []
    held = None if holder is None else Measured(client, holder)
    return ask(rules.stages[stage], Measured(client, candidate), held)


def _holder(client: MlflowClient, uri: str, name: str, holds: int | None, moves: Moves) -> Version | None:
    """The version in a stage; nothing where it was deleted."""
    try:
        return None if holds is None else version_in(client, uri, name, holds, moves.standing)
    except VersionNotFoundError:
        return None


def _check_reason(why: str, *, force: bool) -> None:
    if force and not why.strip():
        raise RegistryError(
            "A promotion is not forced without a reason.",
            possible="It stays in the history, with what the gates found.",
            next_step="Say it: --force --why REASON",
        )


def _moves(client: MlflowClient, name: str) -> Moves:
    model_in(client, name)
    return Moves(client, name)


def _check_upwards(name: str, version: int, stage: str, stands: str, stages: list[str]) -> None:
    shown = f"{name}/{version} cannot be promoted to {stage!r}"
    demotion = f"Take it out of its stage: fw registry demote {quoted(name)} {version}"
    above = f"Stages above it: {', '.join(stages[1:])}."
    if stage == stages[0]:
        raise RegistryError(f"{shown}: every version begins there.", possible=above, next_step=demotion)
    if stands == stage:
        show = f"See which stands where: fw registry show {quoted(name)}"
        raise RegistryError(f"{shown}: it stands there already.", next_step=show)
    if stands in stages and stages.index(stands) > stages.index(stage):
        raise RegistryError(f"{shown}: it stands in {stands!r}, which is higher.", possible=above, next_step=demotion)


def _who_changed(moves: Moves, stage: str) -> str:
    by = next((each for each in reversed(moves.records()) if stage in (each.to_stage, each.from_stage)), None)
    return f"{by.who}, {by.when[:19]}" if by else ""
