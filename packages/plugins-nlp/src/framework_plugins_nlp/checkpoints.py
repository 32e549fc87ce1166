"""Checkpoints of transformers: in a folder, or on the hub; their own code is run for nobody who did not ask for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from framework_core.errors import DataError
from framework_plugins_nlp.pretrained_runs import as_checkpoint, is_run

OFFSET = 2
"""Positions that RoBERTa and its kin leave out at the beginning."""

SHIFTED = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
"""Those kin."""

_ON_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint.

    Attributes:
        name: Its folder, or its name on the hub.
        revision: The commit, branch or tag on the hub.
        trust_remote_code: Whether Python code that comes with it is run.
    """

    name: str
    revision: str | None = None
    trust_remote_code: bool = False

    @property
    def folder(self) -> Path | None:
        """Its folder, where it is one; of a run, one in the form of transformers."""
        path = Path(self.name).expanduser()
        if is_run(path):
            return as_checkpoint(path)
        return path if path.is_dir() else None

    def positions(self) -> int | None:
        """How many tokens it reads, where it says so."""
        try:
            config = json.loads(self.file("config.json").read_text("utf-8"))
        except (OSError, ValueError, DataError):
            return None  # whoever reads the checkpoint next says what is wrong with it
        return positions_of(SimpleNamespace(**config)) if isinstance(config, dict) else None

    def arguments(self) -> dict[str, Any]:
        """What ``from_pretrained`` takes to find it."""
        where = {} if self.folder is not None else {"revision": self.revision}
        return {**where, "trust_remote_code": self.trust_remote_code}

    @property
    def location(self) -> str:
        """What ``from_pretrained`` takes first."""
        return str(self.folder) if self.folder is not None else self.name

    def file(self, name: str) -> Path:
        """A file of it, fetched where it is on the hub.

        Raises:
            DataError: It is not there.
        """
        if self.folder is not None:
            return self.folder / name
        if not _ON_HUB.fullmatch(self.name):
            raise self.missing("there is no such folder, and it is no name on the hub")
        from huggingface_hub import hf_hub_download

        with self.understood():
            return Path(hf_hub_download(self.name, name, revision=self.revision))

    @contextmanager
    def understood(self) -> Iterator[None]:
        """What transformers and the hub raise, in words."""
        from safetensors import SafetensorError

        try:
            yield
        except SafetensorError as error:
            raise self.missing(f"its weights are damaged ({error})") from error
        except (OSError, ValueError) as error:
            if self._has_code(error):
                raise self.brings_code() from error
            raise self.missing(str(error).strip().partition("\n")[0]) from error

    def missing(self, why: str) -> DataError:
        """The error about a checkpoint that cannot be read."""
        return DataError(
            f"The checkpoint {self.name} cannot be read: {why}",
            paths=[self.name],
            possible="A folder has config.json, model.safetensors and tokenizer.json.",
            next_step="Without its weights: model.architecture=NAME in place of model.checkpoint",
        )

    def brings_code(self) -> DataError:
        """The error about a checkpoint with code of its own."""
        pinned = "" if self.folder is not None else " model.revision=COMMIT, all 40 digits of it"
        return DataError(
            f"The checkpoint {self.name} brings Python code of its own, and that is not run.",
            paths=[self.name],
            possible="Such code can do whatever you can.",
            next_step=f"Once you have read it and trust it: model.trust_remote_code=true{pinned}",
        )

    def _has_code(self, error: Exception) -> bool:
        return "trust_remote_code" in str(error)


def positions_of(config: Any) -> int | None:
    """How many tokens a network reads by its configuration; ``None`` where it does not say."""
    found = getattr(config, "max_position_embeddings", None)
    if not isinstance(found, int) or found < 1:
        return None
    return found - OFFSET if getattr(config, "model_type", "") in SHIFTED else found


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
