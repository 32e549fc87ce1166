"""Precision, recall and F1 of entities, as conlleval and seqeval count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from framework_core.contracts import SampleScore
from framework_plugins_nlp.tags import Entity, entities

MOST_TYPES = 30
"""Types that are scored sentence by sentence; with more there are all together alone."""


class _EntityScore(Metric):
    """Counts entities: an entity is right where type, first and last word are.

    Args:
        tags: The name of each class.
        ignore_index: The label of a token that begins no word.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    right: Tensor
    said: Tensor
    there: Tensor

    def __init__(self, tags: Sequence[str], *, ignore_index: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.tags = tuple(tags)
        self.ignore_index = ignore_index
        for name in ("right", "said", "there"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Count a batch: logits ``(B, classes, T)`` and labels ``(B, T)``."""
        for said, true in tag_rows(outputs.argmax(dim=1), target, self.tags, self.ignore_index):
            found, wanted = set(entities(said)), set(entities(true))
            self.right += len(found & wanted)
            self.said += len(found)
            self.there += len(wanted)


class EntityPrecision(_EntityScore):
    """How many of the entities that were found are there; 0 where none were found."""

    def compute(self) -> Tensor:
        """That of everything counted."""
        return self.right / self.said.clamp(min=1)


class EntityRecall(_EntityScore):
    """How many of the entities that are there were found; 0 where there are none."""

    def compute(self) -> Tensor:
        """That of everything counted."""
        return self.right / self.there.clamp(min=1)


class EntityF1(_EntityScore):
    """The harmonic mean of both."""

    def compute(self) -> Tensor:
        """That of everything counted."""
        return 2 * self.right / (self.said + self.there).clamp(min=1)


def tag_rows(
    said: Tensor, target: Tensor, tags: Sequence[str], ignore_index: int
) -> Iterator[tuple[list[str], list[str]]]:
    """The tags that each sentence was given and has, of the tokens that begin a word."""
    for given, true in zip(said.tolist(), target.tolist(), strict=True):
        kept = [(one, other) for one, other in zip(given, true, strict=True) if other != ignore_index]
        yield [tags[one] for one, _ in kept], [tags[other] for _, other in kept]


def of_each_type(pairs: Sequence[tuple[Sequence[Entity], Sequence[Entity]]]) -> list[dict[str, Any]]:
    """A row for each type of entity, and one for all of them.

    Args:
        pairs: The entities that were found, and those that are there, by sentence.
    """
    right, said, there = Counter[str](), Counter[str](), Counter[str]()
    for found, wanted in pairs:
        right.update(each.type for each in set(found) & set(wanted))
        said.update(each.type for each in found)
        there.update(each.type for each in wanted)
    rows = [_row(kind, right[kind], said[kind], there[kind]) for kind in sorted({*said, *there})]
    return [*rows, _row("all", right.total(), said.total(), there.total())]


def f1_of_sentences(pairs: Sequence[tuple[Sequence[Entity], Sequence[Entity]]]) -> SampleScore:
    """F1 of the entities of each sentence, of all types and of each; it weighs as many as were found and are there.

    Args:
        pairs: The entities that were found, and those that are there, by sentence.
    """
    types = sorted({each.type for pair in pairs for side in pair for each in side})
    parts = {kind: _f1(pairs, {kind}) for kind in types} if len(types) <= MOST_TYPES else {}
    return replace(_f1(pairs, set(types)), parts={"type": parts} if parts else {})


def _f1(pairs: Sequence[tuple[Sequence[Entity], Sequence[Entity]]], types: set[str]) -> SampleScore:
    own = [tuple({each for each in side if each.type in types} for side in pair) for pair in pairs]
    sizes = [len(found) + len(wanted) for found, wanted in own]
    values = [2 * len(found & wanted) / size if size else 0.0 for (found, wanted), size in zip(own, sizes, strict=True)]
    return SampleScore(values=values, weights=[float(size) for size in sizes])


def _row(kind: str, right: int, said: int, there: int) -> dict[str, Any]:
    return {
        "type": kind,
        "entities": there,
        "found": said,
        "precision": round(right / said, 6) if said else 0.0,
        "recall": round(right / there, 6) if there else 0.0,
        "f1": round(2 * right / (said + there), 6) if said + there else 0.0,
    }
