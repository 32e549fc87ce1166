"""One class for each word: entities and their types, or parts of speech."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from framework_core import DataSpec
from framework_core.contracts import Processing, SampleScore, ScoredSamples
from framework_plugins_nlp.entity_scores import (
    EntityF1,
    EntityPrecision,
    EntityRecall,
    f1_of_sentences,
    of_each_type,
    tag_rows,
)
from framework_plugins_nlp.sentence_rows import marked_text
from framework_plugins_nlp.shared_mean import shared_mean
from framework_plugins_nlp.tags import PLAIN, entities
from framework_plugins_nlp.tasks.classification import LONGEST_SHOWN, MISTAKES, balanced, of_each_class
from framework_plugins_nlp.word_tokens import IGNORED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DRAWN = 40
"""Tags in a confusion matrix that can be read."""


class TokenClassification(torch.nn.Module):
    """Outputs are one logit a class and token, ``(batch, classes, length)``; targets a class for each token, or -100.

    Args:
        data: What the data turned out to be.
        label_smoothing: The share of a label that is spread over all classes.
        class_weights: ``balanced`` lets every class count as much as any other in the loss.
    """

    name = "token-classification"
    monitor: tuple[str, Literal["min", "max"]]
    weight: Tensor | None

    def __init__(self, data: DataSpec, *, label_smoothing: float = 0.0, class_weights: str = "none") -> None:
        super().__init__()
        self.data = data
        self.label_smoothing = label_smoothing
        self.marks_entities = data.facts.get("scheme") != PLAIN
        self.monitor = ("val/f1" if self.marks_entities else "val/accuracy", "max")
        self.register_buffer("weight", balanced(data) if class_weights == "balanced" else None, persistent=False)
        self._said: list[list[str]] = []
        self._true: list[list[str]] = []
        self._losses: list[float] = []
        self._counts: Tensor | None = None

    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """Cross-entropy over words."""
        smoothing = self.label_smoothing if training else 0.0
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        weight = None if self.weight is None else self.weight.to(outputs.dtype)
        total = functional.cross_entropy(
            outputs, target, weight=weight, label_smoothing=smoothing, ignore_index=IGNORED, reduction="sum"
        )
        words = target.ne(IGNORED)
        count = words.sum() if weight is None else weight[target[words]].sum()
        return shared_mean(total, count, training=training)

    def expected_loss(self) -> float:
        """The logarithm of the number of classes."""
        return math.log(self.data.num_classes)

    def metrics(self) -> Mapping[str, Metric]:
        """Accuracy over words; precision, recall and F1 of entities, or F1 averaged over classes."""
        classes = self.data.num_classes
        accuracy = MulticlassAccuracy(classes, average="micro", ignore_index=IGNORED)
        if not self.marks_entities:
            return {
                "accuracy": accuracy,
                "f1_macro": MulticlassF1Score(classes, average="macro", ignore_index=IGNORED),
            }
        tags = self.data.class_names
        return {
            "accuracy": accuracy,
            "precision": EntityPrecision(tags, ignore_index=IGNORED),
            "recall": EntityRecall(tags, ignore_index=IGNORED),
            "f1": EntityF1(tags, ignore_index=IGNORED),
        }

    def test_metrics(self) -> Mapping[str, Metric]:
        """What was taken for what."""
        return {"confusion": MulticlassConfusionMatrix(self.data.num_classes, ignore_index=IGNORED)}

    def begin_test(self) -> None:
        """Forget the test before."""
        self._said, self._true, self._losses, self._counts = [], [], [], None

    def observe(self, outputs: Tensor, target: Tensor) -> None:
        """Keep what was said of each sentence of the test."""
        losses = functional.cross_entropy(outputs.detach().float(), target, reduction="none", ignore_index=IGNORED)
        self._losses += losses.sum(dim=1).tolist()
        for said, true in tag_rows(outputs.argmax(dim=1), target, self.data.class_names, IGNORED):
            self._said.append(said)
            self._true.append(true)

    def finish_test(self, counted: Mapping[str, Any]) -> Mapping[str, float]:
        """Keep the confusion matrix to be drawn."""
        self._counts = counted["confusion"].cpu()
        return {}

    def probabilities(self, outputs: Tensor) -> Tensor:
        """The probability of each class."""
        return torch.softmax(outputs.float(), dim=1)

    def postprocessing(self) -> Processing:
        """The same columns, without torch."""
        settings = {"class_names": list(self.data.class_names)}
        return Processing(builder="framework_plugins_nlp.serving_words:TagAnswers", settings=settings)

    def predict(self, outputs: Tensor) -> dict[str, Any]:
        """For each token the likeliest class, and its probability."""
        confidence, label = torch.softmax(outputs.float(), dim=1).max(dim=1)
        names = self.data.class_names
        return {"tags": [[names[index] for index in row] for row in label.tolist()], "confidence": confidence.tolist()}

    def figures(self) -> dict[str, Figure]:
        """Which tag was taken for which in the last test, where they are few enough to be read."""
        from framework_core.tracking.plots import confusion_matrix

        if self._counts is None or self.data.num_classes > MOST_DRAWN:
            return {}
        return {"confusion_matrix": confusion_matrix(self._counts.tolist(), self.data.class_names)}

    def scored_samples(self) -> ScoredSamples | None:
        """F1 of the entities of each sentence, where there are such; the share of words that are right; the loss.

        All weigh by what they are of, so that those of all sentences are those of the test.
        """
        if not self._said:
            return None
        words = [float(len(true)) for true in self._true]
        right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(self._said, self._true, strict=True)]
        shares = [count / max(1.0, size) for count, size in zip(right, words, strict=True)]
        losses = [loss / max(1.0, size) for loss, size in zip(self._losses, words, strict=True)]
        scores = {
            "accuracy": SampleScore(values=shares, weights=words),
            "loss": SampleScore(values=losses, weights=words, less_is_better=True),
        }
        if self.marks_entities:
            pairs = [(entities(said), entities(true)) for said, true in zip(self._said, self._true, strict=True)]
            scores = {"f1": f1_of_sentences(pairs), **scores}
        return ScoredSamples(
            truth=self._true,
            scores=scores,
            features={"words": words},
            answers=[self._answer(said) for said in self._said],
        )

    def _answer(self, said: list[str]) -> dict[str, Any]:
        """What a server says of a sentence, without its words."""
        return {"tags": said, "entities": entities(said)} if self.marks_entities else {"tags": said}

    def tables(self, texts: Sequence[Sequence[str]]) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Precision, recall and F1 of each type and each tag, and the sentences with the highest loss of mistakes.

        Args:
            texts: The words of each sentence of the test; empty where they are not known.
        """
        if self._counts is None:
            return {}
        found: dict[str, Sequence[Mapping[str, Any]]] = {
            "per_class": of_each_class(self._counts, self.data.class_names, counted="words")
        }
        if self.marks_entities:
            pairs = [(entities(said), entities(true)) for said, true in zip(self._said, self._true, strict=True)]
            found["per_type"] = of_each_type(pairs)
        if len(texts) == len(self._said):
            found["worst_mistakes"] = self._worst(texts)
        return found

    def _worst(self, texts: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        order = sorted(range(len(texts)), key=lambda index: -self._losses[index])
        wrong = [index for index in order if self._said[index] != self._true[index]]
        return [
            {
                "text": self._shown(texts[index], self._true[index]),
                "predicted": self._shown(texts[index], self._said[index]),
                "wrong_words": sum(a != b for a, b in zip(self._said[index], self._true[index], strict=True)),
                "loss": round(self._losses[index], 4),
            }
            for index in wrong[:MISTAKES]
        ]

    def _shown(self, words: Sequence[str], tags: Sequence[str]) -> str:
        """A sentence with its tags; words that were cut off have none."""
        if self.marks_entities and len(tags) <= len(words):
            return marked_text(words, [*tags, *["O"] * (len(words) - len(tags))])[:LONGEST_SHOWN]
        return " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=False))[:LONGEST_SHOWN]
