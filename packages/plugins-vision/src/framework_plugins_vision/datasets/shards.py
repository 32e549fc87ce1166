"""Shards of a WebDataset: tar files in which the files of a sample follow each other under one key."""

from __future__ import annotations

import glob
import hashlib
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core import DataError
from framework_core.cache import cache_folder
from framework_core.errors import quoted
from framework_plugins_vision.transforms import SUFFIXES

BLOCK = 512
END = 2 * BLOCK
"""The zeros that a tar file ends with."""

ANEW = "Copy it anew, or leave it out of the pattern."
LABEL = "Name the file that holds the label with dataset.label=ENDING, or dataset.label=json.KEY"

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Contents:
    """What a shard holds."""

    labels: dict[int, int]
    """How many samples each label has."""

    @property
    def count(self) -> int:
        """The number of samples."""
        return sum(self.labels.values())


def shards_of(pattern: str) -> list[Path]:
    """The files of a pattern with ranges, ``{000..012}``, and wildcards.

    Raises:
        DataError: There are none, or one of a range is missing.
    """
    wanted = _expanded(pattern)
    found = [path for each in wanted for path in (sorted(glob.glob(each)) if glob.has_magic(each) else [each])]  # noqa: PTH207
    missing = [each for each in found if not Path(each).is_file()]
    if missing or not found:
        raise DataError(
            f"There is no shard {missing[0] if missing else pattern}.",
            paths=missing,
            possible="Shards are named by a pattern: shards/train-{000000..000009}.tar or shards/train-*.tar",
            next_step=f"See what is here: ls {quoted(str(Path(missing[0] if missing else pattern).parent))}",
        )
    return [Path(each) for each in found]


def _expanded(pattern: str) -> list[str]:
    match = RANGE.search(pattern)
    if match is None:
        return [pattern]
    first, last = match[1], match[2]
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return [
        each for number in numbers for each in _expanded(pattern[: match.start()] + number + pattern[match.end() :])
    ]


def samples_in(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The samples of a shard: the key of each, and the content of its files by their ending.

    Raises:
        DataError: It is cut short, or no tar file.
    """
    key, files = "", dict[str, bytes]()
    try:
        with tarfile.open(path, "r|*") as tar:
            for member in tar:
                if not member.isfile() or Path(member.name).name.startswith("."):
                    continue
                base, _, ending = Path(member.name).name.partition(".")
                name = str(Path(member.name).parent / base)
                if name != key and files:
                    yield key, files
                    files = {}
                content = tar.extractfile(member)
                key, files[ending.lower()] = name, content.read() if content else b""
    except (tarfile.TarError, EOFError, OSError) as error:
        what = f"The shard {path} is cut short or broken: {error}"
        raise DataError(what, paths=[path], next_step=ANEW) from error
    if files:
        yield key, files


def image_in(files: dict[str, bytes], where: str) -> bytes:
    """The image among the files of a sample.

    Raises:
        DataError: There is none.
    """
    for ending, content in files.items():
        if f".{ending}" in SUFFIXES:
            return content
    raise DataError(
        f"{where} has no image: its files end in {', '.join(files)}.",
        possible=f"Image files end in {', '.join(SUFFIXES)}.",
        next_step="Write the shard anew, with an image for each sample.",
    )


def label_in(files: dict[str, bytes], label: str, where: str) -> int:
    """The label among the files of a sample.

    Args:
        files: Their content by ending.
        label: The ending, or ``json.KEY``.
        where: The sample, for the message.

    Raises:
        DataError: There is none, or it is no number.
    """
    ending, _, key = label.partition(".")
    content = files.get(ending)
    if content is None:
        raise DataError(
            f"{where} has no .{ending} file: its files end in {', '.join(files)}.",
            next_step=LABEL,
        )
    try:
        value: Any = json.loads(content)[key] if key else content.decode().strip()
        number = int(value)
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        what = f"{where} has no number as its label ({label}): {content[:40]!r}"
        raise DataError(what, next_step=LABEL) from error
    if number < 0:
        raise DataError(f"{where} has the label {number}; a label is a number from 0.", next_step=LABEL)
    return number


def contents_of(path: Path, label: str) -> Contents:
    """What a shard holds; read once, and kept for shards that do not change.

    Raises:
        DataError: It is broken, or a sample has no label or no image.
    """
    status = path.stat()
    mark = f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {label}"
    kept = cache_folder() / "shards" / f"{hashlib.sha256(mark.encode()).hexdigest()[:24]}.json"
    if kept.is_file():
        return Contents({int(number): count for number, count in json.loads(kept.read_text("utf-8")).items()})
    _refuse_without_end(path)
    found: Counter[int] = Counter()
    for key, files in samples_in(path):
        where = f"The sample {key} of {path}"
        image_in(files, where)
        found[label_in(files, label, where)] += 1
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".part")
    temporary.write_text(json.dumps(found), encoding="utf-8")
    temporary.replace(kept)
    return Contents(dict(found))


def _refuse_without_end(path: Path) -> None:
    """See that a tar file ends as one: a header that is cut short would be taken for its end."""
    if path.suffix != ".tar":
        return
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END))
        if size % BLOCK or file.read().strip(b"\0"):
            raise DataError(
                f"The shard {path} is cut short or broken: it does not end as a tar file does.",
                paths=[path],
                next_step=ANEW,
            )
