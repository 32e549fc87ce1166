"""Published sets: in a folder of the user's, or fetched once into the user's cache."""

from __future__ import annotations

from pathlib import Path

from framework_core import data_cache
from framework_plugins_nlp.published import FILES


class Fetched:
    """Where a published set is.

    Args:
        edition: Its name.
        path: The folder that it is in; ``None`` fetches it.
    """

    def __init__(self, edition: str, path: str | None) -> None:
        self.edition = edition
        self.own = path is not None
        self.folder = data_cache.data_folder() / edition if path is None else Path(path)

    def fetch(self) -> None:
        """Fetch it, unless a folder was given.

        Raises:
            DataError: It cannot be fetched.
        """
        if not self.own:
            data_cache.fetch(self.edition, FILES[self.edition])

    def source(self) -> str:
        """Where it came from."""
        return str(self.folder.resolve()) if self.own else FILES[self.edition][0].url
