"""Questions as windows of numbers in memory, a padded batch at a time.

Axes: B windows, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core.base.batches import BatchDataset
from framework_plugins_nlp.question_answers import answers_of
from framework_plugins_nlp.question_reader import NewQuestion
from framework_plugins_nlp.question_windows import Question, Window, windows_of
from framework_plugins_nlp.tokenization import Tokenizer
from framework_plugins_nlp.tokens import padded


class TokenWindows(BatchDataset):
    """Windows as numbers, each batch filled up to its longest.

    Args:
        windows: The windows.
        pad_id: The number that fills up.
        with_answers: Whether a batch has the places of answers, to be learned.
    """

    def __init__(self, windows: Sequence[Window], pad_id: int, *, with_answers: bool = True) -> None:
        self.pad_id = pad_id
        self.with_answers = with_answers
        self.ids = torch.from_numpy(np.concatenate([each.ids for each in windows]))
        self.types = torch.from_numpy(np.concatenate([each.types for each in windows]))
        lengths = torch.tensor([len(each.ids) for each in windows])
        self.offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        self.answers = torch.tensor([(each.start, each.end) for each in windows], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def lengths(self) -> Tensor:
        """The tokens of each window."""
        return self.offsets.diff()

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """Tokens and their kinds over one another, ``(B, 2, T)``, and where answers begin and end, ``(B, 2)``."""
        tokens = padded(self.ids, self.offsets, indices, self.pad_id)
        inputs = torch.stack([tokens, padded(self.types, self.offsets, indices, 0)], dim=1)
        return (inputs, self.answers[indices]) if self.with_answers else (inputs,)


class QuestionsToPredict(TokenWindows):
    """Questions as windows, in the order of the answers.

    Args:
        questions: The questions.
        tokenizer: That of the model.
        max_length: How many tokens a window has at most.
        stride: How many it shares with the one before it.
        may_be_none: Whether a context may have no answer.
    """

    def __init__(
        self,
        questions: Sequence[NewQuestion],
        tokenizer: Tokenizer,
        *,
        max_length: int,
        stride: int,
        may_be_none: bool,
    ) -> None:
        self.new = questions
        self.questions = [Question(each.place, each.question, each.context) for each in questions]
        self.may_be_none = may_be_none
        self.windows = windows_of(tokenizer, self.questions, max_length=max_length, stride=stride).windows
        super().__init__(self.windows, tokenizer.pad_id, with_answers=False)

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each question: where it stands, the question, the answer, its probability, and where it begins."""
        logits = [window.numpy() for batch in batches for window in batch["logits"]]
        found = answers_of(self.questions, self.windows, logits, may_be_none=self.may_be_none)
        return [{"path": str(new.path), **new.row, **answer.row} for new, answer in zip(self.new, found, strict=True)]
