"""A run for each value of a setting: folds, seeds, learning rates; and what they reached together."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from framework_core.config.saved import settings_text
from framework_core.config.several import Variant
from framework_core.config.validate import short_name
from framework_core.contracts.config import RunConfig
from framework_core.errors import ConflictingOptionsError
from framework_core.run import train
from framework_core.tracking.run_group import Member, RunGroup, record
from framework_core.training.folders import AUTO

_log = logging.getLogger("framework_core")


def train_each(variants: Sequence[Variant], *, resume: bool = False) -> RunGroup:
    """Train a run for each set of settings, one after the other, and record what they reached together.

    Args:
        variants: The settings of each run, from ``compose_each``.
        resume: Whether to go on with the newest group of these settings that was not brought to its end: runs that
            have ended are not made again.

    Returns:
        The group, with the metrics of each run, their mean and deviation.

    Raises:
        ConflictingOptionsError: The settings ask for several processes.
        RequestError: Something that was asked for cannot be done.
        RunInterrupted: Ctrl-C or SIGTERM; the group can be resumed.
    """
    configs = [variant.composition.config for variant in variants]
    if any(config.distributed.enabled for config in configs):
        raise ConflictingOptionsError(
            "fw train",
            ["--each", "distributed.enabled=true"],
            "the processes of a run would begin with the first value again.",
            possible="A run for each value is trained on one device.",
            next_step="Train the values one by one: fw train KEY=VALUE",
        )
    group = _group(variants, configs, resume=resume)
    for position, (variant, config, member) in enumerate(zip(variants, configs, group.members, strict=True), start=1):
        if member.is_done:
            continue
        _log.info("run       %d of %d: %s", position, len(variants), _told(variant))
        with _said_how_to_go_on(group):
            result = train(_named(config, member.name), resume=AUTO if resume else None)
        member.name, member.run_id, member.metrics = result.run.name, result.run.run_id, result.metrics
        group.write()
    record(group, configs[0])
    group.write()
    return group


@contextmanager
def _said_how_to_go_on(group: RunGroup) -> Iterator[None]:
    """Whatever ends a run before its time ends the group too."""
    try:
        yield
    except BaseException:
        if done := sum(member.is_done for member in group.members):
            count = len(group.members)
            _log.warning("%d of %d runs have ended; the same command with --resume auto goes on", done, count)
        raise


def _group(variants: Sequence[Variant], configs: Sequence[RunConfig], *, resume: bool) -> RunGroup:
    output_dir = Path(configs[0].output_dir)
    digest = hashlib.sha256("\n".join(map(settings_text, configs)).encode()).hexdigest()[:32]
    found = RunGroup.unfinished(output_dir, digest) if resume else None
    if found is not None:
        return found
    first = configs[0]
    now = datetime.now().astimezone()
    label = f"{short_name(first.model.name)}-{short_name(first.dataset.name)}-{now:%Y%m%d-%H%M%S}"
    name = first.experiment.run_name or label
    directory = _free(output_dir, name)
    members = [Member(dict(variant.values), f"{directory.name}-{variant.label}") for variant in variants]
    return RunGroup(directory, digest, members)


def _free(output_dir: Path, name: str) -> Path:
    """A folder that is not there yet."""
    candidates = (output_dir / (name if attempt == 1 else f"{name}-{attempt}") for attempt in range(1, 1000))
    return next(path for path in candidates if not path.exists())


def _named(config: RunConfig, name: str) -> RunConfig:
    return config.model_copy(update={"experiment": config.experiment.model_copy(update={"run_name": name})})


def _told(variant: Variant) -> str:
    return ", ".join(f"{path}={value}" for path, value in variant.values.items())
