"""Texts to predict, and the rows that the answers become."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from framework_core.errors import DataError
from framework_plugins_nlp.text_reader import NewText
from framework_plugins_nlp.tokenization import MASK, Tokenizer
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
        encoded = tokenizer.encode([each.text for each in texts], max_length=max_length, special=special)
        super().__init__(encoded, tokenizer.pad_id)

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
        self.sign = tokenizer.backend.id_to_token(tokenizer.mask_id or 0) or MASK
        signed = [each._replace(text=each.text.replace(MASK, self.sign)) for each in texts]
        super().__init__(signed, tokenizer, max_length=max_length)
        for index, (start, end) in enumerate(itertools.pairwise(self.offsets.tolist())):
            if int(self.ids[start:end].eq(tokenizer.mask_id or 0).sum()) != signed[index].text.count(self.sign):
                raise _beyond(texts[index], max_length)
            if self.sign not in signed[index].text:
                raise _nothing_masked(texts[index])

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each text: where it stands, the text, the text filled in, and what could stand for each mask."""
        found = []
        for row in super().rows(batches):
            parts = row["text"].split(self.sign)
            best = [next(iter(candidates)) for candidates in row["candidates"]]
            filled = "".join(part + word for part, word in zip(parts, [*best, ""], strict=True))
            found.append({"path": row["path"], "line": row["line"], "text": row["text"], "filled": filled} | row)
        return found


def _nothing_masked(text: NewText) -> DataError:
    return DataError(
        f"{text.path}, line {text.line:,} has no {MASK}: there is nothing to fill in.",
        paths=[text.path],
        possible=f"A text has {MASK} in place of each token that is asked for: The cat sat on the {MASK}.",
    )


def _beyond(text: NewText, max_length: int | None) -> DataError:
    return DataError(
        f"{text.path}, line {text.line:,} has a {MASK} behind the {max_length:,} tokens that the model reads.",
        paths=[text.path],
        next_step="Shorten the text around it.",
    )


def _plain(values: Any) -> list[Any]:
    return list(values.tolist() if hasattr(values, "tolist") else values)
