"""Folds that others made of a set, and published sets that have such."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from framework_core import DataError
from framework_core.errors import near_names
from framework_plugins_audio.datasets.audio_module import Recordings
from framework_plugins_audio.datasets.published_sounds import PublishedSounds
from framework_plugins_audio.splits import by_folds
from framework_plugins_audio.tables import Table


def following(folds: Sequence[str], fold: str) -> str:
    """The fold after another, by number where they are numbers; the first after the last."""
    names = sorted(set(folds), key=lambda name: (int(name), name) if name.isdecimal() else (0, name))
    return names[(names.index(fold) + 1) % len(names)]


def refuse_unknown_fold(folds: Sequence[str], fold: str, setting: str, path: Path) -> None:
    """See that there is such a fold.

    Raises:
        DataError: There is none.
    """
    names = sorted(set(folds), key=lambda name: (int(name), name) if name.isdecimal() else (0, name))
    if fold not in names:
        near = near_names(fold, names)
        raise DataError(
            f"There is no fold {fold} in {path}.",
            paths=[path],
            possible=f"Its folds are {', '.join(names)}.",
            next_step=f"Name one: dataset.{setting}={near[0] if near else names[0]}",
        )


class FoldedSounds(PublishedSounds):
    """A published set whose authors made folds, which are never mixed: those of one recording are in one fold.

    Args:
        fold: The fold to test on.
        val_fold: The fold to validate on; empty is the next one, 0 none.
        **files: What every published set takes: ``path``, ``mirror``, ``sample_rate``, ``seconds`` ...
    """

    table: ClassVar[str]
    """Where the table of the sounds lies in the set."""

    def __init__(self, fold: int = 1, val_fold: int | None = None, **files: Any) -> None:
        super().__init__(**files)
        self.fold = fold
        self.val_fold = val_fold

    def setup(self, stage: str | None = None) -> None:
        """Read the table, and check the sounds.

        Raises:
            DataError: The set is not there, or not whole.
        """
        if self.train_dataset is not None:
            return
        self.use(self.source(), self.splits(*self.published_table(self.table)))

    @abstractmethod
    def splits(self, root: str, table: Table) -> dict[str, Recordings]:
        """The sounds of each split, by the folds of the table; sets ``class_names``.

        Args:
            root: What the names of all files of the set begin with.
            table: The table of the sounds.
        """

    def by_fold(
        self, names: list[str], labels: Sequence[int], groups: dict[str, list[str]], path: Path
    ) -> dict[str, Recordings]:
        """Sounds and their classes, split by the group ``fold``."""
        folds = groups["fold"]
        test = str(self.fold)
        refuse_unknown_fold(folds, test, "fold", path)
        val = following(folds, test) if self.val_fold is None else str(self.val_fold or test)
        refuse_unknown_fold(folds, val, "val_fold", path)
        whole = Recordings(names, torch.tensor(labels, dtype=torch.int64), groups)
        split = by_folds(folds, test=test, val=val)
        return {name: whole.only(indices) for name, indices in split.items()}
