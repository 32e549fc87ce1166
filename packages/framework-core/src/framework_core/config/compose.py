"""From what the user typed to one checked ``RunConfig``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from framework_core.config.files import read_settings
from framework_core.config.migrations import KEY, NewerSettingsError, migrated
from framework_core.config.references import references
from framework_core.config.source import COMPONENT_GROUPS, REQUEST, Request, base_defaults, current_request
from framework_core.config.source import component_defaults as component_defaults_of
from framework_core.config.usual_data import usual_datasets
from framework_core.config.validate import validate_run
from framework_core.contracts.validation import validated
from framework_core.errors import ConfigError, ConfigProblem, FrameworkError, UnknownNameError
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.registry import registry
from framework_core.wording import no_name, no_option, no_setting

if TYPE_CHECKING:
    from framework_core.config.origins import Trails
    from framework_core.contracts.config import ComponentConfig, RunConfig

DEFAULT_CHOICES = {"optimizer": "adamw", "scheduler": "cosine", "trainer": "default"}
CHOSEN_ONCE = ("model", "dataset", *DEFAULT_CHOICES)
"""Groups of which a run has one option."""

EXPRESSIONS = ("[", "{", "'", '"', "$")
"""How a value begins that was meant as more than text."""

CONFIG_DIR = Path("configs")
"""The folder of the user's own config groups, where there is one."""


@dataclass(frozen=True)
class Composition:
    """Checked settings, and what nobody had chosen."""

    config: RunConfig
    """The settings."""

    chosen: dict[str, str]
    """Groups that nobody named, with the option that was taken."""

    trails: Trails = field(default_factory=dict)
    """What was given for each setting and where, where ``compose`` was asked for it."""


def compose(
    overrides: Sequence[str] = (),
    *,
    model: str = "",
    dataset: str = "",
    config_file: Path | None = None,
    config_dir: Path | None = None,
    trace: bool = False,
) -> Composition:
    """Compose and check the settings of a run.

    Args:
        overrides: Hydra overrides: ``model=resnet50``, ``trainer.max_epochs=3``, ``+experiment=mine``.
        model: A model by name, ``file.py:Class`` or ``package.module:Class``; the same as an override ``model=``.
        dataset: A dataset, likewise.
        config_file: A settings file; overrides go before it.
        config_dir: A folder with config groups of one's own; ``configs`` here where it is there.
        trace: Whether to tell where each setting comes from.

    Raises:
        ConfigError: Settings that are not allowed, all of them at once.
        ConfigFileError: The settings file cannot be read.
        UnknownNameError: A component that nobody offers.
    """
    choices, body = read_settings(config_file) if config_file else ({}, {})
    folder = config_dir or (CONFIG_DIR if CONFIG_DIR.is_dir() else None)
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigError([ConfigProblem("--config-dir", f"there is no folder {config_dir}")])
    parsed = _parse(overrides)
    request = Request(choices, body, {}, folder)
    with _hydra(request):
        named = {group: name for group, name in (("model", model), ("dataset", dataset)) if name}
        chosen, ours = _split(parsed, named)
        composed = _compose(replace(request, body=_not_replaced(request, chosen)), chosen, ours)
        config = _checked(composed.values)
        typed = {group: f"--{group} {name}" if group in named else f"{group}={name}" for group, name in chosen.items()}
        return Composition(config, composed.taken, _trails(composed, typed, config_file) if trace else {})


