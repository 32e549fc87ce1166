"""Questions where a model answers: from the content of a file to windows of tokens, and to answers. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from framework_core.errors import DataError
from framework_core.serving.processing import Array, Postprocessing, Preprocessing, Row, Sample
from framework_plugins_nlp.padding import stacked
from framework_plugins_nlp.question_answers import answers_of
from framework_plugins_nlp.question_reader import NewQuestion, QuestionReader
from framework_plugins_nlp.question_windows import Question, Window, windows_of
from framework_plugins_nlp.tokenization import Tokenizer


@dataclass(frozen=True, kw_only=True)
class WindowSample(Sample):
    """A part of a context behind its question.

    Attributes:
        question: The question.
        window: Where its tokens stand.
    """

    question: NewQuestion
    window: Window


class QuestionInputs(Preprocessing):
    """The questions of a file with their contexts, a row each.

    Args:
        tokenizer: What the library ``tokenizers`` wrote.
        max_length: How many tokens a window has at most.
        stride: How many it shares with the one before it.
        may_be_none: Whether a context may have no answer.
        **reading: What ``QuestionReader`` takes beside endings.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".json", ".csv", ".tsv", ".tab", ".jsonl", ".ndjson")

    def __init__(self, tokenizer: str, max_length: int, stride: int, may_be_none: bool, **reading: Any) -> None:
        self.tokenizer = Tokenizer(tokenizer, "kept")
        self.max_length = max_length
        self.stride = stride
        self.may_be_none = may_be_none
        self.reader = QuestionReader(suffixes=self.suffixes, **reading)

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The windows of all questions of a file.

        Raises:
            DataError: It cannot be read, or there is no question.
        """
        questions = self.reader.questions(content, Path(f"input{suffix}"))
        if not questions:
            raise DataError(f"There is no question in input{suffix}.")
        asked = [Question(each.place, each.question, each.context) for each in questions]
        encoding = windows_of(self.tokenizer, asked, max_length=self.max_length, stride=self.stride)
        return [
            WindowSample(np.stack([each.ids, each.types]), question=questions[each.question], window=each)
            for each in encoding.windows
        ]

    def batch(self, inputs: Sequence[Array]) -> Array:
        """Tokens and their kinds over one another, ``(batch, 2, length)``, filled up to the longest."""
        tokens = stacked([each[0] for each in inputs], self.tokenizer.pad_id)
        return np.stack([tokens, stacked([each[1] for each in inputs], 0)], axis=1)

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """A row for each question: the question, the answer, its probability, and where it begins."""
        of_file = cast("Sequence[WindowSample]", samples)
        new = {each.window.question: each.question for each in of_file}
        found = answers_of(
            [Question(each.place, each.question, each.context) for each in new.values()],
            [each.window for each in of_file],
            [np.array(row["logits"], dtype=np.float32) for row in said],
            may_be_none=self.may_be_none,
        )
        return [{**each.row, **answer.row} for each, answer in zip(new.values(), found, strict=True)]


class SpanAnswers(Postprocessing):
    """What is said of each token: how likely it is the first of the answer, and the last."""

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``logits``, two lists."""
        return [{"logits": each} for each in outputs["output"].tolist()]
