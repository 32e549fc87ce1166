"""Writing files whole or not at all, over nothing that is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from framework_core.errors import FilesInTheWayError, OutputError

ANOTHER = "Choose another folder."


def refuse_if_there(folder: Path, names: Iterable[str]) -> None:
    """See that nothing would be overwritten.

    Raises:
        FilesInTheWayError: Something is there already.
    """
    if folder.exists() and not folder.is_dir():
        raise FilesInTheWayError([folder])
    there = [folder / name for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise FilesInTheWayError(there)


def write_all(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write every file, or none.

    Args:
        folder: Where; it is made where it is not there.
        texts: The content of each file by its name, or by its path in the folder.

    Returns:
        The files.

    Raises:
        FilesInTheWayError: A file is there already.
        OutputError: One of them cannot be written.
    """
    refuse_if_there(folder, texts)
    made: list[Path] = []
    try:
        for each in [*reversed(folder.parents), folder]:
            if not each.is_dir():
                each.mkdir()
                made.append(each)
        for name, text in texts.items():
            _make_folders(folder, Path(name).parent, made)
            # "x" refuses what has come there since.
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write(text)
    except BaseException as error:
        _take_back(made)
        if isinstance(error, FileExistsError):
            raise FilesInTheWayError([Path(str(error.filename))]) from error
        if isinstance(error, OSError):
            raise OutputError(folder, f"{error.strerror or error}.", next_step=ANOTHER) from error
        raise
    return [folder / name for name in texts]


def _make_folders(folder: Path, below: Path, made: list[Path]) -> None:
    for each in [*reversed(below.parents), below]:
        if not (folder / each).is_dir():
            (folder / each).mkdir()
            made.append(folder / each)


def _take_back(made: list[Path]) -> None:
    for path in reversed(made):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
