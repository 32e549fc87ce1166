"""Questions with their contexts as tokens: long contexts in windows that overlap.

Axes: B windows, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from framework_core.base.batches import BatchDataset
from framework_core.errors import DataError
from framework_plugins_nlp.tokenization import CHUNK, Tokenizer, clean
from framework_plugins_nlp.tokens import padded

LONGEST_ANSWER = 30
"""Tokens of an answer at most."""

LIKELIEST = 20
"""Beginnings and ends that are tried with one another."""


class Question(NamedTuple):
    """A question about a context, and where its answers stand there; none where the context does not answer it."""

    id: str
    question: str
    context: str
    answers: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Window:
    """A part of a context behind its question.

    Attributes:
        question: Which question it is of.
        ids: Its tokens, with those that the tokenizer puts around.
        types: The kind of each, by the tokenizer: 0 of the question, 1 of the context, where it tells them apart.
        offsets: For each token where it stands in the context, ``(T, 2)``; -1 where it is none of the context.
        start: The first token of the answer; 0 where the window has no answer.
        end: The last one.
    """

    question: int
    ids: np.ndarray[Any, np.dtype[np.int32]]
    types: np.ndarray[Any, np.dtype[np.int32]]
    offsets: np.ndarray[Any, np.dtype[np.int32]]
    start: int = 0
    end: int = 0


@dataclass
class Encoding:
    """Questions as windows.

    Attributes:
        windows: The windows.
        cut_questions: How many questions were longer than half of what is read, and were cut.
    """

    windows: list[Window] = field(default_factory=list)
    cut_questions: int = 0


def windows_of(tokenizer: Tokenizer, questions: Sequence[Question], *, max_length: int, stride: int) -> Encoding:
    """Questions with their contexts as windows of tokens.

    Args:
        tokenizer: Puts something between the two.
        questions: The questions.
        max_length: How many tokens a window has at most.
        stride: How many tokens of the context it shares with the one before it.

    Raises:
        DataError: So many tokens have no room for a context.
    """
    found = Encoding()
    around = tokenizer.backend.num_special_tokens_to_add(True)
    for first in range(0, len(questions), CHUNK):
        chunk = questions[first : first + CHUNK]
        asked = _encoded(tokenizer, [each.question for each in chunk])
        told = _encoded(tokenizer, [each.context for each in chunk])
        for number, (question, one, other) in enumerate(zip(chunk, asked, told, strict=True), start=first):
            if len(one.ids) > max_length // 2:
                one.truncate(max_length // 2)
                found.cut_questions += 1
            room = max_length - around - len(one.ids)
            if room < 1:
                raise _no_room(max_length)
            other.truncate(room, stride=min(stride, room - 1))
            found.windows += [_window(tokenizer, number, question, one, part) for part in (other, *other.overflowing)]
    return found


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Any]:
    return tokenizer.backend.encode_batch([clean(text) for text in texts], add_special_tokens=False)


def _no_room(max_length: int) -> DataError:
    return DataError(
        f"A window of {max_length} tokens has no room for a question and a part of its context.",
        next_step="Take longer ones: dataset.max_length=384, and a model with as many positions",
    )


def _window(tokenizer: Tokenizer, number: int, question: Question, asked: Any, part: Any) -> Window:
    # Where tokens stand is asked before: some processors move it, and would move it twice.
    places = part.offsets
    both = tokenizer.backend.post_process(asked, part)
    inside = np.array([sequence == 1 for sequence in both.sequence_ids])
    offsets = np.full((len(inside), 2), -1, dtype=np.int32)
    offsets[inside] = np.array(places, dtype=np.int32).reshape(-1, 2)
    start, end = _answer(offsets, question)
    return Window(
        number, np.array(both.ids, dtype=np.int32), np.array(both.type_ids, dtype=np.int32), offsets, start, end
    )


def _answer(offsets: np.ndarray[Any, np.dtype[np.int32]], question: Question) -> tuple[int, int]:
    """The first and the last token of the first answer, and 0 where it is not wholly in the window."""
    if not question.answers:
        return 0, 0
    begin = question.starts[0]
    last = begin + len(question.answers[0].rstrip())
    reaches = np.flatnonzero((offsets[:, 0] >= 0) & (offsets[:, 1] > begin) & (offsets[:, 0] < last))
    if not len(reaches) or offsets[reaches[0], 0] > begin or offsets[reaches[-1], 1] < last:
        return 0, 0
    return int(reaches[0]), int(reaches[-1])


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


@dataclass(frozen=True)
class Answer:
    """What a model says.

    Attributes:
        text: The answer, as it stands in the context; empty where there is none.
        start: Where it begins in the context; -1 where there is none.
        score: Its probability among the answers that were tried, and none.
    """

    text: str
    start: int
    score: float


def answers_of(
    questions: Sequence[Question], windows: Sequence[Window], logits: Sequence[Tensor], *, may_be_none: bool
) -> list[Answer]:
    """The likeliest answer to each question, over all windows of its context.

    Args:
        questions: The questions.
        windows: Their windows.
        logits: For each window those of beginning and end, ``(2, T)``.
        may_be_none: Whether a context may have no answer: the first token stands for none.
    """
    spans: list[list[tuple[float, int, int]]] = [[] for _ in questions]
    none = [float("inf")] * len(questions)
    for window, each in zip(windows, logits, strict=True):
        spans[window.question] += _spans(window, each)
        none[window.question] = min(none[window.question], float(each[0, 0] + each[1, 0]))
    return [
        _chosen(question.context, found, without if may_be_none else None)
        for question, found, without in zip(questions, spans, none, strict=True)
    ]


def _spans(window: Window, logits: Tensor) -> list[tuple[float, int, int]]:
    """Score, beginning and end in the context of the likeliest answers in a window."""
    length = len(window.ids)
    inside = torch.from_numpy(window.offsets[:, 0] >= 0)
    first, last = (row[:length].float().masked_fill(~inside, -torch.inf) for row in logits)
    starts, ends = (row.topk(min(LIKELIEST, length)).indices for row in (first, last))
    scores = first[starts][:, None] + last[ends][None]
    far = ends[None] - starts[:, None]
    scores = scores.masked_fill((far < 0) | (far >= LONGEST_ANSWER), -torch.inf)
    best = scores.flatten().topk(min(LIKELIEST, scores.numel()))
    found = []
    for score, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        if score > float("-inf"):
            start, end = int(starts[index // len(ends)]), int(ends[index % len(ends)])
            found.append((score, int(window.offsets[start, 0]), int(window.offsets[end, 1])))
    return found


def _chosen(context: str, spans: Sequence[tuple[float, int, int]], none: float | None) -> Answer:
    options = sorted({(start, end): score for score, start, end in sorted(spans)}.items(), key=lambda each: -each[1])
    options = options[:LIKELIEST]
    scores = torch.tensor([score for _, score in options] + ([none] if none is not None else []))
    if not len(scores):
        return Answer("", -1, 0.0)
    shares = scores.softmax(dim=0)
    best = int(shares.argmax())
    if best == len(options):
        return Answer("", -1, float(shares[best]))
    start, end = options[best][0]
    text = context[start:end]
    # A token may begin with the blank before its word.
    return Answer(text.strip(), start + len(text) - len(text.lstrip()), float(shares[best]))


class NewQuestion(NamedTuple):
    """A question to be answered, and where it stands."""

    path: Path
    place: str
    question: str
    context: str


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
        logits = [window for batch in batches for window in batch["logits"]]
        found = answers_of(self.questions, self.windows, logits, may_be_none=self.may_be_none)
        return [
            {
                "path": str(new.path),
                "id": new.place,
                "question": new.question,
                "answer": answer.text,
                "score": answer.score,
                "start": answer.start,
            }
            for new, answer in zip(self.new, found, strict=True)
        ]


def check_places(question: Question, place: str) -> None:
    """See that answers stand where they are said to.

    Raises:
        DataError: One does not.
    """
    for answer, start in zip(question.answers, question.starts, strict=True):
        if question.context[start : start + len(answer)] == answer and answer.strip():
            continue
        where = f" at {start}; there stands {question.context[start : start + max(len(answer), 10)][:60]!r}"
        elsewhere = question.context.find(answer) if answer.strip() else -1
        raise DataError(
            f"{place}: the answer {answer[:60]!r} does not stand in its context{where if start >= 0 else ''}.",
            possible=(
                f"It stands at {elsewhere}: places count characters from 0, not bytes."
                if elsewhere >= 0
                else "It stands nowhere in it: an answer is a part of its context, letter by letter."
            ),
            next_step="Mend the place, or leave the question out: dataset.bad_answers=skip",
        )
