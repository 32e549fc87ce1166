"""Checkpoints of transformers: in a folder, or on the hub. Weights are safetensors, and no code of theirs is run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import DataError

_ON_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint.

    Attributes:
        name: Its folder, or its name on the hub.
        revision: The commit, branch or tag on the hub.
    """

    name: str
    revision: str | None = None

    @property
    def folder(self) -> Path | None:
        """Its folder, where it is one."""
        path = Path(self.name).expanduser()
        return path if path.is_dir() else None

    @property
    def location(self) -> str:
        """What ``from_pretrained`` takes first.

        Raises:
            DataError: It is neither a folder nor a name on the hub.
        """
        if self.folder is not None:
            return str(self.folder)
        if not _ON_HUB.fullmatch(self.name):
            raise self.missing("there is no such folder, and it is no name on the hub")
        return self.name

    def arguments(self) -> dict[str, Any]:
        """What ``from_pretrained`` takes to find it."""
        return {} if self.folder is not None else {"revision": self.revision}

    def preprocessing(self) -> Mapping[str, Any]:
        """Its ``preprocessor_config.json``; nothing where it has none."""
        from transformers.utils.hub import cached_file

        with self.understood():
            path = cached_file(
                self.location,
                "preprocessor_config.json",
                **self.arguments(),
                _raise_exceptions_for_missing_entries=False,
            )
            found = {} if path is None else json.loads(Path(path).read_text("utf-8"))
        return found if isinstance(found, dict) else {}

    @contextmanager
    def understood(self) -> Iterator[None]:
        """What transformers and the hub raise, in words.

        Raises:
            DataError: It cannot be read.
        """
        from safetensors import SafetensorError

        try:
            yield
        except SafetensorError as error:
            raise self.missing(f"its weights are damaged ({error})") from error
        except (OSError, ValueError) as error:
            raise self.missing(str(error).strip().partition("\n")[0]) from error

    def missing(self, why: str) -> DataError:
        """The error about a checkpoint that cannot be read."""
        return DataError(
            f"The checkpoint {self.name} cannot be read: {why}",
            paths=[self.name],
            possible="A folder has config.json, model.safetensors and preprocessor_config.json.",
            next_step="Without its weights: leave model.checkpoint out, and random ones are taken",
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and remarks of transformers."""
    from transformers.utils import logging

    of_library: Any = logging  # it has no types
    level, bars = of_library.get_verbosity(), of_library.is_progress_bar_enabled()
    of_library.set_verbosity_error()
    of_library.disable_progress_bar()
    try:
        yield
    finally:
        of_library.set_verbosity(level)
        if bars:
            of_library.enable_progress_bar()
