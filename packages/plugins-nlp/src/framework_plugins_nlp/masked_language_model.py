"""The base class of masked language models: which token stood where one is masked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from framework_core import BaseModel, DataSpec
from framework_core.contracts import ModelContract, Processing, ScoredSamples
from framework_core.errors import ContractError
from framework_plugins_nlp.masked_texts import IGNORED
from framework_plugins_nlp.masks import candidates, likeliest
from framework_plugins_nlp.shared_mean import shared_mean
from framework_plugins_nlp.token_losses import TokenLosses
from framework_plugins_nlp.tokenization import Tokenizer

MASKED_ONE_BY_ONE = 2_000
"""Tokens of the test that the pseudo-perplexity is told from, each of which takes a text of its own."""

AT_ONCE = 32
"""Texts of them that go through the network together."""


class MaskedLanguageModel(BaseModel):
    """Learns which tokens are masked. Inputs are tokens ``(batch, length)``, outputs ``(batch, length, vocabulary)``.

    A subclass gives ``_build_model``, and ``outputs_of`` where it can leave out what nobody asks for.

    Args:
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "nlp"
    tasks: ClassVar[tuple[str, ...]] = ("fill-mask",)
    loss_counts_all_processes = True

    def __init__(self, *, data: DataSpec | None = None) -> None:
        super().__init__(data=data)
        self._surprise = 0.0
        self._counted = 0
        self._of_texts = TokenLosses()

    @property
    def contract(self) -> ModelContract:
        """Any texts with masked tokens."""
        return ModelContract(tasks=self.tasks)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return int(self.data.facts["vocabulary_size"])  # type: ignore[arg-type]

    @property
    def pad_id(self) -> int:
        """The token that fills up short texts."""
        return int(self.data.facts["pad_id"])  # type: ignore[arg-type]

    @property
    def mask_id(self) -> int:
        """The token that stands for what is masked."""
        return int(self.data.facts["mask_id"])  # type: ignore[arg-type]

    @property
    def longest(self) -> int:
        """The tokens of the longest text."""
        return int(self.data.facts["max_length"])  # type: ignore[arg-type]

    def check_positions(self, positions: int | None) -> None:
        """See that the longest text can be read.

        Raises:
            ContractError: It cannot.
        """
        if positions is not None and self.longest > positions:
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                [f"texts have {self.longest:,} tokens, and it reads {positions:,}"],
                next_step=f"Take shorter ones: dataset.block_size={positions}",
            )

    def outputs_of(self, inputs: Tensor, asked: Tensor) -> Tensor:
        """The outputs of some tokens alone, ``(asked, vocabulary)``.

        Args:
            inputs: The tokens, ``(batch, length)``.
            asked: True where the output is wanted, ``(batch, length)``.
        """
        found: Tensor = self(inputs)[asked]
        return found

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One batch to its loss. The vocabulary is the largest layer: it is asked for masked tokens alone."""
        inputs, target = batch
        asked = target.ne(IGNORED)
        return self.loss(self.outputs_of(inputs, asked), target[asked])

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the tokens that are asked for, in nats; 0 where there is none."""
        outputs, target = outputs.flatten(0, -2), target.flatten()
        total = functional.cross_entropy(outputs, target, ignore_index=IGNORED, reduction="sum")
        return shared_mean(total, target.ne(IGNORED).sum(), training=self.training)

    def expected_loss(self, target: Tensor | None = None) -> float:
        """The logarithm of the number of tokens."""
        return math.log(self.vocabulary_size)

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        from framework_plugins_nlp.perplexity import Perplexity

        accuracy = MulticlassAccuracy(self.vocabulary_size, average="micro")
        return {"accuracy": accuracy, "perplexity": Perplexity()}

    def _evaluate(self, batch: Any, split: str, metrics: MetricCollection) -> Mapping[str, Any]:
        inputs, target = batch
        asked = target.ne(IGNORED)
        wanted, outputs = target, self.outputs_of(inputs, asked)
        target = wanted[asked]
        if split == "test":
            self._see_texts(outputs, wanted)
        # A batch counts by how many tokens it asks for, so that the mean is that of tokens.
        value, count = self.loss(outputs, target), len(target)
        self.log(f"{split}/loss", value, on_epoch=True, on_step=False, sync_dist=True, batch_size=count)
        if count:
            metrics.update(outputs, target)
        self.log_dict(metrics, on_epoch=True, on_step=False)
        return {}

    def _see_texts(self, outputs: Tensor, target: Tensor) -> None:
        """Take the losses of masked tokens text by text, of outputs ``(asked, vocabulary)``."""
        asked = target.ne(IGNORED)
        texts = asked.nonzero()[:, 0]
        losses = functional.cross_entropy(outputs.float(), target[asked], reduction="none")
        right = outputs.argmax(dim=1).eq(target[asked]).long()
        sums = [each.new_zeros(len(target)).index_add_(0, texts, each) for each in (losses, right)]
        self._of_texts.add(sums[0], sums[1], target)

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """The loss of the masked tokens of each text, and the share of them that were guessed."""
        return self._of_texts.scored()

    def on_test_start(self) -> None:
        """Count anew."""
        self._surprise, self._counted = 0.0, 0
        self._of_texts = TokenLosses()

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss`` and the metrics, and its first texts with each token masked alone.

        Returns:
            Nothing: tokens of a text depend on each other, and an interval from single ones would be too narrow.
        """
        self._evaluate(batch, "test", self.test_metrics)
        inputs, target = batch
        for row in torch.where(target.eq(IGNORED), inputs, target):
            if self._counted < MASKED_ONE_BY_ONE:
                self._mask_each(row[row != self.pad_id])
        return {}

    def on_test_epoch_end(self) -> None:
        """The pseudo-perplexity of the first texts, Salazar et al., https://arxiv.org/abs/1910.14659."""
        own = torch.tensor([self._surprise, self._counted], device=self.device)
        everyone: Any = self.all_gather(own)
        surprise, counted = everyone.reshape(-1, 2).sum(dim=0).tolist()
        if counted:
            self.log("test/pseudo_perplexity", math.exp(surprise / counted))

    def _mask_each(self, row: Tensor) -> None:
        before, behind = Tokenizer.of(self.data.facts).around()
        places = torch.arange(len(before), len(row) - len(behind), device=row.device)
        for some in torch.split(places, AT_ONCE):
            texts = row.repeat(len(some), 1)
            lines = torch.arange(len(some), device=row.device)
            texts[lines, some] = self.mask_id
            found = self(texts)[lines, some].float()
            self._surprise += float(functional.cross_entropy(found, row[some], reduction="sum"))
        self._counted += len(places)

    def postprocessing(self) -> Processing:
        """The likeliest tokens for each token, without torch; which of them are masked, whoever has the text knows."""
        special = Tokenizer.of(self.data.facts).special_ids
        return Processing(
            builder="framework_plugins_nlp.serving_masks:MaskAnswers", settings={"special": list(special)}
        )

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """Texts to the likeliest tokens for each mask."""
        tokens = batch[0] if isinstance(batch, list | tuple) else batch
        tokenizer = Tokenizer.of(self.data.facts)
        asked = tokens.eq(self.mask_id)
        scores = self.outputs_of(tokens, asked).float().cpu().numpy()
        found = candidates(tokenizer, *(each.tolist() for each in likeliest(scores, tokenizer.special_ids)))
        counts = asked.sum(dim=1).tolist()
        return {"candidates": [[found.pop(0) for _ in range(count)] for count in counts]}
