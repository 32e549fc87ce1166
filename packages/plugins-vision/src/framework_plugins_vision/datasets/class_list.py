"""The names of classes, as settings give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from framework_core import DataError


def class_list(classes: Sequence[str] | str) -> tuple[str, ...]:
    """Names of classes, given one by one or as a file with one a line.

    Raises:
        DataError: There is no such file, or two classes have one name.
    """
    if isinstance(classes, str):
        path = Path(classes)
        if not path.is_file():
            raise DataError(
                f"There is no file {path}.",
                paths=[path],
                next_step="dataset.classes is a file with a name a line, or the names: dataset.classes=[sky,road,car]",
            )
        classes = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise DataError(f"dataset.classes names {', '.join(twice)} twice.", next_step="Give each class its own name.")
    return tuple(classes)
