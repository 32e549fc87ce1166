"""Which column of a table is the text, and which the label, where nobody said it."""

from __future__ import annotations

from collections.abc import Sequence

from framework_core.errors import DataError
from framework_plugins_nlp.tables import Table

TEXT_COLUMNS = ("text", "sentence", "content", "question", "review", "message", "document")
LABEL_COLUMNS = ("label", "labels", "class", "category", "target", "topic", "sentiment", "intent")
WORD_COLUMNS = ("tokens", "words", "token", "word")
TAG_COLUMNS = ("tags", "ner_tags", "ner", "labels", "pos_tags", "upos", "tag")
QUESTION_COLUMNS = ("question", "query")
CONTEXT_COLUMNS = ("context", "passage", "paragraph", "text")
SOURCE_COLUMNS = ("source", "src", "input", "document", "article", "text")
TARGET_COLUMNS = ("target", "tgt", "output", "summary", "highlights", "translation")


def text_column(table: Table, given: str | None) -> str:
    """The column of texts.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, TEXT_COLUMNS, "text_column", "texts")


def label_column(table: Table, given: str | None) -> str:
    """The column of labels.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, LABEL_COLUMNS, "label_column", "labels")


def words_column(table: Table, given: str | None) -> str:
    """The column of lists of words.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, WORD_COLUMNS, "word_column", "words")


def tags_column(table: Table, given: str | None) -> str:
    """The column of lists of tags.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, TAG_COLUMNS, "tag_column", "tags")


def source_column(table: Table, given: str | None) -> str:
    """The column of texts to begin with.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, SOURCE_COLUMNS, "source_column", "sources")


def target_column(table: Table, given: str | None) -> str:
    """The column of texts to be made of them.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, TARGET_COLUMNS, "target_column", "targets")


def question_column(table: Table, given: str | None) -> str:
    """The column of questions.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, QUESTION_COLUMNS, "question_column", "questions")


def context_column(table: Table, given: str | None) -> str:
    """The column of texts that questions are about.

    Raises:
        DataError: It cannot be told.
    """
    return given or _only(table, CONTEXT_COLUMNS, "context_column", "contexts")


def _only(table: Table, names: Sequence[str], setting: str, what: str) -> str:
    found = [column for column in table.columns if column.lower() in names]
    if len(found) == 1:
        return found[0]
    how = f"{', '.join(found)} could be" if found else f"none is called {', '.join(names[:-1])} or {names[-1]}"
    raise DataError(
        f"Which column of {table.path} has the {what}? {how[0].upper() + how[1:]}.",
        paths=[table.path],
        possible=f"Its columns are {', '.join(table.columns)}.",
        next_step=f"Name one: dataset.{setting}=NAME",
    )
