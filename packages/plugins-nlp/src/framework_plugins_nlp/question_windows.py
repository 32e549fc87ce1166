"""Questions with their contexts as tokens: long contexts in windows that overlap.

Axes: T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from framework_core.errors import DataError
from framework_plugins_nlp.tokenization import CHUNK, Tokenizer, clean


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
