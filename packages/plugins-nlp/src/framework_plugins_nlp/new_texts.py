"""Texts to predict, and the rows that the answers become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from framework_plugins_nlp.tokenization import Tokenizer
from framework_plugins_nlp.tokens import NewTexts


class NewText(NamedTuple):
    """A text, and where it stands."""

    path: Path
    line: int
    text: str


class TextsToPredict(NewTexts):
    """Texts as numbers, in the order of the answers.

    Args:
        texts: The texts.
        tokenizer: That of the model.
        max_length: How many tokens of each are used at most.
        special: Whether what the tokenizer puts around a text is there.
    """

    def __init__(
        self, texts: Sequence[NewText], tokenizer: Tokenizer, *, max_length: int | None, special: bool = True
    ) -> None:
        self.texts = texts
        encoded = tokenizer.encode([each.text for each in texts], max_length=max_length, special=special)
        super().__init__(encoded, tokenizer.pad_id)

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each text: where it stands, the text, and what the model said."""
        found: list[dict[str, Any]] = []
        for batch in batches:
            columns = {name: _plain(values) for name, values in batch.items()}
            for index in range(len(next(iter(columns.values())))):
                text = self.texts[len(found)]
                row = {"path": str(text.path), "line": text.line, "text": text.text}
                found.append(row | {name: values[index] for name, values in columns.items()})
        return found


def _plain(values: Any) -> list[Any]:
    return list(values.tolist() if hasattr(values, "tolist") else values)
