"""ESC-50 and ESC-10: environmental sounds of five seconds, in five folds."""

from __future__ import annotations

from typing import Any

from framework_plugins_audio.datasets.audio_module import Recordings
from framework_plugins_audio.datasets.folds import FoldedSounds
from framework_plugins_audio.tables import Table


class Esc50(FoldedSounds):
    """2,000 sounds of 50 classes of Piczak, https://doi.org/10.1145/2733373.2806390, or 400 of 10 of them.

    Args:
        classes: 50, or 10 for ESC-10.
        **folds: What every set with folds takes: ``fold``, ``val_fold``, ``path``, ``seconds`` ...
    """

    edition = "esc50"
    table = "meta/esc50.csv"

    def __init__(self, classes: int = 50, **folds: Any) -> None:
        super().__init__(**folds)
        self.classes = classes

    def splits(self, root: str, table: Table) -> dict[str, Recordings]:
        """The sounds of each split, classes in the order of the authors."""
        columns = [
            table.column(name, "path") for name in ("filename", "fold", "target", "category", "esc10", "src_file")
        ]
        rows = [row for row in zip(*columns, strict=True) if self.classes == 50 or row[4] == "True"]
        names = {int(target): category for _, _, target, category, _, _ in rows}
        self.class_names = tuple(names[target] for target in sorted(names))
        groups = {"fold": [row[1] for row in rows], "source": [row[5] for row in rows]}
        labels = [self.class_names.index(row[3]) for row in rows]
        return self.by_fold([f"{root}audio/{row[0]}" for row in rows], labels, groups, table.path)
