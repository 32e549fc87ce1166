"""The base class of models that find answers to questions in a text.

Axes: B windows, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from framework_core import BaseModel, gather_samples
from framework_core.contracts import ModelContract, Processing, SampleScore, ScoredSamples
from framework_plugins_nlp.answers import exact, f1
from framework_plugins_nlp.question_answers import Answer, answers_of
from framework_plugins_nlp.question_windows import Question

MISTAKES, AROUND = 50, 200
"""Questions in the table of the worst mistakes, and characters of the context around an answer there."""


class QuestionAnsweringModel(BaseModel):
    """Learns where in a text the answer to a question begins and ends.

    Inputs are the tokens of a question and a part of its context, and the kind of each, over one another,
    ``(batch, 2, length)``, filled up with ``self.pad_id``; outputs are a number for each token to be the first of the
    answer and the last, ``(batch, 2, length)``; the first token of all stands for no answer. A subclass gives
    ``_build_model``.

    Args:
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "nlp"
    tasks: ClassVar[tuple[str, ...]] = ("question-answering",)

    def __init__(self, *, data: Any = None) -> None:
        super().__init__(data=data)
        self._seen: list[Tensor] = []
        self._rows: list[dict[str, Any]] = []
        self._said: list[tuple[Question, Answer]] = []

    @property
    def contract(self) -> ModelContract:
        """Any questions."""
        return ModelContract(tasks=self.tasks)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return int(self.data.facts["vocabulary_size"])  # type: ignore[arg-type]

    @property
    def pad_id(self) -> int:
        """The token that fills up short windows."""
        return int(self.data.facts["pad_id"])  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, 2, length)`` to the same; what fills up is never an answer."""
        outputs: Tensor = self.model(x)
        return outputs.masked_fill(x[:, :1].eq(self.pad_id), torch.finfo(outputs.dtype).min)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The mean cross-entropy of the first and the last token."""
        return functional.cross_entropy(outputs.transpose(1, 2), target)

    def on_validation_epoch_start(self) -> None:
        """Forget the epoch before."""
        self._seen = []

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """One batch to ``val/loss``; its answers are put together at the end."""
        self._see(self._evaluate(batch, "val", self.val_metrics))

    def on_validation_epoch_end(self) -> None:
        """Log how good the answers are."""
        self._log_scores("val")

    def on_test_start(self) -> None:
        """Forget the test before."""
        self._seen, self._rows, self._said = [], [], []

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss``; its answers are put together at the end.

        Returns:
            Nothing: an answer is of all windows of a context.
        """
        self._see(self._evaluate(batch, "test", self.test_metrics))
        return {}

    def on_test_epoch_end(self) -> None:
        """Log how good the answers are, and keep them for the report."""
        self._rows = self._log_scores("test")

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """One batch of windows to what is said of each token; the dataset makes answers of them."""
        inputs = batch[0] if isinstance(batch, list | tuple) else batch
        return {"logits": list(self(inputs).float().cpu())}

    def postprocessing(self) -> Processing:
        """The same, without torch."""
        return Processing(builder="framework_plugins_nlp.serving_questions:SpanAnswers")

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """F1 and exact match of each question, over all windows of its context."""
        if not self._rows:
            return None
        questions = [question for question, _ in self._said]
        has_answer = ["yes" if each.answers else "no" for each in questions]
        lengths = {
            "characters of the question": [float(len(each.question)) for each in questions],
            "characters of the context": [float(len(each.context)) for each in questions],
        }
        return ScoredSamples(
            truth=[(each.id, each.answers) for each in questions],
            scores={
                name: SampleScore(values=[float(row[name]) for row in self._rows]) for name in ("f1", "exact_match")
            },
            groups={"has an answer": has_answer} if len(set(has_answer)) > 1 else {},
            features=lengths,
            answers=[answer.row for _, answer in self._said],
        )

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The questions with the worst answers."""
        wrong = [row for row in self._rows if not row["exact_match"]]
        worst = sorted(wrong, key=lambda row: (row["f1"], -row["score"]))
        return {"worst_mistakes": worst[:MISTAKES]} if self._rows else {}

    def _see(self, found: Mapping[str, Any]) -> None:
        self._seen += list(found["outputs"].detach().float().cpu())

    def _log_scores(self, split: str) -> list[dict[str, Any]]:
        """Exact match and F1, of 1, where the data says which windows were seen."""
        datamodule: Any = getattr(self._trainer, "datamodule", None)
        windows = getattr(datamodule, "windows", {}).get(split, ())
        if not windows:
            return []
        logits = gather_samples([each.numpy() for each in self._seen], samples=len(windows))
        windows = windows[: len(logits)]
        # In a rehearsal the other processes are not there, and what stands for theirs is of other windows.
        if not windows or any(each.shape[1] < len(window.ids) for window, each in zip(windows, logits, strict=True)):
            return []
        questions = datamodule.questions[split][: windows[-1].question + 1]
        may_be_none = bool(self.data.facts.get("may_be_none"))
        said = answers_of(questions, windows, logits, may_be_none=may_be_none)
        self._said = list(zip(questions, said, strict=True))
        rows = [_row(question, answer) for question, answer in self._said]
        for name in ("exact_match", "f1"):
            self.log(f"{split}/{name}", sum(float(row[name]) for row in rows) / len(rows))
        if may_be_none and (answered := [row for row in rows if row["wanted"]]):
            self.log(f"{split}/f1_answered", sum(float(row["f1"]) for row in answered) / len(answered))
        return rows


def _row(question: Question, answer: Answer) -> dict[str, Any]:
    middle = question.starts[0] if question.starts else max(0, answer.start)
    return {
        "id": question.id,
        "question": question.question,
        "wanted": question.answers[0] if question.answers else "",
        "answer": answer.text,
        "score": round(answer.score, 4),
        "exact_match": exact(answer.text, question.answers),
        "f1": round(f1(answer.text, question.answers), 4),
        "context": question.context[max(0, middle - AROUND) : middle + AROUND],
    }
