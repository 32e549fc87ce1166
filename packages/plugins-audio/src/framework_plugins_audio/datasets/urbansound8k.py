"""UrbanSound8K: sounds of a city, four seconds at most, in ten folds."""

from __future__ import annotations

from framework_plugins_audio.datasets.audio_module import Recordings
from framework_plugins_audio.datasets.folds import FoldedSounds
from framework_plugins_audio.tables import Table


class UrbanSound8K(FoldedSounds):
    """8,732 sounds of 10 classes of Salamon et al., https://doi.org/10.1145/2647868.2655045.

    Args:
        **folds: What every set with folds takes: ``fold``, ``val_fold``, ``path``, ``seconds`` ...
    """

    edition = "urbansound8k"
    table = "metadata/UrbanSound8K.csv"

    def splits(self, root: str, table: Table) -> dict[str, Recordings]:
        """The sounds of each split, classes in the order of the authors."""
        columns = [table.column(name, "path") for name in ("slice_file_name", "fold", "classID", "class", "fsID")]
        rows = list(zip(*columns, strict=True))
        names = {int(number): word for _, _, number, word, _ in rows}
        self.class_names = tuple(names[number] for number in sorted(names))
        groups = {"fold": [row[1] for row in rows], "source": [row[4] for row in rows]}
        labels = [self.class_names.index(row[3]) for row in rows]
        return self.by_fold([f"{root}audio/fold{row[1]}/{row[0]}" for row in rows], labels, groups, table.path)
