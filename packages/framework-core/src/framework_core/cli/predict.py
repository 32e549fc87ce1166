"""The command ``fw predict``."""

from __future__ import annotations

from pathlib import Path

import typer


def predict(
    run: str = typer.Argument(..., help="A run: its id, the beginning of it, its name, its folder, or 'last'."),
    paths: list[Path] = typer.Argument(..., help="Files, or folders of files."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="A .csv, .json or .parquet file; without it, a table here."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the predictions as JSON."),
) -> None:
    """Let a trained model predict files."""
    from framework_core import prediction
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.cli.training import training_library

    if output is not None:
        prediction.check_output(output)
    rows = training_library("fw predict").predict(run, paths)
    if output is not None:
        prediction.write(rows, output)
        note(f"{len(rows)} predictions in {output}")
    elif as_json:
        print_json([{key: value for key, value in row.items() if not prediction.is_attachment(value)} for row in rows])
    else:
        files = [name for name, value in rows[0].items() if prediction.is_attachment(value)]
        head = [name for name, value in rows[0].items() if not isinstance(value, list | dict) and name not in files]
        print_table([[_cell(row[name]) for name in head] for row in rows], head)
        if files:
            note(f"{', '.join(files)}: files of their own; write them with -o predictions.csv")


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
