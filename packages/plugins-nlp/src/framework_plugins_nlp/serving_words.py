"""Sentences where a model answers: from the content of a file to tokens, and to tags and entities. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from framework_core.errors import DataError
from framework_core.serving.processing import Array, Postprocessing, Preprocessing, Row, Sample
from framework_plugins_nlp.conll import ENDINGS
from framework_plugins_nlp.padding import stacked
from framework_plugins_nlp.sentence_reader import NewSentence, SentenceReader
from framework_plugins_nlp.sentence_rows import sentence_row
from framework_plugins_nlp.tokenization import Tokenizer
from framework_plugins_nlp.word_encoding import encode_words


@dataclass(frozen=True, kw_only=True)
class SentenceSample(Sample):
    """A sentence as tokens.

    Attributes:
        sentence: Its words.
        begun: For each token the word that it begins, or -1.
    """

    sentence: NewSentence
    begun: Array


class SentenceInputs(Preprocessing):
    """The sentences of a file, a row each.

    Args:
        tokenizer: What the library ``tokenizers`` wrote.
        scheme: What tags mark.
        max_length: How many tokens of each are used at most; ``None`` takes all.
        **reading: What ``SentenceReader`` takes.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".txt", *ENDINGS, ".csv", ".tsv", ".tab", ".jsonl", ".ndjson")

    def __init__(self, tokenizer: str, scheme: str, max_length: int | None = None, **reading: Any) -> None:
        self.tokenizer = Tokenizer(tokenizer, "kept")
        self.scheme = scheme
        self.max_length = max_length
        self.reader = SentenceReader(**reading)

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The sentences of a file.

        Raises:
            DataError: It cannot be read, or there is no sentence.
        """
        sentences = self.reader.sentences(content, Path(f"input{suffix}"))
        if not sentences:
            raise DataError(f"There is no sentence in input{suffix}.")
        found = encode_words(self.tokenizer, [each.words for each in sentences], max_length=self.max_length)
        return [
            SentenceSample(found.encoded.of(index), sentence=each, begun=found.of(index))
            for index, each in enumerate(sentences)
        ]

    def batch(self, inputs: Sequence[Array]) -> Array:
        """Tokens, ``(batch, length)``, filled up to the longest."""
        return stacked(inputs, self.tokenizer.pad_id)

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """A row for each sentence: where it stands, the text with its entities marked, tags, and entities."""
        return [
            sentence_row(sample.sentence, sample.begun, row["tags"], row["confidence"], self.scheme)
            for sample, row in zip(cast("Sequence[SentenceSample]", samples), said, strict=True)
        ]


class TagAnswers(Postprocessing):
    """The likeliest tag of each token, and its probability.

    Args:
        class_names: The tags.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = np.array(class_names)

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``tags`` and ``confidence``, a list each."""
        shares = outputs["probabilities"]
        tags = self.class_names[shares.argmax(axis=1)].tolist()
        return [
            {"tags": names, "confidence": confidence}
            for names, confidence in zip(tags, shares.max(axis=1).tolist(), strict=True)
        ]
