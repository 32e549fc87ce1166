"""The command ``fw wine``."""

from __future__ import annotations

from pathlib import Path

import typer

from framework_plugins_wine import results

app = typer.Typer(help="What runs on the wine data came to.", no_args_is_help=True)


@app.callback()
def wine() -> None:
    """What runs on the wine data came to."""


@app.command()
def best(
    top: int = typer.Option(5, min=1, help="How many."),
    output_dir: Path = typer.Option(Path("runs"), help="The folder of the runs."),  # noqa: B008
) -> None:
    """The best runs on the wine data."""
    table = output_dir / results.FILE
    if not table.is_file():
        typer.echo(
            f"There is no run on the wine data in {output_dir}/ yet. Make one: fw train +experiment=wine", err=True
        )
        raise typer.Exit(2)
    for run, model, accuracy in results.best(table)[:top]:
        typer.echo(f"{accuracy:.4f}  {model}  {run}")
