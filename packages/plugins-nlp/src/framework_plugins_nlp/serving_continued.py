"""Texts that a model continues where it answers: from the content of a file to tokens, and to what follows. No torch.

Axes: B texts, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from framework_core.serving.processing import Array, Asking, Network, Row, Sample
from framework_plugins_nlp.drawing import chance_of, drawn
from framework_plugins_nlp.padding import stacked
from framework_plugins_nlp.serving_texts import LineInputs

AT_ONCE = 50_000_000
"""Logits that a network is asked for at once, 200 MB: it gives as many as there are tokens, for each of a text."""


class Beginnings(LineInputs):
    """The lines of a file, or the column of a table, each the beginning of a text; a row each."""

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The beginnings in a file.

        Raises:
            DataError: It cannot be read, or there is no text.
        """
        texts = self.texts(content, Path(f"input{suffix}"))
        encoded = self.tokenizer.encode([each.text for each in texts], special=False)
        return [Sample(encoded.of(index), each.row) for index, each in enumerate(texts)]

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """A row for each text: the text, and how it goes on."""
        return [
            {**sample.row, "continued": self.tokenizer.decode(row["tokens"])}
            for sample, row in zip(samples, said, strict=True)
        ]


class Text:
    """A text that grows.

    Args:
        tokens: Its beginning.
        chance: What is drawn with.
    """

    def __init__(self, tokens: Sequence[int], chance: np.random.Generator) -> None:
        self.seen = [*tokens]
        self.made: list[int] = []
        self.chance = chance


class Continued(Asking):
    """Texts that grow token by token, each time with all that is before looked at anew.

    Args:
        first: The token that a text begins with.
        separator: The token that ends a text; ``None`` where there is none.
        pad: The number that fills up short texts.
        room: How many tokens are looked back at.
        max_new_tokens: How many are added at most.
        temperature: How daring they are.
        top_k: Among how many of the likeliest one is drawn; ``None`` draws among all.
        top_p: Among the likeliest that together have so much probability.
        seed: What is drawn by.
    """

    def __init__(
        self,
        *,
        first: int,
        separator: int | None,
        pad: int,
        room: int,
        max_new_tokens: int,
        temperature: float,
        top_k: int | None,
        top_p: float,
        seed: int,
    ) -> None:
        self.first = first
        self.separator = separator
        self.pad = pad
        self.room = room
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.seed = seed

    def answer(self, network: Network, inputs: Array) -> list[Row]:
        """``tokens``: those that follow each text, ``(B, T)`` with what is filled up behind them."""
        texts = [self._begun(row[row != self.pad].tolist()) for row in inputs]
        growing = texts
        for _ in range(self.max_new_tokens):
            logits = self._next(network, [each.seen for each in growing])
            growing = [text for text, each in zip(growing, logits, strict=True) if self._grows(text, each)]
            if not growing:
                break
        return [{"tokens": each.made} for each in texts]

    def _begun(self, tokens: list[int]) -> Text:
        begins = [] if tokens and self.separator is None else [self.first]
        return Text([*begins, *tokens][-self.room :], chance_of(self.seed, tokens))

    def _grows(self, text: Text, logits: Array) -> bool:
        """Whether a text has another token, and not its end."""
        token = drawn(logits, self.temperature, self.top_k, text.chance, top_p=self.top_p)
        if token == self.separator:
            return False
        text.made.append(token)
        text.seen.append(token)
        if len(text.seen) > self.room:
            text.seen = text.seen[-max(1, self.room // 2) :]
        return True

    def _next(self, network: Network, rows: Sequence[Sequence[int]]) -> list[Array]:
        """The logits of the token behind each row, ``(V)``."""
        found: list[Array] = []
        count = 1
        while len(found) < len(rows):
            some = rows[len(found) : len(found) + count]
            tokens = stacked([np.asarray(each) for each in some], self.pad)
            logits = network(tokens)["output"]
            found += [logits[index, len(each) - 1] for index, each in enumerate(some)]
            count = max(1, AT_ONCE // (logits.shape[2] * max(map(len, rows))))
        return found
