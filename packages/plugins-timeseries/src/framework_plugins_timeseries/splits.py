"""Splits in time: training first, then validation, then the test; what comes later is never trained on."""

from __future__ import annotations

from typing import NamedTuple

from framework_core import DataError


class Borders(NamedTuple):
    """Where the splits of a series end: training, validation, test. The steps behind are not used.

    Args:
        train: One behind the last training step.
        val: One behind the last validation step.
        test: One behind the last test step.
    """

    train: int
    val: int
    test: int

    @property
    def spans(self) -> dict[str, tuple[int, int]]:
        """The steps whose values are targets, by split."""
        return {"train": (0, self.train), "val": (self.train, self.val), "test": (self.val, self.test)}


def borders_by_size(length: int, *, val_size: float, test_size: float) -> Borders:
    """Borders from the end backwards; a size below 1 is a share, any other a number of steps."""
    test = round(length * test_size) if test_size < 1 else int(test_size)
    val = round(length * val_size) if val_size < 1 else int(val_size)
    return Borders(length - val - test, length - test, length)


def check_room(name: str, borders: Borders, *, look_back: int, horizon: int) -> None:
    """See that a series has a window in each of its splits.

    Raises:
        DataError: It is too short for one.
    """
    need = look_back + horizon
    if borders.test < need:
        raise DataError(
            f"{name} has {borders.test:,} steps, and a window has {need:,}: a look-back of {look_back:,} and a horizon "
            f"of {horizon:,}.",
            possible="A series is as long as its look-back and its horizon together, or longer.",
            next_step=_SHORTER,
        )
    if borders.train < need:
        raise DataError(
            f"{name} has {max(0, borders.train):,} training steps, and a window has {need:,}: a look-back of "
            f"{look_back:,} and a horizon of {horizon:,}.",
            possible=f"Validation and test take the other {borders.test - max(0, borders.train):,} of its steps.",
            next_step=_SHORTER,
        )
    for split, setting in (("val", "val_size"), ("test", "test_size")):
        begin, end = borders.spans[split]
        if 0 < end - begin < horizon:
            raise DataError(
                f"{name} has {end - begin:,} steps in its {split} split, fewer than the horizon of {horizon:,}.",
                possible="A split has no steps at all, or the horizon's at least.",
                next_step=f"Give it more: dataset.{setting}={horizon}",
            )


_SHORTER = "Look back less, or leave short series out: dataset.look_back=N, dataset.short_series=skip"