def dataset_settings(name: str, overrides: Sequence[str]) -> ComponentConfig:
    """Check the settings of a dataset alone.

    Args:
        name: A dataset by name, ``file.py:Class`` or ``package.module:Class``.
        overrides: ``dataset.path=photos``, as of a run.

    Raises:
        ConfigError: Settings that are not allowed, all of them at once.
        UnknownNameError: Nobody offers the dataset.
    """
    values = OmegaConf.create({"dataset": {"name": name}})
    strange = []
    for override in _parse(overrides):
        key = str(override.key_or_group)
        if key.startswith("dataset."):
            OmegaConf.update(values, key, override.value(), force_add=True)
        else:
            strange.append(ConfigProblem(key, "only settings of the dataset have a meaning here"))
    given = cast("dict[str, Any]", OmegaConf.to_container(values, resolve=True))["dataset"]
    settings, problems = validated(config_class(registry.resolve("dataset", name)), given, prefix="dataset")
    if settings is None or strange:
        raise ConfigError([*strange, *problems], next_step=f"See its settings: fw info dataset {name}")
    return settings


def complete(config: DictConfig | Mapping[str, Any]) -> RunConfig:
    """Check settings that Hydra composed elsewhere (``@hydra.main``), with defaults for what they leave out.

    Raises:
        ConfigError: Settings that are not allowed, all of them at once.
    """
    given: Any = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    given = _of_this_release(given)
    names = {group: name for group in COMPONENT_GROUPS if group != "callbacks" and (name := _name_of(given.get(group)))}
    names = {"optimizer": "adamw", "scheduler": "cosine", **names}
    if "model" in names and "dataset" not in names:
        names["dataset"] = default_dataset(names["model"])
    defaults: dict[str, Any] = {group: component_defaults_of(group, name) for group, name in names.items()}
    for group in names:
        if isinstance(OmegaConf.select(given, group), str):
            del given[group]
    return _checked(OmegaConf.merge(OmegaConf.create({**base_defaults(), "trainer": {}, **defaults}), given))


def _of_this_release(config: DictConfig) -> DictConfig:
    try:
        settings, _ = migrated(cast("dict[str, Any]", OmegaConf.to_container(config, resolve=False)))
    except NewerSettingsError as error:
        raise ConfigError(
            [ConfigProblem(KEY, str(error))], next_step="Update: pip install -U framework-core"
        ) from error
    return OmegaConf.create(settings)


@contextmanager
def _hydra(request: Request) -> Iterator[None]:
    """Hydra's global state for one composition, put back afterwards."""
    token = current_request.set(request)
    logging.getLogger("hydra").setLevel(logging.WARNING)
    try:
        with initialize_config_module("framework_core.conf", version_base="1.3"):
            yield
    finally:
        current_request.reset(token)


def default_dataset(model: str) -> str:
    """The dataset that is taken for a model when none is named.

    Raises:
        ConfigError: There is none, or more than one.
    """
    fitting = usual_datasets(registry.resolve("model", model).spec)
    if len(fitting) == 1:
        return fitting[0]
    found = f"; there are {', '.join(fitting)}" if fitting else ""
    message = f"the model {model!r} comes with no data of its own, so a dataset has to be named{found}"
    raise ConfigError([ConfigProblem("dataset", message)], next_step="fw list datasets, then: --dataset NAME")


def _parsed(parser: OverridesParser, text: str) -> Override:
    """One override; a value that is no expression of Hydra's, as an address with ``=`` in it is none, is text."""
    try:
        return parser.parse_override(text)
    except HydraException:
        key, sign, value = text.partition("=")
        if not sign or value.startswith(EXPRESSIONS):
            raise
        return parser.parse_override(f"{key}={_quoted(value)}")


