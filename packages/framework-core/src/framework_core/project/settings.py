"""The settings file of a new project: what is chosen, and commented out what else could be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import yaml

from framework_core.config.compose import DEFAULT_CHOICES
from framework_core.config.describe import described
from framework_core.contracts.config import RunConfig
from framework_core.contracts.trainer import TrainerConfig
from framework_core.errors import FrameworkError
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.discovery import Offer
from framework_core.plugins.registry import registry

HEAD = """\
# yaml-language-server: $schema=schema.json
#
# The settings of this project. In this folder `fw train` takes them, and KEY=VALUE on its command line goes before
# them. A line that is commented out is a setting with its default. All of them: fw config show --config config.yaml
"""
OFTEN_CHANGED = ("max_epochs", "accelerator", "precision", "gradient_clip_val", "accumulate_grad_batches")
"""What people set of the trainer; it has many more."""

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


def settings_text(project: str, chosen: Mapping[str, str], offers: Mapping[str, Offer]) -> str:
    """The file.

    Args:
        project: The name of the project.
        chosen: The model and the dataset, as the settings name them.
        offers: Those of them whose settings are to be shown.
    """
    lines = [HEAD]
    for group in ("model", "dataset"):
        lines += _component(group, chosen[group], offers.get(group))
    for group in ("optimizer", "scheduler"):
        lines += _component(group, DEFAULT_CHOICES[group], registry.resolve(group, DEFAULT_CHOICES[group]))
    lines += ["trainer:", *_trainer(), ""]
    lines += ["experiment:", f"  name: {_scalar(project)}  # Runs of one experiment stand together.", ""]
    lines += [f"seed: {RunConfig.model_fields['seed'].default}"]
    return "\n".join(lines) + "\n" + TAIL


def _component(group: str, name: str, offer: Offer | None) -> Iterator[str]:
    plural = f"fw list {group}s" if group in ("model", "dataset") else f"fw info {group} {name}"
    yield f"{group}:"
    yield f"  name: {_scalar(name)}  # {plural}"
    for setting in _settings(offer):
        line = f"{setting['name']}: {setting['default']}"
        if setting["default"] == HAS_TO_BE_SET:
            line = f"{setting['name']}: ???"
        elif (group, setting["name"]) != ("optimizer", "lr"):
            line = f"# {line}"
        yield f"  {line}{_remark(setting['description'])}"
    yield ""


def _settings(offer: Offer | None) -> list[dict[str, str]]:
    """The settings of a component; none where that takes a package that is not installed here."""
    try:
        return described(config_class(offer)) if offer else []
    except FrameworkError:
        return []


def _trainer() -> Iterator[str]:
    settings = {each["name"]: each for each in described(TrainerConfig)}
    for name in OFTEN_CHANGED:
        mark = "" if name == "max_epochs" else "# "
        yield f"  {mark}{name}: {settings[name]['default']}{_remark(settings[name]['description'])}"


def _remark(description: str) -> str:
    first = description.partition("\n")[0].strip()
    return f"  # {first}" if first else ""


def _scalar(text: str) -> str:
    """A text as YAML reads it back."""
    try:
        plain = yaml.safe_load(f"key: {text}") == {"key": text}
    except yaml.YAMLError:
        plain = False
    return text if plain else json.dumps(text)
