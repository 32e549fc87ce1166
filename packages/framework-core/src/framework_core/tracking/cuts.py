"""What a run takes back when it is continued from an earlier checkpoint, and what it then makes once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from framework_core.tracking.journal import SYSTEM, Body, Point, Record, points_of, read
from framework_core.tracking.store_calls import place


def cut(folder: Path, from_step: int) -> Body:
    """The record that takes back what came after the checkpoint of a step.

    The journal says where that checkpoint was taken; without that, steps say it.
    """
    marks = [each.number for each in read(folder) if each.kind == "checkpoint" and each.body["step"] == from_step]
    after, beyond = (marks[-1], -1) if marks else (0, from_step or -1)
    return {"kind": "cut", "step": from_step, "after": after, "beyond": beyond}


class Cuts:
    """The cuts of a journal.

    Args:
        records: The whole journal.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._cuts = [record for record in records if record.kind == "cut"]

    def add(self, cut: Record) -> None:
        """Know of a cut that was made since."""
        if all(each.number != cut.number for each in self._cuts):
            self._cuts.append(cut)

    def is_void(self, record: Record, point: Point) -> bool:
        """Whether a point has been taken back."""
        return any(is_taken_back(cut, record, point) for cut in self._cuts)

    def kept(self, records: Iterable[Record]) -> Iterator[tuple[Record, Point]]:
        """The points that have not been taken back."""
        return ((record, point) for record in records for point in points_of(record) if not self.is_void(record, point))

    def repeatable(self, folder: Path) -> Repeats:
        """The points that were kept and may be made once more, because they stand at the step of a checkpoint.

        Validation at the end of an epoch has the step of the last batch; the checkpoint may have been taken before it.
        """
        found = Repeats()
        if self._cuts:
            for record, point in self.kept(read(folder)):
                for cut in self._cuts:
                    if record.number < cut.number and point.step >= cut.body["step"] - 1:
                        found.add(cut, point)
        return found


def is_taken_back(cut: Record, record: Record, point: Point) -> bool:
    """Whether a cut takes a point back; the use of the machine is not made again."""
    between = cut.body["after"] < record.number < cut.number
    return between and point.step > cut.body["beyond"] and not point.key.startswith(SYSTEM)


class Repeats:
    """Points of before a cut. One that is made again with the same value is the same point."""

    def __init__(self) -> None:
        self._cuts: dict[tuple[str, int, float | None], int] = {}

    def add(self, cut: Record, point: Point) -> None:
        """Add one, for what comes after a cut."""
        self._cuts.setdefault(place(point), cut.number)

    def has(self, record: Record, point: Point) -> bool:
        """Whether a point is one of them, made again."""
        cut = self._cuts.get(place(point))
        return cut is not None and cut < record.number and not point.key.startswith(SYSTEM)

    def holds(self, point: Point) -> bool:
        """Whether a point with this curve, step and value is among them."""
        return place(point) in self._cuts
