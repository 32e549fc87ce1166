"""The command ``fw init``."""

from __future__ import annotations

import sys
from pathlib import Path

import typer


def init(
    folder: Path = typer.Argument(Path(), metavar="[FOLDER]", help="Where; it is made where it is not there."),
    model: str = typer.Option("", "--model", "-m", help="A model by name (fw list models)."),
    dataset: str = typer.Option("", "--dataset", "-d", help="A dataset by name (fw list datasets)."),
    local: bool = typer.Option(False, "--local", help="With a model, and data, of your own in Python files."),
) -> None:
    """Write a small project in which fw train works at once. Nothing is overwritten.

    It asks, where it runs in a terminal and neither --model nor --local was given.
    """
    from framework_core.cli.screen import note
    from framework_core.errors import quoted
    from framework_core.project.creation import create_project

    if not model and not local and sys.stdin.isatty() and sys.stderr.isatty():
        model, dataset, local = _asked(dataset)
    for path in create_project(folder, model=model, dataset=dataset, local=local):
        print(path)
    here = folder.resolve() == Path.cwd()
    note(f"\nStart: {'' if here else f'cd {quoted(str(folder))} && '}fw train")


def _asked(dataset: str) -> tuple[str, str, bool]:
    """The answers of a person: model, dataset, and whether the project has code of its own."""
    from framework_core.config.compose import default_dataset
    from framework_core.errors import ConfigError

    if typer.confirm("A model and data of your own, in Python files?", default=False, err=True):
        return "", dataset, True
    model = _named("model", None)
    if not dataset:
        try:
            usual = default_dataset(model)
        except ConfigError:
            usual = None
        dataset = _named("dataset", usual)
    return model, dataset, False


def _named(kind: str, usual: str | None) -> str:
    """A name that is offered; asked for until it is."""
    from framework_core.cli.screen import print_error
    from framework_core.errors import FrameworkError
    from framework_core.plugins.registry import registry

    while True:
        name = str(typer.prompt(f"{kind.capitalize()} (fw list {kind}s)", default=usual, err=True))
        try:
            registry.resolve(kind, name)
        except FrameworkError as error:
            print_error(error)
        else:
            return name
