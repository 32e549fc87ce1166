"""Networks of transformers that find answers in a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from framework_plugins_nlp.models.transformer import Chosen, compute_again, hugging, wishes
from framework_plugins_nlp.question_answering import QuestionAnsweringModel


class TransformerQA(QuestionAnsweringModel):
    """Any architecture of transformers that finds answers in a text, https://huggingface.co/docs/transformers.

    ``AutoModelForQuestionAnswering``, with random weights and sizes of one's own, or from a checkpoint, whose tokenizer
    the data then takes.

    Args:
        data: What the model is trained on.
        **chosen: The settings: ``architecture``, ``checkpoint``, ``width``, ``lora_rank`` ...
    """

    def __init__(self, *, data: Any = None, **chosen: Any) -> None:
        super().__init__(data=data)
        self.chosen = Chosen(**chosen)

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """The checkpoint's own tokenizer, and as many tokens as can be read."""
        return wishes(settings.get("checkpoint"), settings.get("revision"), settings.get("positions"))

    def enable_gradient_checkpointing(self) -> None:
        """Compute activations again in the backward pass, as the architecture does it."""
        compute_again(hugging(self.model))

    def _build_model(self) -> nn.Module:
        return _Spans(self.chosen.built("AutoModelForQuestionAnswering", self.data), self.pad_id)


class _Spans(nn.Module):
    """Tokens and their kinds ``(B, 2, T)`` to ``(B, 2, T)``.

    Args:
        network: The network of transformers.
        pad_id: The token that fills up.
    """

    def __init__(self, network: nn.Module, pad_id: int) -> None:
        super().__init__()
        self.network = network
        self.pad_id = pad_id
        config: Any = getattr(network, "config", None)
        self.knows_kinds = (getattr(config, "type_vocab_size", 0) or 0) > 1

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = inputs[:, 0]
        kinds = {"token_type_ids": inputs[:, 1]} if self.knows_kinds else {}
        found = self.network(input_ids=tokens, attention_mask=tokens.ne(self.pad_id).long(), **kinds)
        return torch.stack([found.start_logits, found.end_logits], dim=1)
