"""Many files predicted into one table: some at a time, so that a stop loses little and a command goes on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from framework_core.errors import FrameworkError, OutputError
from framework_core.prediction import Row, check_output, files_in, finish, with_files
from framework_core.trained import Predictor

_log = logging.getLogger("framework_core")

CHUNK = 256
"""Files that are predicted before something is kept."""


def predict_into(
    run: str,
    paths: Sequence[Path],
    output: Path,
    *,
    overrides: Sequence[str] = (),
    chunk: int = CHUNK,
    resume: bool = False,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Predict files into a table.

    What is done is kept beside the table, in a hidden file, until the table is whole; ``resume`` goes on with it.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``; or ``NAME@STAGE``.
        paths: Files, or folders of files.
        output: The table: ``.csv``, ``.json``, ``.jsonl`` or ``.parquet``.
        overrides: Settings to change.
        chunk: Files that are predicted before something is kept.
        resume: Whether to go on where the same command stopped.
        told: Called with how many files are done, and of how many.

    Returns:
        The rows of the table.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        DataError: There are no files, or one cannot be read.
        OutputError: The table cannot be written, or what is there to go on with is of another command.
    """
    check_output(output)
    predictor = Predictor(run, overrides=overrides)
    files = files_in(paths, predictor.suffixes)
    asked = _digest(predictor, files, overrides)
    with closing(Part(output, asked, resume=resume)) as part, _told_of(part):
        for start in range(part.files, len(files), chunk):
            some = files[start : start + chunk]
            rows = predictor.rows(some)
            kept = [with_files(row, part.rows + index, output) for index, row in enumerate(rows)]
            part.keep(kept, start + len(some))
            told(part.files, len(files))
        finish(part.read(), output)
        part.remove()
        return part.rows


@contextmanager
def _told_of(part: Part) -> Iterator[None]:
    """Where it stops, say that what is done is kept."""
    try:
        yield
    except (FrameworkError, KeyboardInterrupt):
        if part.files:
            _log.info("%d files are done and kept: the same command with --resume goes on", part.files)
        raise


class Part:
    """What is done of a table.

    Args:
        output: The table.
        asked: What tells the command from others.
        resume: Whether what is there is taken; it is thrown away otherwise.

    Raises:
        OutputError: It cannot be written, or is of another command.
    """

    def __init__(self, output: Path, asked: str, *, resume: bool) -> None:
        self.path = output.with_name(f".{output.name}.part")
        self.files = self.rows = 0
        size = self._taken(asked, output) if resume and self.path.exists() else 0
        self._file = self.path.open("r+b" if size else "w+b")
        self._file.truncate(size)
        self._file.seek(size)
        if not size:
            self._write({"asked": asked})

    def keep(self, rows: Sequence[Row], files: int) -> None:
        """Keep the rows of some more files, whole or not at all.

        Args:
            rows: The rows.
            files: How many files are done with them.
        """
        self._write({"rows": list(rows), "files": files})
        self.rows += len(rows)
        self.files = files

    def read(self) -> Iterator[Row]:
        """Every row that was kept."""
        self._file.seek(0)
        for line in self._file:
            yield from json.loads(line).get("rows", ())

    def remove(self) -> None:
        """The table is whole."""
        self.path.unlink()

    def close(self) -> None:
        """Write nothing more; where nothing is done, leave nothing."""
        self._file.close()
        if not self.files:
            self.path.unlink(missing_ok=True)

    def _write(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _taken(self, asked: str, output: Path) -> int:
        """The bytes of whole lines; a line that a kill tore is left out."""
        size = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                record = json.loads(line)
                if record.get("asked", asked) != asked:
                    raise OutputError(
                        output,
                        f"{self.path} is of another command: other files, another run or other settings.",
                        next_step="Begin anew: leave out --resume",
                    )
                size += len(line)
                self.rows += len(record.get("rows", ()))
                self.files = record.get("files", self.files)
        return size


def _digest(predictor: Predictor, files: Sequence[Path], overrides: Sequence[str]) -> str:
    """What tells a command from another: the model, the files, the settings."""
    digest = hashlib.sha256()
    digest.update(repr((predictor.trained.record.run_id, list(overrides))).encode())
    for path in files:
        digest.update(f"{path}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
