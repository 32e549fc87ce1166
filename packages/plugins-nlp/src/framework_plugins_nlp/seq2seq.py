"""The base class of models that make one text of another.

Axes: B pairs, T tokens, V vocabulary.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric, MetricCollection

from framework_core import BaseModel, DataSpec, gather_samples
from framework_core.contracts import ModelContract, SampleScore, ScoredSamples
from framework_plugins_nlp.paired_texts import IGNORED, Pairs
from framework_plugins_nlp.shared_mean import shared_mean
from framework_plugins_nlp.token_losses import TokenLosses
from framework_plugins_nlp.tokenization import Tokenizer

SAMPLES, MISTAKES, LONGEST_SHOWN = 20, 50, 500
"""Texts in the tables of a report, and characters of each."""


class Seq2SeqModel(BaseModel):
    """Learns to make one text of another.

    Inputs are the tokens of sources and targets over one another, ``(batch, 2, length)``, filled up with
    ``self.pad_id``; outputs are ``(batch, length, vocabulary)``: at each place the token that follows, given the target
    before it. A subclass gives ``_build_model`` and ``generate``, and ``outputs_of`` where it can leave out places
    where no target has a token.

    Args:
        label_smoothing: The share of a label that is spread over all tokens.
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "nlp"
    tasks: ClassVar[tuple[str, ...]] = ("text2text-generation",)
    loss_counts_all_processes = True

    def __init__(self, *, label_smoothing: float = 0.0, data: DataSpec | None = None) -> None:
        super().__init__(data=data)
        self.label_smoothing = label_smoothing
        self._rows: list[dict[str, str]] = []
        self._of_texts = TokenLosses()

    @property
    def contract(self) -> ModelContract:
        """Any pairs."""
        return ModelContract(tasks=self.tasks)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return int(self.data.facts["vocabulary_size"])  # type: ignore[arg-type]

    @property
    def pad_id(self) -> int:
        """The token that fills up short texts."""
        return int(self.data.facts["pad_id"])  # type: ignore[arg-type]

    @abstractmethod
    def generate(self, sources: Tensor) -> Tensor:
        """The texts that are made of sources, ``(B, T)`` to ``(B, any length)``."""

    def outputs_of(self, inputs: Tensor) -> Tensor:
        """The outputs as far as a target has tokens."""
        found: Tensor = self(inputs)
        return found

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One batch to its loss."""
        inputs, target = batch
        return self.loss(self.outputs_of(inputs), target)

    def _evaluate(self, batch: Any, split: str, metrics: MetricCollection) -> Mapping[str, Any]:
        inputs, target = batch
        outputs = self.outputs_of(inputs)
        width = min(outputs.shape[1], target.shape[1])
        outputs, target = outputs[:, :width], target[:, :width]
        self._log_evaluation(outputs, target, split, metrics)
        return {"outputs": outputs, "target": target}

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the tokens of the target, in nats."""
        # Sources may be longer, and a part of a batch narrower than its targets were filled up to.
        width = min(outputs.shape[1], target.shape[1])
        outputs, target = outputs[:, :width], target[:, :width]
        smoothing = self.label_smoothing if self.training else 0.0
        total = functional.cross_entropy(
            outputs.flatten(0, 1), target.flatten(), ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum"
        )
        return shared_mean(total, target.ne(IGNORED).sum(), training=self.training)

    def loss_count(self, target: Tensor) -> int:
        """The tokens of the targets."""
        return int(target.ne(IGNORED).sum())

    def expected_loss(self, target: Tensor | None = None) -> float:
        """The logarithm of the number of tokens."""
        return math.log(self.vocabulary_size)

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        from framework_plugins_nlp.perplexity import Perplexity

        return {"perplexity": Perplexity()}

    def on_test_start(self) -> None:
        """Count anew."""
        self._rows = []
        self._of_texts = TokenLosses()

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss``, and to texts that are compared with those wanted.

        Returns:
            Nothing: scores are of all texts, and no mean of single ones.
        """
        found = self._evaluate(batch, "test", self.test_metrics)
        inputs, target = batch
        self._of_texts.see(found["outputs"], found["target"])
        tokenizer = Tokenizer.of(self.data.facts)
        made = _texts(tokenizer, self.generate(inputs[:, 0]))
        sources, wanted = (
            _texts(tokenizer, inputs[:, 0]),
            _texts(tokenizer, target.masked_fill(target < 0, self.pad_id)),
        )
        for source, text, one in zip(sources, wanted, made, strict=True):
            self._rows.append({"source": source, "target": text, "generated": one})
        return {}

    def on_test_epoch_end(self) -> None:
        """Log the scores of all texts, of every process."""
        from framework_plugins_nlp.text_scores import scores

        pairs = getattr(getattr(self._trainer, "datamodule", None), "pairs", {})
        test = pairs.get("test") if isinstance(pairs, Mapping) else None
        self._rows = gather_samples(self._rows, samples=len(test) if isinstance(test, Pairs) else None)
        if isinstance(test, Pairs):
            self._take_written_texts(test)
        if self._rows:
            found = scores([row["generated"] for row in self._rows], [row["target"] for row in self._rows])
            self.log_dict({f"test/{name}": value for name, value in found.items()})

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """One batch of sources to the texts that are made of them."""
        inputs = batch[0] if isinstance(batch, list | tuple) else batch
        # In full precision, so that it is the same text wherever the model runs.
        with torch.autocast(self.device.type, enabled=False):
            made = self.generate(inputs)
        return {"generated": _texts(Tokenizer.of(self.data.facts), made)}

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """ROUGE-L of each text, whether it is the one wanted, and its loss; BLEU and chrF are of all texts together."""
        from framework_plugins_nlp.text_scores import rouge_of_each

        found = self._of_texts.scored()
        if found is None:
            return None
        made, wanted = [row["generated"] for row in self._rows], [row["target"] for row in self._rows]
        equal = [float(one.strip() == other.strip()) for one, other in zip(made, wanted, strict=True)]
        return ScoredSamples(
            truth=wanted,
            scores={
                "rougel": SampleScore(values=rouge_of_each(made, wanted)),
                "exact_match": SampleScore(values=equal),
                **found.scores,
            },
            features={"characters of the source": [float(len(row["source"])) for row in self._rows]},
            answers=[{"generated": text} for text in made],
        )

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Texts that were made in the test, the first ones and the worst."""
        from framework_plugins_nlp.text_scores import of_one

        if not self._rows:
            return {}
        scored = [{**_shown(row), "chrf": round(of_one(row["generated"], row["target"]), 2)} for row in self._rows]
        wrong = [row for row, each in zip(scored, self._rows, strict=True) if each["generated"] != each["target"]]
        worst = sorted(wrong, key=lambda row: row["chrf"])
        return {"samples": scored[:SAMPLES], "worst_mistakes": worst[:MISTAKES]}

    def _take_written_texts(self, test: Pairs) -> None:
        """Compare with the texts as they were written, where all of them were seen."""
        if len(test) == len(self._rows):
            for row, source, target in zip(self._rows, test.sources, test.targets, strict=True):
                row.update(source=source, target=target)


def _texts(tokenizer: Tokenizer, tokens: Tensor) -> list[str]:
    return [tokenizer.written_text(row) for row in tokens.tolist()]


def _shown(row: Mapping[str, str]) -> dict[str, Any]:
    return {name: text[:LONGEST_SHOWN] for name, text in row.items()}
