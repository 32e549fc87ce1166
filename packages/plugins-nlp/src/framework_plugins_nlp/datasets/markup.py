"""Which words of Python's own manual are code, and which are emphasised, by the marks that its text has."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping

from framework_plugins_nlp.datasets.topics import manual, sentences
from framework_plugins_nlp.tagged_texts import Sentences, TaggedTexts

KINDS = {'"': "code", "*": "emphasis"}
"""What a mark around words means: the manual sets literals in quotation marks, parameters and terms in asterisks."""

_MARKED = re.compile(r"""(?<![\w"*])(?P<mark>["*])(?P<inside>[^\s"*](?:[^"*]*[^\s"*])?)(?P=mark)(?![\w"*])""")
_NO_SENTENCE = re.compile(r"::=|>>>|\+--")
BEFORE, BEHIND = "([{'\u201c\u2018*", ".,;:!?)]}'\u201d\u2019*"
"""Punctuation at the beginning of a word, and at its end."""

OPENING = {")": "(", "]": "[", "}": "{"}


class ManualMarkup(TaggedTexts):
    """Sentences of ``help()`` without their marks; to be found is what was marked as code or emphasised.

    Rules of grammar, sessions, tables, and sentences with marks inside of marks are left out. The texts are those of
    the Python that runs, so their fingerprint changes with its version.
    """

    def read_sentences(self) -> Mapping[str, Sentences]:
        """The sentences in which something is marked.

        Raises:
            DataError: Python came without its topics.
        """
        texts = [text for each in sentences(manual()).values() for text in each if not _NO_SENTENCE.search(text)]
        pairs = [tagged(text) for text in texts if _MARKED.search(text) and '"' not in _MARKED.sub("", text)]
        return {"train": Sentences([words for words, _ in pairs], [tags for _, tags in pairs])}

    def source(self) -> str:
        """Python, and which."""
        return f"pydoc_data.topics of Python {platform.python_version()}"


def tagged(text: str) -> tuple[list[str], list[str]]:
    """The words of a sentence without its marks, and the tag of each, in BIO."""
    words: list[str] = []
    tags: list[str] = []
    place = 0
    for found in _MARKED.finditer(text):
        _add(text[place : found.start()], "", words, tags)
        _add(found["inside"], KINDS[found["mark"]], words, tags)
        place = found.end()
    _add(text[place:], "", words, tags)
    return words, tags


def _add(text: str, kind: str, words: list[str], tags: list[str]) -> None:
    """Words are parted alike inside and outside of marks, so that how does not tell which they are."""
    first = True
    for piece in text.split():
        for word in _parts(piece):
            words.append(word)
            tags.append(f"{'B' if first else 'I'}-{kind}" if kind else "O")
            first = False


def _parts(piece: str) -> list[str]:
    """A piece between blanks without the punctuation at its ends, which are words of their own; ``len()`` is one."""
    start, end = 0, len(piece)
    while start < end and piece[start] in BEFORE:
        start += 1
    while end > start and piece[end - 1] in BEHIND and OPENING.get(piece[end - 1], " ") not in piece[start : end - 1]:
        end -= 1
    return [*piece[:start], *([piece[start:end]] if start < end else []), *piece[end:]]