def _parse(overrides: Sequence[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed, problems = [], []
    for text in overrides:
        try:
            override = _parsed(parser, text)
        except HydraException as error:
            problems.append(_unreadable(text, error))
            continue
        if override.is_sweep_override():
            problems.append(
                ConfigProblem(text, "several values were given; one run takes one, and --each trains a run for each")
            )
        parsed.append(override)
    if problems:
        raise ConfigError(problems, next_step="Write KEY=VALUE, for example trainer.max_epochs=3; or --each seed=1,2,3")
    return parsed


def _unreadable(text: str, error: Exception) -> ConfigProblem:
    if "=" not in text and not text.startswith("~"):
        return no_setting(text)
    return ConfigProblem(text, f"this cannot be read: {str(error).splitlines()[0]}")


def _split(overrides: Iterable[Override], named: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Choices of components and of the trainer's preset, and everything else as overrides that may add a key."""
    choices = dict(named)
    ours: list[str] = []
    problems: list[ConfigProblem] = []
    appended: list[tuple[str, str]] = []
    groups = {*GlobalHydra.instance().config_loader().list_groups(""), *COMPONENT_GROUPS, "experiment"}
    for override in overrides:
        key, line = override.key_or_group, override.input_line or ""
        if override.is_delete() or key.startswith("hydra."):
            ours.append(line)
        elif key not in groups or isinstance(override.value(), dict):
            ours.append("++" + line.lstrip("+"))
        elif not isinstance(override.value(), str):
            problems.append(no_name(key, override.value()))
        elif choices.get(key, override.value()) != override.value():
            problems.append(ConfigProblem(key, f"is named twice: {choices[key]} and {override.value()}"))
        elif key in CHOSEN_ONCE:
            choices[key] = str(override.value())
        else:
            appended.append((key, str(override.value())))
            ours.append("+" + line.lstrip("+"))
    problems += _unknown_options(appended)
    if problems:
        raise ConfigError(problems)
    return choices, ours


def _unknown_options(chosen: Iterable[tuple[str, str]]) -> list[ConfigProblem]:
    problems = []
    for group, option in chosen:
        options = _options(group)
        if option not in options:
            problems.append(no_option(group, option, options))
    return problems


def _not_replaced(request: Request, chosen: Mapping[str, str]) -> dict[str, Any]:
    """A file's settings without those that a choice on the command line replaces.

    Another component has settings of its own; a preset of the trainer replaces what it sets.
    """
    other = {group for group, name in chosen.items() if name != request.choices.get(group, name)} - {"trainer"}
    body = {group: section for group, section in request.body.items() if group not in other}
    preset = chosen.get("trainer", "default")
    if preset != "default" and isinstance(body.get("trainer"), Mapping):
        replaced = _set_by_preset(preset)
        body["trainer"] = {key: value for key, value in body["trainer"].items() if key not in replaced}
    return body


def _set_by_preset(name: str) -> set[str]:
    """The settings of the trainer that a preset gives another value than their default."""
    if name not in _options("trainer"):
        return set()
    preset, default = (hydra_compose(overrides=[f"+trainer={each}"]).trainer for each in (name, "default"))
    return {str(key) for key in preset if preset[key] != default.get(key, ...)}


@dataclass(frozen=True)
class _Composed:
    """What Hydra composed, and what it was asked."""

    values: DictConfig
    request: Request
    overrides: list[str]
    taken: dict[str, str]
    """The options that nobody had named."""


def _compose(request: Request, chosen: dict[str, str], overrides: list[str]) -> _Composed:
    """Let Hydra compose; where no dataset was named anywhere, once more with the model's own.

    Args:
        request: What a file asked for.
        chosen: Options from the command line; they go before those of a file and of an experiment.
        overrides: Everything else from the command line.
    """
    named = {*request.choices, *chosen, *request.body}
    taken = {group: option for group, option in DEFAULT_CHOICES.items() if group not in named}
    request = replace(request, choices={**DEFAULT_CHOICES, **request.choices})
    composed = _composed_by_hydra(request, chosen, overrides)
    # An experiment has chosen too.
    found = {group: _name_of(OmegaConf.select(composed.values, group)) for group in taken}
    taken = {group: option for group, option in taken.items() if found[group] in ("", option)}
    model = _name_of(OmegaConf.select(composed.values, "model"))
    if model and not _name_of(OmegaConf.select(composed.values, "dataset")) and _is_known("model", model):
        taken["dataset"] = default_dataset(model)
        composed = _composed_by_hydra(request, {**chosen, "dataset": taken["dataset"]}, overrides)
    return replace(composed, taken=taken)


def _composed_by_hydra(request: Request, chosen: dict[str, str], overrides: list[str]) -> _Composed:
    aliases: dict[tuple[str, str], str] = {}
    choices: dict[str, str] = {}
    body = dict(request.body)
    for group, option in request.choices.items():
        if word := _word_for(group, option, aliases):
            choices[group] = word
        else:
            body[group] = {**body.get(group, {}), "name": option}
    ours = []
    for group, option in chosen.items():
        word = _word_for(group, option, aliases)
        ours.append(f"{group}={word}" if word else f"++{group}.name={_quoted(option)}")
    asked = replace(request, choices=choices, aliases=aliases, body=body)
    token = current_request.set(asked)
    try:
        values = hydra_compose(config_name=REQUEST, overrides=[*ours, *overrides])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError([_from_hydra(error)]) from error
    finally:
        current_request.reset(token)
    return _Composed(values, asked, [*ours, *overrides], {})


def _trails(composed: _Composed, typed: dict[str, str], config_file: Path | None) -> Trails:
    from framework_core.config.origins import trails

    token = current_request.set(composed.request)
    try:
        return trails(REQUEST, composed.overrides, typed, config_file)
    finally:
        current_request.reset(token)


def _word_for(group: str, option: str, aliases: dict[tuple[str, str], str]) -> str:
    """The option as Hydra can follow it; a stand-in for what it could not name, nothing for what is not there.

    A component that cannot be found is told with everything else that is wrong, when all of it is checked.
    """
    options = _options(group)
    if option in options:
        return option
    if group not in COMPONENT_GROUPS:
        raise UnknownNameError(group, option, options)
    if not _is_known(COMPONENT_GROUPS[group], option):
        return ""
    alias = f"chosen_{group}_{len(aliases)}"
    aliases[group, alias] = option
    return alias


def _options(group: str) -> list[str]:
    """The options of a config group; Hydra's loader would copy every source to answer it."""
    sources = GlobalHydra.instance().config_loader().get_sources()
    found = (source.list(group, ObjectType.CONFIG) for source in sources if source.is_group(group))
    return sorted({option for options in found for option in options})


def _quoted(value: str) -> str:
    """A value as Hydra reads it whatever stands in it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _checked(config: Any) -> RunConfig:
    """Composed settings, checked."""
    try:
        values = plain_values(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError([_from_hydra(error)]) from error
    return validate_run(values, references(plain_values(config, resolve=False), values))


def plain_values(config: Any, *, resolve: bool) -> dict[str, Any]:
    """Plain values, with interpolations filled in or as written; what has to be set and is not is left out."""
    found = OmegaConf.to_container(config, resolve=resolve)
    values: dict[Any, Any] = found if isinstance(found, dict) else {}
    return _without_missing({str(key): value for key, value in values.items() if key != "hydra"})


def _without_missing(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_missing(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value != "???"
    }


def _name_of(section: Any) -> str:
    if isinstance(section, str):
        return section
    name = section.get("name") if isinstance(section, Mapping | DictConfig) else None
    return name if isinstance(name, str) else ""


def _is_known(kind: str, name: str) -> bool:
    try:
        registry.resolve(kind, name)
    except FrameworkError:
        return False
    return True


def _from_hydra(error: Exception) -> ConfigProblem:
    cause = error.__cause__ or error
    # Where a debugger or coverage traces the program, OmegaConf's own error has a cause that knows no key.
    keys = (getattr(each, "full_key", None) for each in (cause, error))
    full_key = str(next((key for key in keys if key), "setting"))
    text = str(cause).partition("\n")[0].rstrip(".")
    if unset := re.search(r"Environment variable '(\w+)' not found", text):
        return ConfigProblem(full_key, f"the environment variable {unset[1]} is not set")
    if unset := re.search(r"KeyError raised while resolving interpolation: '(\w+)'", text):
        return ConfigProblem(full_key, f"the secret is not saved; give it again, or set the variable {unset[1]}")
    return ConfigProblem(full_key, text)
