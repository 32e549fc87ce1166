"""The commands ``fw artifacts``."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(
    help="See and fetch the files that a store keeps of a run or of a registered model.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
RUN = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE, MODEL/3.")
URI = typer.Option("", "--uri", help="A tracking store (default: the one that has the run).")
JSON = typer.Option(False, "--json", help="Print as JSON.")


@app.command("ls")
def ls(
    run: str = RUN,
    path: str = typer.Argument("", help="A folder in it."),
    uri: str = URI,
    as_json: bool = JSON,
) -> None:
    """List the files that a store keeps of a run, or of the model of a version."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.model_registry import artifacts

    found = artifacts(run, path, tracking_uri=uri)
    if as_json:
        print_json([vars(each) for each in found])
    elif found:
        print_table([[each.path, _size(each.size)] for each in found], ["path", "bytes"])
    else:
        note("The store keeps no files of it.")


@app.command("get")
def get(
    run: str = RUN,
    path: str = typer.Argument("", help="A file or a folder in it; without it, everything."),
    output: Path = typer.Option(Path(), "--output", "-o", help="The folder to write into (default: this one)."),
    uri: str = URI,
    as_json: bool = JSON,
) -> None:
    """Copy files of a run, or of the model of a version, from the store. Nothing is overwritten."""
    from framework_core.cli.screen import print_json
    from framework_core.model_registry import fetch

    files = fetch(run, path, output, tracking_uri=uri)
    if as_json:
        print_json([str(each) for each in files])
        return
    for each in files:
        print(each)


def _size(size: int | None) -> str:
    return "" if size is None else f"{size:,}"
