"""Problems of the UCR and UEA archives, and series of your own in their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from framework_core import data_cache
from framework_plugins_timeseries.archive_places import parts_of
from framework_plugins_timeseries.classification_data import BaseSeriesClassificationDataModule
from framework_plugins_timeseries.labelled_files import SUFFIXES, read_labelled
from framework_plugins_timeseries.labelled_series import LabelledSet
from framework_plugins_timeseries.published import PROBLEMS


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
    reads_archive_files = True

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


class Problem(Ucr):
    """A problem of the archives that is fetched by its name.

    Args:
        edition: Which one.
        path: The training file, or the folder of the problem; ``None`` fetches both files.
        **samples: What every dataset of series with classes takes: ``unequal``, ``missing``, ``scaler`` ...
    """

    def __init__(self, edition: str, path: str | None = None, **samples: Any) -> None:
        super().__init__(str(data_cache.data_folder() / edition) if path is None else path, **samples)
        self.edition = edition
        self.is_fetched = path is None

    def prepare_data(self) -> None:
        """Fetch the files, unless a path was given.

        Raises:
            DataError: They cannot be fetched.
        """
        if self.is_fetched:
            data_cache.fetch(self.edition, PROBLEMS[self.edition])

    def source(self) -> str:
        """Where it came from."""
        return PROBLEMS[self.edition][0].url if self.is_fetched else super().source()
