"""Files of a published archive, unpacked or not."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from framework_core import DataError
from framework_core.errors import quoted
from framework_plugins_nlp.encodings import content_of


def member(folder: Path, archive: str, name: str) -> tuple[bytes, Path]:
    """The bytes of a file, and where they were found: in the folder, one below it, or in the archive.

    Raises:
        DataError: It is in none of them.
    """
    for found in (folder / name, *sorted(folder.glob(f"*/{name}"))):
        if found.is_file():
            return content_of(found), found
    try:
        with zipfile.ZipFile(folder / archive) as packed:
            inside = next(each for each in packed.namelist() if PurePosixPath(each).name == name)
            return packed.read(inside), folder / archive / inside
    except (OSError, StopIteration, zipfile.BadZipFile) as error:
        raise DataError(
            f"There is no {name} in {folder}.",
            paths=[folder],
            possible=f"It is there, in a folder below, or in {archive}.",
            next_step=f"See what is here: ls {quoted(str(folder))}",
        ) from error
