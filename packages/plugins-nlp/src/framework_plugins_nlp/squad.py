"""Questions about texts in the JSON of SQuAD, v1.1 and v2.0 (Rajpurkar et al., https://arxiv.org/abs/1806.03822)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework_core.errors import DataError
from framework_plugins_nlp.question_windows import Question

_FORM = (
    'It is {"data": [{"paragraphs": [{"context": "...", "qas": [{"id": "...", "question": "...", '
    '"answers": [{"text": "...", "answer_start": 0}]}]}]}]}.'
)


def read_squad(path: Path, text: str) -> list[Question]:
    """The questions of a text in JSON; where a question cannot be answered, ``is_impossible``, it has no answers.

    Args:
        path: Where the text stands.
        text: The text.

    Raises:
        DataError: It is no such JSON, or has no question.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}.", paths=[path], possible=_FORM) from error
    questions = list(_questions(path, found))
    if not questions:
        raise DataError(f"{path} has no questions.", paths=[path], possible=_FORM)
    return questions


def _questions(path: Path, found: Any) -> Iterator[Question]:
    place = "its top"
    try:
        for number, article in enumerate(found["data"], start=1):
            place = f"article {number}"
            for paragraph in article["paragraphs"]:
                for each in paragraph["qas"]:
                    place = f"question {each.get('id')}"
                    answers = [] if each.get("is_impossible") else each.get("answers", [])
                    yield Question(
                        str(each["id"]),
                        str(each["question"]),
                        str(paragraph["context"]),
                        tuple(str(answer["text"]) for answer in answers),
                        tuple(int(answer["answer_start"]) for answer in answers),
                    )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"{path} is not in the form of SQuAD, {place}: {type(error).__name__}: {error}.",
            paths=[path],
            possible=_FORM,
        ) from error
