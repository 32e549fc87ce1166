"""Texts that a model makes of others where it answers: from the content of a file to tokens, and to a text. No torch.

Axes: B texts, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework_core.serving.processing import Array, Asking, Network, Row, Sample
from framework_plugins_nlp.padding import stacked
from framework_plugins_nlp.serving_texts import LineInputs


class Sources(LineInputs):
    """The lines of a file, or the column of sources of a table, a row each."""

    def features(self, sample: Sample) -> dict[str, float]:
        """Those of the source alone: samples of the test have the target under it."""
        tokens = sample.input if sample.input.ndim == 1 else sample.input[0]
        return super().features(Sample(tokens[tokens != self.tokenizer.pad_id]))

    def batch(self, inputs: Sequence[Array]) -> Array:
        """Sources and targets over one another, ``(B, 2, T)``: no target has a token yet."""
        sources = super().batch(inputs)
        return np.stack([sources, np.full_like(sources, self.tokenizer.pad_id)], axis=1)

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """A row for each text: the text, and the one that is made of it."""
        return [
            {**sample.row, "generated": self.tokenizer.written_text(row["tokens"])}
            for sample, row in zip(samples, said, strict=True)
        ]


class Made(Asking):
    """Texts that are made token by token, the likeliest each time, with source and text looked at anew.

    Args:
        pad: The number that fills up short texts.
        begin: The token before each text.
        ends: The tokens that end one.
        first: The token that each begins with behind ``begin``; ``None`` leaves it to the model.
        last: The last token of one that is as long as it may be; ``None`` leaves it to the model.
        most: How many tokens one has at most.
        never: Tokens that none has.
        once: How many tokens in a row stand in one but once; 0 lets everything come again.
    """

    def __init__(
        self,
        *,
        pad: int,
        begin: int,
        ends: Sequence[int],
        first: int | None,
        last: int | None,
        most: int,
        never: Sequence[int] = (),
        once: int = 0,
    ) -> None:
        self.pad = pad
        self.begin = begin
        self.ends = frozenset(ends)
        self.first = first
        self.last = last
        self.most = most
        self.never = list(never)
        self.once = once

    def answer(self, network: Network, inputs: Array) -> list[Row]:
        """``tokens``: those of the text that is made of each source; targets of ``(B, 2, T)`` are not looked at."""
        sources = inputs[:, 0]
        made: list[list[int]] = [[] for _ in inputs]
        growing = list(range(len(inputs)))
        for place in range(self.most):
            for index, token in zip(growing, self._next(network, sources, made, growing, place), strict=True):
                made[index].append(token)
            growing = [index for index in growing if made[index][-1] not in self.ends]
            if not growing:
                break
        return [{"tokens": [self.begin, *each]} for each in made]

    def _next(
        self, network: Network, sources: Array, made: Sequence[Sequence[int]], growing: Sequence[int], place: int
    ) -> list[int]:
        """The token of each text at a place, all having those before it."""
        forced = self.first if place == 0 and self.first is not None else None
        if place == self.most - 1 and self.last is not None:
            forced = self.last
        if forced is not None:
            return [forced] * len(growing)
        rows = [np.asarray([*made[index], self.pad]) for index in growing]
        width = max(sources.shape[1], place + 1)
        found = np.full((len(growing), 2, width), self.pad, dtype=np.int64)
        found[:, 0, : sources.shape[1]] = sources[growing]
        found[:, 1, : place + 1] = stacked(rows, self.pad)
        logits = network(found)["output"][:, place].copy()
        logits[:, self.never] = -np.inf
        for index, each in zip(growing, logits, strict=True):
            each[self._again([self.begin, *made[index]])] = -np.inf
        tokens: list[int] = logits.argmax(axis=1).tolist()
        return tokens

    def _again(self, tokens: list[int]) -> list[int]:
        """The tokens that would let a row come again, Paulus et al., https://arxiv.org/abs/1705.04304, section 2.5."""
        before = self.once - 1
        if before < 0 or len(tokens) < before:
            return []
        end = tokens[len(tokens) - before :]
        places = range(before, len(tokens))
        return [tokens[place] for place in places if tokens[place - before : place] == end]
