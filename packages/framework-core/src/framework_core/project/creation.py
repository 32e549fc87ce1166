"""Making a project: what it trains, which files that needs, and writing them."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from string import Template

from framework_core.config.compose import default_dataset
from framework_core.config.project import SETTINGS_FILE
from framework_core.config.schema import json_schema
from framework_core.errors import ConfigError, ConfigProblem, ConflictingOptionsError, ContractError
from framework_core.plugins.registry import registry
from framework_core.project.settings import settings_text
from framework_core.project.writing import refuse_if_there, write_all

OWN_MODEL = "model.py:Net"
OWN_DATASET = "dataset.py:Spirals"
ALWAYS = ("README.md", "schema.json", ".gitignore")
"""What a project has beside its settings."""

CLASSIFICATION = "classification"
"""What the model of the template learns, as the end of a task's name."""


def create_project(folder: Path, *, model: str = "", dataset: str = "", local: bool = False) -> list[Path]:
    """Write a small project in which ``fw train`` works at once. Nothing is overwritten.

    Args:
        folder: Where; it is made where it is not there.
        model: A model by name.
        dataset: A dataset by name; empty takes the one that belongs to the model.
        local: Whether the project has a model of its own, and, where no dataset is named, data of its own.

    Returns:
        The files, as they were written.

    Raises:
        RequestError: Something that was asked for cannot be done; nothing was written.
        FilesInTheWayError: A file of the project is there already.
        OutputError: The folder cannot be written.
    """
    sources = _sources(model, dataset, local)
    refuse_if_there(folder, [SETTINGS_FILE, *ALWAYS, *sources])
    name = folder.resolve().name or "project"
    own = {
        "model": OWN_MODEL if "model.py" in sources else "",
        "dataset": OWN_DATASET if "dataset.py" in sources else "",
    }
    chosen = {
        "model": own["model"] or _seen_from(folder, _offered("model", model)),
        "dataset": own["dataset"] or _seen_from(folder, _offered("dataset", dataset or default_dataset(model))),
    }
    if local and not own["dataset"]:
        _refuse_other_tasks(dataset)
    texts = {
        SETTINGS_FILE: settings_text(name, chosen),
        **sources,
        "README.md": Template(_template("README.md")).substitute(name=name, sources=_listed(sources), **chosen),
        "schema.json": json.dumps(json_schema(), indent=1) + "\n",
        ".gitignore": _template("gitignore"),
    }
    return write_all(folder, texts)


def _offered(kind: str, name: str) -> str:
    """The name, once it is known that something is called so."""
    registry.resolve(kind, name)
    return name


def _sources(model: str, dataset: str, local: bool) -> dict[str, str]:
    """The Python files of the project."""
    if local and model:
        raise ConflictingOptionsError(
            "fw init",
            ["--local", "--model"],
            "the one writes a model of the project's own, the other names one.",
            possible="One of them is possible; --dataset NAME may stand beside either.",
            next_step=f"Take the one that is installed: fw init --model {model}",
        )
    if not local and not model:
        problem = ConfigProblem("model", "a model has to be named: --model NAME (fw list models)")
        raise ConfigError([problem], next_step="Or start with a model and data of your own: fw init --local")
    names = [] if not local else ["model.py"] if dataset else ["model.py", "dataset.py"]
    return {name: _template(name) for name in names}


def _template(name: str) -> str:
    return (files("framework_core.project") / "templates" / name).read_text("utf-8")


def _seen_from(folder: Path, name: str) -> str:
    """The name; one that is a path, from the folder of the project."""
    place, _, own = name.rpartition(":")
    return f"{os.path.relpath(place, folder)}:{own}" if place.endswith(".py") else name


def _listed(sources: dict[str, str]) -> str:
    """Rows of a table: each Python file, with the first line of what it says of itself."""
    return "".join(f"| `{name}` | {text.partition(chr(10))[0].strip(chr(34))} |\n" for name, text in sources.items())


def _refuse_other_tasks(dataset: str) -> None:
    tasks = getattr(registry.resolve("dataset", dataset).spec, "tasks", ())
    if tasks and not any(task.endswith(CLASSIFICATION) for task in tasks):
        raise ContractError(
            f"The model of --local and the dataset {dataset!r} do not fit",
            [f"the model learns classes, the dataset is for {', '.join(tasks)}"],
            next_step="Name a model that fits it: --model NAME (fw list models)",
        )
