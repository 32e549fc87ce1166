"""Problems of the UCR and UEA archives, and series of your own in their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from framework_plugins_timeseries.archive_places import parts_of
from framework_plugins_timeseries.classification_data import BaseSeriesClassificationDataModule
from framework_plugins_timeseries.labelled_files import SUFFIXES, read_labelled
from framework_plugins_timeseries.labelled_series import LabelledSet


class Ucr(BaseSeriesClassificationDataModule):
    """A problem of the UCR archive (Dau et al., https://arxiv.org/abs/1810.07758) or the UEA archive.

    The UEA archive is that of Bagnall et al., https://arxiv.org/abs/1811.00075. A problem is ``NAME_TRAIN.ts`` and
    ``NAME_TEST.ts``, or two of the older tables with the class in front of each line. Their own test is the test; a
    share of each class of the training set is validated on. A single file is split by share.

    Args:
        path: A file, the folder of a problem, or the folder of an archive.
        problem: The name of the problem, where the folder holds several.
        **samples: What every dataset of series with classes takes: ``unequal``, ``missing``, ``scaler`` ...
    """

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES

    def __init__(self, path: str, problem: str | None = None, **samples: Any) -> None:
        super().__init__(**samples)
        self.path = Path(path)
        self.problem = problem

    def read_splits(self) -> Mapping[str, LabelledSet]:
        """The training file, and the test file where there is one."""
        train, test = parts_of(self.path, self.problem)
        found = {"train": read_labelled(train)}
        return found if test is None else {**found, "test": read_labelled(test)}

    def read_file(self, path: Path) -> LabelledSet:
        """A file of the same form."""
        return read_labelled(path)

    def source(self) -> str:
        """The training file."""
        return str(parts_of(self.path, self.problem)[0].resolve())
