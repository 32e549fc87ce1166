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
    render: Engine | None = typer.Option(None, "--render", help="slurm, kubernetes, ray or skypilot."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Try every rank here, and write nothing."),
    ranks: int | None = typer.Option(
        None, "--ranks", min=1, help="How many processes to try; empty is as many as the settings say."
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file to write; without it, it is printed."),
    name: str = typer.Option("", "--name", help="The job's name (default: the run's, or the model's)."),
    image: str = typer.Option("", "--image", help="The container image, for kubernetes."),
    storage: str = typer.Option(
        "", "--storage", help="What nodes share: for kubernetes a claim of a volume, for skypilot a bucket."
    ),
    gpu: str = typer.Option("", "--gpu", help="The kind of GPU, for skypilot: A100, H100."),
    as_json: bool = typer.Option(False, "--json", help="Print what --dry-run found as JSON."),
) -> None:
    """Write the file by which a cluster starts a training: after it has stopped, it goes on where it was.

    The settings are checked as fw train does; devices and nodes are those of the settings. With --dry-run nothing is
    written: every rank is tried on this machine's processor, and what would stop or spoil the training is named.
    """
    from framework_core.cli.screen import note
    from framework_core.launching import job_of
    from framework_core.launching import render as rendered

    given = {"--image": image, "--storage": storage, "--gpu": gpu}
    others = {"--output": str(output or ""), "--name": name, **given}
    _check_kind(render, others, dry_run=dry_run, ranks=ranks, as_json=as_json)
    if render is None:
        _rehearse(words, ranks, as_json)
        return
    config = _settings(words)
    _check(render.value, given, gpus=config.trainer.accelerator != "cpu")
    text = rendered(render.value, job_of(config, words, name=name, image=image, storage=storage, gpu=gpu))
    if output is None:
        print(text, end="")
        return
    from framework_core.project.writing import write_all

    write_all(output.parent, {output.name: text})
    note(f"Written: {output}. Its first lines say how it is started.")


def _check_kind(
    render: Engine | None, others: dict[str, str], *, dry_run: bool, ranks: int | None, as_json: bool
) -> None:
    """See that a file is asked for, or a rehearsal, and nothing that goes with the other."""
    from framework_core.errors import ConflictingOptionsError, MissingWordError

    if render is None and not dry_run:
        raise MissingWordError("fw launch", "--render", "a file is written for one engine; --dry-run needs none.")
    of_rehearsal = {"--dry-run": dry_run, "--ranks": ranks is not None, "--json": as_json}
    kept = [f"--render {render.value}"] if render is not None else ["--dry-run"]
    wrong = of_rehearsal if render is not None else others
    for option, given in wrong.items():
        if given:
            raise ConflictingOptionsError("fw launch", [option, *kept], "a rehearsal writes no file.")


def _rehearse(words: list[str], ranks: int | None, as_json: bool) -> None:
    """Try every rank, and name what is wrong."""
    from dataclasses import asdict

    from framework_core.cli.screen import note, print_json
    from framework_core.rehearsal import asked_of, named, rehearse

    _check_library()
    asked, config = asked_of(_composed_of(words, "--dry-run"), ranks)
    found = rehearse(asked)
    if as_json:
        print_json(asdict(found))
    for each in [] if as_json else found.faults:
        print(f"{each.kind}: {named(each.ranks, asked.ranks)}: {each.what}.\n  {each.remedy}")
    done = f"{asked.ranks} ranks in {found.seconds:.0f} s, each alone on this machine, wrapped by {found.strategy}"
    if config.strategy_name not in ("auto", found.strategy):
        done = f"{done} in place of {config.strategy_name}"
    note(f"{done}: 2 steps and a validation, {found.calls} exchanges each. Nothing was written.")
    count = len(found.faults)
    good = "All ranks do the same, each with samples of its own."
    note(f"{count} fault{'s' if count > 1 else ''}." if count else good)
    raise typer.Exit(1 if found.faults else 0)


def _check_library() -> None:
    """See that what trains is installed, without importing it: that is done where ranks are tried."""
    from importlib.util import find_spec

    from framework_core.cli.training import EXTRA
    from framework_core.errors import MissingPackageError

    if find_spec("lightning") is None:
        raise MissingPackageError("lightning", needed_for="fw launch --dry-run", requirement=EXTRA)


def _settings(words: list[str]) -> RunConfig:
    """The settings that ``fw train`` would make of the words."""
    from framework_core.rehearsal.asked import Asked

    return Asked(_composed_of(words, "--render"), 1, 1).settings()


def _composed_of(words: list[str], kind: str) -> dict[str, Any]:
    """What settings are composed of, as plain values."""
    from framework_core.errors import ConflictingOptionsError

    given = _read(words)
    for option in ("each", "dry_run"):
        if given[option]:
            named = f"--{option.replace('_', '-')}"
            raise ConflictingOptionsError("fw launch", [kind, named], "a job is one training.")
    overrides = given["overrides"] or []
    file = given["config"] or _file_here(overrides, given["model"])
    return {
        "overrides": overrides,
        "model": given["model"],
        "dataset": given["dataset"],
        "config_file": str(file) if file else None,
        "config_dir": str(given["config_dir"]) if given["config_dir"] else None,
    }


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
