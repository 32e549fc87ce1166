"""Texts of a test as a file that somebody would send."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framework_plugins_nlp.encodings import lines_of


def sample_file(folder: Path, texts: Sequence[Any], column: str, encoding: str | None) -> list[Path]:
    """Texts as a file of lines where each is a line of its own, and else as JSON lines; no file where there is none.

    Args:
        folder: Where it is written.
        texts: The texts, or their lists of words.
        column: What the texts are called in JSON.
        encoding: How it is written; ``None`` takes UTF-8.
    """
    written = encoding or "utf-8"
    if not texts:
        return []
    if all(isinstance(text, str) and _is_line(text, written) for text in texts):
        path = folder / "samples.txt"
        path.write_bytes("".join(f"{text}\n" for text in texts).encode(written))
    else:
        path = folder / "samples.jsonl"
        path.write_text("".join(json.dumps({column: text}) + "\n" for text in texts), encoding=written)
    return [path]


def _is_line(text: str, encoding: str) -> bool:
    """Whether a file gives a text back as it is."""
    plain = bool(text.strip()) and "\0" not in text and not text.startswith("\ufeff")
    return plain and lines_of(text) == [text] and _can_be_written(text, encoding)


def _can_be_written(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
