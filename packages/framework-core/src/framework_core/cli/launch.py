"""The command ``fw launch``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from framework_core.cli.train import train

if TYPE_CHECKING:
    from framework_core.contracts.config import RunConfig


class Engine(str, Enum):
    """What starts a training on several nodes."""

    slurm = "slurm"
    kubernetes = "kubernetes"
    ray = "ray"
    skypilot = "skypilot"


NEEDED = {"kubernetes": ("--image", "--storage"), "skypilot": ("--gpu",)}
"""The options that an engine cannot do without."""

USED = {"kubernetes": ("--image", "--storage"), "skypilot": ("--gpu", "--storage")}


def launch(
    words: list[str] = typer.Argument(..., metavar="-- WORDS...", help="What follows 'fw train', after --."),
    render: Engine = typer.Option(..., "--render", help="slurm, kubernetes, ray or skypilot."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file to write; without it, it is printed."),
    name: str = typer.Option("", "--name", help="The job's name (default: the run's, or the model's)."),
    image: str = typer.Option("", "--image", help="The container image, for kubernetes."),
    storage: str = typer.Option(
        "", "--storage", help="What nodes share: for kubernetes a claim of a volume, for skypilot a bucket."
    ),
    gpu: str = typer.Option("", "--gpu", help="The kind of GPU, for skypilot: A100, H100."),
) -> None:
    """Write the file by which a cluster starts a training: after it has stopped, it goes on where it was.

    The settings are checked as fw train does; devices and nodes are those of the settings.
    """
    from framework_core.cli.screen import note
    from framework_core.launching import job_of
    from framework_core.launching import render as rendered

    config = _settings(words)
    given = {"--image": image, "--storage": storage, "--gpu": gpu}
    _check(render.value, given, gpus=config.trainer.accelerator != "cpu")
    text = rendered(render.value, job_of(config, words, name=name, image=image, storage=storage, gpu=gpu))
    if output is None:
        print(text, end="")
        return
    from framework_core.project.writing import write_all

    write_all(output.parent, {output.name: text})
    note(f"Written: {output}. Its first lines say how it is started.")


def _settings(words: list[str]) -> RunConfig:
    """The settings that ``fw train`` would make of the words."""
    from framework_core.config.compose import compose
    from framework_core.errors import ConflictingOptionsError

    given = _read(words)
    for option in ("each", "dry_run"):
        if given[option]:
            named = f"--{option.replace('_', '-')}"
            raise ConflictingOptionsError("fw launch", ["--render", named], "a job is one training.")
    overrides = given["overrides"] or []
    here = None if given["config"] else _file_here(overrides, given["model"])
    return compose(
        overrides,
        model=given["model"],
        dataset=given["dataset"],
        config_file=given["config"] or here,
        config_dir=given["config_dir"],
    ).config


def _file_here(overrides: list[str], model: str) -> Path | None:
    from framework_core.config.project import settings_file_here

    return settings_file_here(overrides, model=model)


def _read(words: list[str]) -> dict[str, Any]:
    """The words as ``fw train`` reads them."""
    program = typer.Typer(add_completion=False)
    program.command("train")(train)
    command: Any = typer.main.get_command(program)
    found: dict[str, Any] = command.make_context("fw train", list(words)).params
    return found


def _check(engine: str, given: dict[str, str], *, gpus: bool) -> None:
    from framework_core.errors import ConflictingOptionsError, MissingWordError

    for option, value in given.items():
        if value and option not in USED.get(engine, ()):
            raise ConflictingOptionsError(
                "fw launch", [option, f"--render {engine}"], f"a file for {engine} has no place for it."
            )
    for option in NEEDED.get(engine, ()):
        if not given[option] and (gpus or option != "--gpu"):
            raise MissingWordError("fw launch", option, f"{engine} has to know it.")
