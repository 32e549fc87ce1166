"""Recurrent networks that read a text from both ends."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from framework_plugins_nlp.model import BaseNLPModel


class _Recurrent(BaseNLPModel):
    tasks: ClassVar[tuple[str, ...]] = ("text-classification", "token-classification")
    cell: ClassVar[type[nn.GRU] | type[nn.LSTM]]

    def __init__(
        self,
        width: int = 128,
        hidden: int = 128,
        depth: int = 1,
        bidirectional: bool = True,
        drop_rate: float = 0.3,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.width = width
        self.hidden = hidden
        self.depth = depth
        self.bidirectional = bidirectional
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        recurrent = self.cell(
            self.width,
            self.hidden,
            self.depth,
            batch_first=True,
            bidirectional=self.bidirectional,
            dropout=self.drop_rate if self.depth > 1 else 0.0,
        )
        embedding = nn.Embedding(self.vocabulary_size, self.width, padding_idx=self.pad_id)
        network = _Tagger if self.of_words else _Reader
        return network(embedding, recurrent, self.data.num_classes, drop_rate=self.drop_rate)


class TextGRU(_Recurrent):
    """Gated recurrent units of Cho et al., https://arxiv.org/abs/1406.1078, read from both ends.

    What is read off is the largest and the mean value of each state over the text; padding is not read. The class of a
    word is read off the states at its first token.

    Args:
        width: The length of an embedding.
        hidden: The length of the state of each direction.
        depth: How many layers.
        bidirectional: Whether the text is read from its end too.
        drop_rate: Dropout of embeddings, between layers and before the last one.
        **common: What every classifier of text takes: ``label_smoothing``, ``data`` ...
    """

    cell = nn.GRU


class TextLSTM(_Recurrent):
    """The LSTM of Hochreiter and Schmidhuber, https://doi.org/10.1162/neco.1997.9.8.1735, read from both ends.

    What is read off is the largest and the mean value of each state over the text; padding is not read. The class of a
    word is read off the states at its first token.

    Args:
        width: The length of an embedding.
        hidden: The length of the state of each direction.
        depth: How many layers.
        bidirectional: Whether the text is read from its end too.
        drop_rate: Dropout of embeddings, between layers and before the last one.
        **common: What every classifier of text takes: ``label_smoothing``, ``data`` ...
    """

    cell = nn.LSTM


class _States(nn.Module):
    """Tokens ``(B, T)`` to the states at each, ``(B, T, hidden)``, and the length of each text."""

    views: ClassVar[int] = 1
    """How many vectors of states an answer is read off."""

    def __init__(self, embedding: nn.Embedding, recurrent: nn.RNNBase, classes: int, *, drop_rate: float) -> None:
        super().__init__()
        self.embedding = embedding
        self.recurrent = recurrent
        self.drop = nn.Dropout(drop_rate)
        directions = 2 if recurrent.bidirectional else 1
        self.head = nn.Linear(self.views * directions * recurrent.hidden_size, classes)

    def states(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        lengths = tokens.ne(self.embedding.padding_idx or 0).sum(dim=1).clamp(min=1)
        packed = pack_padded_sequence(
            self.drop(self.embedding(tokens)), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=tokens.shape[1])
        return states, lengths


class _Tagger(_States):
    """Tokens ``(B, T)`` to ``(B, classes, T)``."""

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.states(tokens)
        outputs: Tensor = self.head(self.drop(states))
        return outputs.transpose(1, 2)


class _Reader(_States):
    """Tokens ``(B, T)`` to ``(B, classes)``."""

    views = 2

    def forward(self, tokens: Tensor) -> Tensor:
        states, lengths = self.states(tokens)
        mask = (torch.arange(states.shape[1], device=tokens.device) < lengths[:, None]).unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / lengths[:, None]
        largest = states.masked_fill(~mask, -torch.inf).amax(dim=1)
        outputs: Tensor = self.head(self.drop(torch.cat([mean, largest], dim=1)))
        return outputs
