"""The likeliest answer to each question, over all windows of its context.

Axes: T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from framework_plugins_nlp.question_windows import Question, Window

LONGEST_ANSWER = 30
"""Tokens of an answer at most."""

LIKELIEST = 20
"""Beginnings and ends that are tried with one another."""

Logits = npt.NDArray[np.float32]


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

    @property
    def row(self) -> dict[str, Any]:
        """As it stands in a table."""
        return {"answer": self.text, "score": self.score, "start": self.start}


def answers_of(
    questions: Sequence[Question], windows: Sequence[Window], logits: Sequence[Logits], *, may_be_none: bool
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
        none[window.question] = min(none[window.question], float(each[0, 0]) + float(each[1, 0]))
    return [
        _chosen(question.context, found, without if may_be_none else None)
        for question, found, without in zip(questions, spans, none, strict=True)
    ]


def _spans(window: Window, logits: Logits) -> list[tuple[float, int, int]]:
    """Score, beginning and end in the context of the likeliest answers in a window."""
    length = len(window.ids)
    inside = window.offsets[:, 0] >= 0
    first, last = (np.where(inside, row[:length], -np.inf) for row in np.asarray(logits, dtype=np.float32))
    starts, ends = _highest(first), _highest(last)
    scores = first[starts][:, None] + last[ends]
    far = ends - starts[:, None]
    scores = np.where((far < 0) | (far >= LONGEST_ANSWER), -np.inf, scores).ravel()
    found = []
    for index in _highest(scores).tolist():
        if (score := float(scores[index])) > -np.inf:
            start, end = int(starts[index // len(ends)]), int(ends[index % len(ends)])
            found.append((score, int(window.offsets[start, 0]), int(window.offsets[end, 1])))
    return found


def _highest(scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The places of the highest scores, the highest first."""
    found: npt.NDArray[np.int64] = np.argsort(-scores, kind="stable")[:LIKELIEST]
    return found


def _chosen(context: str, spans: Sequence[tuple[float, int, int]], none: float | None) -> Answer:
    options = sorted({(start, end): score for score, start, end in sorted(spans)}.items(), key=lambda each: -each[1])
    options = options[:LIKELIEST]
    scores = np.array([score for _, score in options] + ([none] if none is not None else []))
    if not len(scores):
        return Answer("", -1, 0.0)
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    if best == len(options):
        return Answer("", -1, float(shares[best]))
    start, end = options[best][0]
    text = context[start:end]
    # A token may begin with the blank before its word.
    return Answer(text.strip(), start + len(text) - len(text.lstrip()), float(shares[best]))
