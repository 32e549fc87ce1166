"""The base class of language models: what follows, and text that is made of it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset
from torchmetrics import Metric, MetricCollection

from framework_core import BaseModel, DataSpec
from framework_core.contracts import ModelContract, Processing, ScoredSamples
from framework_plugins_nlp.drawing import chance_of, drawn
from framework_plugins_nlp.token_losses import TokenLosses
from framework_plugins_nlp.tokenization import Tokenizer

SAMPLES = 3
"""Texts that the report shows."""


class LanguageModel(BaseModel):
    """Learns which token follows. Inputs are tokens ``(batch, length)``, outputs ``(batch, length, vocabulary)``.

    A subclass gives ``_build_model``, ``room``, and ``steps``, which says how text is continued token by token.

    Args:
        max_new_tokens: How many tokens ``fw predict`` adds to a text.
        temperature: How daring they are: 0 takes the likeliest each time.
        top_k: Among how many of the likeliest one is drawn; ``None`` draws among all.
        top_p: Among the likeliest that together have so much probability one is drawn.
        across_documents: Whether a token sees the documents before its own in a block.
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "nlp"
    tasks: ClassVar[tuple[str, ...]] = ("text-generation",)
    takes_any_length = True

    def __init__(
        self,
        *,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float = 1.0,
        across_documents: bool = False,
        data: DataSpec | None = None,
    ) -> None:
        super().__init__(data=data)
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.across_documents = across_documents
        self._of_texts = TokenLosses()

    @property
    def contract(self) -> ModelContract:
        """Any text in blocks."""
        return ModelContract(tasks=self.tasks)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return int(self.data.facts["vocabulary_size"])  # type: ignore[arg-type]

    @property
    def separator_id(self) -> int | None:
        """The token before each document, where there are several."""
        found = self.data.facts.get("separator_id")
        return found if isinstance(found, int) else None

    @property
    def packed_by(self) -> int | None:
        """The token that begins a document which sees itself alone in a block."""
        return None if self.across_documents else self.separator_id

    @property
    @abstractmethod
    def room(self) -> int:
        """How many tokens are looked back at; where they are more, all but the last half of them are forgotten."""

    @abstractmethod
    def steps(self, tokens: Tensor) -> Iterator[Tensor]:
        """The logits of the next token after a row of tokens; each token that is sent in goes on from there.

        Args:
            tokens: The row, ``(T)``.

        Yields:
            Logits, ``(vocabulary)``. What ``send`` gives is the token that was chosen, ``(1)``.
        """

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the tokens that followed, in nats."""
        return functional.cross_entropy(outputs.flatten(0, 1), target.flatten())

    def expected_loss(self, target: Tensor | None = None) -> float:
        """The logarithm of the number of tokens."""
        return math.log(self.vocabulary_size)

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        from framework_plugins_nlp.perplexity import Perplexity

        return {"perplexity": Perplexity()}

    def _log_evaluation(self, outputs: Any, target: Tensor, split: str, metrics: MetricCollection) -> None:
        super()._log_evaluation(outputs, target, split, metrics)
        characters: Any = self.data.facts.get("characters_per_token", {})
        if split in characters:
            value = self.loss(outputs, target) / characters[split]
            name = f"{split}/nats_per_character"
            self.log(name, value, on_epoch=True, on_step=False, sync_dist=True, batch_size=len(target))

    def on_test_start(self) -> None:
        """Count anew."""
        self._of_texts = TokenLosses()

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss`` and the metrics.

        Returns:
            Nothing: tokens of a block depend on each other, and an interval from single ones would be too narrow.
        """
        found = self._evaluate(batch, "test", self.test_metrics)
        self._of_texts.see(found["outputs"], found["target"])
        return {}

    def postprocessing(self) -> Processing:
        """How a text goes on, token by token, without torch; drawn by the seed that is set."""
        settings = {
            "first": self._first_token(),
            "separator": self.separator_id,
            "pad": Tokenizer.of(self.data.facts).pad_id,
            "room": self.room,
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "seed": torch.initial_seed(),
        }
        return Processing(builder="framework_plugins_nlp.serving_continued:Continued", settings=settings)

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """The loss of each block of text, a token; its exponential is the perplexity."""
        return self._of_texts.scored()

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """Texts, each continued."""
        inputs = batch[0] if isinstance(batch, list | tuple) else batch
        tokenizer = Tokenizer.of(self.data.facts)
        rows = [row[row != tokenizer.pad_id] for row in inputs]
        found = [list(self.generate(row, generator=chance_of(torch.initial_seed(), row.tolist()))) for row in rows]
        return {"continued": [tokenizer.decode(made) for made in found]}

    def generate(
        self,
        tokens: Tensor,
        *,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: np.random.Generator | None = None,
    ) -> Iterator[int]:
        """Continue a row of tokens, one by one as they are drawn; a separator ends it.

        Args:
            tokens: The row, ``(T)``; an empty one begins a text.
            max_new_tokens: How many at most; without it, the model's setting.
            temperature: How daring; without it, the model's setting.
            top_k: Among how many; without it, the model's setting.
            top_p: With how much probability together; without it, the model's setting.
            generator: What is drawn with; without it, what torch draws with decides.
        """
        wanted = self.max_new_tokens if max_new_tokens is None else max_new_tokens
        heat = self.temperature if temperature is None else temperature
        most, share = top_k or self.top_k, self.top_p if top_p is None else top_p
        begin = tokens.new_full((1,), self._first_token())
        row = tokens if self.separator_id is None and len(tokens) else torch.cat([begin, tokens])
        chance = np.random.default_rng(int(torch.randint(2**62, ()))) if generator is None else generator
        # In full precision, so that it is the same text wherever the model runs.
        exact = torch.autocast(self.device.type, enabled=False)
        with torch.inference_mode():
            steps: Any = self.steps(row.to(self.device))
            with exact:
                logits = next(steps)
            for _ in range(wanted):
                chosen = drawn(logits.float().cpu().numpy(), heat, most, chance, top_p=share)
                if chosen == self.separator_id:
                    return
                yield chosen
                with exact:
                    logits = steps.send(row.new_tensor([chosen], device=self.device))

    def stream(self, prompt: str, **how: Any) -> Iterator[str]:
        """Continue a text, piece by piece as it comes.

        Args:
            prompt: The text.
            **how: What ``generate`` takes.
        """
        yield from self._pieces(self._tokens(prompt), **how)

    def stream_predictions(self, dataset: Dataset[Any]) -> Iterator[str]:
        """Each text and how it goes on, piece by piece, with an empty line between two."""
        texts: Sequence[Any] = getattr(dataset, "texts", ())
        for number, each in enumerate(texts):
            yield ("\n\n" if number else "") + each.text
            tokens = self._tokens(each.text)
            yield from self._pieces(tokens, generator=chance_of(torch.initial_seed(), tokens.tolist()))
        yield "\n"

    def _tokens(self, prompt: str) -> Tensor:
        """A text as a row of tokens, ``(T)``."""
        tokenizer = Tokenizer.of(self.data.facts)
        found = tokenizer.encode([prompt], special=False).ids if prompt else np.zeros(0, dtype=np.int32)
        return torch.from_numpy(found[found != tokenizer.pad_id]).long()

    def _pieces(self, tokens: Tensor, **how: Any) -> Iterator[str]:
        """How a row of tokens goes on, as text."""
        tokenizer = Tokenizer.of(self.data.facts)
        said, made = "", []
        for token in self.generate(tokens, **how):
            made.append(token)
            text = tokenizer.decode(made)
            # Half a character of several bytes is shown when its rest is there.
            if not text.endswith("\ufffd"):
                yield text[len(said) :]
                said = text

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Some texts that the model makes up."""
        rows = []
        for number in range(SAMPLES):
            chance = np.random.default_rng(number)
            rows.append({"sample": number, "text": "".join(self.stream("", generator=chance))})
        return {"samples": rows}

    def _first_token(self) -> int:
        """What a text begins with: the separator, a line break, or the first token."""
        if self.separator_id is not None:
            return self.separator_id
        ids = Tokenizer.of(self.data.facts).encode(["\n"], special=False).ids
        return int(ids[0])
