"""From bytes to text: the encoding is told by a mark, by UTF-8's own rules, or by the user, and never guessed."""

from __future__ import annotations

import codecs
import logging
import re
from pathlib import Path
from typing import Literal

from framework_core.errors import DataError, quoted

BadBytes = Literal["refuse", "replace", "cp1252"]

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""The marks at the beginning of a file, and what they stand for."""

SHOWN = 60
"""Characters of a line that a message shows."""

_LINES = re.compile("\r\n|\n|\r")
_log = logging.getLogger("framework_core")


def read_text(path: Path, *, encoding: str | None = None, bad_bytes: str = "refuse") -> str:
    """The text of a file, its encoding said.

    Args:
        path: The file.
        encoding: How it was written; ``None`` takes its mark, and UTF-8 where there is none.
        bad_bytes: What is done with bytes that the encoding does not have: ``refuse``, ``replace`` (by U+FFFD), or
            ``cp1252`` (read as in that encoding, where two were mixed).

    Raises:
        DataError: The file cannot be read, is in another encoding, or holds NUL bytes.
    """
    text, found = decoded(content_of(path), path, encoding=encoding, bad_bytes=bad_bytes)
    _log.info("text      %s is %s", path.name, found)
    return text


def content_of(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: There is no such file, or it may not be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", paths=[path]) from error


def decoded(content: bytes, path: Path, *, encoding: str | None = None, bad_bytes: str = "refuse") -> tuple[str, str]:
    """Text, and in words what its encoding is and how that is known.

    Raises:
        DataError: It is in another encoding, or holds NUL bytes.
    """
    name, why = _named(content, path, encoding)
    _register_repair()
    errors = {"refuse": "strict", "replace": "replace"}.get(bad_bytes, REPAIR)
    try:
        text = content.decode(name, errors)
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        raise _not_decodable(content, path, name, start, given=encoding is not None) from error
    if "\0" in text:
        raise _nul(text, path)
    repaired = "" if bad_bytes == "refuse" else f", bad bytes {'replaced' if bad_bytes == 'replace' else 'as cp1252'}"
    return text, f"{name} ({why}{repaired})"


def lines_of(text: str) -> list[str]:
    """The lines of a text, whatever they end with; a last empty one is none."""
    lines = _LINES.split(text)
    return lines[:-1] if lines and not lines[-1] else lines


def missing_file(path: Path) -> DataError:
    """The error about a file that is not there, with what is near it."""
    from framework_core.errors import near_names

    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = near_names(path.name, beside)
    return DataError(
        f"There is no file {path}.",
        paths=[path],
        possible=f"Near it: {', '.join(str(path.parent / name) for name in near)}." if near else "",
        next_step=f"See what is here: ls {quoted(str(path.parent))}",
    )


def _named(content: bytes, path: Path, encoding: str | None) -> tuple[str, str]:
    if encoding is not None:
        return encoding, "as set"
    for mark, name in MARKS:
        if content.startswith(mark):
            return name, "by its mark"
    if (wide := _wide(content)) is not None:
        raise DataError(
            f"{path} looks like {wide.upper()} without a mark: every second byte is 0.",
            paths=[path],
            next_step=f"Say so: dataset.encoding={wide}",
        )
    return "utf-8", "valid"


def _wide(content: bytes) -> str | None:
    """UTF-16 without a mark, where that is what the zero bytes say."""
    sample = content[:4096]
    for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if len(sample) >= 4 and zeros and zeros.count(0) > 0.7 * len(zeros) and sample.count(0) < 0.6 * len(sample):
            return name
    return None


def _not_decodable(content: bytes, path: Path, name: str, start: int, *, given: bool) -> DataError:
    line = content.count(b"\n", 0, start) + 1
    if not name.startswith("utf-8"):
        return DataError(
            f"{path} is not {name}: byte {start:,} cannot be read.",
            paths=[path],
            possible="Leave dataset.encoding out where the file is UTF-8." if given else "",
            next_step=f"See what it is: file {quoted(str(path))}",
        )
    begin = content.rfind(b"\n", 0, start) + 1
    shown = content[max(begin, start - SHOWN // 2) : start + SHOWN // 2].partition(b"\n")[0]
    as_read = shown.decode("cp1252", "replace").strip()
    mixed = _other_letters(content)
    how = (
        f"{mixed:,} other letters are UTF-8, so two encodings are mixed."
        if mixed
        else f"Read as cp1252 (Windows, a superset of Latin-1) it says: {as_read!r}."
    )
    step = "dataset.bad_bytes=cp1252 reads such bytes so" if mixed else "dataset.encoding=cp1252"
    return DataError(
        f"{path}, line {line:,} is not UTF-8: byte 0x{content[start]:02X}.",
        paths=[path],
        possible=how,
        next_step=f"If that is right: {step}",
    )


def _other_letters(content: bytes) -> int:
    """Characters beyond ASCII that are valid UTF-8."""
    return sum(ord(character) > 127 for character in content.decode("utf-8", "ignore"))


def _nul(text: str, path: Path) -> DataError:
    place = text.index("\0")
    line = text.count("\n", 0, place) + 1
    return DataError(
        f"{path}, line {line:,} holds a NUL character: the file is damaged, or no text.",
        paths=[path],
        next_step=f"Take them out: tr -d '\\000' < {quoted(str(path))} > clean{path.suffix}",
    )


REPAIR = "framework-cp1252"


def _register_repair() -> None:
    def repair(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        return error.object[error.start : error.end].decode("cp1252", "replace"), error.end

    codecs.register_error(REPAIR, repair)
