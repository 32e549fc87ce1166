"""The command ``fw predict``."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import typer

EVERY = 5.0
"""Seconds between two lines of progress."""

_SETTING = re.compile(r"[\w.]+=")


def predict(
    run: str = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE."),
    paths: list[Path] = typer.Argument(
        ...,
        metavar="PATHS... [KEY=VALUE]...",
        help="Files, folders, tables that name files; settings: model.temperature=0.5.",
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="A .csv, .json, .jsonl or .parquet file; without it, a table or text here."
    ),
    resume: bool = typer.Option(False, "--resume", help="With --output: go on where the same command stopped."),
    chunk: int = typer.Option(256, "--chunk", min=1, help="With --output: files that are predicted at a time."),
    as_json: bool = typer.Option(False, "--json", help="Print the predictions as JSON."),
    stream: bool = typer.Option(False, "--stream", help="Follow one file, or - for what another program sends."),
) -> None:
    """Let a trained model predict files."""
    from framework_core import prediction
    from framework_core.cli.screen import note, print_json
    from framework_core.cli.training import training_library
    from framework_core.errors import ConflictingOptionsError

    if output is not None:
        prediction.check_output(output)
    library = training_library("fw predict")
    overrides = [str(path) for path in paths if _is_setting(path)]
    files = [path for path in paths if not _is_setting(path)]
    if resume and output is None:
        raise ConflictingOptionsError("fw predict", ["--resume", "no --output"], "what goes on is a table.")
    if stream:
        _print_pieces(library.stream(run, _one(files, output, as_json), overrides=overrides))
    elif output is not None:
        from framework_core.batch_prediction import predict_into

        told = _Progress()
        count = predict_into(run, files, output, overrides=overrides, chunk=chunk, resume=resume, told=told)
        note(f"{count} predictions in {output}")
    elif as_json:
        rows = library.predict(run, files, overrides=overrides)
        print_json([{key: value for key, value in row.items() if not prediction.is_attachment(value)} for row in rows])
    else:
        found = library.answers(run, files, overrides=overrides)
        _print_rows(found) if isinstance(found, list) else _print_pieces(found)


class _Progress:
    """Says how many files are done, every few seconds, where it takes that long."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        """Some more are done."""
        from framework_core.cli.screen import note

        now = time.monotonic()
        if done < of and now - self._said >= EVERY:
            self._said = now
            left = (now - self._began) / done * (of - done)
            note(f"predict   {done:,} of {of:,} files, {timedelta(seconds=round(left))} left")


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
