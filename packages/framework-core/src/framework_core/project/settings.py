"""The settings file of a new project: what is chosen, and commented out what else could be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import yaml

from framework_core.config.compose import DEFAULT_CHOICES
from framework_core.config.describe import described
from framework_core.config.migrations import KEY, VERSION
from framework_core.contracts.config import RunConfig
from framework_core.contracts.trainer import TrainerConfig
from framework_core.errors import FrameworkError
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.registry import registry

HEAD = f"""\
# yaml-language-server: $schema=schema.json
#
# The settings of this project. In this folder `fw train` takes them, and KEY=VALUE on its command line goes before
# them. A line that is commented out is a setting with its default. All of them: fw config show

{KEY}: {VERSION}
"""
OFTEN_CHANGED = ("max_epochs", "accelerator", "precision", "gradient_clip_val", "accumulate_grad_batches")
"""What people set of the trainer; it has many more."""

OWN = {
    "model.py:Net": [
        {"name": "width", "default": "64", "description": "How many features lie between the layers."},
        {"name": "drop_rate", "default": "0.0", "description": "How much of them is dropped in training."},
    ],
    "dataset.py:Spirals": [
        {"name": "samples", "default": "1200", "description": "How many points there are."},
        {"name": "noise", "default": "0.05", "description": "How far they stray from their spiral."},
        {"name": "batch_size", "default": "64", "description": "How many samples make a batch."},
    ],
}
"""What the templates are called in the settings, and the settings they have: reading those off them takes torch."""

RATES = {"dataset.py:Spirals": "0.02"}
"""Learning rates that suit data better than the optimizer's default."""

HAS_TO_BE_SET = "has to be set"
TAIL = """
# Stop when this many validations have brought nothing.
# early_stopping:
#   patience: 5

# Record runs on a server in place of mlflow.db here.
# mlops:
#   tracking:
#     uri: http://SERVER:5000
"""


def settings_text(project: str, chosen: Mapping[str, str]) -> str:
    """The file.

    Args:
        project: The name of the project.
        chosen: The model and the dataset, as the settings name them.
    """
    lines = [HEAD]
    for group, name in {**chosen, **{group: DEFAULT_CHOICES[group] for group in ("optimizer", "scheduler")}}.items():
        lines += [f"{group}:", *_component(group, name, RATES.get(chosen["dataset"], "")), ""]
    lines += ["trainer:", *_trainer(), ""]
    lines += ["experiment:", f"  name: {_scalar(project)}  # Runs of one experiment stand together.", ""]
    lines += [f"seed: {RunConfig.model_fields['seed'].default}"]
    return "\n".join(lines) + "\n" + TAIL


def _component(group: str, name: str, rate: str) -> Iterator[str]:
    yield f"  name: {_scalar(name)}{_remark(_others(group, name))}"
    for setting in OWN.get(name) or _settings(group, name):
        line = f"{setting['name']}: {setting['default']}"
        if setting["default"] == HAS_TO_BE_SET:
            line = f"{setting['name']}: ???"
        elif (group, setting["name"]) == ("optimizer", "lr"):
            line = f"lr: {rate}" if rate else line
        else:
            line = f"# {line}"
        yield f"  {line}{_remark(setting['description'])}"


def _others(group: str, name: str) -> str:
    if name in OWN:
        file, _, own = name.partition(":")
        return f"the class {own} in {file}"
    return f"others: fw list {group}s" if group in ("model", "dataset") else f"explained: fw info {group} {name}"


def _settings(group: str, name: str) -> list[dict[str, str]]:
    """The settings of a component; none where that takes a package that is not installed here."""
    try:
        return described(config_class(registry.resolve(group, name)))
    except FrameworkError:
        return []


def _trainer() -> Iterator[str]:
    settings = {each["name"]: each for each in described(TrainerConfig)}
    for name in OFTEN_CHANGED:
        mark = "" if name == "max_epochs" else "# "
        yield f"  {mark}{name}: {settings[name]['default']}{_remark(settings[name]['description'])}"


def _remark(description: str) -> str:
    first = description.partition("\n")[0].replace("``", "").strip()
    return f"  # {first}" if first else ""


def _scalar(text: str) -> str:
    """A text as YAML reads it back."""
    try:
        plain = yaml.safe_load(f"key: {text}") == {"key": text}
    except yaml.YAMLError:
        plain = False
    return text if plain else json.dumps(text)
