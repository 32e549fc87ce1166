"""Files of series with classes, as the UCR and UEA archives have them; refused with the line where one is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from framework_core import DataError
from framework_core.errors import near_names, quoted
from framework_plugins_timeseries.labelled_series import LabelledSeries, LabelledSet
from framework_plugins_timeseries.series import Array
from framework_plugins_timeseries.series_files import content_of

SUFFIXES = (".ts", ".tsv", ".txt", ".csv")
"""What is read: ``.ts``, and tables with the class first and the values behind it."""

ABSENT = ("", "?", "nan")
TS_SHAPE = "A line of @data has the channels of a sample with : between, and its class last: 1.2,3.4:5.6,7.8:left"
TABLE_SHAPE = "A line is the class of a sample and its values, with a tab or a comma between: 2\t0.31\t0.35"


def read_labelled(path: Path) -> LabelledSet:
    """Read a file of the archives: ``.ts``, or a table with a sample a line and its class in front.

    Raises:
        DataError: It is not there, is no such file, or a line of it cannot be.
    """
    return labelled_of(content_of(path), path)


def labelled_of(content: bytes, path: Path) -> LabelledSet:
    """The content of a file of the archives.

    Args:
        content: What stands in the file.
        path: The file, for people; its ending says which kind it is.

    Raises:
        DataError: It is no such file, or a line of it cannot be.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8: byte {error.start:,} cannot be read.",
            paths=[path],
            next_step=f"Convert it: iconv -f latin1 -t utf-8 {quoted(str(path))} > utf8.ts",
        ) from error
    found = _Ts(path).read(text) if path.suffix.lower() == ".ts" else _table(text, path)
    if not found.samples:
        raise DataError(f"{path} has no samples.", paths=[path], possible="A line is a series with its class.")
    return _same_channels(found)


class _Ts:
    """A ``.ts`` file, as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.labelled = False
        self.classes: tuple[str, ...] = ()

    def read(self, text: str) -> LabelledSet:
        lines = _lines(text)
        begun = False
        for number, line in lines:
            if line.lower().startswith("@data"):
                begun = True
                break
            if not line.startswith("@"):
                raise self._wrong(number, "a line of values stands before @data", "What is in front begins with @ or #")
            self._directive(number, line)
        if not begun:
            raise DataError(
                f"{self.path} has no line @data.",
                paths=[self.path],
                possible="A .ts file says what it holds in lines with @, then @data, then a line for each sample.",
            )
        samples = [self._sample(number, line) for number, line in lines]
        return LabelledSet(samples, self.classes, self.path)

    def _directive(self, number: int, line: str) -> None:
        name, *words = line[1:].split() or [""]
        said = words[0].lower() if words else ""
        if name.lower() == "timestamps" and said == "true":
            raise self._wrong(number, "the values have stamps", "Values without stamps are read: @timeStamps false")
        if name.lower() == "targetlabel" and said == "true":
            raise self._wrong(number, "the targets are numbers", "A file for classification has @classLabel true A B")
        if name.lower() == "classlabel":
            self.labelled = said == "true"
            self.classes = tuple(words[1:]) if self.labelled else ()

    def _sample(self, number: int, line: str) -> LabelledSeries:
        *channels, label = line.split(":") if self.labelled else (*line.split(":"), "")
        if not channels:
            raise self._wrong(number, "a line without a class" if self.labelled else "no values", TS_SHAPE)
        label = label.strip()
        if self.labelled and label not in self.classes and self.classes:
            near = near_names(label, self.classes)
            raise self._wrong(
                number,
                f"the class {label!r} is none of those of @classLabel",
                f"Near it: {', '.join(near)}." if near else f"They are {', '.join(self.classes[:12])}.",
            )
        columns = [_numbers(text.split(","), self.path, number, channel + 1) for channel, text in enumerate(channels)]
        if len({len(each) for each in columns}) > 1:
            lengths = ", ".join(str(len(each)) for each in columns)
            raise self._wrong(number, f"channels of different lengths: {lengths} values", TS_SHAPE)
        return LabelledSeries(np.column_stack(columns), label, number)

    def _wrong(self, number: int, what: str, possible: str) -> DataError:
        return DataError(f"{self.path}, line {number:,}: {what}.", paths=[self.path], possible=possible)


def _table(text: str, path: Path) -> LabelledSet:
    """The older form of the UCR archive; missing values at the end of a line are a shorter series."""
    samples: list[LabelledSeries] = []
    width = 0
    for number, line in _lines(text):
        label, *cells = _cells(line)
        width = width or len(cells)
        if len(cells) != width:
            raise DataError(
                f"{path}, line {number:,} has {len(cells):,} values, and the first line {width:,}.",
                paths=[path],
                possible="Every line has as many; a shorter series has NaN at its end.",
            )
        values = _numbers(cells, path, number, 1)
        known = np.flatnonzero(~np.isnan(values))
        if not len(known):
            raise DataError(f"{path}, line {number:,} has no value.", paths=[path], possible=TABLE_SHAPE)
        samples.append(LabelledSeries(values[: known[-1] + 1, None], _plain_label(label, path, number), number))
    return LabelledSet(samples, (), path)


def _cells(line: str) -> list[str]:
    for sign in ("\t", ","):
        if sign in line:
            return [cell.strip() for cell in line.split(sign)]
    return line.split()


def _plain_label(label: str, path: Path, number: int) -> str:
    """A class as the archive names it: whole numbers are written as 1.0000000e+00 in its older files."""
    if label.lower() in ABSENT:
        raise DataError(f"{path}, line {number:,} has no class.", paths=[path], possible=TABLE_SHAPE)
    try:
        value = float(label)
    except ValueError:
        return label
    return str(int(value)) if value.is_integer() else label


def _numbers(cells: Sequence[str], path: Path, number: int, channel: int) -> Array:
    try:
        return np.array([np.nan if cell.strip().lower() in ABSENT else float(cell) for cell in cells])
    except ValueError:
        at, cell = next((index, cell) for index, cell in enumerate(cells) if not _is_number(cell))
        raise DataError(
            f"{path}, line {number:,}: value {at + 1:,} of channel {channel} is {cell.strip()!r}, which is no number.",
            paths=[path],
            possible=TS_SHAPE if path.suffix.lower() == ".ts" else TABLE_SHAPE,
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in ABSENT
    return True


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _same_channels(found: LabelledSet) -> LabelledSet:
    expected = found.channels
    for sample in found.samples:
        if sample.values.shape[1] != expected:
            raise DataError(
                f"{found.where(sample)} has {sample.values.shape[1]} channels, and the first sample {expected}.",
                paths=[found.path] if found.path else [],
                possible=TS_SHAPE,
            )
    return found
