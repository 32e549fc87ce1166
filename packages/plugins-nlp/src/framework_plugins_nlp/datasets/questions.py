"""Questions about texts of your own: JSON as of SQuAD, or a table."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework_core import DataError
from framework_plugins_nlp.columns import context_column, question_column
from framework_plugins_nlp.question_windows import Question, check_places
from framework_plugins_nlp.questioned_texts import QuestionedTexts
from framework_plugins_nlp.squad import read_squad
from framework_plugins_nlp.tables import Table

_log = logging.getLogger("framework_core")


class QuestionFiles(QuestionedTexts):
    """JSON as of SQuAD, v1.1 or v2.0; or a table with columns of questions, contexts, answers and their places.

    Args:
        path: The file to train on.
        val_path: A file to validate on.
        test_path: A file to test on.
        question_column: The column of questions.
        context_column: The column of texts that they are about.
        answer_column: The column of answers; an empty one is no answer.
        start_column: The column that says at which character an answer begins; without it, where it first stands.
        bad_answers: What is done with a question whose answer does not stand in its context: ``refuse`` or ``skip``.
        delimiter: What stands between the columns of a CSV file.
        **common: What every dataset of questions takes: ``stride``, ``max_length``, ``val_size`` ...
    """

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        question_column: str | None = None,
        context_column: str | None = None,
        answer_column: str = "answer",
        start_column: str = "answer_start",
        bad_answers: str = "refuse",
        delimiter: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        given = {"train": path, "val": val_path, "test": test_path}
        self.paths = {split: Path(each) for split, each in given.items() if each is not None}
        self.question_column = question_column
        self.context_column = context_column
        self.answer_column = answer_column
        self.start_column = start_column
        self.bad_answers = bad_answers
        self.delimiter = delimiter

    def read_questions(self) -> Mapping[str, Sequence[Question]]:
        """The files."""
        return {split: self._questions(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """The file to train on."""
        return str(self.paths["train"].resolve())

    def _questions(self, path: Path) -> list[Question]:
        if path.suffix.lower() == ".json":
            read = [(each, f"{path}, question {each.id}") for each in read_squad(path, self.read(path))]
        else:
            table = self.read_table(path)
            read = [(each, table.place(row)) for row, each in enumerate(self._rows(table))]
        kept = []
        for question, place in read:
            for what, text in (("question", question.question), ("context", question.context)):
                if not text.strip():
                    raise DataError(f"{place} has no {what}: the text is empty.", paths=[path])
            try:
                check_places(question, place)
            except DataError:
                if self.bad_answers == "refuse":
                    raise
                continue
            kept.append(question)
        if len(kept) < len(read):
            left = len(read) - len(kept)
            _log.warning("text      %s: %s answers do not stand in their contexts; left out", path.name, f"{left:,}")
        return kept

    def _rows(self, table: Table) -> Iterator[Question]:
        asked = table.column(question_column(table, self.question_column), "question_column")
        told = table.column(context_column(table, self.context_column), "context_column")
        if self.answer_column not in table.columns and "answers" in table.columns:
            given = [_listed(value, table.place(row)) for row, value in enumerate(table.columns["answers"])]
        else:
            answers = table.column(self.answer_column, "answer_column")
            starts = table.columns.get(self.start_column) or [None] * len(table)
            given = [
                _single(answer, start, str(context), table.place(row))
                for row, (answer, start, context) in enumerate(zip(answers, starts, told, strict=True))
            ]
            if self.start_column not in table.columns:
                _say_found_again(table.path, [str(each) for each in told], given)
        for line, question, context, (texts, places) in zip(table.lines, asked, told, given, strict=True):
            yield Question(str(line), _text(question), _text(context), texts, places)


def _single(answer: Any, start: Any, context: str, place: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    text = _text(answer)
    if not text.strip():
        return (), ()
    if start is None or str(start).strip() == "":
        return (text,), (context.find(text),)
    try:
        return (text,), (int(float(start)),)
    except ValueError as error:
        raise DataError(f"{place}: the answer begins at {start!r}, which is no number.") from error


def _listed(value: Any, place: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Answers as Hugging Face's tables have them: ``{"text": [...], "answer_start": [...]}``."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
        return tuple(map(str, found["text"])), tuple(map(int, found["answer_start"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{place} has no answers: {str(value)[:60]!r}.", possible='They are {"text": ["..."], "answer_start": [0]}.'
        ) from error


def _say_found_again(path: Path, contexts: Sequence[str], given: Sequence[tuple[tuple[str, ...], Any]]) -> None:
    several = sum(
        context.count(answers[0]) > 1 for context, (answers, _) in zip(contexts, given, strict=True) if answers
    )
    if several:
        _log.warning(
            "text      %s: %s answers stand in their contexts more than once; the first place is taken",
            path.name, f"{several:,}",
        )  # fmt: skip


def _text(value: Any) -> str:
    return "" if value is None else str(value)
