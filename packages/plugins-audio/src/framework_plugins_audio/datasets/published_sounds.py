"""What published sets of sounds have in common: a folder or an archive of the user's, or fetched once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from framework_core import DataError, data_cache
from framework_core.download import mirrored
from framework_core.errors import quoted
from framework_plugins_audio.datasets.audio_module import AudioFilesDataModule
from framework_plugins_audio.published import FILES
from framework_plugins_audio.shelves import zip_members
from framework_plugins_audio.tables import Table, csv_table


class PublishedSounds(AudioFilesDataModule):
    """Sounds that their authors named and split.

    Args:
        path: The folder with the published files, or their archive; empty fetches them into the user's cache, once.
        mirror: Another address to fetch the files from, tried first: the folder that they are in.
        **files: What every dataset of sound files takes: ``sample_rate``, ``seconds``, ``batch_size`` ...
    """

    edition: ClassVar[str]
    """The name in the catalogue; names the folder in the cache."""

    repair = "Fetch the set anew, or leave them out: dataset.on_error=skip"

    def __init__(self, *, path: str | None = None, mirror: str | None = None, **files: Any) -> None:
        super().__init__(**files)
        self.path = path
        self.mirror = mirror
        self.listed = "" if path is None else f"in {path}"

    def prepare_data(self) -> None:
        """Fetch the files, unless a path was given or they are there.

        Raises:
            DataError: They cannot be fetched.
        """
        if self.path is None:
            data_cache.fetch(self.edition, [mirrored(file, self.mirror) for file in FILES[self.edition]])

    @property
    def place(self) -> Path:
        """The folder or the archive that the set is in."""
        if self.path is not None:
            return Path(self.path)
        file = FILES[self.edition][0]
        return data_cache.data_folder() / self.edition / (file.folder or file.name)

    def source(self) -> str:
        """Where it came from."""
        return FILES[self.edition][0].url if self.path is None else str(self.place.resolve())

    def member(self, inside: str) -> str:
        """The name of a file of the set, which lies in the folder or one below it, or in the archive.

        Args:
            inside: Where it lies in the set: ``meta/esc50.csv``.

        Raises:
            DataError: There is none.
        """
        suffix = Path(inside).suffix
        for name in sorted(self.files(suffix), key=len):
            if f"/{Path(name).as_posix()}".endswith(f"/{inside}"):
                return name
        raise DataError(
            f"There is no {inside} in {self.place}.",
            paths=[self.place],
            possible=f"It holds what {FILES[self.edition][0].url} gives.",
            next_step="Name the folder or the zip archive of the set: dataset.path=PATH",
        )

    def content(self, name: str) -> bytes:
        """The bytes of a file of the set."""
        place = self.shelf.place(name)
        return Path(place).read_bytes() if isinstance(place, str) else place.getvalue()

    def published_table(self, inside: str) -> tuple[str, Table]:
        """A table of the set, and the place that the set begins at, with a stroke at its end.

        Raises:
            DataError: There is none.
        """
        name = self.member(inside)
        return name.removesuffix(inside), csv_table(Path(name), self.content(name))

    def files(self, *suffixes: str) -> list[str]:
        """The files in the folder and below it, or in the zip archive, by name.

        Args:
            suffixes: The endings of those that are wanted.

        Raises:
            DataError: There is no such folder or archive.
        """
        place = self.place
        if place.is_dir():
            inside = [str(each) for each in sorted(place.rglob("*")) if each.suffix.lower() in suffixes]
            zipped = [] if inside else sorted(place.glob("*.zip"))
            return inside or [name for each in zipped for name in self._packed(each, suffixes)]
        if place.is_file() and place.suffix.lower() == ".zip":
            return self._packed(place, suffixes)
        raise DataError(
            f"{place} is neither a folder nor a zip archive." if place.exists() else f"There is no {place}.",
            paths=[place],
            possible=f"It holds what {FILES[self.edition][0].url} gives, unpacked or as a zip archive.",
            next_step=f"See what is here: ls {quoted(str(place.parent))}",
        )

    def _packed(self, archive: Path, suffixes: Sequence[str]) -> list[str]:
        try:
            return sorted(each for each in zip_members(archive) if Path(each).suffix.lower() in suffixes)
        except OSError as error:
            raise DataError(f"{archive} cannot be read: {error}", paths=[archive]) from error
