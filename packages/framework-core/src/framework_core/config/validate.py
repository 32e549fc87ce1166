"""Plain values to ``RunConfig``: pydantic's checks, and those that need the catalogue, all told at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from framework_core.config import deepspeed
from framework_core.config.moved import moved
from framework_core.config.references import secret_fields
from framework_core.config.source import COMPONENT_GROUPS
from framework_core.contracts.config import ComponentConfig, OptimizerConfig, RunConfig, SchedulerConfig
from framework_core.contracts.validation import validated
from framework_core.errors import ConfigProblem, FrameworkError, UnknownNameError
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.registry import registry
from framework_core.secrets import conceal, remember
from framework_core.wording import no_strategy, told_together

SHARDED = ("fsdp", "deepspeed")
"""How the names of strategies begin that spread the weights over devices."""

SPREAD = "the weights are spread over the devices"


def validate_run(values: Mapping[str, Any], references: Mapping[str, str] | None = None) -> RunConfig:
    """Check composed values.

    Args:
        values: The values, interpolations filled in.
        references: What was written for those that came from the environment or from secrets, by their path.

    Raises:
        ConfigError: Settings that are not allowed, all of them at once.
        UnknownNameError: A component that nobody offers, where that is all that is wrong.
    """
    given = _with_experiment_name(dict(values))
    problems: list[ConfigProblem | FrameworkError] = []
    checked: dict[str, Any] = {}
    for group in ("model", "dataset", "optimizer", "scheduler"):
        checked[group], found = _component(group, given.get(group))
        # Without a model there is no dataset of its domain either, and one word about it is enough.
        if group != "dataset" or not problems or given.get(group):
            problems += found
    checked["callbacks"], found = _callbacks(given.get("callbacks"))
    problems += found
    config, rest = validated(RunConfig, {**given, **checked}, prefix="")
    problems += [_moved(problem) for problem in rest]
    if config is not None:
        problems += _crossed(config)
    if problems or config is None:
        raise told_together([_as_written(problem, references or {}) for problem in problems])
    for path, value in secret_fields(config):
        remember(value, f"${{secret:{path}}}")
    if password := urlsplit(config.mlops.tracking.uri or "").password:
        remember(password)
    return config.written_as(references or {})


def _as_written(
    problem: ConfigProblem | FrameworkError, references: Mapping[str, str]
) -> ConfigProblem | FrameworkError:
    """A problem that shows what the user wrote and not what it stood for."""
    if isinstance(problem, FrameworkError) or problem.path not in references:
        return problem
    return ConfigProblem(problem.path, conceal(problem.message), value=references[problem.path], near=problem.near)


STAND_INS: dict[str, ComponentConfig] = {
    "model": ComponentConfig(name="?"),
    "dataset": ComponentConfig(name="?"),
    "optimizer": OptimizerConfig(name="?"),
    "scheduler": SchedulerConfig(name="?"),
}
"""What stands for a component that is wrong, so that the rest can still be checked."""


def _component(group: str, section: Any) -> tuple[ComponentConfig, list[ConfigProblem | FrameworkError]]:
    stand_in = STAND_INS[group]
    if not isinstance(section, Mapping) or not section.get("name"):
        how = f": --{group} NAME (fw list {group}s)" if group in ("model", "dataset") else ""
        return stand_in, [ConfigProblem(group, f"a {group} has to be named{how}")]
    try:
        offer = registry.resolve(COMPONENT_GROUPS[group], str(section["name"]))
        settings, problems = validated(config_class(offer), section, prefix=group)
    except FrameworkError as error:
        return stand_in, [error]
    return settings or stand_in, list(problems)


def _callbacks(section: Any) -> tuple[dict[str, ComponentConfig], list[ConfigProblem | FrameworkError]]:
    checked: dict[str, ComponentConfig] = {}
    problems: list[ConfigProblem | FrameworkError] = []
    if not isinstance(section or {}, Mapping):
        return {}, [ConfigProblem("callbacks", "must be a group of settings", value=section)]
    for name, values in (section or {}).items():
        try:
            offer = registry.resolve("callback", str(name))
            settings, found = validated(
                config_class(offer), {"name": name, **(values or {})}, prefix=f"callbacks.{name}"
            )
        except UnknownNameError as error:
            problems.append(ConfigProblem(f"callbacks.{name}", error.what.rstrip("."), near=error.near))
            continue
        except FrameworkError as error:
            problems.append(error)
            continue
        problems += found
        if settings is not None:
            checked[str(name)] = settings
    return checked, problems


def _crossed(config: RunConfig) -> list[ConfigProblem | FrameworkError]:
    """What no section can know alone."""
    problems: list[ConfigProblem | FrameworkError] = []
    trainer = config.trainer
    strategies = registry.catalogue.names("strategy")
    if config.strategy_name not in strategies:
        key = "trainer.strategy" if trainer.strategy else "strategy"
        problems.append(no_strategy(key, config.strategy_name, strategies))
    if trainer.strategy and config.strategy not in ("auto", trainer.strategy):
        problems.append(ConfigProblem("trainer.strategy", f"{trainer.strategy!r}, but strategy is {config.strategy!r}"))
    if config.distributed.enabled:
        problems += _said_twice("devices", trainer.devices, config.distributed.devices)
        problems += _said_twice("num_nodes", trainer.num_nodes, config.distributed.num_nodes)
    if config.scheduler.needs_end and trainer.max_epochs in (-1, None) and trainer.max_steps == -1:
        message = f"the scheduler {config.scheduler.name!r} has to know where training ends"
        problems.append(ConfigProblem("trainer.max_epochs", message, value=trainer.max_epochs))
    problems += _training(config)
    problems += deepspeed.problems(config)
    for section, monitor, mode in (
        ("checkpoint", config.checkpoint.monitor, config.checkpoint.mode),
        ("early_stopping", config.early_stopping.monitor, config.early_stopping.mode),
    ):
        if monitor and not mode:
            message = f"has to be set beside {section}.monitor: min or max"
            problems.append(ConfigProblem(f"{section}.mode", message))
    return problems


def _training(config: RunConfig) -> list[ConfigProblem]:
    """Ways of training that cannot stand together."""
    problems = []
    sharded = config.strategy_name.startswith(SHARDED)
    if sharded and config.averaging.kind is not None:
        problems.append(
            ConfigProblem("averaging.kind", f"is not possible with strategy={config.strategy_name}: {SPREAD}")
        )
    if sharded and config.adaptive_gradient_clip_val is not None:
        message = f"is not possible with strategy={config.strategy_name}: {SPREAD}"
        problems.append(ConfigProblem("adaptive_gradient_clip_val", message))
    if config.adaptive_gradient_clip_val is not None and config.trainer.gradient_clip_val is not None:
        message = "gradients are cut in one way: this, or trainer.gradient_clip_val"
        problems.append(ConfigProblem("adaptive_gradient_clip_val", message))
    by_value = config.trainer.gradient_clip_val is not None and config.trainer.gradient_clip_algorithm == "value"
    if by_value and config.strategy_name.startswith("deepspeed"):
        message = f"value is not possible with strategy={config.strategy_name}. Possible: norm"
        problems.append(ConfigProblem("trainer.gradient_clip_algorithm", message))
    if config.averaging.kind == "swa" and config.trainer.max_epochs in (-1, None):
        problems.append(ConfigProblem("trainer.max_epochs", "averaging.kind=swa has to know how many epochs there are"))
    return problems


def _said_twice(name: str, trainer: Any, distributed: Any) -> list[ConfigProblem]:
    if trainer is None or trainer == distributed:
        return []
    return [ConfigProblem(f"trainer.{name}", f"{trainer!r}, but distributed.{name} is {distributed!r}")]


def _with_experiment_name(values: dict[str, Any]) -> dict[str, Any]:
    """Name the experiment after model and dataset where nobody named it."""
    experiment = values.get("experiment", {})
    if isinstance(experiment, Mapping) and not experiment.get("name"):
        parts = [values.get(group) for group in ("model", "dataset")]
        names = [short_name(str(part.get("name", ""))) for part in parts if isinstance(part, Mapping)]
        values["experiment"] = {**experiment, "name": "_".join(name for name in names if name) or "run"}
    return values


def short_name(name: str) -> str:
    """The last part of ``file.py:Class``, ``dist:name`` and the like."""
    return name.rpartition(":")[2]


def _moved(problem: ConfigProblem) -> ConfigProblem:
    if "no such setting" in problem.message and (here := moved(problem.path)):
        return ConfigProblem(problem.path, "there is no such setting", near=[here])
    return problem
