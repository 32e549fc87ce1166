"""The command ``fw predict``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

_SETTING = re.compile(r"[\w.]+=")


def predict(
    run: str = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE."),
    paths: list[Path] = typer.Argument(
        ..., metavar="PATHS... [KEY=VALUE]...", help="Files, or folders of files; settings: model.temperature=0.5."
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="A .csv, .json or .parquet file; without it, a table or text here."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the predictions as JSON."),
    stream: bool = typer.Option(False, "--stream", help="Follow one file, or - for what another program sends."),
) -> None:
    """Let a trained model predict files."""
    from framework_core import prediction
    from framework_core.cli.screen import note, print_json
    from framework_core.cli.training import training_library

    if output is not None:
        prediction.check_output(output)
    library = training_library("fw predict")
    overrides = [str(path) for path in paths if _is_setting(path)]
    files = [path for path in paths if not _is_setting(path)]
    if stream:
        _print_pieces(library.stream(run, _one(files, output, as_json), overrides=overrides))
    elif output is not None:
        rows = library.predict(run, files, overrides=overrides)
        prediction.write(rows, output)
        note(f"{len(rows)} predictions in {output}")
    elif as_json:
        rows = library.predict(run, files, overrides=overrides)
        print_json([{key: value for key, value in row.items() if not prediction.is_attachment(value)} for row in rows])
    else:
        found = library.answers(run, files, overrides=overrides)
        _print_rows(found) if isinstance(found, list) else _print_pieces(found)


def _one(files: Sequence[Path], output: Path | None, as_json: bool) -> Path:
    """What is followed."""
    from framework_core.errors import ConflictingOptionsError

    other = "--json" if as_json else "--output" if output is not None else ""
    if other:
        cause = "what is heard is printed when it is heard."
        raise ConflictingOptionsError("fw predict", ["--stream", other], cause)
    if len(files) != 1:
        raise ConflictingOptionsError(
            "fw predict",
            ["--stream", f"{len(files)} files"],
            "one file is followed.",
            next_step="Name one: fw predict --stream RUN FILE",
        )
    return files[0]


def _is_setting(path: Path) -> bool:
    return _SETTING.match(str(path)) is not None and not path.exists()


def _print_pieces(pieces: Iterator[str]) -> None:
    """Text as it comes, on a terminal and in a pipe."""
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        print(flush=True)  # what is said of it has a line of its own
        raise


def _print_rows(rows: Sequence[dict[str, object]]) -> None:
    from framework_core import prediction
    from framework_core.cli.screen import note, print_table

    files = [name for name, value in rows[0].items() if prediction.is_attachment(value)]
    head = [name for name, value in rows[0].items() if not isinstance(value, list | dict) and name not in files]
    print_table([[_cell(row[name]) for name in head] for row in rows], head)
    if files:
        note(f"{', '.join(files)}: files of their own; write them with -o predictions.csv")


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
