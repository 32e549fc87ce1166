"""What answers say where the network gives a class, several classes, or numbers for each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framework_core.serving.processing import Array, Postprocessing, Row


class ClassAnswers(Postprocessing):
    """The likeliest class, its probability, and those of all classes.

    Args:
        class_names: The name of each class.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``label``, ``confidence`` and ``probabilities``."""
        shares = outputs["probabilities"]
        best = shares.argmax(axis=1).tolist()
        return [
            {
                "label": self.class_names[label],
                "confidence": row[label],
                "probabilities": dict(zip(self.class_names, row, strict=True)),
            }
            for label, row in zip(best, shares.tolist(), strict=True)
        ]


class LabelsAnswers(Postprocessing):
    """The classes that are likely enough, and the probability of each.

    Args:
        class_names: The name of each class.
        threshold: The probability from which a sample has a class.
    """

    def __init__(self, class_names: Sequence[str], threshold: float) -> None:
        self.class_names = tuple(class_names)
        self.threshold = threshold

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``labels`` and ``probabilities``."""
        shares = [dict(zip(self.class_names, row, strict=True)) for row in outputs["probabilities"].tolist()]
        return [
            {"labels": [name for name, share in row.items() if share >= self.threshold], "probabilities": row}
            for row in shares
        ]


class NumberAnswers(Postprocessing):
    """A number for each target.

    Args:
        target_names: The name of each target.
    """

    def __init__(self, target_names: Sequence[str]) -> None:
        self.target_names = tuple(target_names)

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """A column for each target."""
        return [dict(zip(self.target_names, row, strict=True)) for row in outputs["output"].tolist()]
