"""Texts to predict, and the rows that the answers become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from framework_plugins_nlp.masks import check_masks, filled, sign_of, signed
from framework_plugins_nlp.text_reader import NewText
from framework_plugins_nlp.tokenization import Tokenizer
from framework_plugins_nlp.tokens import NewTexts


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
        self.encoded = tokenizer.encode([each.text for each in texts], max_length=max_length, special=special)
        super().__init__(self.encoded, tokenizer.pad_id)

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each text: where it stands, the text, and what the model said."""
        found: list[dict[str, Any]] = []
        for batch in batches:
            columns = {name: _plain(values) for name, values in batch.items()}
            for index in range(len(next(iter(columns.values())))):
                text = self.texts[len(found)]
                row = {"path": str(text.path), **text.row}
                found.append(row | {name: values[index] for name, values in columns.items()})
        return found


class TextsToFill(TextsToPredict):
    """Texts with masks.

    Args:
        texts: The texts; ``[MASK]`` stands for what is masked, whatever the tokenizer calls it.
        tokenizer: That of the model.
        max_length: How many tokens of each are used at most.

    Raises:
        DataError: One has nothing to fill in, where it is read.
    """

    def __init__(self, texts: Sequence[NewText], tokenizer: Tokenizer, *, max_length: int | None) -> None:
        self.sign = sign_of(tokenizer)
        super().__init__(signed(texts, self.sign), tokenizer, max_length=max_length)
        check_masks(self.texts, self.encoded, tokenizer, max_length)

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each text: where it stands, the text, the text filled in, and what could stand for each mask."""
        return [filled(row, self.sign) for row in super().rows(batches)]


def _plain(values: Any) -> list[Any]:
    return list(values.tolist() if hasattr(values, "tolist") else values)
