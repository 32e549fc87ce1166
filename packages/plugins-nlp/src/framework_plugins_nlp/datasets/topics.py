"""Sentences of Python's own manual, which comes with Python."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from framework_core import DataError
from framework_plugins_nlp.labelled_texts import LabelledTexts, Texts

_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z\"'(*])")
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_WORD = re.compile(r"[A-Za-z]{2,}")
FEWEST_WORDS = 5
"""Words of a sentence; what has fewer is code, or the row of a table."""


class Topics(LabelledTexts):
    """The topics of ``help()``: from a sentence to the topic that it explains.

    A sentence that stands in several topics belongs to none of them. The texts are those of the Python that runs, so
    their fingerprint changes with its version.

    Args:
        min_sentences: How many sentences a topic needs to be one of the classes.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``val_size``, ``batch_size`` ...
    """

    def __init__(self, min_sentences: int = 40, **common: Any) -> None:
        super().__init__(**common)
        self.min_sentences = min_sentences

    def read_texts(self) -> Mapping[str, Texts]:
        """The sentences of the larger topics.

        Raises:
            DataError: Python came without its topics, or no two are large enough.
        """
        found = sentences(manual())
        large = {topic: texts for topic, texts in found.items() if len(texts) >= self.min_sentences}
        if len(large) < 2:
            raise DataError(
                f"No two topics have {self.min_sentences} sentences.",
                possible=f"The largest has {max(map(len, found.values()), default=0)}.",
                next_step="Take smaller ones: dataset.min_sentences=20",
            )
        pairs = [(text, topic) for topic, texts in large.items() for text in texts]
        texts, labels = zip(*pairs, strict=True)
        return {"train": Texts(texts, labels, lambda index: f"sentence {index + 1:,} of {labels[index]!r}")}

    def source(self) -> str:
        """Python, and which."""
        return f"pydoc_data.topics of Python {platform.python_version()}"


def manual() -> dict[str, str]:
    """The text of each topic.

    Raises:
        DataError: Python came without them.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError(
            "This Python came without pydoc_data, the texts that help() shows.",
            possible="Some distributions leave it out or have a package of its own for it; python.org's has it.",
            next_step="Take a text of your own: --dataset text_table dataset.path=FILE.csv",
        ) from error
    return dict(topics)


def sentences(topics: Mapping[str, str]) -> dict[str, list[str]]:
    """The sentences of each topic that are in no other, in their order and each once."""
    found = {topic: list(dict.fromkeys(_sentences(text))) for topic, text in sorted(topics.items())}
    times = Counter(sentence for each in found.values() for sentence in each)
    return {topic: [sentence for sentence in each if times[sentence] == 1] for topic, each in found.items()}


def _sentences(text: str) -> list[str]:
    paragraphs = (" ".join(paragraph.split()) for paragraph in _PARAGRAPH_END.split(text))
    found = (sentence for paragraph in paragraphs for sentence in _SENTENCE_END.split(paragraph))
    return [sentence for sentence in found if len(_WORD.findall(sentence)) >= FEWEST_WORDS]
