"""Where sound files lie: in folders, or packed in a zip archive that need not be unpacked."""

from __future__ import annotations

import os
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Protocol

from framework_plugins_audio.reading import Place


class Giver(Protocol):
    """Gives sound files by their names."""

    def place(self, name: str) -> Place:
        """The file of this name.

        Raises:
            OSError: There is none.
        """
        ...


class Shelf(Giver, Protocol):
    """Says too when a file is another one."""

    def mark(self, name: str) -> list[int]:
        """What changes when the file does."""
        ...


class Files:
    """Sound files by their paths; a path may lead into a zip archive: ``sounds.zip/speech/one.wav``."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, str], zipfile.ZipFile] = {}

    def place(self, name: str) -> Place:
        """The path itself, or the content of a member of an archive.

        Raises:
            FileNotFoundError: There is none.
        """
        if (inside := _inside_zip(name)) is None:
            return name
        archive, member = inside
        try:
            return BytesIO(self._archive(archive).read(member))
        except KeyError:
            raise FileNotFoundError(name) from None
        except zipfile.BadZipFile as error:
            raise OSError(f"the archive {archive} is damaged: {error}") from error

    def mark(self, name: str) -> list[int]:
        """Size and time of the file, or of its archive."""
        inside = _inside_zip(name)
        status = Path(name if inside is None else inside[0]).stat()
        return [status.st_size, status.st_mtime_ns]

    def __getstate__(self) -> dict[str, object]:
        return {"_open": {}}

    def _archive(self, path: str) -> zipfile.ZipFile:
        """An archive, opened by each process for itself: those that were forked share the place in a file."""
        key = (os.getpid(), path)
        if key not in self._open:
            self._open[key] = zipfile.ZipFile(path)
        return self._open[key]


def zip_members(archive: Path) -> list[str]:
    """The names of the files in a zip archive, as ``Files`` takes them.

    Raises:
        OSError: It is no archive.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            return [f"{archive}/{each.filename}" for each in packed.infolist() if not each.is_dir()]
    except zipfile.BadZipFile as error:
        raise OSError(f"it is no zip archive: {error}") from error


def _inside_zip(name: str) -> tuple[str, str] | None:
    """The archive and the member that a path leads to; nothing where it leads to a file."""
    archive, mark, member = name.partition(".zip/")
    if not mark or Path(name).exists():
        return None
    return f"{archive}.zip", member
