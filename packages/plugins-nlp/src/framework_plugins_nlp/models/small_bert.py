"""A small transformer encoder: for classes, and for masked tokens, with which it can be pretrained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_core.errors import ContractError
from framework_plugins_nlp.masked_language_model import MaskedLanguageModel
from framework_plugins_nlp.model import BaseNLPModel
from framework_plugins_nlp.models.transformer_layers import Layer, initialise
from framework_plugins_nlp.pretrained_runs import is_run, loaded


class SmallBert(BaseNLPModel):
    """An encoder after BERT of Devlin et al., https://arxiv.org/abs/1810.04805.

    Deviations: it is trained from scratch, or begins with a run of ``small_bert_mlm``; layers are normalised before and
    not after their parts, which trains without a long warm-up (Xiong et al., https://arxiv.org/abs/2002.04745); the
    token for the class is a weight of the network, so any tokenizer will do; no segments and no pooling layer. The
    class of a word is read off at its first token.

    Args:
        width: The length of a token's vector.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden dense layer; ``None`` takes four widths.
        positions: How many tokens of a text it can read.
        drop_rate: Dropout of embeddings, attention and dense layers.
        checkpoint: The folder of a run of ``small_bert_mlm``.
        pretrained: Whether the weights of the checkpoint are taken.
        **common: What every classifier of text takes: ``label_smoothing``, ``data`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("text-classification", "token-classification")

    def __init__(
        self,
        width: int = 128,
        depth: int = 2,
        heads: int = 2,
        feed_forward: int | None = None,
        positions: int = 512,
        drop_rate: float = 0.1,
        checkpoint: str | None = None,
        pretrained: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.width = width
        self.sizes = {"depth": depth, "heads": heads, "positions": positions, "drop_rate": drop_rate}
        self.feed_forward = feed_forward or 4 * width
        self.checkpoint = Path(checkpoint) if checkpoint is not None and pretrained else None

    @classmethod
    def input_settings(
        cls, *, positions: int = 512, checkpoint: str | None = None, **settings: Any
    ) -> Mapping[str, Any]:
        """The checkpoint's tokenizer, else tokens by WordPiece; as many as there are positions."""
        return {"tokenizer": checkpoint or "wordpiece", "max_length": positions}

    def _build_model(self) -> nn.Module:
        embedding = nn.Embedding(self.vocabulary_size, self.width, padding_idx=self.pad_id)
        network = _Classifier(
            embedding, self.data.num_classes, of_words=self.of_words, feed_forward=self.feed_forward, **self.sizes
        )
        if self.checkpoint is not None:
            _begin_with(network.encoder, self.checkpoint, self.data.facts["tokenizer"])
        return network


class SmallBertMLM(MaskedLanguageModel):
    """The encoder of ``small_bert`` that learns masked tokens, Devlin et al., https://arxiv.org/abs/1810.04805.

    Deviations: those of ``small_bert``; no task of next sentences; the embedding is the last layer too, without the
    dense layer before it.

    Args:
        width: The length of a token's vector.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden dense layer; ``None`` takes four widths.
        positions: How many tokens of a text it can read.
        drop_rate: Dropout of embeddings, attention and dense layers.
        data: What the model is trained on.
    """

    def __init__(
        self,
        width: int = 128,
        depth: int = 2,
        heads: int = 2,
        feed_forward: int | None = None,
        positions: int = 512,
        drop_rate: float = 0.1,
        data: Any = None,
    ) -> None:
        super().__init__(data=data)
        self.width = width
        self.sizes = {"depth": depth, "heads": heads, "positions": positions, "drop_rate": drop_rate}
        self.feed_forward = feed_forward or 4 * width

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """Masked tokens by WordPiece."""
        return {"task": "fill-mask", "tokenizer": "wordpiece"}

    def outputs_of(self, inputs: Tensor, asked: Tensor) -> Tensor:
        """The last layer of some tokens alone."""
        found: Tensor = self.model(inputs, asked)
        return found

    def _build_model(self) -> nn.Module:
        self.check_positions(int(self.sizes["positions"]))
        embedding = nn.Embedding(self.vocabulary_size, self.width, padding_idx=self.pad_id)
        return _FillIn(embedding, feed_forward=self.feed_forward, **self.sizes)


class _Encoder(nn.Module):
    """Tokens ``(B, T)`` to vectors ``(B, T + 1, D)``, the first of them for the whole text."""

    def __init__(
        self,
        embedding: nn.Embedding,
        *,
        depth: int,
        heads: int,
        feed_forward: int,
        positions: int,
        drop_rate: float,
    ) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.embedding = embedding
        self.position = nn.Embedding(positions + 1, width)
        self.first = nn.Parameter(torch.zeros(width))
        self.drop = nn.Dropout(drop_rate)
        self.layers = nn.ModuleList(Layer(width, heads, feed_forward, drop_rate) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens[:, : self.position.num_embeddings - 1]
        inside = nn.functional.pad(tokens.ne(self.embedding.padding_idx or 0), (1, 0), value=True)
        hidden = torch.cat([self.first.expand(tokens.shape[0], 1, -1), self.embedding(tokens)], dim=1)
        hidden = self.drop(hidden + self.position.weight[: hidden.shape[1]])
        mask = inside[:, None, None, :]
        for layer in self.layers:
            hidden, _ = layer(hidden, mask=mask)
        found: Tensor = self.norm(hidden)
        return found


class _Classifier(nn.Module):
    """Tokens ``(B, T)`` to ``(B, classes)``, and of words to ``(B, classes, T)``."""

    def __init__(self, embedding: nn.Embedding, classes: int, *, of_words: bool, **sizes: Any) -> None:
        super().__init__()
        self.of_words = of_words
        self.encoder = _Encoder(embedding, **sizes)
        self.head = nn.Linear(embedding.embedding_dim, classes)
        initialise(self, sizes["depth"])

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.encoder(tokens)
        if self.of_words:
            of_tokens: Tensor = self.head(hidden[:, 1:])
            return of_tokens.transpose(1, 2)
        outputs: Tensor = self.head(hidden[:, 0])
        return outputs


class _FillIn(nn.Module):
    """Tokens ``(B, T)`` to ``(B, T, V)``."""

    def __init__(self, embedding: nn.Embedding, **sizes: Any) -> None:
        super().__init__()
        self.encoder = _Encoder(embedding, **sizes)
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))
        initialise(self, sizes["depth"])

    def forward(self, tokens: Tensor, asked: Tensor | None = None) -> Tensor:
        hidden = self.encoder(tokens)[:, 1:]
        hidden = hidden if asked is None else hidden[asked]
        return nn.functional.linear(hidden, self.encoder.embedding.weight, self.bias)


def _begin_with(encoder: nn.Module, folder: Path, tokenizer: Any) -> None:
    """Take the weights of a run."""
    model: Any = loaded(folder) if is_run(folder) else None
    if not isinstance(model, SmallBertMLM):
        raise ContractError(
            f"The checkpoint {folder} is nothing that small_bert can begin with",
            ["it is not the folder of a run of small_bert_mlm"],
            next_step="Make one: fw train --model small_bert_mlm experiment.run_name=words",
        )
    if model.data.facts["tokenizer"] != tokenizer:
        raise ContractError(
            f"The checkpoint {folder} and this tokenizer do not fit",
            ["the data's tokens are others, and numbers would mean other words"],
            next_step="Leave dataset.tokenizer out: the checkpoint's own is taken.",
        )
    learned: Any = model.model
    try:
        encoder.load_state_dict(learned.encoder.state_dict())
    except RuntimeError as error:
        sizes = {"width": model.width, "feed_forward": model.feed_forward, **model.sizes}
        wanted = " ".join(f"model.{name}={value}" for name, value in sizes.items() if name != "drop_rate")
        raise ContractError(
            f"The checkpoint {folder} and the sizes of this model do not fit",
            ["its weights are for other sizes"],
            next_step=f"Take its own: {wanted}",
        ) from error
